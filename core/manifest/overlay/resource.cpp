#include "manifest/overlay/resource.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/ids.hpp"

namespace holdfast {

namespace {

// Kinds of Kubernetes that lie in no namespace. What is not listed counts as lying in one, as with kustomize,
// which goes by the same kinds.
struct ClusterKinds {
    std::string_view group;
    std::array<std::string_view, 6> kinds;
};
constexpr std::array<ClusterKinds, 11> cluster_kinds{{
    {"", {"Namespace", "Node", "PersistentVolume", "ComponentStatus", "NodeProxyOptions"}},
    {"admissionregistration.k8s.io",
     {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy",
      "ValidatingAdmissionPolicyBinding"}},
    {"apiextensions.k8s.io", {"CustomResourceDefinition"}},
    {"apiregistration.k8s.io", {"APIService"}},
    {"certificates.k8s.io", {"CertificateSigningRequest"}},
    {"flowcontrol.apiserver.k8s.io", {"FlowSchema", "PriorityLevelConfiguration"}},
    {"networking.k8s.io", {"IngressClass"}},
    {"node.k8s.io", {"RuntimeClass"}},
    {"policy", {"PodSecurityPolicy"}},
    {"rbac.authorization.k8s.io", {"ClusterRole", "ClusterRoleBinding"}},
    {"scheduling.k8s.io", {"PriorityClass"}},
}};
constexpr std::array<std::string_view, 5> storage_kinds{"CSIDriver", "CSINode", "StorageClass",
                                                        "VolumeAttachment"};

std::string effective_namespace(std::string_view api_version, std::string_view kind,
                                std::string_view name_space) {
    if (is_cluster_scoped(api_version, kind)) return std::string(no_namespace);
    return std::string(name_space.empty() ? "default" : name_space);
}

std::string_view text_in_metadata(const Value& tree, std::string_view key) {
    const Value* metadata = tree.find("metadata");
    return metadata ? metadata->text_at(key) : std::string_view{};
}

std::string key_of(const OverlayId& id) {
    return id.group + '\n' + id.version + '\n' + id.kind + '\n' + id.name_space + '\n' + id.name;
}

void set_in_metadata(Value& tree, std::string_view key, std::string_view text, Position position) {
    Map* root = tree.if_map();
    if (!root) return;
    Value& metadata = (*root)["metadata"];
    if (!metadata.is_map() && !metadata.is_null()) return;
    Value& value = metadata.as_map()[key];
    if (position.is_known()) value.position = position;
    const Position kept = value.position;
    value = Value(text);
    value.position = kept;
}

} // namespace

std::string to_string(const OverlayId& id) {
    const std::string api_version = id.group.empty() ? id.version : id.group + "/" + id.version;
    const bool shows_namespace = id.name_space != no_namespace && id.name_space != "default";
    return fmt::format("{} {} {}{}", api_version, id.kind, shows_namespace ? id.name_space + "/" : "",
                       id.name);
}

bool is_cluster_scoped(std::string_view api_version, std::string_view kind) {
    const std::size_t slash = api_version.find('/');
    const std::string_view group =
        slash == api_version.npos ? std::string_view{} : api_version.substr(0, slash);
    if (group == "storage.k8s.io")
        return std::find(storage_kinds.begin(), storage_kinds.end(), kind) != storage_kinds.end();
    const auto it = std::find_if(cluster_kinds.begin(), cluster_kinds.end(),
                                 [&](const ClusterKinds& one) { return one.group == group; });
    return it != cluster_kinds.end() && !kind.empty() &&
           std::find(it->kinds.begin(), it->kinds.end(), kind) != it->kinds.end();
}

OverlayId overlay_id_of(const Value& tree) {
    const std::string_view api_version = tree.text_at("apiVersion"), kind = tree.text_at("kind");
    ApiVersion parts = split_api_version(api_version);
    return {.group = std::move(parts.group),
            .version = std::move(parts.version),
            .kind = std::string(kind),
            .name_space = effective_namespace(api_version, kind, text_in_metadata(tree, "namespace")),
            .name = std::string(text_in_metadata(tree, "name"))};
}

OverlayId OverlayResource::original_id() const {
    OverlayId original = id();
    if (former.empty()) return original;
    original.name_space = former.front().name_space;
    original.name = former.front().name;
    original.kind = former.front().kind;
    return original;
}

void OverlayResource::remember_name() {
    OverlayId now = id();
    Former name{std::move(now.name_space), std::move(now.name), std::move(now.kind)};
    if (former.empty() || !(former.back() == name)) former.push_back(std::move(name));
}

std::string_view OverlayResource::name() const { return text_in_metadata(tree, "name"); }
std::string_view OverlayResource::name_space() const { return text_in_metadata(tree, "namespace"); }

void OverlayResource::set_name(std::string name, Position position) {
    set_in_metadata(tree, "name", name, position);
}

void OverlayResource::set_namespace(std::string_view name_space, Position position) {
    if (!name_space.empty()) return set_in_metadata(tree, "namespace", name_space, position);
    if (Value* metadata = find_at(tree, "/metadata"))
        if (Map* map = metadata->if_map()) map->erase("namespace");
}

OverlayResource& OverlayResources::add(OverlayResource resource) {
    OverlayResource& added = list_.emplace_back(std::move(resource));
    if (is_indexed_) index(added);
    return added;
}

void OverlayResources::index(OverlayResource& resource) {
    const auto put = [&](Index& index, std::string key) {
        std::vector<OverlayResource*>& place = index[std::move(key)];
        if (place.empty() || place.back() != &resource) place.push_back(&resource);
    };
    OverlayId id = resource.id();
    put(by_id_, key_of(id));
    put(by_name_, id.name);
    for (const OverlayResource::Former& former : resource.former) {
        id.name_space = former.name_space;
        id.name = former.name;
        id.kind = former.kind;
        put(by_id_, key_of(id));
        put(by_name_, id.name);
    }
}

void OverlayResources::index() {
    if (is_indexed_) return;
    by_name_.clear();
    by_id_.clear();
    for (OverlayResource& resource : list_) index(resource);
    is_indexed_ = true;
}

void OverlayResources::remove_deleted() {
    const auto is_deleted = [](const OverlayResource& resource) { return resource.is_deleted; };
    if (std::none_of(list_.begin(), list_.end(), is_deleted)) return;
    std::deque<OverlayResource> kept;
    for (OverlayResource& resource : list_)
        if (!resource.is_deleted) kept.push_back(std::move(resource));
    list_ = std::move(kept);
    is_indexed_ = false;
}

const std::vector<OverlayResource*>& OverlayResources::named(const std::string& name) {
    static const std::vector<OverlayResource*> none;
    index();
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? none : found->second;
}

std::vector<OverlayResource*> OverlayResources::find_any(const OverlayId& id) {
    index();
    std::vector<OverlayResource*> found;
    if (const auto it = by_id_.find(key_of(id)); it != by_id_.end())
        std::copy_if(it->second.begin(), it->second.end(), std::back_inserter(found),
                     [](const OverlayResource* resource) { return !resource->is_deleted; });
    return found;
}

std::vector<OverlayResource*> OverlayResources::find_now(const OverlayId& id) {
    std::vector<OverlayResource*> found = find_any(id);
    std::erase_if(found, [&](const OverlayResource* resource) { return resource->id() != id; });
    return found;
}

} // namespace holdfast

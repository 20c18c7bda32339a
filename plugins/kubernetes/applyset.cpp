#include "applyset.hpp"

#include <algorithm>

#include <holdfast/sha256.hpp>

#include "private_data.hpp"

namespace holdfast::kubernetes {

namespace {

constexpr const char* part_of = "applyset.kubernetes.io/part-of";
constexpr const char* id_label = "applyset.kubernetes.io/id";
constexpr const char* tooling = "applyset.kubernetes.io/tooling";
constexpr const char* group_kinds = "applyset.kubernetes.io/contains-group-kinds";
constexpr const char* more_namespaces = "applyset.kubernetes.io/additional-namespaces";
constexpr int most_tries = 5;

std::string group_kind(const KindName& kind) {
    const std::string group = kind.group();
    return group.empty() ? kind.kind : kind.kind + "." + group;
}

std::string listed(const std::set<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
    return out;
}

std::set<std::string> words_in(const std::string& list) {
    const std::vector<std::string> words = words_of(list);
    return {words.begin(), words.end()};
}

} // namespace

std::string apply_set_id(const std::string& name, const std::string& name_space) {
    const std::string parent = name + "." + name_space + ".ConfigMap.";
    std::string text = encode_base64(sdk::sha256(parent));
    std::erase(text, '=');
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return "applyset-" + text + "-v1";
}

std::string set_of(const Json& object) { return sdk::text_at(object, set_pointer); }

void put_into_set(Json& document, const std::string& id) {
    Json& metadata = document["metadata"];
    if (!id.empty()) {
        metadata["labels"][part_of] = id;
        return;
    }
    const auto labels = metadata.find("labels");
    if (labels == metadata.end() || !labels->is_object()) return;
    if (labels->erase(part_of) > 0 && labels->empty()) metadata.erase("labels");
}

bool is_parent_of_ours(const Json& object) {
    return annotation_of(object, tooling).rfind("holdfast/", 0) == 0;
}

void mark_if_misplaced(Json& observed, const std::string& id, const std::string& written) {
    if (id.empty() && written.empty()) return;
    const std::string now = set_of(observed);
    if (now == id || (id.empty() && now != written)) return;
    observed[set_mark] = now.empty() ? "none" : now;
}

bool is_marked(std::string_view observed) {
    static const std::string quoted = "\"" + std::string(set_mark) + "\":";
    return observed.find(quoted) != observed.npos && sdk::parse_json(observed).contains(set_mark);
}

std::optional<sdk::Diagnostic> taken_over(const Cluster& cluster, const Target& target,
                                          std::string_view private_data, const Json& live,
                                          const char* to_do) {
    const std::string now = set_of(live);
    if (now.empty() || now == cluster.options().set_id || now == set_in(private_data)) return std::nullopt;
    return sdk::problem(
        "kubernetes.other-set",
        target.shown() + " is part of another ApplySet by now, " + now +
            ": another tool has taken it over, and it is not " + to_do,
        "see whose it is: kubectl get configmap,secret -A -l applyset.kubernetes.io/id=" + now +
            "; take the label applyset.kubernetes.io/part-of off to have it back, or "
            "run holdfast forget");
}

// ---- the parent ----

Target SetParent::target() const {
    Target target;
    target.kind = {"v1", "ConfigMap"};
    target.resource = {"v1", "ConfigMap", "configmaps", true, true, true};
    target.name_space = cluster_.options().set_space;
    target.name = cluster_.options().set_name;
    return target;
}

bool SetParent::is_own_namespace(const Target& target) const {
    return target.kind.kind == "Namespace" && target.name == cluster_.options().set_space;
}

SetParent::Seen SetParent::look(const sdk::Call& call) const {
    const Target parent = target();
    const Reply reply = cluster_.get(call, parent);
    if (is_absent(reply)) return {};
    if (!reply.ok()) throw sdk::Error(explain(reply, parent.shown()));
    const Json live = live_of(reply);
    // Another tool's set is that tool's alone, and a ConfigMap of somebody else no set at all.
    const std::string by = annotation_of(live, tooling);
    if (!is_parent_of_ours(live))
        throw sdk::Error("kubernetes.set-parent",
                         parent.shown() + " is to be the parent of the provider's ApplySet, and is " +
                             (by.empty() ? "something else" : "that of a set of " + by),
                         "give the provider's config another applySet.name, or delete the ConfigMap");
    Seen seen;
    seen.is_there = true;
    seen.version = version_of(live).resource_version;
    seen.reach = {words_in(annotation_of(live, group_kinds)), words_in(annotation_of(live, more_namespaces))};
    return seen;
}

Reply SetParent::write(const sdk::Call& call, const Seen& seen, const Reach& reach) const {
    const Target parent = target();
    Json metadata{{"annotations",
                   {{tooling, std::string("holdfast/v") + our_version},
                    {group_kinds, listed(reach.kinds)},
                    {more_namespaces, listed(reach.spaces)}}},
                  {"labels", {{id_label, cluster_.options().set_id}}}};
    Request request;
    request.query = std::string("fieldManager=") + field_manager;
    if (seen.is_there) {
        metadata["resourceVersion"] = seen.version;
        request.method = "PATCH";
        request.path = parent.path();
        request.content_type = "application/merge-patch+json";
        request.body = Json{{"metadata", metadata}}.dump();
    } else {
        metadata["name"] = parent.name;
        request.method = "POST";
        request.path = parent.resource.path(parent.name_space);
        request.content_type = "application/json";
        request.body = Json{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", metadata}}.dump();
    }
    return cluster_.client().send(call, request);
}

void SetParent::foresee(std::set<std::string> kinds, std::set<std::string> spaces) {
    foreseen_.kinds.clear();
    for (const std::string& kind : kinds) foreseen_.kinds.insert(group_kind(parse_kind(kind)));
    foreseen_.spaces = std::move(spaces);
}

std::optional<sdk::Diagnostic> SetParent::enter(const sdk::Call& call, const std::vector<Target>& targets) {
    Reach wanted = foreseen_;
    for (const Target& one : targets) {
        const std::string kind = group_kind(one.kind);
        wanted.kinds.insert(kind);
        kinds_[kind] = one.resource;
        if (!one.name_space.empty()) wanted.spaces.insert(one.name_space);
    }
    wanted.spaces.erase(cluster_.options().set_space);
    for (int tries = 1;; ++tries) {
        const Seen seen = look(call);
        Reach all = seen.reach;
        all.kinds.insert(wanted.kinds.begin(), wanted.kinds.end());
        all.spaces.insert(wanted.spaces.begin(), wanted.spaces.end());
        if (seen.is_there && all.kinds == seen.reach.kinds && all.spaces == seen.reach.spaces)
            return std::nullopt;
        const Reply reply = write(call, seen, all);
        if (reply.ok()) return std::nullopt;
        if (reply.status != 409 || tries == most_tries)
            return explain(reply, "the parent of the provider's ApplySet, " + target().shown());
    }
}

bool SetParent::holds_any(const sdk::Call& call, const ResourceKind& kind,
                          const std::string& name_space) const {
    Request request;
    request.path = kind.path(name_space);
    request.query =
        "limit=1&labelSelector=" + escaped(std::string(part_of) + "=" + cluster_.options().set_id);
    request.accept = only_metadata_list;
    const Reply reply = cluster_.client().send(call, request);
    const Json list = reply.said();
    const Json* items = sdk::find(list, "/items");
    const bool is_list = reply.ok() && list.contains("metadata");
    return !is_list || (items && !items->empty()); // of none there are no items, or null of them
}

void SetParent::leave(const sdk::Call& call, const std::vector<Target>& targets) {
    for (int tries = 1; tries <= most_tries; ++tries) {
        const Seen seen = look(call);
        if (!seen.is_there) return;
        Reach left = seen.reach;
        for (const Target& gone : targets) {
            const std::string kind = group_kind(gone.kind);
            kinds_[kind] = gone.resource;
            if (left.kinds.count(kind) != 0 && foreseen_.kinds.count(kind) == 0 && gone.resource.can_list &&
                !holds_any(call, gone.resource, ""))
                left.kinds.erase(kind);
        }
        for (const Target& gone : targets) {
            if (left.spaces.count(gone.name_space) == 0 || foreseen_.spaces.count(gone.name_space) != 0)
                continue;
            const bool is_needed = std::any_of(left.kinds.begin(), left.kinds.end(), [&](const auto& kind) {
                const auto known = kinds_.find(kind);
                if (known == kinds_.end()) return true;
                return known->second.is_namespaced && holds_any(call, known->second, gone.name_space);
            });
            if (!is_needed) left.spaces.erase(gone.name_space);
        }
        if (left.kinds == seen.reach.kinds && left.spaces == seen.reach.spaces) return;
        if (write(call, seen, left).status != 409) return;
    }
}

} // namespace holdfast::kubernetes

// Fields of Kubernetes' kinds that name other resources follow them when they are called otherwise now.

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/core.h>

#include "base/ids.hpp"
#include "manifest/overlay/fields.hpp"
#include "manifest/overlay/steps.hpp"

namespace holdfast {

namespace {

// What is referred to, and the field that does.
struct NameReference {
    std::string group, version, kind; // of the target; empty: any
    FieldSpec field;
};

using NameReferences = std::vector<NameReference>;

// Where each kind has the specification of its pods, and which version it must be of.
struct PodHolder {
    std::string_view kind, spec, version;
};
constexpr PodHolder pod{"Pod", "spec", "v1"}, pod_any{"Pod", "spec", ""},
    pod_template{"PodTemplate", "template/spec", ""}, deployment{"Deployment", "spec/template/spec", ""},
    replica_set{"ReplicaSet", "spec/template/spec", ""}, daemon_set{"DaemonSet", "spec/template/spec", ""},
    stateful_set{"StatefulSet", "spec/template/spec", ""}, job{"Job", "spec/template/spec", ""},
    cron_job{"CronJob", "spec/jobTemplate/spec/template/spec", ""},
    replication_controller{"ReplicationController", "spec/template/spec", ""};

// kustomize's table (builtinpluginconsts/namereference.go), in its order.
class NameReferenceTable {
public:
    NameReferences make() {
        for (const char* kind : {"Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"})
            target("", "", kind).from("HorizontalPodAutoscaler", "spec/scaleTargetRef/name");
        add_config_maps();
        add_secrets();
        add_services();
        add_access();
        add_storage();
        return std::move(all_);
    }

private:
    NameReferenceTable& target(std::string_view group, std::string_view version, std::string_view kind) {
        group_ = group;
        version_ = version;
        kind_ = kind;
        return *this;
    }
    NameReferenceTable& from(std::string_view kind, std::string_view path, std::string_view group = {},
                             std::string_view version = {}) {
        all_.push_back({std::string(group_), std::string(version_), std::string(kind_),
                        field_spec(path, false, kind, group, version)});
        return *this;
    }
    void from_pods(std::initializer_list<PodHolder> holders, std::initializer_list<std::string_view> paths) {
        for (const PodHolder& holder : holders)
            for (const std::string_view path : paths)
                from(holder.kind, fmt::format("{}/{}", holder.spec, path), {}, holder.version);
    }

    void add_config_maps() {
        target("", "v1", "ConfigMap");
        from_pods({pod, pod_template, deployment, replica_set, daemon_set, stateful_set, job, cron_job},
                  {"volumes/configMap/name", "containers/env/valueFrom/configMapKeyRef/name",
                   "initContainers/env/valueFrom/configMapKeyRef/name",
                   "containers/envFrom/configMapRef/name", "initContainers/envFrom/configMapRef/name",
                   "volumes/projected/sources/configMap/name"});
        from("Node", "spec/configSource/configMap");
        from("Role", "rules/resourceNames").from("ClusterRole", "rules/resourceNames");
        from("Ingress", "metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap");
    }

    void add_secrets() {
        target("", "v1", "Secret");
        from_pods({pod, pod_template, deployment, replica_set, daemon_set, stateful_set, job, cron_job},
                  {"volumes/secret/secretName", "containers/env/valueFrom/secretKeyRef/name",
                   "initContainers/env/valueFrom/secretKeyRef/name", "containers/envFrom/secretRef/name",
                   "initContainers/envFrom/secretRef/name", "imagePullSecrets/name",
                   "volumes/projected/sources/secret/name"});
        from("Ingress", "spec/tls/secretName");
        for (const char* name :
             {"ingress.kubernetes.io\\/auth-secret", "nginx.ingress.kubernetes.io\\/auth-secret",
              "nginx.ingress.kubernetes.io\\/auth-tls-secret"})
            from("Ingress", fmt::format("metadata/annotations/{}", name));
        from("ServiceAccount", "imagePullSecrets/name");
        for (const char* name : {"secretName", "adminSecretName", "userSecretName", "secretRef"})
            from("StorageClass", fmt::format("parameters/{}", name));
        from("Role", "rules/resourceNames").from("ClusterRole", "rules/resourceNames");
        from("Service", "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
             "serving.knative.dev", "v1");
        from("PersistentVolume", "spec/azureFile/secretName");
    }

    void add_services() {
        constexpr std::string_view webhooks = "admissionregistration.k8s.io";
        target("", "v1", "Service");
        from("StatefulSet", "spec/serviceName", "apps");
        for (const char* path :
             {"spec/rules/http/paths/backend/serviceName", "spec/backend/serviceName",
              "spec/rules/http/paths/backend/service/name", "spec/defaultBackend/service/name"})
            from("Ingress", path);
        from("APIService", "spec/service/name", "apiregistration.k8s.io");
        from("ValidatingWebhookConfiguration", "webhooks/clientConfig/service", webhooks);
        from("MutatingWebhookConfiguration", "webhooks/clientConfig/service", webhooks);
        target(webhooks, "", "ValidatingAdmissionPolicy")
            .from("ValidatingAdmissionPolicyBinding", "spec/policyName", webhooks);
    }

    void add_access() {
        constexpr std::string_view rbac = "rbac.authorization.k8s.io";
        target(rbac, "", "Role").from("RoleBinding", "roleRef/name", rbac);
        target(rbac, "", "ClusterRole")
            .from("RoleBinding", "roleRef/name", rbac)
            .from("ClusterRoleBinding", "roleRef/name", rbac);
        target("", "v1", "ServiceAccount")
            .from("RoleBinding", "subjects", rbac)
            .from("ClusterRoleBinding", "subjects", rbac);
        from_pods({pod_any, stateful_set, deployment, replication_controller, cron_job, job, daemon_set},
                  {"serviceAccountName"});
    }

    void add_storage() {
        const std::initializer_list<PodHolder> holders{
            pod_any, stateful_set, deployment, replication_controller, cron_job, job, daemon_set};
        target("", "v1", "PersistentVolumeClaim");
        from_pods(holders, {"volumes/persistentVolumeClaim/claimName"});
        target("", "v1", "PersistentVolume")
            .from("PersistentVolumeClaim", "spec/volumeName")
            .from("ClusterRole", "rules/resourceNames");
        target("storage.k8s.io", "v1", "StorageClass")
            .from("PersistentVolume", "spec/storageClassName")
            .from("PersistentVolumeClaim", "spec/storageClassName")
            .from("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName");
        target("scheduling.k8s.io", "v1", "PriorityClass");
        from_pods(holders, {"priorityClassName"});
    }

    std::string_view group_, version_, kind_;
    NameReferences all_;
};

// By the kind that refers.
const std::unordered_map<std::string, NameReferences>& name_references() {
    static const std::unordered_map<std::string, NameReferences> by_kind = [] {
        std::unordered_map<std::string, NameReferences> all;
        for (NameReference& reference : NameReferenceTable().make())
            all[reference.field.kind].push_back(std::move(reference));
        return all;
    }();
    return by_kind;
}

bool ends_alike(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    if (a.empty() || b.empty()) return a.empty() && b.empty();
    const std::size_t common = std::min(a.size(), b.size());
    return std::equal(a.end() - static_cast<std::ptrdiff_t>(common), a.end(),
                      b.end() - static_cast<std::ptrdiff_t>(common));
}

// Finds out whom a name means. Candidates are those that were called so once, of the right kind, that the
// referrer can see: of its namespace, of none, or accounts that a role binding names with theirs. Among
// several the one counts that went through the same prefixes and suffixes; a choice that cannot be made is an
// error.
class NameFollower {
public:
    NameFollower(OverlayResources& resources, OverlayContext& context) : context_(context) {
        for (OverlayResource& resource : resources) {
            const std::string space = space_of(resource);
            const std::string original = resource.original_id().name_space;
            original_spaces_[space].insert(original);
            all_original_spaces_.insert(original);
            if (resource.former.empty()) continue;
            std::vector<std::string_view> seen;
            for (const OverlayResource::Former& former : resource.former) {
                if (std::find(seen.begin(), seen.end(), former.name) != seen.end()) continue;
                seen.push_back(former.name);
                all_[former.name].push_back(&resource);
                in_space_[former.name + '\n' + space].push_back(&resource);
            }
        }
    }

    bool has_nothing_to_do() const { return all_.empty(); }

    void follow(OverlayResource& referrer) {
        const auto found = name_references().find(std::string(referrer.kind()));
        if (found == name_references().end()) return;
        referrer_ = &referrer;
        space_ = space_of(referrer);
        for (const NameReference& reference : found->second) {
            if (!reference.field.fits(referrer.api_version(), referrer.kind())) continue;
            reference_ = &reference;
            visit_fields(referrer.tree, reference.field.path, false, [&](Value& field) { update(field); });
        }
    }

private:
    static std::string space_of(const OverlayResource& resource) { return resource.id().name_space; }

    void update(Value& field) {
        if (field.is_map()) return update_map(field);
        if (field.is_string()) return update_text(field);
        if (List* list = field.if_list())
            for (Value& item : *list) item.is_map() ? update_map(item) : update_text(item);
    }

    void update_text(Value& field) {
        const std::string* text = field.if_string();
        const OverlayResource* referral = text ? choose(*text, nullptr, field) : nullptr;
        if (referral && referral->name() != *text) set(field, referral->name());
    }

    void update_map(Value& field) {
        const Value* name = field.find("name");
        const std::string* text = name ? name->if_string() : nullptr;
        const OverlayResource* referral = text ? choose(*text, field.find("namespace"), field) : nullptr;
        if (!referral) return;
        Map& map = *field.if_map();
        set(map["name"], referral->name());
        if (!referral->name_space().empty()) set(map["namespace"], referral->name_space());
    }

    static void set(Value& field, std::string_view text) {
        const Position kept = field.position;
        field = Value(text);
        field.position = kept;
    }

    std::vector<const OverlayResource*> candidates(const std::string& name) const {
        std::vector<const OverlayResource*> found;
        const auto take = [&](const auto& index, const std::string& key) {
            if (const auto it = index.find(key); it != index.end())
                found.insert(found.end(), it->second.begin(), it->second.end());
        };
        const bool sees_all = space_ == no_namespace || reference_->kind == "ServiceAccount";
        if (sees_all) {
            take(all_, name);
            std::erase_if(found, [&](const OverlayResource* one) { return !can_see(*one); });
            return found;
        }
        take(in_space_, name + '\n' + space_);
        take(in_space_, name + '\n' + std::string(no_namespace));
        return found;
    }

    // Accounts of other namespaces are seen by role bindings that name these.
    bool can_see(const OverlayResource& target) const {
        if (space_ == no_namespace) return true;
        const std::string space = space_of(target);
        if (space == no_namespace || space == space_) return true;
        if (referrer_->kind() != "RoleBinding") return false;
        const Value* subjects = referrer_->tree.find("subjects");
        if (!subjects || !subjects->is_list()) return false;
        return std::any_of(
            subjects->if_list()->begin(), subjects->if_list()->end(), [&](const Value& subject) {
                return subject.text_at("kind") == "ServiceAccount" && subject.find("namespace") &&
                       subject.text_at("namespace") == target.name_space();
            });
    }

    const OverlayResource* choose(const std::string& name, const Value* name_space, const Value& at) {
        std::vector<const OverlayResource*> found = candidates(name);
        if (name_space && name_space->if_string()) keep_of_namespace(found, *name_space->if_string());
        std::erase_if(found, [&](const OverlayResource* one) { return !is_of_kind(*one); });
        if (found.size() > 1) narrow(found);
        if (found.empty()) return nullptr;
        const bool same = std::all_of(found.begin(), found.end(), [&](const OverlayResource* one) {
            return one->name() == found.front()->name() &&
                   (!name_space || one->name_space() == found.front()->name_space());
        });
        if (same) return found.front();
        std::string names;
        for (const OverlayResource* one : found) names += (names.empty() ? "" : ", ") + to_string(one->id());
        context_.error("overlay.ambiguous-name", fmt::format("the name \"{}\" may mean {}", name, names), at,
                       "give them names that differ before the prefixes are added");
        return nullptr;
    }

    // The namespace is the one that was written when the reference was, if anything that the referrer can see
    // came from there; else it is one of now.
    void keep_of_namespace(std::vector<const OverlayResource*>& found, const std::string& name_space) const {
        const bool is_original = sees_original(name_space);
        std::erase_if(found, [&](const OverlayResource* one) {
            return (is_original ? one->original_id().name_space : space_of(*one)) != name_space;
        });
    }

    bool sees_original(const std::string& name_space) const {
        if (space_ == no_namespace) return all_original_spaces_.contains(name_space);
        const auto came_from = [&](const std::string& now) {
            const auto spaces = original_spaces_.find(now);
            return spaces != original_spaces_.end() && spaces->second.contains(name_space);
        };
        if (came_from(space_)) return true;
        const Value* subjects = referrer_->tree.find("subjects");
        if (referrer_->kind() != "RoleBinding" || !subjects || !subjects->is_list()) return false;
        return std::any_of(subjects->if_list()->begin(), subjects->if_list()->end(),
                           [&](const Value& subject) {
                               return subject.text_at("kind") == "ServiceAccount" &&
                                      came_from(std::string(subject.text_at("namespace")));
                           });
    }

    bool is_of_kind(const OverlayResource& target) const {
        const OverlayId now = target.id();
        if (!reference_->group.empty() && now.group != reference_->group) return false;
        if (!reference_->version.empty() && now.version != reference_->version) return false;
        const auto was = [&](std::string_view kind) {
            return std::any_of(target.former.begin(), target.former.end(),
                               [&](const OverlayResource::Former& former) { return former.kind == kind; });
        };
        if (!was(reference_->kind)) return false;
        const std::vector<std::string>& path = reference_->field.path;
        if (path.size() != 2 || path[0] != "roleRef") return true;
        const Value* role = referrer_->tree.find("roleRef");
        const Value *group = role ? role->find("apiGroup") : nullptr,
                    *kind = role ? role->find("kind") : nullptr;
        if (!group || !kind) return true;
        const std::string wanted(role->text_at("apiGroup"));
        return (wanted.empty() || now.group == wanted) && was(role->text_at("kind"));
    }

    void narrow(std::vector<const OverlayResource*>& found) const {
        const auto agrees = [&](const OverlayResource& one, bool empty_is_fine) {
            const auto agree = [&](const std::vector<std::string>& a, const std::vector<std::string>& b) {
                return (empty_is_fine && (a.empty() || b.empty())) || ends_alike(a, b);
            };
            return agree(one.prefixes, referrer_->prefixes) && agree(one.suffixes, referrer_->suffixes);
        };
        std::erase_if(found, [&](const OverlayResource* one) { return !agrees(*one, true); });
        if (found.size() > 1)
            std::erase_if(found, [&](const OverlayResource* one) { return !agrees(*one, false); });
    }

    OverlayContext& context_;
    using Index = std::unordered_map<std::string, std::vector<OverlayResource*>>;
    Index all_, in_space_;                                         // by former name; and by namespace of now
    std::map<std::string, std::set<std::string>> original_spaces_; // by namespace of now
    std::set<std::string> all_original_spaces_;
    OverlayResource* referrer_ = nullptr;
    std::string space_;
    const NameReference* reference_ = nullptr;
};

} // namespace

void follow_names(OverlayResources& resources, OverlayContext& context) {
    NameFollower follower(resources, context);
    if (follower.has_nothing_to_do()) return;
    for (OverlayResource& resource : resources) follower.follow(resource);
}

} // namespace holdfast

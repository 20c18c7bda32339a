#include "manifest/overlay/fields.hpp"

#include <algorithm>

namespace holdfast {

namespace {

std::vector<std::string> split_path(std::string_view path) {
    std::vector<std::string> tokens(1);
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '\\' && i + 1 < path.size() && path[i + 1] == '/')
            tokens.back() += path[++i];
        else if (path[i] == '/')
            tokens.emplace_back();
        else
            tokens.back() += path[i];
    }
    return tokens;
}

void visit_from(Value& node, const std::vector<std::string>& path, std::size_t depth, bool create,
                const std::function<void(Value& field)>& visit) {
    if (depth == path.size()) return visit(node);
    if (List* list = node.if_list()) {
        for (Value& item : *list) visit_from(item, path, depth, create, visit);
        return;
    }
    Map* map = node.if_map();
    if (!map) return;
    std::string_view key = path[depth];
    const bool is_list = key.ends_with("[]");
    if (is_list) key.remove_suffix(2);
    Value* next = map->find(key);
    const bool is_last = depth + 1 == path.size();
    if (create && !is_list && (!next || next->is_null())) {
        if (!next) next = &(*map)[key];
        if (!is_last) next->as_map();
    }
    if (next && (is_last || !next->is_null())) visit_from(*next, path, depth + 1, create, visit);
}

std::vector<FieldSpec> join_specs(std::vector<FieldSpec> a, const std::vector<FieldSpec>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

} // namespace

bool FieldSpec::fits(std::string_view api_version, std::string_view of_kind) const {
    if (!kind.empty() && kind != of_kind) return false;
    if (group.empty() && version.empty()) return true;
    const std::size_t slash = api_version.find('/');
    const std::string_view of_group =
        slash == api_version.npos ? std::string_view{} : api_version.substr(0, slash);
    const std::string_view of_version =
        slash == api_version.npos ? api_version : api_version.substr(slash + 1);
    return (group.empty() || group == of_group) && (version.empty() || version == of_version);
}

FieldSpec field_spec(std::string_view path, bool create, std::string_view kind, std::string_view group,
                     std::string_view version) {
    return {std::string(group), std::string(version), std::string(kind), split_path(path), create};
}

void visit_fields(Value& document, const std::vector<std::string>& path, bool create,
                  const std::function<void(Value& field)>& visit) {
    visit_from(document, path, 0, create, visit);
}

// The tables follow api/internal/konfig/builtinpluginconsts of kustomize 5.5.

const std::vector<FieldSpec>& template_label_fields() {
    static const std::vector<FieldSpec> all{
        field_spec("metadata/labels", true),
        field_spec("spec/template/metadata/labels", true, "ReplicationController", "", "v1"),
        field_spec("spec/template/metadata/labels", true, "Deployment"),
        field_spec("spec/template/metadata/labels", true, "ReplicaSet"),
        field_spec("spec/template/metadata/labels", true, "DaemonSet"),
        field_spec("spec/template/metadata/labels", true, "StatefulSet", "apps"),
        field_spec("spec/volumeClaimTemplates[]/metadata/labels", true, "StatefulSet", "apps"),
        field_spec("spec/template/metadata/labels", true, "Job", "batch"),
        field_spec("spec/jobTemplate/metadata/labels", true, "CronJob", "batch"),
        field_spec("spec/jobTemplate/spec/template/metadata/labels", true, "CronJob", "batch")};
    return all;
}

const std::vector<FieldSpec>& selector_label_fields() {
    static const std::vector<FieldSpec> all = [] {
        std::vector<FieldSpec> specs{
            field_spec("spec/selector", true, "Service", "", "v1"),
            field_spec("spec/selector", true, "ReplicationController", "", "v1"),
            field_spec("spec/selector/matchLabels", true, "Deployment"),
            field_spec("spec/selector/matchLabels", true, "ReplicaSet"),
            field_spec("spec/selector/matchLabels", true, "DaemonSet"),
            field_spec("spec/selector/matchLabels", true, "StatefulSet", "apps"),
            field_spec("spec/selector/matchLabels", false, "Job", "batch"),
            field_spec("spec/jobTemplate/spec/selector/matchLabels", false, "CronJob", "batch"),
            field_spec("spec/selector/matchLabels", false, "PodDisruptionBudget", "policy"),
            field_spec("spec/podSelector/matchLabels", false, "NetworkPolicy", "networking.k8s.io"),
            field_spec("spec/ingress/from/podSelector/matchLabels", false, "NetworkPolicy",
                       "networking.k8s.io"),
            field_spec("spec/egress/to/podSelector/matchLabels", false, "NetworkPolicy",
                       "networking.k8s.io")};
        const std::string affinity = "spec/template/spec/affinity/";
        const std::string preferred =
            "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
        const std::string required =
            "requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
        for (const char* kind : {"Deployment", "StatefulSet"}) {
            for (const char* which : {"podAffinity/", "podAntiAffinity/"})
                for (const std::string& rest : {preferred, required})
                    specs.push_back(field_spec(affinity + which + rest, false, kind, "apps"));
            specs.push_back(
                field_spec("spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels", false,
                           kind, "apps"));
        }
        return join_specs(std::move(specs), template_label_fields());
    }();
    return all;
}

const std::vector<FieldSpec>& annotation_fields() {
    static const std::vector<FieldSpec> all{
        field_spec("metadata/annotations", true),
        field_spec("spec/template/metadata/annotations", true, "ReplicationController", "", "v1"),
        field_spec("spec/template/metadata/annotations", true, "Deployment"),
        field_spec("spec/template/metadata/annotations", true, "ReplicaSet"),
        field_spec("spec/template/metadata/annotations", true, "DaemonSet"),
        field_spec("spec/template/metadata/annotations", true, "StatefulSet"),
        field_spec("spec/template/metadata/annotations", true, "Job", "batch"),
        field_spec("spec/jobTemplate/metadata/annotations", true, "CronJob", "batch"),
        field_spec("spec/jobTemplate/spec/template/metadata/annotations", true, "CronJob", "batch")};
    return all;
}

const std::vector<FieldSpec>& namespace_fields() {
    static const std::vector<FieldSpec> all{
        field_spec("metadata/name", true, "Namespace", "", "v1"),
        field_spec("spec/service/namespace", true, "APIService", "apiregistration.k8s.io"),
        field_spec("spec/conversion/webhook/clientConfig/service/namespace", false,
                   "CustomResourceDefinition", "apiextensions.k8s.io")};
    return all;
}

const std::vector<FieldSpec>& replica_fields() {
    static const std::vector<FieldSpec> all{field_spec("spec/replicas", true, "Deployment"),
                                            field_spec("spec/replicas", true, "ReplicationController"),
                                            field_spec("spec/replicas", true, "ReplicaSet"),
                                            field_spec("spec/replicas", true, "StatefulSet")};
    return all;
}

// Besides the elements of everything that is called containers or initContainers.
const std::vector<FieldSpec>& image_fields() {
    static const std::vector<FieldSpec> all{
        field_spec("spec/volumes[]/image/reference", false),
        field_spec("spec/template/spec/volumes[]/image/reference", false)};
    return all;
}

} // namespace holdfast

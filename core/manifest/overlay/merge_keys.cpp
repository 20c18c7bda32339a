#include "manifest/overlay/merge_keys.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/ids.hpp"

namespace holdfast {

namespace {

using Rules = std::vector<ListRule>;

ListRule keyed(std::string pointer, std::vector<std::string> by) {
    return {std::move(pointer), ListType::keyed, std::move(by)};
}

// The lists with a patch strategy in Kubernetes' API (types.go, "patchMergeKey"), as of 1.21, which is what
// kustomize knows: https://github.com/kubernetes/api
void add_metadata(Rules& rules, const std::string& at) {
    rules.push_back({at + "/finalizers", ListType::set, {}});
    rules.push_back(keyed(at + "/ownerReferences", {"uid"}));
}

void add_pod_spec(Rules& rules, const std::string& spec) {
    for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
        const std::string containers = spec + "/" + list;
        rules.push_back(keyed(containers, {"name"}));
        rules.push_back(keyed(containers + "/*/env", {"name"}));
        rules.push_back(keyed(containers + "/*/volumeMounts", {"mountPath"}));
        rules.push_back(keyed(containers + "/*/volumeDevices", {"devicePath"}));
        if (list != std::string_view("ephemeralContainers"))
            rules.push_back(keyed(containers + "/*/ports", {"containerPort", "protocol"}));
    }
    rules.push_back(keyed(spec + "/volumes", {"name"}));
    rules.push_back(keyed(spec + "/imagePullSecrets", {"name"}));
    rules.push_back(keyed(spec + "/hostAliases", {"ip"}));
    rules.push_back(keyed(spec + "/topologySpreadConstraints", {"topologyKey", "whenUnsatisfiable"}));
}

Rules rules_with_pods(const std::string& template_at) {
    Rules rules;
    add_metadata(rules, "/metadata");
    if (!template_at.empty()) add_metadata(rules, template_at + "/metadata");
    add_pod_spec(rules, template_at + "/spec");
    rules.push_back(keyed("/status/conditions", {"type"}));
    if (template_at.empty()) rules.push_back(keyed("/status/podIPs", {"ip"}));
    return rules;
}

Rules rules_with(std::vector<ListRule> own) {
    add_metadata(own, "/metadata");
    return own;
}

using Builtins = std::map<std::string, Rules, std::less<>>; // by "group/version Kind"

Builtins make_builtins() {
    Builtins all;
    all["v1 Pod"] = rules_with_pods("");
    Rules pod_template;
    add_metadata(pod_template, "/metadata");
    add_metadata(pod_template, "/template/metadata");
    add_pod_spec(pod_template, "/template/spec");
    all["v1 PodTemplate"] = std::move(pod_template);
    for (const char* kind : {"apps/v1 Deployment", "apps/v1 ReplicaSet", "apps/v1 DaemonSet",
                             "apps/v1 StatefulSet", "batch/v1 Job", "v1 ReplicationController"})
        all[kind] = rules_with_pods("/spec/template");
    for (const char* kind : {"batch/v1 CronJob", "batch/v1beta1 CronJob"}) {
        all[kind] = rules_with_pods("/spec/jobTemplate/spec/template");
        add_metadata(all[kind], "/spec/jobTemplate/metadata");
    }
    all["v1 Service"] =
        rules_with({keyed("/spec/ports", {"port", "protocol"}), keyed("/status/conditions", {"type"})});
    all["v1 ServiceAccount"] = rules_with({keyed("/secrets", {"name"})});
    all["v1 Node"] = rules_with({{"/spec/podCIDRs", ListType::set, {}},
                                 keyed("/status/addresses", {"type"}),
                                 keyed("/status/conditions", {"type"})});
    for (const char* version : {"v1", "v1beta1"}) {
        for (const char* kind : {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
            all[std::string("admissionregistration.k8s.io/") + version + " " + kind] =
                rules_with({keyed("/webhooks", {"name"})});
        all[std::string("storage.k8s.io/") + version + " CSINode"] =
            rules_with({keyed("/spec/drivers", {"name"})});
        all[std::string("apiregistration.k8s.io/") + version + " APIService"] =
            rules_with({keyed("/status/conditions", {"type"})});
        all[std::string("policy/") + version + " PodDisruptionBudget"] =
            rules_with({keyed("/status/conditions", {"type"})});
    }
    return all;
}

// Kinds of Kubernetes without lists of their own that merge; their metadata has some.
constexpr std::array<std::string_view, 15> plain_kinds{"v1 ConfigMap",
                                                       "v1 Secret",
                                                       "v1 Namespace",
                                                       "v1 PersistentVolume",
                                                       "v1 PersistentVolumeClaim",
                                                       "v1 ResourceQuota",
                                                       "v1 LimitRange",
                                                       "v1 Endpoints",
                                                       "rbac.authorization.k8s.io/v1 Role",
                                                       "rbac.authorization.k8s.io/v1 RoleBinding",
                                                       "rbac.authorization.k8s.io/v1 ClusterRole",
                                                       "rbac.authorization.k8s.io/v1 ClusterRoleBinding",
                                                       "networking.k8s.io/v1 Ingress",
                                                       "networking.k8s.io/v1 NetworkPolicy",
                                                       "autoscaling/v1 HorizontalPodAutoscaler"};

const Builtins& builtins() {
    static const Builtins all = [] {
        Builtins made = make_builtins();
        for (std::string_view kind : plain_kinds) made[std::string(kind)] = rules_with({});
        return made;
    }();
    return all;
}

bool same_depth(std::string_view a, std::string_view b) {
    return std::count(a.begin(), a.end(), '/') == std::count(b.begin(), b.end(), '/');
}

} // namespace

MergeRules::MergeRules(std::string_view api_version, std::string_view kind_name, const KindInfo* kind) {
    if (kind && !kind->lists.empty()) {
        kind_ = kind;
        return;
    }
    const auto found = builtins().find(std::string(api_version) + " " + std::string(kind_name));
    if (found != builtins().end()) builtin_ = &found->second;
}

const ListRule& MergeRules::at(std::string_view pointer) const {
    static const ListRule atomic{};
    if (kind_) return list_rule(*kind_, pointer);
    if (!builtin_) return atomic;
    const auto found = std::find_if(builtin_->begin(), builtin_->end(), [&](const ListRule& rule) {
        return same_depth(rule.pointer, pointer) && covers(rule.pointer, pointer);
    });
    return found == builtin_->end() ? atomic : *found;
}

} // namespace holdfast

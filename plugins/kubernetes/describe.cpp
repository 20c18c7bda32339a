#include "kubernetes.hpp"

namespace holdfast::kubernetes {

namespace {

struct Known {
    const char *api_version, *kind;
    int rank;
    bool is_stateful = false, has_health = false;
};

// Kinds of which there is more to say than of all others. The rank orders what lies in one namespace, or in
// none, where no document names the other: quotas before what they limit, servers of webhooks before those.
constexpr Known known_kinds[] = {
    {"v1", "Namespace", 0, true, true},
    {"apiextensions.k8s.io/v1", "CustomResourceDefinition", 0, true, true},
    {"scheduling.k8s.io/v1", "PriorityClass", 1},
    {"node.k8s.io/v1", "RuntimeClass", 1},
    {"storage.k8s.io/v1", "StorageClass", 1},
    {"networking.k8s.io/v1", "IngressClass", 1},
    {"gateway.networking.k8s.io/v1", "GatewayClass", 1, false, true},
    {"rbac.authorization.k8s.io/v1", "ClusterRole", 2},
    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", 2},
    {"v1", "ResourceQuota", 2},
    {"v1", "LimitRange", 2},
    {"networking.k8s.io/v1", "NetworkPolicy", 2},
    {"v1", "ServiceAccount", 3},
    {"rbac.authorization.k8s.io/v1", "Role", 3},
    {"rbac.authorization.k8s.io/v1", "RoleBinding", 3},
    {"v1", "ConfigMap", 4},
    {"v1", "Secret", 4},
    {"v1", "PersistentVolume", 4, true, true},
    {"v1", "PersistentVolumeClaim", 5, true, true},
    {"v1", "Service", 5, false, true},
    {"apps/v1", "Deployment", 6, false, true},
    {"apps/v1", "StatefulSet", 6, false, true},
    {"apps/v1", "DaemonSet", 6, false, true},
    {"batch/v1", "Job", 6, false, true},
    {"batch/v1", "CronJob", 6},
    {"policy/v1", "PodDisruptionBudget", 6},
    {"apiregistration.k8s.io/v1", "APIService", 8, false, true},
    {"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", 9},
    {"admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", 9},
};
constexpr int rank_of_others = 7;

// What a document of Kubernetes must have before anybody can say more: the server knows the rest.
Json schema() {
    return {{"type", "object"},
            {"required", {"apiVersion", "kind", "metadata"}},
            {"properties",
             {{"apiVersion", {{"type", "string"}}},
              {"kind", {{"type", "string"}}},
              {"metadata",
               {{"type", "object"},
                {"required", {"name"}},
                {"properties",
                 {{"name", {{"type", "string"}, {"minLength", 1}}},
                  {"namespace", {{"type", "string"}, {"minLength", 1}}},
                  {"labels", {{"type", "object"}}},
                  {"annotations", {{"type", "object"}}}}}}}}},
            {"patternProperties", Json::object()}}; // there is more, which the server knows
}

// Merged by these keys, so that a plan shows the element that changes and not all of the list.
Json lists() {
    Json out = Json::array();
    const auto keyed = [&](const std::string& pointer, const char* by) {
        out.push_back({{"pointer", pointer}, {"type", "keyed"}, {"by", {by}}});
    };
    for (const std::string pod : {"/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"}) {
        keyed(pod + "/containers", "name");
        keyed(pod + "/containers/*/env", "name");
        keyed(pod + "/containers/*/volumeMounts", "mountPath");
        keyed(pod + "/volumes", "name");
    }
    return out;
}

Json described(const Known& known) {
    Json out{{"apiVersion", known.api_version},
             {"kind", known.kind},
             {"identity", {"/metadata/name"}},
             {"scope", {"/metadata/namespace"}},
             {"compare", {""}},
             {"observed",
              {"/apiVersion", "/kind", "/status", "/applySet", "/metadata/uid", "/metadata/generation",
               "/metadata/deletionTimestamp", "/metadata/deletionGracePeriodSeconds"}},
             {"rank", known.rank},
             {"stateful", known.is_stateful},
             {"health", known.has_health},
             {"lists", lists()},
             {"schema", schema()}};
    if (std::string_view(known.kind) == "Secret") out["sensitive"] = {"/data/*", "/stringData/*"};
    return out;
}

Json text_config(const char* description) {
    return {{"type", "string"}, {"minLength", 1}, {"description", description}};
}
Json path_config(const char* description) {
    Json out = text_config(description);
    out["format"] = "path";
    return out;
}

Json config() {
    return {
        {"type", "object"},
        {"additionalProperties", false},
        {"properties",
         {{"kubeconfig",
           path_config("a kubeconfig file; without it the operator's own, as kubectl finds it")},
          {"context", text_config("of the kubeconfig; its current one by default")},
          {"inCluster", {{"type", "boolean"}, {"description", "use the account of the pod that we run in"}}},
          {"server", text_config("instead of a kubeconfig: the API server's URL")},
          {"caFile", path_config("with server: the authority that signed its certificate")},
          {"token", text_config("with server: a bearer token, from a secret")},
          {"clientCertFile", path_config("with server: our certificate")},
          {"clientKeyFile", path_config("with server: its key")},
          {"serverName", text_config("with server: the name in its certificate")},
          {"proxy", text_config("with server: an HTTP proxy")},
          {"impersonate", text_config("the user to act as")},
          {"namespace", text_config("of documents that name none; the context's, or \"default\"")},
          {"conflicts",
           {{"enum", {"refuse", "take"}},
            {"description", "where another manager owns a field that Git declares; refuse by default"}}},
          {"hands",
           {{"type", "array"},
            {"items", {{"type", "string"}, {"minLength", 1}}},
            {"description", "beginnings of the names of field managers whose writes are done by hand, and "
                            "undone; [kubectl, before-first-apply] by default"}}},
          {"propagation",
           {{"enum", {"Background", "Foreground", "Orphan"}},
            {"description", "what a delete does with what the object owns; Background by default"}}},
          {"applySet",
           {{"type", "object"},
            {"additionalProperties", false},
            {"required", {"name"}},
            {"properties",
             {{"name", text_config("of the ConfigMap that is the set's parent")},
              {"namespace", text_config("of that ConfigMap; that of documents that name none by default")}}},
            {"description", "label all that is applied as part of an ApplySet, so that other tools see whose "
                            "it is; not by default"}}},
          {"deleteWaitMs",
           {{"type", "integer"},
            {"minimum", 0},
            {"maximum", 60000},
            {"description", "how long one attempt waits for finalizers; 10000 by default"}}},
          {"parallel",
           {{"type", "integer"},
            {"minimum", 1},
            {"maximum", 64},
            {"description", "requests at the same time; 32 by default"}}}}}};
}

} // namespace

std::string KubernetesProvider::describe() {
    Json kinds = Json::array();
    for (const Known& known : known_kinds) kinds.push_back(described(known));
    kinds.push_back(described({"*", "*", rank_of_others, false, true}));
    return Json{{"name", plugin_name},
                {"version", plugin_version},
                {"groups", {"*"}},
                {"config", config()},
                {"sensitiveConfig", {"/token"}},
                {"extensions", sdk::extensions_of<KubernetesProvider>()},
                {"ownership", {"owned", "additive", "observe"}},
                {"atomic", false},
                {"ordered", true},
                {"cas", "atomic"},
                {"maxItems", 10'000}, // each observe of a kind is a list of all its objects
                {"kinds", std::move(kinds)}}
        .dump();
}

} // namespace holdfast::kubernetes

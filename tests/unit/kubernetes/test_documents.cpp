// What is read out of documents without any server: health, order, owners of fields.

#include "kubernetes/client.hpp"
#include "kubernetes/fields.hpp"
#include "kubernetes/health.hpp"
#include "kubernetes/order.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::kubernetes;

namespace {

using State = sdk::HealthState;
using Lines = std::vector<std::string>;

Json object(const std::string& text) { return Json::parse(text); }

std::vector<std::size_t> after(const std::vector<Json>& documents, std::size_t index) {
    return order_of(documents, "default")[index].after;
}

Json managed(const char* manager, const char* operation, const std::string& fields) {
    return {{"manager", manager},
            {"operation", operation},
            {"time", "2026-11-23T05:00:00Z"},
            {"fieldsV1", object(fields)}};
}

} // namespace

TEST_CASE("the owners of fields are cut out of an answer before it is parsed, and nothing else") {
    const auto [is_list, text, left] = GENERATE(table<bool, std::string, std::string>(
        {{false, R"({"metadata":{"name":"a","managedFields":[{"f":{"x":[1]}}]},"data":{}})",
          R"({"metadata":{"name":"a"},"data":{}})"},
         {false, R"({"metadata":{"managedFields":[],"name":"a"}})", R"({"metadata":{"name":"a"}})"},
         {false, R"({"metadata":{"managedFields":[{"a":"]"}]}})", R"({"metadata":{}})"},
         {false, R"({"data":{"x":"\"managedFields\":[{"},"spec":{"managedFields":[1]},"metadata":{}})",
          R"({"data":{"x":"\"managedFields\":[{"},"spec":{"managedFields":[1]},"metadata":{}})"},
         {false, R"({"spec":{"metadata":{"managedFields":[1]}},"metadata":{"managedFields":[2]}})",
          R"({"spec":{"metadata":{"managedFields":[1]}},"metadata":{}})"},
         {true, R"({"items":[{"metadata":{"managedFields":[1],"a":1}},{"metadata":{"managedFields":[2]}}]})",
          R"({"items":[{"metadata":{"a":1}},{"metadata":{}}]})"},
         {false, R"({"metadata":{"managedFields":[)", R"({"metadata":{"managedFields":[)"}}));
    CHECK(without_managed_fields(text, is_list) == left);
}

TEST_CASE("what the server keeps for itself is no content, and everything else is") {
    const Json object = Json::parse(
        R"({"kind":"X","metadata":{"name":"a","labels":{"l":"1"}},"spec":{"n":1,"list":[1,[2],"3"],"e":{}}})");
    Json other = object;
    other["status"]["a"] = 1;
    for (const char* key :
         {"managedFields", "resourceVersion", "generation", "creationTimestamp", "selfLink"})
        other["metadata"][key] = "x";
    CHECK(content_hash(other) == content_hash(object));
    const auto [pointer, value] =
        GENERATE(table<const char*, Json>({{"/metadata/labels/l", "2"},
                                           {"/metadata/name", "b"},
                                           {"/spec/n", "1"},
                                           {"/spec/n", 2},
                                           {"/spec/list", Json::parse("[1,2,\"3\"]")},
                                           {"/spec/list/1", Json::parse("[2,3]")},
                                           {"/spec/e", Json::array()},
                                           {"/spec/more", nullptr}}));
    Json changed = object;
    changed[Json::json_pointer(pointer)] = value;
    INFO(changed.dump());
    CHECK(content_hash(changed) != content_hash(object));
}

TEST_CASE("health is what the object itself says") {
    const auto [text, state] = GENERATE(table<const char*, State>({
        {R"({"apiVersion":"v1","kind":"ConfigMap"})", State::healthy},
        {R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}})",
         State::progressing},
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generation":2},
             "status":{"observedGeneration":1}})",
         State::progressing},
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generation":1},"spec":{"replicas":1}})",
         State::progressing},
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generation":1},
             "spec":{"replicas":1,"progressDeadlineSeconds":600},
             "status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"availableReplicas":1,
             "readyReplicas":1,"conditions":[{"type":"Available","status":"True"},
             {"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]}})",
         State::healthy},
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generation":1},"spec":{"replicas":1},
             "status":{"observedGeneration":1,"conditions":[{"type":"Progressing","status":"False",
             "reason":"ProgressDeadlineExceeded"}]}})",
         State::degraded},
        {R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generation":1},
             "spec":{"replicas":1,"paused":true},"status":{"observedGeneration":1,"replicas":1}})",
         State::suspended},
        {R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"generation":1},"spec":{"replicas":3,
             "updateStrategy":{"rollingUpdate":{"partition":2}}},
             "status":{"observedGeneration":1,"replicas":3,
             "readyReplicas":3,"updatedReplicas":1}})",
         State::healthy},
        {R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"generation":1},"spec":{"replicas":3},
             "status":{"observedGeneration":1,"replicas":3,"readyReplicas":3,"currentReplicas":1,
             "currentRevision":"a","updateRevision":"b"}})",
         State::progressing},
        {R"({"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"generation":1},"status":{
             "observedGeneration":1,"desiredNumberScheduled":2,"currentNumberScheduled":2,
             "updatedNumberScheduled":2,"numberAvailable":2,"numberReady":1}})",
         State::progressing},
        {R"({"apiVersion":"batch/v1","kind":"Job","status":{"startTime":"x","active":1}})",
         State::progressing},
        {R"({"apiVersion":"batch/v1","kind":"Job","status":{"conditions":[{"type":"Complete","status":"True"}]}})",
         State::healthy},
        {R"({"apiVersion":"batch/v1","kind":"Job","status":{"conditions":[{"type":"Failed","status":"True"}]}})",
         State::degraded},
        {R"({"apiVersion":"v1","kind":"Pod","status":{"phase":"Failed"}})", State::degraded},
        {R"({"apiVersion":"v1","kind":"Pod","status":{"phase":"Running","containerStatuses":[{"name":"a",
             "state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
         State::degraded},
        {R"({"apiVersion":"v1","kind":"Pod","status":{"phase":"Pending","conditions":[{"type":"PodScheduled",
             "status":"False","reason":"Unschedulable","lastTransitionTime":"2001-09-09T01:46:30Z"}]}})",
         State::progressing},
        {R"({"apiVersion":"v1","kind":"Pod","status":{"phase":"Pending","conditions":[{"type":"PodScheduled",
             "status":"False","reason":"Unschedulable","lastTransitionTime":"2001-09-09T01:46:00Z"}]}})",
         State::degraded},
        {R"({"apiVersion":"v1","kind":"Service","spec":{"type":"LoadBalancer","clusterIP":"10.0.0.1"}})",
         State::progressing},
        {R"({"apiVersion":"v1","kind":"Service","spec":{"type":"LoadBalancer"},
             "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}})",
         State::healthy},
        {R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","status":{"phase":"Pending"}})",
         State::progressing},
        {R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
             "status":{"conditions":[{"type":"NamesAccepted","status":"False"}]}})",
         State::degraded},
        {R"({"apiVersion":"example.org/v1","kind":"Widget","status":{"conditions":[{"type":"Ready",
             "status":"False","message":"no"}]}})",
         State::progressing},
        {R"({"apiVersion":"example.org/v1","kind":"Widget","status":{"conditions":[{"type":"Stalled",
             "status":"True"}]}})",
         State::degraded},
        {R"({"apiVersion":"example.org/v1","kind":"Widget"})", State::healthy},
    }));
    INFO(text);
    CHECK(condition_of(object(text), 1'000'000'000).state == state);
}

TEST_CASE("what documents name of each other comes first") {
    const std::vector<Json> documents{
        object(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},
            "spec":{"template":{"metadata":{"labels":{"app":"web"}},"spec":{"serviceAccountName":"robot",
            "priorityClassName":"high","volumes":[{"secret":{"secretName":"tls"}}],
            "containers":[{"envFrom":[{"configMapRef":{"name":"web"}}]}]}}}})"),
        object(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}})"),
        object(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}})"),
        object(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"other"}})"),
        object(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"tls","namespace":"shop"}})"),
        object(
            R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot","namespace":"shop"}})"),
        object(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding",
            "metadata":{"name":"b","namespace":"shop"},"roleRef":{"kind":"ClusterRole","name":"reader"},
            "subjects":[{"kind":"ServiceAccount","name":"robot"}]})"),
        object(
            R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"reader"}})"),
        object(R"({"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"high"}})"),
        object(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"hook","namespace":"shop"},
            "spec":{"selector":{"app":"web"}}})"),
        object(R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",
            "metadata":{"name":"w"},
            "webhooks":[{"clientConfig":{"service":{"name":"hook","namespace":"shop"}}}]})"),
        object(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
            "metadata":{"name":"widgets.example.org"},
            "spec":{"group":"example.org","names":{"kind":"Widget"}}})"),
        object(
            R"({"apiVersion":"example.org/v2","kind":"Widget","metadata":{"name":"one","namespace":"shop"}})"),
    };
    using Indices = std::vector<std::size_t>;
    CHECK(after(documents, 0) == Indices{1, 2, 4, 5, 6, 8});
    CHECK(after(documents, 1).empty());
    CHECK(after(documents, 6) == Indices{1, 5, 7});
    CHECK(after(documents, 10) == Indices{0, 9});
    CHECK(after(documents, 12) == Indices{1, 11});
}

TEST_CASE("annotations of Argo CD and Flux are understood") {
    const auto places = order_of(
        {object(
             R"({"kind":"ConfigMap","metadata":{"name":"a","annotations":{"argocd.argoproj.io/sync-wave":"-5"}}})"),
         object(R"({"kind":"ConfigMap","metadata":{"name":"b","annotations":{
            "argocd.argoproj.io/sync-options":"Replace=true,Prune=false"}}})"),
         object(R"({"kind":"ConfigMap","metadata":{"name":"c","annotations":{
            "kustomize.toolkit.fluxcd.io/prune":"disabled"}}})"),
         object(R"({"kind":"ConfigMap","metadata":{"name":"d","annotations":null}})")},
        "default");
    CHECK(places[0].wave == -5);
    CHECK(places[1].steering.is_kept);
    CHECK(places[2].steering.is_kept);
    CHECK_FALSE(places[3].steering.is_kept);
}

namespace {

Json annotated(const std::string& annotations, const char* kind = "Job", const char* name = "a") {
    return object(std::string(R"({"apiVersion":"batch/v1","kind":")") + kind + R"(","metadata":{"name":")" +
                  name + R"(","annotations":{)" + annotations + "}}}");
}

std::string codes(const Steering& steering) {
    std::string out;
    for (const sdk::Diagnostic& one : steering.remarks) {
        CHECK(one.severity == sdk::Severity::warning);
        out += (out.empty() ? "" : " ") + one.code;
    }
    return out;
}

} // namespace

TEST_CASE("hooks become waves, and what cannot be one is left out and said") {
    const auto [hook, wave, is_left, said] = GENERATE(table<const char*, int, bool, const char*>({
        {"PreSync", -999'998, false, ""},
        {"Sync", 2, false, ""},
        {"PostSync", 1'000'002, false, ""},
        {"Skip", 2, true, ""},
        {"SyncFail", 2, true, "kubernetes.hook-left-out"},
        {"PreDelete", 2, true, "kubernetes.hook-left-out"},
        {"PreSync, PostSync", -999'998, false, "kubernetes.not-honoured"},
        {"Sync,SyncFail", 2, false, "kubernetes.hook-left-out"},
    }));
    INFO(hook);
    const Steering steering = read_steering(annotated(std::string(R"("argocd.argoproj.io/hook":")") + hook +
                                                      R"(","argocd.argoproj.io/sync-wave":"2")"));
    CHECK(steering.wave == wave);
    CHECK(steering.is_left == is_left);
    CHECK(steering.is_kept == is_left);
    CHECK(codes(steering) == said);
}

TEST_CASE("what other tools' annotations ask for is done or said") {
    using Flag = bool Steering::*;
    const auto [text, flag, said] = GENERATE(table<const char*, Flag, const char*>({
        {R"("argocd.argoproj.io/sync-options":"Prune=false, ServerSideApply=true")", &Steering::is_kept, ""},
        {R"("argocd.argoproj.io/sync-options":"Delete=confirm")", &Steering::is_kept,
         "kubernetes.not-honoured"},
        {R"("argocd.argoproj.io/sync-options":"Replace=true,Force=true")", &Steering::may_be_replaced, ""},
        {R"("argocd.argoproj.io/sync-options":"Validate=false")", nullptr, "kubernetes.not-honoured"},
        {R"("argocd.argoproj.io/sync-options":"Sideways=true")", nullptr, "kubernetes.not-honoured"},
        {R"("argocd.argoproj.io/sync-wave":"soon")", nullptr, "kubernetes.not-honoured"},
        {R"("argocd.argoproj.io/hook":"Sync","argocd.argoproj.io/hook-delete-policy":"BeforeHookCreation")",
         nullptr, ""},
        {R"("argocd.argoproj.io/hook":"Sync","argocd.argoproj.io/hook-delete-policy":"HookSucceeded")",
         &Steering::goes_when_done, ""},
        {R"("argocd.argoproj.io/hook":"Sync","argocd.argoproj.io/hook-delete-policy":"HookFailed, Never")",
         nullptr, "kubernetes.not-honoured"},
        {R"("kustomize.toolkit.fluxcd.io/prune":"Disabled")", &Steering::is_kept, ""},
        {R"("kustomize.toolkit.fluxcd.io/reconcile":"disabled")", &Steering::is_left, ""},
        {R"("kustomize.toolkit.fluxcd.io/ssa":"Ignore")", &Steering::is_left, ""},
        {R"("kustomize.toolkit.fluxcd.io/ssa":"IfNotPresent")", &Steering::only_creates, ""},
        {R"("kustomize.toolkit.fluxcd.io/ssa":"Merge")", &Steering::keeps_additions, ""},
        {R"("kustomize.toolkit.fluxcd.io/force":"enabled")", &Steering::may_be_replaced, ""},
        {R"("helm.sh/resource-policy":"keep")", &Steering::is_kept, ""},
        {R"("kubernetes.holdfast.dev/replace":"allowed")", &Steering::may_be_replaced, ""},
    }));
    INFO(text);
    const Steering steering = read_steering(annotated(text));
    if (flag) CHECK(steering.*flag);
    CHECK(codes(steering) == said);
    for (const Flag other : {&Steering::is_kept, &Steering::is_left, &Steering::only_creates,
                             &Steering::keeps_additions, &Steering::may_be_replaced}) {
        const bool follows = steering.is_left && other == &Steering::is_kept; // what is left is kept
        if (other != flag && !follows) CHECK_FALSE(steering.*other);
    }
}

TEST_CASE("what a hook of the first phase needs comes before it, and nobody waits for what is left out") {
    const std::string hook = R"("argocd.argoproj.io/hook":)";
    Json job = annotated(hook + R"("PreSync")", "Job", "migrate");
    job["metadata"]["namespace"] = "shop";
    job["spec"] = object(R"({"template":{"spec":{"serviceAccountName":"robot","volumes":[
        {"configMap":{"name":"skipped"}}]}}})");
    const std::vector<Json> documents{
        job, object(R"({"kind":"Namespace","metadata":{"name":"shop"}})"),
        object(R"({"kind":"ServiceAccount","metadata":{"name":"robot","namespace":"shop"}})"),
        object(R"({"kind":"ConfigMap","metadata":{"name":"other","namespace":"shop"}})"),
        object(R"({"kind":"ConfigMap","metadata":{"name":"skipped","namespace":"shop",
            "annotations":{"argocd.argoproj.io/hook":"Skip"}}})")};
    const std::vector<Place> places = order_of(documents, "default");
    CHECK(places[0].after == std::vector<std::size_t>{1, 2});
    for (const std::size_t early : {0U, 1U, 2U}) CHECK(places[early].wave == -1'000'000);
    CHECK(places[3].wave == 0);
}

TEST_CASE("what hands have added is found, and nothing that others own or that was a default") {
    Json live = object(
        R"({"metadata":{"labels":{"ours":"1","hand":"2"},"annotations":{}},"data":{"a":"1","b":"2","c":"3"},
        "spec":{"clusterIP":"10.0.0.1","ports":[{"port":1,"protocol":"TCP"},{"port":2,"protocol":"TCP"}]}})");
    const Json applied =
        object(R"({"metadata":{"labels":{"ours":"1"}},"data":{"a":"1"},"spec":{"ports":[{"port":1}]}})");
    const Hands hands({"kubectl", "before-first-apply"});
    const auto with = [&](std::vector<Json> entries) {
        live["metadata"]["managedFields"] = std::move(entries);
        return leftovers(live, applied, hands);
    };
    const std::string added = R"({"f:data":{"f:a":{},"f:b":{}}})";
    CHECK(with({managed("kubectl-edit", "Update", added)}) == Lines{"/data/b"});
    CHECK(with({managed("an-operator", "Update", added)}).empty());
    CHECK(with({managed("kubectl-edit", "Update", added), managed("an-operator", "Update", added)}).empty());
    CHECK(with({managed("kubectl-rollout", "Update", added)}).empty());
    CHECK(with({managed("kubectl-edit", "Apply", added)}).empty());
    CHECK(with({managed("kubectl-label", "Update",
                        R"({"f:metadata":{"f:labels":{"f:hand":{}},"f:finalizers":{}}})")}) ==
          Lines{"/metadata/labels/hand"});
    CHECK(with({managed(
              "kubectl-patch", "Update",
              R"({"f:spec":{"f:ports":{"k:{\"port\":2,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}})")}) ==
          Lines{"/spec/ports/1"});
    SECTION("of a client-side apply only what was typed") {
        const std::string all = R"({"f:data":{"f:b":{}},"f:spec":{"f:clusterIP":{}}})";
        live["metadata"]["annotations"][last_applied] = R"({"data":{"b":"2"}})";
        CHECK(with({managed("kubectl-client-side-apply", "Update", all)}) == Lines{"/data/b"});
    }
}

TEST_CASE("the last to write a field is named, with the time") {
    Json live = object(R"({"metadata":{"name":"web"},"data":{"a":"theirs","b":"2"}})");
    live["metadata"]["managedFields"] = {managed("holdfast", "Apply", R"({"f:data":{"f:a":{},"f:b":{}}})"),
                                         managed("kubectl-edit", "Update", R"({"f:data":{"f:a":{}}})")};
    const Json wanted = object(R"({"metadata":{"name":"web"},"data":{"a":"ours","b":"2"}})");
    CHECK(blame(live, wanted, 5) == Lines{"data.a was last written by kubectl-edit at 2026-11-23T05:00:00Z"});
}

TEST_CASE("removals begin at the end of a list") {
    const Json patch = removal_patch({"/spec/ports/2", "/data/x", "/spec/ports/10"}, "7");
    REQUIRE(patch.size() == 4);
    CHECK(patch[0]["op"] == "test");
    Lines paths;
    for (std::size_t i = 1; i < 4; ++i) paths.push_back(patch[i]["path"]);
    CHECK(paths == Lines{"/spec/ports/10", "/spec/ports/2", "/data/x"});
}

TEST_CASE("fields of the server become pointers") {
    const auto [field, pointer] = GENERATE(table<const char*, const char*>({
        {"spec.replicas", "/spec/replicas"},
        {".spec.template.spec.containers[0].image", "/spec/template/spec/containers/0/image"},
        {".spec.containers[name=\"web\"].image", "/spec/containers"},
        {"metadata.annotations[a/b]", "/metadata/annotations/a~1b"},
        {"", ""},
    }));
    CHECK(pointer_of_field(field) == pointer);
}

TEST_CASE("what is applied has no stringData, and protocols that old servers want") {
    const Json secret = applied_form(
        object(
            R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"stringData":{"k":"v"},"data":{"l":"bQ=="}})"),
        "shop");
    CHECK(secret["data"] == Json{{"k", "dg=="}, {"l", "bQ=="}});
    CHECK_FALSE(secret.contains("stringData"));
    CHECK(secret["metadata"]["namespace"] == "shop");
    const Json service = applied_form(
        object(
            R"({"kind":"Service","metadata":{},"spec":{"ports":[{"port":53},{"port":53,"protocol":"UDP"}]}})"),
        "");
    CHECK(service["spec"]["ports"][0]["protocol"] == "TCP");
    CHECK(service["spec"]["ports"][1]["protocol"] == "UDP");
}

// The kubernetes plugin as a person uses it: holdfast plan, apply and their like against a real API server.

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include <unistd.h>

#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"
#include "world.hpp"

using namespace holdfast::test;
using ::test::Ran;

namespace {

constexpr const char* deployment = R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: @}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.org/web:1
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
        ports: [{containerPort: 80}]
        resources: {limits: {memory: 1024Mi, cpu: 1000m}}
)";

constexpr const char* definition = R"(---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.@.example.org}
spec:
  group: @.example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
)";

constexpr const char* widget = R"(---
apiVersion: @.example.org/v1
kind: Widget
metadata: {name: one, namespace: @}
spec: {size: 3}
)";

} // namespace

TEST_CASE("a namespace, a definition and an object of it are one commit") {
    NEEDS_SERVER;
    World world({}, false);
    world.commit(std::string(widget) + "---\n" + web_map + "---\n" + deployment +
                 "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: @}\n" + definition);
    const Ran planned = world.play.holdfast({"plan", "--exit-code"});
    INFO(planned.out << planned.err);
    CHECK(planned.exit_code == 2);
    world.apply_well();
    CHECK(live("/apis/" + world.space.name() + ".example.org/v1/namespaces/" + world.space.name() +
               "/widgets/one")["spec"]["size"] == 3);
    const std::string version = world.get("configmaps", "web")["metadata"]["resourceVersion"];
    world.needs_nothing();
    world.apply_well();
    CHECK(world.get("configmaps", "web")["metadata"]["resourceVersion"] == version);
}

TEST_CASE("what people do by hand is shown with its author and undone, added keys included") {
    NEEDS_SERVER;
    World world;
    world.commit(std::string(web_map) + "---\n" + deployment);
    world.apply_well();
    edit(world.space.path("configmaps", "web"), {{"data", {{"mode", "slow"}, {"added", "x"}}}});
    edit(world.space.path("configmaps", "web"), {{"metadata", {{"labels", {{"hand", "made"}}}}}},
         "kubectl-label");
    edit(world.space.apps("deployments", "web"), {{"spec", {{"replicas", 3}}}});
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out, "data.added"));
    CHECK(has(planned.out, "kubectl-edit"));
    CHECK(has(planned.out, "replicas  3 -> 1"));
    world.apply_well();
    const Json config = world.get("configmaps", "web");
    CHECK(config["data"] == Json{{"mode", "fast"}, {"size", "10"}});
    CHECK_FALSE(config["metadata"].contains("labels"));
    CHECK(live(world.space.apps("deployments", "web"))["spec"]["replicas"] == 1);
    world.needs_nothing();
}

TEST_CASE("a key that was added by hand and nothing else is drift as well") {
    NEEDS_SERVER;
    World world;
    world.commit(web_map);
    world.apply_well();
    edit(world.space.path("configmaps", "web"), {{"data", {{"added", "x"}}}});
    CHECK(world.play.holdfast({"plan", "--exit-code"}).exit_code == 2);
    world.apply_well();
    CHECK(world.get("configmaps", "web")["data"] == Json{{"mode", "fast"}, {"size", "10"}});
    world.needs_nothing();
}

TEST_CASE("fields of somebody else are left alone: keys of an operator, injected containers, defaults") {
    NEEDS_SERVER;
    World world;
    world.commit(std::string(web_map) + "---\n" + deployment);
    world.apply_well();
    edit(world.space.path("configmaps", "web"), {{"data", {{"injected", "by an operator"}}}},
         "some-operator");
    edit(world.space.path("configmaps", "web"),
         {{"metadata", {{"annotations", {{"kubectl.kubernetes.io/restartedAt", "now"}}}}}},
         "kubectl-rollout");
    world.needs_nothing();
    CHECK(world.get("configmaps", "web")["data"]["injected"] == "by an operator");
}

TEST_CASE("an object that kubectl has made is adopted where it is equal, and loses what Git never had") {
    NEEDS_SERVER;
    World world;
    const std::string path = "/api/v1/namespaces/" + world.space.name() + "/configmaps";
    ask_server("POST", path,
               {{"apiVersion", "v1"},
                {"kind", "ConfigMap"},
                {"metadata", {{"name", "web"}}},
                {"data", {{"mode", "fast"}, {"size", "10"}, {"old", "1"}}}},
               "kubectl-create");
    world.commit(web_map);
    const Ran refused = world.apply();
    CHECK(refused.exit_code == 1);
    CHECK(has(refused.out + refused.err, "plan.exists"));
    world.commit(R"(apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: @, annotations: {holdfast.dev/adopt: always}}
data: {mode: fast, size: "10"}
)");
    world.apply_well();
    CHECK(world.get("configmaps", "web")["data"] == Json{{"mode", "fast"}, {"size", "10"}});
    world.needs_nothing();
}

TEST_CASE("a secret is written, corrected and shown nowhere") {
    NEEDS_SERVER;
    World world;
    world.commit("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: @}\n"
                 "stringData: {password: correct-horse, user: staple-user}\n");
    std::string seen;
    const auto run = [&](std::vector<std::string> words) {
        const Ran ran = world.play.holdfast(words);
        seen += ran.out + ran.err;
    };
    run({"plan"});
    run({"plan", "--json"});
    world.apply_well();
    edit(world.space.path("secrets", "key"),
         {{"stringData", {{"password", "by-hand-word"}, {"more", "more-word"}}}});
    run({"plan"});
    run({"--json", "plan"});
    run({"drift"});
    // A key that Git drops goes, although it came in by stringData.
    world.commit("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: @}\n"
                 "stringData: {password: correct-horse}\n");
    run({"plan"});
    world.apply_well();
    CHECK(world.get("secrets", "key")["data"] == Json{{"password", "Y29ycmVjdC1ob3JzZQ=="}});
    world.needs_nothing();
    run({"why", "app:Secret/" + world.space.name() + "/key"});
    run({"history", "--json"});
    for (const char* word : {"correct-horse", "Y29ycmVjdC1ob3JzZQ", "by-hand-word", "YnktaGFuZC13b3Jk",
                             "more-word", "staple-user", "c3RhcGxlLXVzZXI"}) {
        INFO(word);
        CHECK_FALSE(has(seen, word));
        CHECK(output_of("grep -rlF " + std::string(word) + " " + (world.play.folder() / "state").string()) ==
              std::nullopt);
    }
}

TEST_CASE("two ports of one number and different protocols stay two") {
    NEEDS_SERVER;
    World world;
    world.commit("apiVersion: v1\nkind: Service\nmetadata: {name: dns, namespace: @}\nspec:\n  ports:\n"
                 "  - {name: dns, port: 53}\n  - {name: dns-udp, port: 53, protocol: UDP}\n");
    world.apply_well();
    CHECK(world.get("services", "dns")["spec"]["ports"].size() == 2);
    world.needs_nothing();
    world.commit("apiVersion: v1\nkind: Service\nmetadata: {name: dns, namespace: @}\nspec:\n  ports:\n"
                 "  - {name: dns-udp, port: 53, protocol: UDP}\n");
    world.apply_well();
    const Json ports = world.get("services", "dns")["spec"]["ports"];
    REQUIRE(ports.size() == 1);
    CHECK(ports[0]["protocol"] == "UDP");
    world.needs_nothing();
}

TEST_CASE(
    "what the server writes otherwise than Git does is no change: quantities, defaults, order of keys") {
    NEEDS_SERVER;
    World world;
    world.commit(deployment);
    world.apply_well();
    CHECK(live(world.space.apps(
              "deployments",
              "web"))["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi");
    world.needs_nothing();
    std::string other = deployment;
    other.replace(other.find("1024Mi"), 6, "1048576Ki");
    world.commit(other);
    world.needs_nothing();
}

TEST_CASE("an immutable field means replace, and somebody has to allow it") {
    NEEDS_SERVER;
    World world;
    world.commit(deployment);
    world.apply_well();
    const std::string uid = live(world.space.apps("deployments", "web"))["metadata"]["uid"];
    std::string other = deployment;
    for (std::size_t at; (at = other.find("{app: web}")) != other.npos;) other.replace(at, 10, "{app: shop}");
    world.commit(other);
    const Ran parked = world.apply();
    INFO(parked.out << parked.err);
    CHECK(parked.exit_code == 3);
    CHECK(has(parked.out + parked.err, "cannot be changed in place"));
    CHECK(live(world.space.apps("deployments", "web"))["metadata"]["uid"] == uid);
    const Ran replaced = world.play.holdfast(
        {"apply", "--yes", "--replace", "apps/Deployment/" + world.space.name() + "/web"});
    INFO(replaced.out << replaced.err);
    CHECK(replaced.exit_code == 0);
    const Json now = live(world.space.apps("deployments", "web"));
    CHECK(now["metadata"]["uid"] != uid);
    CHECK(now["spec"]["selector"]["matchLabels"]["app"] == "shop");
    world.needs_nothing();
}

TEST_CASE("a document that no server would take is an error at its line and never a replace") {
    NEEDS_SERVER;
    World world;
    world.commit(deployment);
    world.apply_well();
    std::string other = deployment;
    other.replace(other.find("replicas: 1"), 11, "replicas: -1");
    world.commit(other);
    const Ran invalid = world.play.holdfast({"plan"});
    INFO(invalid.out << invalid.err);
    CHECK(has(invalid.out + invalid.err, "kubernetes.invalid"));
    CHECK(has(invalid.out + invalid.err, "app/all.yaml:5"));
    other = deployment;
    other.replace(other.find("replicas: 1"), 11, "replcas: 1");
    world.commit(other);
    const Ran misspelt = world.play.holdfast({"plan"});
    INFO(misspelt.out << misspelt.err);
    CHECK(has(misspelt.out + misspelt.err, "kubernetes.unknown-field"));
    CHECK(has(misspelt.out + misspelt.err, "replcas"));
}

TEST_CASE("a field that a controller owns is a conflict that names both") {
    NEEDS_SERVER;
    World world;
    world.commit(deployment);
    world.apply_well();
    edit(world.space.apps("deployments", "web"), {{"spec", {{"replicas", 5}}}}, "autoscaler");
    const Ran ran = world.apply();
    INFO(ran.out << ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(has(ran.out + ran.err, "kubernetes.field-conflict"));
    CHECK(has(ran.out + ran.err, "spec.replicas is owned by \"autoscaler\""));
    CHECK(live(world.space.apps("deployments", "web"))["spec"]["replicas"] == 5);
    SECTION("without the field in Git there is none") {
        std::string other = deployment;
        other.erase(other.find("  replicas: 1\n"), 14);
        world.commit(other);
        world.apply_well();
        CHECK(live(world.space.apps("deployments", "web"))["spec"]["replicas"] == 5);
        world.needs_nothing();
    }
    SECTION("an ignored field is left as it is") {
        std::string other = deployment;
        other.replace(other.find("namespace: @}"), 13,
                      "namespace: @, annotations: {holdfast.dev/ignore: /spec/replicas}}");
        world.commit(other);
        world.apply_well();
        CHECK(live(world.space.apps("deployments", "web"))["spec"]["replicas"] == 5);
        world.needs_nothing();
    }
    SECTION("with a word in the document it is taken") {
        std::string other = deployment;
        other.replace(other.find("namespace: @}"), 13,
                      "namespace: @, annotations: {kubernetes.holdfast.dev/conflicts: take}}");
        world.commit(other);
        world.apply_well();
        CHECK(live(world.space.apps("deployments", "web"))["spec"]["replicas"] == 1);
        world.needs_nothing();
    }
}

TEST_CASE("a prune deletes what was applied, and says what a finalizer waits for") {
    NEEDS_SERVER;
    World world(", deleteWaitMs: 50");
    world.commit(web_map, "app/web.yaml");
    world.commit(deployment, "app/deployment.yaml");
    world.apply_well();
    edit(world.space.path("configmaps", "web"), {{"metadata", {{"finalizers", {"example.org/hold"}}}}},
         "holder");
    world.play.remove("app/web.yaml");
    world.play.commit();
    const Ran stuck = world.play.holdfast({"apply", "--yes"});
    INFO(stuck.out << stuck.err);
    CHECK(stuck.exit_code != 0);
    CHECK(has(stuck.out + stuck.err, "example.org/hold"));
    CHECK(has(stuck.out + stuck.err, "kubernetes.waits-for-finalizers"));
    edit(world.space.path("configmaps", "web"), {{"metadata", {{"finalizers", nullptr}}}}, "holder");
    world.apply();
    CHECK(world.get("configmaps", "web").is_null());
    CHECK_FALSE(live(world.space.apps("deployments", "web")).is_null());
    world.needs_nothing();
}

TEST_CASE("a renamed stack adopts its objects and deletes none") {
    NEEDS_SERVER;
    World world;
    world.commit(web_map);
    world.apply_well();
    const std::string uid = world.get("configmaps", "web")["metadata"]["uid"];
    world.play.write("holdfast.yaml", World::project("shop"));
    world.play.commit();
    world.apply_well();
    CHECK(world.get("configmaps", "web")["metadata"]["uid"] == uid);
    world.needs_nothing();
}

TEST_CASE("a namespace that goes away under us is said to go away") {
    NEEDS_SERVER;
    World world;
    world.commit(web_map);
    world.apply_well();
    // Without controllers it stays like that.
    ask_server("DELETE", "/api/v1/namespaces/" + world.space.name());
    world.commit("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, namespace: @}\ndata: {a: b}\n",
                 "app/new.yaml");
    const Ran ran = world.play.holdfast({"plan"});
    INFO(ran.out << ran.err);
    CHECK(has(ran.out + ran.err, "kubernetes.terminating"));
}

TEST_CASE("a kind that nobody serves is planned as not known yet, and an error when it is written") {
    NEEDS_SERVER;
    World world;
    world.commit(widget);
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out, "1 to create"));
    CHECK(has(planned.out, "not checked yet: the server does not serve Widget"));
    const Ran ran = world.play.holdfast({"apply", "--yes"});
    INFO(ran.out << ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(has(ran.out + ran.err, "kubernetes.unknown-kind"));
}

TEST_CASE("an aggregated API that does not answer blocks the prunes of its group and nothing else") {
    NEEDS_SERVER;
    World world;
    world.commit(std::string(definition) + widget, "app/widget.yaml");
    world.commit(web_map, "app/web.yaml");
    world.apply_well();
    const std::string group = world.space.name() + ".example.org";
    const std::string service = "/apis/apiregistration.k8s.io/v1/apiservices/v1." + group;
    // The server made an APIService of its own for the definition; this one leads nowhere.
    ask_server("PATCH", service,
               {{"metadata", {{"labels", {{"kube-aggregator.kubernetes.io/automanaged", nullptr}}}}},
                {"spec",
                 {{"service", {{"name", "nobody"}, {"namespace", world.space.name()}}},
                  {"insecureSkipTLSVerify", true}}}});
    for (int i = 0; i < 100 && ask_server("GET", "/apis/" + group + "/v1").status != 503; ++i)
        usleep(100'000);
    REQUIRE(ask_server("GET", "/apis/" + group + "/v1").status == 503);
    world.play.write("app/widget.yaml", world.with_space(definition));
    world.play.write("app/web.yaml",
                     world.with_space("apiVersion: v1\nkind: ConfigMap\n"
                                      "metadata: {name: web, namespace: @}\ndata: {mode: calm}\n"));
    world.play.commit();
    const Ran ran = world.apply();
    INFO(ran.out << ran.err);
    CHECK(ran.exit_code != 0);
    CHECK(has(ran.out + ran.err, "kubernetes.broken-api"));
    CHECK(world.get("configmaps", "web")["data"]["mode"] == "calm");
    ask_server("DELETE", service);
    for (int i = 0; i < 150 && ask_server("GET", "/apis/" + group + "/v1").status != 200; ++i)
        usleep(100'000);
    CHECK_FALSE(live("/apis/" + group + "/v1/namespaces/" + world.space.name() + "/widgets/one").is_null());
}

TEST_CASE("annotations of Argo CD and Flux say what is kept and in which order") {
    NEEDS_SERVER;
    World world;
    world.commit(
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: kept, namespace: @, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}\n"
        "---\napiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: first, namespace: @, annotations: {argocd.argoproj.io/sync-wave: \"-1\"}}\n",
        "app/kept.yaml");
    world.commit(web_map, "app/web.yaml");
    world.apply_well();
    const auto version = [&](const char* name) {
        return std::stoll(world.get("configmaps", name)["metadata"]["resourceVersion"].get<std::string>());
    };
    CHECK(version("first") < version("web"));
    world.play.remove("app/kept.yaml");
    world.play.commit();
    world.apply_well();
    CHECK_FALSE(world.get("configmaps", "kept").is_null());
    CHECK(world.get("configmaps", "first").is_null());
}

TEST_CASE("annotations of Flux leave an object alone, make it once, or leave what others added") {
    NEEDS_SERVER;
    World world;
    const auto map = [&](const char* name, const char* annotation, const char* value) {
        return std::string("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ") + name +
               ", namespace: @, annotations: {" + annotation + "}}\ndata: {a: " + value + "}\n";
    };
    const auto commit = [&](const char* value) {
        world.commit(map("left", "kustomize.toolkit.fluxcd.io/reconcile: disabled", value) +
                     map("once", "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent", value) +
                     map("merged", "kustomize.toolkit.fluxcd.io/ssa: Merge", value));
    };
    commit("x");
    world.apply_well();
    CHECK(world.get("configmaps", "left").is_null());
    CHECK(world.get("configmaps", "once")["data"]["a"] == "x");
    world.needs_nothing();
    edit(world.space.path("configmaps", "once"), {{"data", {{"a", "theirs"}}}});
    edit(world.space.path("configmaps", "merged"), {{"data", {{"b", "theirs"}}}});
    ask_server("POST", "/api/v1/namespaces/" + world.space.name() + "/configmaps",
               {{"metadata", {{"name", "left"}}}, {"data", {{"a", "theirs"}}}});
    commit("z");
    world.apply_well();
    CHECK(world.get("configmaps", "left")["data"] == Json{{"a", "theirs"}});
    CHECK(world.get("configmaps", "once")["data"] == Json{{"a", "theirs"}});
    CHECK(world.get("configmaps", "merged")["data"] == Json{{"a", "z"}, {"b", "theirs"}});
    world.needs_nothing();
    world.commit("# nothing\n---\n" + map("merged", "kustomize.toolkit.fluxcd.io/ssa: Merge", "z"));
    world.apply_well();
    CHECK_FALSE(world.get("configmaps", "left").is_null()); // it was never ours to delete
    CHECK(world.get("configmaps", "once").is_null());
}

TEST_CASE("what a workload is to be refreshed by restarts its pods once") {
    NEEDS_SERVER;
    World world;
    const auto commit = [&](const char* url) {
        std::string workload = deployment, config = settings;
        workload.replace(workload.find("namespace: @}"), 13,
                         "namespace: @, annotations: {holdfast.dev/refresh-on: ConfigMap/@/settings}}");
        config.replace(config.find("\"db\""), 4, url);
        world.commit(workload + config);
    };
    const auto mark = [&] {
        return live(world.space.apps("deployments", "web"))["spec"]["template"]["metadata"].value(
            "/annotations/kubernetes.holdfast.dev~1refreshed"_json_pointer, std::string());
    };
    commit("one");
    world.apply_well();
    CHECK(mark().empty());
    world.needs_nothing();
    commit("two");
    world.apply_well();
    const std::string first = mark();
    CHECK_FALSE(first.empty());
    world.needs_nothing();
    commit("three");
    world.apply_well();
    CHECK(mark() != first);
    world.needs_nothing();
}

TEST_CASE("a Job whose name is generated is made once for each document, and the one before goes") {
    NEEDS_SERVER;
    World world;
    const auto commit = [&](const std::string& command) {
        world.commit("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-, namespace: @}\n"
                     "spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: m, "
                     "command: [" +
                     command + "]}]}}}\n");
    };
    const auto names = [&] {
        const Json jobs = live("/apis/batch/v1/namespaces/" + world.space.name() + "/jobs");
        std::vector<std::string> all;
        for (const Json& job : jobs["items"]) all.push_back(job["metadata"]["name"]);
        return all;
    };
    commit("up");
    world.apply_well();
    const std::vector<std::string> first = names();
    REQUIRE(first.size() == 1);
    CHECK_THAT(first[0], StartsWith("migrate-"));
    world.needs_nothing();
    commit("down");
    std::thread controller([&] { // the one before goes when its successor has succeeded
        for (int i = 0; i < 400; ++i, usleep(50'000))
            for (const std::string& name : names())
                if (name != first[0]) return world.end_job(name, "Complete");
    });
    const Ran ran = world.apply();
    controller.join();
    INFO(ran.out << ran.err);
    CHECK(ran.exit_code == 0);
    const std::vector<std::string> second = names();
    REQUIRE(second.size() == 1);
    CHECK(second != first);
    world.needs_nothing();
}

TEST_CASE("a document that moves to another stack keeps its object") {
    NEEDS_SERVER;
    World world;
    world.play.write("holdfast.yaml",
                     World::project("app") +
                         "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: shop}\n"
                         "spec: {path: shop, providers: {\"*\": cluster}}\n");
    const std::string stays = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stays, namespace: @}\n";
    world.play.write("shop/stays.yaml", world.with_space(stays));
    world.commit(std::string(web_map) + settings);
    world.apply_well();
    const std::string uid = world.get("configmaps", "web")["metadata"]["uid"];
    world.play.write("shop/web.yaml", world.with_space(web_map));
    world.commit(settings);
    world.apply_well();
    CHECK(world.get("configmaps", "web")["metadata"]["uid"] == uid);
    world.needs_nothing();
    world.play.remove("shop/web.yaml"); // and is the other's to prune
    world.play.commit();
    world.apply_well();
    CHECK(world.get("configmaps", "web").is_null());
}

namespace {

// An admission webhook that puts data.injected into every object it is asked about: lighttpd and a line of
// shell.
class Webhook {
public:
    explicit Webhook(const Space& space) : name_("inject-" + space.name()) {
        const std::string port = "1" + std::to_string(3000 + getpid() % 1000); // in a namespace of our own
        write_file(
            folder_ / "mutate.sh",
            "uid=$(sed -n 's/.*\"request\":{\"uid\":\"\\([^\"]*\\)\".*/\\1/p')\n"
            "patch=$(printf '[{\"op\":\"add\",\"path\":\"/data/injected\",\"value\":\"yes\"}]' | base64 "
            "-w0)\nprintf 'Content-Type: application/json\\r\\n\\r\\n{\"apiVersion\":\"admission.k8s.io/v1\","
            "\"kind\":\"AdmissionReview\",\"response\":{\"uid\":\"%s\",\"allowed\":true,\"patchType\":"
            "\"JSONPatch\",\"patch\":\"%s\"}}' \"$uid\" \"$patch\"\n");
        write_file(folder_ / "conf", "server.document-root = \"" + folder_.path() +
                                         "\"\nserver.bind = \"127.0.0.1\"\nserver.port = " + port +
                                         "\nserver.modules = (\"mod_openssl\", \"mod_cgi\")\n"
                                         "ssl.engine = \"enable\"\nssl.pemfile = \"" +
                                         server_folder() + "/server.crt\"\nssl.privkey = \"" +
                                         server_folder() +
                                         "/server.key\"\ncgi.assign = (\".sh\" => \"/bin/sh\")\n");
        const std::string conf = folder_ / "conf";
        const char* const arguments[] = {"lighttpd", "-D", "-f", conf.c_str(), nullptr};
        process_ = std::make_unique<BackgroundProgram>(arguments, folder_ / "log");
        for (int i = 0;
             i < 100 && !output_of("curl --silent --insecure --output /dev/null https://127.0.0.1:" + port);
             ++i)
            usleep(50'000);
        const std::string authority = *output_of("base64 -w0 " + server_folder() + "/ca.crt");
        const Http made =
            ask_server("POST", all,
                       {{"apiVersion", "admissionregistration.k8s.io/v1"},
                        {"kind", "MutatingWebhookConfiguration"},
                        {"metadata", {{"name", name_}}},
                        {"webhooks",
                         {{{"name", "inject.example.org"},
                           {"clientConfig",
                            {{"url", "https://127.0.0.1:" + port + "/mutate.sh"}, {"caBundle", authority}}},
                           {"rules",
                            {{{"apiGroups", {""}},
                              {"apiVersions", {"v1"}},
                              {"operations", {"CREATE", "UPDATE"}},
                              {"resources", {"configmaps"}}}}},
                           {"objectSelector", {{"matchLabels", {{"inject", space.name()}}}}},
                           {"admissionReviewVersions", {"v1"}},
                           {"sideEffects", "None"}}}}});
        if (made.status != 201) throw std::runtime_error("no webhook: " + made.text);
        usleep(1'500'000); // the server takes it up once a second
    }
    ~Webhook() { ask_server("DELETE", std::string(all) + "/" + name_); }

private:
    static constexpr const char* all = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    std::string name_;
    holdfast::TempFolder folder_;
    std::unique_ptr<BackgroundProgram> process_;
};

} // namespace

TEST_CASE("what an admission webhook adds is neither drift nor written again and again") {
    NEEDS_SERVER;
    World world;
    const Webhook webhook(world.space);
    const auto commit = [&](const std::string& more) {
        world.commit(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: @, labels: {inject: @}}\n"
            "data: {a: \"1\"" +
            more + "}\n");
    };
    commit("");
    world.apply_well();
    CHECK(world.get("configmaps", "web")["data"] == Json{{"a", "1"}, {"injected", "yes"}});
    const long long version = world.version(world.space.path("configmaps", "web"));
    world.needs_nothing();
    world.apply_well();
    CHECK(world.version(world.space.path("configmaps", "web")) == version);
    commit(", b: \"2\"");
    world.apply_well();
    CHECK(world.get("configmaps", "web")["data"] == Json{{"a", "1"}, {"b", "2"}, {"injected", "yes"}});
    world.needs_nothing();
}

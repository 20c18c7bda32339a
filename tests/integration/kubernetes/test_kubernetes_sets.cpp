// ApplySets: what others see of whose an object is, against a real API server.

#include "fault_proxy.hpp"
#include "support/plugin_driver.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const std::string part_of = "applyset.kubernetes.io/part-of";

std::string config_map(const std::string& name, const std::string& value = "x") {
    return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name +
           ", namespace: @}\ndata: {a: " + value + "}\n";
}
const std::string account =
    "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot, namespace: @}\n";

struct SetWorld : World {
    explicit SetWorld(bool has_set = true, bool has_namespace = true) : World({}, has_namespace) {
        set(has_set);
    }
    void set(bool is_on, const std::string& name = "marks") {
        play.write("holdfast.yaml",
                   with_space(project("app", is_on ? ", applySet: {name: " + name + ", namespace: @}" : "")));
    }
    Json parent(const std::string& name = "marks") { return get("configmaps", name); }
    std::string id(const std::string& name = "marks") {
        return parent(name)["metadata"]["labels"]["applyset.kubernetes.io/id"];
    }
    std::string says(const std::string& what) {
        return parent()["metadata"]["annotations"]["applyset.kubernetes.io/" + what];
    }
    std::string label(const std::string& name, const std::string& plural = "configmaps") {
        return get(plural, name)["metadata"].value("labels", Json::object()).value(part_of, std::string());
    }
};

} // namespace

TEST_CASE("objects are labelled as part of a set only where the config asks for it") {
    NEEDS_SERVER;
    SetWorld world(false);
    world.commit(config_map("web"));
    world.apply_well();
    CHECK(world.label("web").empty());
    world.set(true);
    world.play.commit();
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out, "part-of"));
    CHECK(has(planned.out, "1 to update"));
    world.apply_well();
    CHECK(world.label("web") == world.id());
    world.needs_nothing();

    world.set(false); // and taken off again
    world.play.commit();
    world.apply_well();
    CHECK(world.label("web").empty());
    world.needs_nothing();
}

TEST_CASE("the set's parent is as kubectl would have it, and covers what is there at any time") {
    NEEDS_SERVER;
    SetWorld world;
    world.commit(config_map("web") + account);
    world.apply_well();
    // kubectl computes the id from the parent's name in the same way.
    const auto wanted = output_of("printf 'marks." + world.space.name() +
                                  ".ConfigMap.' | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | "
                                  "tr -d '=\\n'");
    REQUIRE(wanted);
    CHECK(world.id() == "applyset-" + *wanted + "-v1");
    CHECK(world.label("web") == world.id());
    CHECK(world.label("robot", "serviceaccounts") == world.id());
    CHECK(world.says("tooling").rfind("holdfast/v", 0) == 0);
    CHECK(world.says("contains-group-kinds") == "ConfigMap,ServiceAccount");
    CHECK(world.says("additional-namespaces").empty());
    world.needs_nothing();

    const Space other;
    world.commit(config_map("web") +
                 "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: far, namespace: " + other.name() +
                 "}\n");
    world.apply_well();
    CHECK(world.says("contains-group-kinds") == "ConfigMap"); // the account is gone
    CHECK(world.says("additional-namespaces") == other.name());
    world.commit(config_map("web"));
    world.apply_well();
    CHECK(world.says("contains-group-kinds") == "ConfigMap");
    CHECK(world.says("additional-namespaces").empty());
    world.needs_nothing();
}

TEST_CASE("a label that somebody takes off comes back") {
    NEEDS_SERVER;
    SetWorld world;
    world.commit(config_map("web"));
    world.apply_well();
    edit(world.space.path("configmaps", "web"), {{"metadata", {{"labels", {{part_of, nullptr}}}}}});
    CHECK(world.play.holdfast({"plan", "--exit-code"}).exit_code == 2);
    world.apply_well();
    CHECK(world.label("web") == world.id());
    world.needs_nothing();
}

TEST_CASE("what another set has taken over is neither pruned nor changed") {
    NEEDS_SERVER;
    const bool has_set = GENERATE(true, false);
    SetWorld world(has_set);
    world.commit(config_map("web") + config_map("stays"));
    world.apply_well();
    const std::string theirs = "applyset-wHf5Gity0G0nPN34KuNBIBBEOu2H9ED2KqsblMPFygM-v1";
    const auto take = [&](const Json& label) {
        edit(world.space.path("configmaps", "web"), {{"metadata", {{"labels", {{part_of, label}}}}}},
             "another-tool");
    };
    take(theirs);
    if (has_set) {
        world.commit(config_map("web", "other") + config_map("stays"));
        const Ran changed = world.apply();
        INFO(changed.out << changed.err);
        CHECK(changed.exit_code == 1);
        CHECK(has(changed.out + changed.err, "kubernetes.other-set"));
    }
    world.commit(config_map("stays"));
    const Ran pruned = world.apply();
    INFO(pruned.out << pruned.err);
    CHECK(pruned.exit_code == 1);
    CHECK(has(pruned.out + pruned.err, "kubernetes.other-set"));
    CHECK(world.get("configmaps", "web")["data"]["a"] == "x");
    take(nullptr);
    world.apply_well();
    CHECK(world.get("configmaps", "web").is_null());
}

TEST_CASE("another name of the set moves all objects to it, and prunes in the same pass") {
    NEEDS_SERVER;
    SetWorld world;
    world.commit(config_map("web") + config_map("goes"));
    world.apply_well();
    world.set(true, "renamed");
    world.commit(config_map("web"));
    world.apply_well();
    CHECK(world.label("web") == world.id("renamed"));
    CHECK(world.get("configmaps", "goes").is_null());
    world.needs_nothing();
}

TEST_CASE(
    "two providers on one cluster keep two sets, and a document that moves between them keeps its object") {
    NEEDS_SERVER;
    SetWorld world;
    const auto provider = [](const std::string& name) {
        return "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: " + name +
               "}\nspec: {plugin: kubernetes, config: {kubeconfig: " + kubeconfig_path() +
               ", applySet: {name: " + name + ", namespace: @}}}\n---\n";
    };
    const auto stack = [](const std::string& name) {
        return "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + name +
               "}\nspec: {path: " + name + ", providers: {\"*\": " + name + "}}\n---\n";
    };
    world.play.write("holdfast.yaml",
                     world.with_space(provider("one") + provider("two") + stack("one") + stack("two")));
    world.play.write("two/stays.yaml", world.with_space(config_map("stays")));
    world.play.write("one/stays.yaml", world.with_space(account));
    world.commit(config_map("web"), "one/web.yaml");
    world.apply_well();
    CHECK(world.label("web") == world.id("one"));
    CHECK(world.label("stays") == world.id("two"));
    CHECK(world.id("one") != world.id("two"));
    const std::string uid = world.get("configmaps", "web")["metadata"]["uid"];
    world.play.remove("one/web.yaml");
    world.commit(config_map("web"), "two/web.yaml");
    world.apply_well();
    CHECK(world.get("configmaps", "web")["metadata"]["uid"] == uid);
    world.apply_well(); // first the ledger, then the label
    CHECK(world.get("configmaps", "web")["metadata"]["uid"] == uid);
    CHECK(world.label("web") == world.id("two"));
    world.needs_nothing();
    world.play.remove("two/web.yaml");
    world.play.commit();
    world.apply_well();
    CHECK(world.get("configmaps", "web").is_null());
    CHECK_FALSE(world.get("configmaps", "stays").is_null());
}

TEST_CASE("the parent's own namespace comes before everything that is labelled") {
    NEEDS_SERVER;
    SetWorld world(true, false);
    world.commit(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: early, namespace: default, labels: {run: @}, "
        "annotations: {argocd.argoproj.io/sync-wave: \"-3\", holdfast.dev/adopt: always}}\n" +
        config_map("web") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: @}\n");
    world.apply_well();
    CHECK(world.label("web") == world.id());
    CHECK(world.says("contains-group-kinds") == "ConfigMap,Namespace");
    CHECK(world.says("additional-namespaces") == "default");
    ask_server("DELETE", "/api/v1/namespaces/default/configmaps/early");
}

TEST_CASE("a ConfigMap that is no parent of ours is never made one, and nothing is written without one") {
    NEEDS_SERVER;
    SetWorld world;
    Json theirs{{"metadata", {{"name", "marks"}}}, {"data", {{"mine", "yes"}}}};
    if (GENERATE(true, false))
        theirs["metadata"]["annotations"]["applyset.kubernetes.io/tooling"] = "kubectl/v1.30.0";
    ask_server("POST", "/api/v1/namespaces/" + world.space.name() + "/configmaps", theirs);
    world.commit(config_map("web"));
    const Ran ran = world.apply();
    INFO(ran.out << ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(has(ran.out + ran.err, "kubernetes.set-parent"));
    CHECK(world.get("configmaps", "web").is_null());
    CHECK(world.parent()["data"]["mine"] == "yes");
}

TEST_CASE("a parent that was deleted by hand comes back with all kinds of the stack") {
    NEEDS_SERVER;
    SetWorld world;
    world.commit(config_map("web") + account);
    world.apply_well();
    ask_server("DELETE", world.space.path("configmaps", "marks"));
    world.commit(config_map("web", "other") + account);
    world.apply_well();
    CHECK(world.says("contains-group-kinds") == "ConfigMap,ServiceAccount");
}

namespace {

// The first request that matches gets this answer.
Faults once(const std::string& method, const std::string& part, const Canned& answer) {
    const auto left = std::make_shared<std::atomic<bool>>(true);
    return [=](const std::string& asked, const std::string& path) -> std::optional<Canned> {
        const bool is_meant = asked == method && has(path, part) && left->exchange(false);
        return is_meant ? std::optional(answer) : std::nullopt;
    };
}

// The config of a provider behind the proxy, whose set has the parent "marks".
std::string with_set_of_marks(const FaultProxy& proxy, const Space& space) {
    return Json{{"server", proxy.url()},
                {"token", "test-admin"},
                {"applySet", {{"name", "marks"}, {"namespace", space.name()}}}}
        .dump();
}

} // namespace

TEST_CASE("a pass that is cut short leaves a parent that names too much, never too little") {
    NEEDS_SERVER;
    const Space space;
    const auto [method, part, answer] = GENERATE(table<std::string, std::string, Canned>(
        {{"POST", "configmaps", {0, "", ""}},       // the parent is made, and nobody hears of it
         {"POST", "configmaps", {500, "", "boom"}}, // it is not made
         {"PATCH", "/web?", {500, "", "boom"}}}));  // the parent is made, the object is not
    FaultProxy proxy(once(method, part, answer));
    PluginDriver driver("kubernetes", with_set_of_marks(proxy, space), Isolation::worker);
    Ask web{.kind = "v1/ConfigMap",
            .identity = "\"web\"",
            .declared = space.config_map("web", {{"a", "1"}}),
            .action = ItemAction::create};
    const Answers first = driver.ask(Method::apply, space.name(), {web});
    INFO(first.summary());
    CHECK(first[0].outcome == Outcome::failed);
    CHECK(live(space.path("configmaps", "web")).is_null());
    CHECK(live(space.path("configmaps", "marks")).is_null() == (answer.status == 500 && method == "POST"));
    const Answers second = driver.ask(Method::apply, space.name(), {web});
    CHECK(second.summary() == "done");
    const Json parent = live(space.path("configmaps", "marks"));
    CHECK(parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap");
    CHECK(live(space.path("configmaps", "web"))["metadata"]["labels"][part_of] ==
          parent["metadata"]["labels"]["applyset.kubernetes.io/id"]);
}

TEST_CASE("a parent that could not be made smaller is made so with the next delete") {
    NEEDS_SERVER;
    const Space space;
    FaultProxy proxy(once("PATCH", "/marks?", {500, "", "boom"}));
    PluginDriver driver("kubernetes", with_set_of_marks(proxy, space), Isolation::worker);
    const auto ask = [&](ItemAction action, const std::string& name) {
        Ask it{.kind = "v1/ConfigMap", .identity = Json(name).dump(), .action = action};
        if (action == ItemAction::create) it.declared = space.config_map(name, {{"a", "1"}});
        return driver.ask(Method::apply, space.name(), {it}).summary();
    };
    const auto kinds = [&] {
        return live(space.path(
            "configmaps", "marks"))["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"];
    };
    CHECK(ask(ItemAction::create, "web") == "done");
    CHECK(ask(ItemAction::remove, "web") == "done");
    CHECK(kinds() == "ConfigMap");
    CHECK(ask(ItemAction::remove, "web") == "unchanged");
    CHECK(kinds() == "");
}

TEST_CASE("what is imported has neither the label nor the parent") {
    NEEDS_SERVER;
    SetWorld world;
    world.commit(config_map("web"));
    world.apply_well();
    PluginDriver driver("kubernetes", Json{{"kubeconfig", kubeconfig_path()}}.dump(), Isolation::worker);
    const Answers listed =
        driver.ask(Method::list, world.space.name(), {}, R"({"kind": "v1/ConfigMap", "page": ""})");
    bool has_web = false;
    for (const auto& [index, object] : listed.items) {
        CHECK_FALSE(has(object.document, "applyset"));
        has_web = has_web || object.identity == "\"web\"";
    }
    CHECK(has_web);
}

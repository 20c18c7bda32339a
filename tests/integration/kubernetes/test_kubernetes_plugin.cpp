// The kubernetes plugin through the engine's plugin host, in a worker, against a real API server.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include "server.hpp"
#include "support/catch.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

struct Cluster {
    explicit Cluster(const Json& more = Json::object())
        : driver("kubernetes", config(more), Isolation::worker) {}
    static std::string config(const Json& more) {
        Json out{{"kubeconfig", kubeconfig_path()}};
        out.update(more);
        return out.dump();
    }
    Answers ask(Method method, const std::vector<Ask>& items) {
        return driver.ask(method, space.name(), items);
    }

    // ConfigMaps in the namespace of this test.
    Ask map(const std::string& name, const Json& data = {{"a", "1"}}) const {
        return {.kind = "v1/ConfigMap",
                .identity = Json(name).dump(),
                .declared = space.config_map(name, data),
                .action = ItemAction::create};
    }
    Ask update(const std::string& name, const Json& data, const Answer& seen) const {
        Ask ask = map(name, data);
        ask.action = ItemAction::update;
        ask.observed = seen.document;
        ask.version = seen.version;
        return ask;
    }
    Ask removal(const std::string& name, const Answer& seen) const {
        Ask ask = update(name, {}, seen);
        ask.declared.clear();
        ask.action = ItemAction::remove;
        return ask;
    }
    Answer seen(const std::string& name) { return ask(Method::observe, {map(name)})[0]; }

    Space space;
    PluginDriver driver;
};

// Of everybody on this machine, as the kernel lists them (proc_pid_net(5)).
std::size_t connections_to_server() {
    const std::string url = server_url();
    char wanted[16];
    std::snprintf(wanted, sizeof wanted, ":%04X", std::stoi(url.substr(url.rfind(':') + 1)));
    std::ifstream table("/proc/net/tcp");
    std::string line, number, local, remote, state;
    std::size_t count = 0;
    while (std::getline(table, line)) {
        std::istringstream words(line);
        words >> number >> local >> remote >> state;
        if (state == "01" && remote.size() > 5 && remote.substr(remote.size() - 5) == wanted) ++count;
    }
    return count;
}

} // namespace

#define NEEDS_SERVER                                                                                         \
    if (const auto why = server_obstacle()) return skip(*why)

TEST_CASE("a cluster is known by itself and not by its address") {
    NEEDS_SERVER;
    Cluster cluster;
    const std::string uid = live("/api/v1/namespaces/kube-system")["metadata"]["uid"];
    CHECK(cluster.driver.provider().target() == "kubernetes:" + uid);
}

TEST_CASE("many objects are read by one list, few one by one, and what is not there is absent") {
    NEEDS_SERVER;
    Cluster cluster;
    std::vector<Ask> asks;
    const std::size_t count = GENERATE(2U, 40U);
    for (std::size_t i = 0; i < count; ++i) asks.push_back(cluster.map("m" + std::to_string(i)));
    CHECK(cluster.ask(Method::apply, asks).items.size() == count);
    asks.push_back(cluster.map("missing"));
    const Answers seen = cluster.ask(Method::observe, asks);
    for (std::uint32_t i = 0; i < count; ++i) {
        CHECK(seen[i].outcome == Outcome::done);
        CHECK(Json::parse(seen[i].document)["data"]["a"] == "1");
        CHECK_FALSE(Json::parse(seen[i].document)["metadata"].contains("managedFields"));
    }
    CHECK(seen[static_cast<std::uint32_t>(count)].outcome == Outcome::absent);
}

TEST_CASE("many writes at once share a connection") {
    NEEDS_SERVER;
    Cluster cluster;
    std::vector<Ask> asks;
    for (int i = 0; i < 100; ++i) asks.push_back(cluster.map("m" + std::to_string(i)));
    const std::size_t before = connections_to_server();
    CHECK(cluster.ask(Method::canonicalize, asks).items.size() == 100);
    const Answers answers = cluster.ask(Method::apply, asks);
    CHECK(answers.items.size() == 100);
    for (const auto& [index, answer] : answers.items) CHECK(answer.outcome == Outcome::done);
    CHECK(connections_to_server() <= before + 2); // they stay open for a while
}

TEST_CASE("whoever may not read hears that, and is never told that nothing is there") {
    NEEDS_SERVER;
    Space space;
    const Json config{
        {"server", server_url()}, {"caFile", server_folder() + "/ca.crt"}, {"token", "test-nobody"}};
    PluginDriver nobody("kubernetes", config.dump(), Isolation::worker);
    const Answers answers =
        nobody.ask(Method::observe, space.name(), {{.kind = "v1/ConfigMap", .identity = "\"web\""}});
    CHECK(answers.summary() == "failed(kubernetes.forbidden)");
}

TEST_CASE("wrong credentials, a wrong authority and a dead server are told apart") {
    NEEDS_SERVER;
    const auto code = [](const Json& config) -> std::string {
        try {
            PluginDriver driver("kubernetes", config.dump(), Isolation::worker);
        } catch (const std::exception& error) {
            return error.what();
        }
        return "none";
    };
    const std::string ca = server_folder() + "/ca.crt";
    CHECK_THAT(code({{"server", server_url()}, {"caFile", ca}, {"token", "wrong"}}),
               ContainsSubstring("does not know who asks"));
    CHECK_THAT(code({{"server", server_url()}, {"token", "test-admin"}}), ContainsSubstring("no answer"));
    CHECK_THAT(code({{"server", "https://127.0.0.1:1"}, {"caFile", ca}, {"token", "test-admin"}}),
               ContainsSubstring("no answer"));
    CHECK(code({{"server", server_url()},
                {"caFile", ca},
                {"token", "test-admin"},
                {"serverName", "kubernetes.test"}}) == "none");
}

TEST_CASE("a write against an old version is a conflict, and changes nothing") {
    NEEDS_SERVER;
    Cluster cluster;
    cluster.ask(Method::apply, {cluster.map("web")});
    const Answer seen = cluster.seen("web");
    SECTION("where somebody has changed it") {
        edit(cluster.space.path("configmaps", "web"), {{"data", {{"a", "theirs"}}}});
        const Answers answers = cluster.ask(Method::apply, {cluster.update("web", {{"a", "ours"}}, seen)});
        CHECK(answers.summary() == "failed(kubernetes.conflict)");
        CHECK(answers[0].diagnostics.list().front().retry == Retry::conflict);
        CHECK(live(cluster.space.path("configmaps", "web"))["data"]["a"] == "theirs");
    }
    SECTION("where somebody has deleted it") {
        ask_server("DELETE", cluster.space.path("configmaps", "web"));
        const Answers answers = cluster.ask(Method::apply, {cluster.update("web", {{"a", "ours"}}, seen)});
        CHECK(answers.summary() == "failed(kubernetes.conflict)");
        CHECK(live(cluster.space.path("configmaps", "web")).is_null());
    }
}

TEST_CASE("a status that changes all the time is no conflict") {
    NEEDS_SERVER;
    Cluster cluster;
    Ask pod{.kind = "v1/Namespace",
            .identity = Json(cluster.space.name()).dump(),
            .declared = Json{{"apiVersion", "v1"},
                             {"kind", "Namespace"},
                             {"metadata", {{"name", cluster.space.name()}, {"labels", {{"a", "1"}}}}}}
                            .dump()};
    const Answer seen = cluster.driver.ask(Method::observe, "", {pod})[0];
    ask_server("PATCH", "/api/v1/namespaces/" + cluster.space.name() + "/status",
               {{"status", {{"conditions", {{{"type", "Odd"}, {"status", "True"}}}}}}});
    pod.action = ItemAction::update;
    pod.observed = seen.document;
    pod.version = seen.version;
    CHECK(cluster.driver.ask(Method::apply, "", {pod}).summary() == "done");
}

TEST_CASE("a delete is of the object that was applied, and of no other of its name") {
    NEEDS_SERVER;
    Cluster cluster;
    cluster.ask(Method::apply, {cluster.map("web")});
    const Answer seen = cluster.seen("web");
    ask_server("DELETE", cluster.space.path("configmaps", "web"));
    CHECK(cluster.ask(Method::apply, {cluster.removal("web", seen)}).summary() == "unchanged");
    const std::string maps = "/api/v1/namespaces/" + cluster.space.name() + "/configmaps";
    ask_server("POST", maps, {{"metadata", {{"name", "web"}}}});
    const Answers answers = cluster.ask(Method::apply, {cluster.removal("web", seen)});
    CHECK(answers.summary() == "failed(kubernetes.conflict)");
    CHECK_FALSE(live(cluster.space.path("configmaps", "web")).is_null());
}

TEST_CASE("what was changed since it was planned to go is not deleted") {
    NEEDS_SERVER;
    Cluster cluster;
    cluster.ask(Method::apply, {cluster.map("web")});
    const Answer seen = cluster.seen("web");
    edit(cluster.space.path("configmaps", "web"), {{"data", {{"a", "theirs"}}}});
    CHECK(cluster.ask(Method::apply, {cluster.removal("web", seen)}).summary() ==
          "failed(kubernetes.conflict)");
    CHECK_FALSE(live(cluster.space.path("configmaps", "web")).is_null());
    CHECK(cluster.ask(Method::apply, {cluster.removal("web", cluster.seen("web"))}).summary() == "done");
    CHECK(live(cluster.space.path("configmaps", "web")).is_null());
}

TEST_CASE("a write that is repeated changes nothing") {
    NEEDS_SERVER;
    Cluster cluster;
    CHECK(cluster.ask(Method::apply, {cluster.map("web")}).summary() == "done");
    const std::string version = live(cluster.space.path("configmaps", "web"))["metadata"]["resourceVersion"];
    cluster.ask(Method::apply, {cluster.map("web")});
    CHECK(live(cluster.space.path("configmaps", "web"))["metadata"]["resourceVersion"] == version);
}

TEST_CASE("what a controller writes between read and dry-run is no change of ours") {
    NEEDS_SERVER;
    Cluster cluster;
    cluster.ask(Method::apply, {cluster.map("web")});
    Ask ask = cluster.update("web", {{"a", "1"}}, cluster.seen("web"));
    ask.action = ItemAction::none;
    edit(cluster.space.path("configmaps", "web"), {{"metadata", {{"annotations", {{"revision", "1"}}}}}},
         "a-controller");
    const Answers answers = cluster.ask(Method::canonicalize, {ask});
    CHECK(answers.summary() == "done");
    CHECK_FALSE(Json::parse(answers[0].document)["metadata"].contains("annotations"));
}

TEST_CASE("changes are seen as they happen, with who made them") {
    NEEDS_SERVER;
    Cluster cluster;
    cluster.ask(Method::apply, {cluster.map("web"), cluster.map("other")});
    std::mutex mutex;
    std::vector<Hint> hints;
    const OnHint on_hint = [&](const Hint& hint) {
        const std::lock_guard lock(mutex);
        hints.push_back(hint);
    };
    const auto wait_for = [&](std::size_t count) {
        for (int i = 0; i < 300; ++i) {
            {
                const std::lock_guard lock(mutex);
                if (hints.size() >= count) return true;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    };
    const std::string identity = "\"web\"";
    const Item item{.kind = "v1/ConfigMap", .identity = identity};
    REQUIRE(cluster.driver.provider().watch(cluster.space.name(), {&item, 1}, on_hint).ok());
    edit(cluster.space.path("configmaps", "other"), {{"data", {{"a", "2"}}}});
    edit(cluster.space.path("configmaps", "web"), {{"data", {{"a", "2"}}}});
    REQUIRE(wait_for(1));
    {
        const std::lock_guard lock(mutex);
        CHECK(hints[0].identity == identity);
        CHECK(hints[0].kind == "v1/ConfigMap");
        CHECK(hints[0].scope == cluster.space.name());
        CHECK(hints[0].actor == "kubectl-edit");
    }
    ask_server("DELETE", cluster.space.path("configmaps", "web"));
    REQUIRE(wait_for(2));
    cluster.driver.provider().unwatch();
    cluster.ask(Method::apply, {cluster.map("web")});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::lock_guard lock(mutex);
    CHECK(hints.size() == 2);
}

TEST_CASE("a kubeconfig may run only what the operator has allowed") {
    NEEDS_SERVER;
    TempFolder folder;
    const std::string program = folder / "credentials";
    write_file(program, "#!/bin/sh\necho '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": "
                        "\"ExecCredential\", \"status\": {\"token\": \"test-admin\"}}'\n");
    chmod(program.c_str(), 0755);
    const std::string path = folder / "kubeconfig";
    write_file(path,
               "current-context: c\nclusters: [{name: c, cluster: {server: '" + server_url() +
                   "', certificate-authority: " + server_folder() +
                   "/ca.crt}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
                   "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: " +
                   program + "}}}]\n");
    const std::string config = Json{{"kubeconfig", path}}.dump();
    unsetenv("HOLDFAST_KUBERNETES_EXEC");
    CHECK_THROWS_WITH(PluginDriver("kubernetes", config, Isolation::worker),
                      ContainsSubstring("which the operator has not allowed"));
    setenv("HOLDFAST_KUBERNETES_EXEC", program.c_str(), 1);
    CHECK_NOTHROW(PluginDriver("kubernetes", config, Isolation::worker));
    unsetenv("HOLDFAST_KUBERNETES_EXEC");
}

// The kubernetes plugin behind a proxy that plays the API server's bad days.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <sys/stat.h>

#include "fault_proxy.hpp"
#include "server.hpp"
#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/playground.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The first `count` requests that match get this answer.
class Once {
public:
    Once(int count, std::string method, std::string part, Canned answer)
        : left_(count), method_(std::move(method)), part_(std::move(part)), answer_(std::move(answer)) {}
    Faults faults() const {
        const auto left = std::make_shared<std::atomic<int>>(left_);
        return [left, *this](const std::string& method, const std::string& path) -> std::optional<Canned> {
            if (method != method_ || !has(path, part_) || (*left)-- <= 0) return std::nullopt;
            return answer_;
        };
    }

private:
    int left_;
    std::string method_, part_;
    Canned answer_;
};

std::string refusal(int code, const std::string& reason, const std::string& message) {
    return Json{
        {"kind", "Status"}, {"status", "Failure"}, {"code", code}, {"reason", reason}, {"message", message}}
        .dump();
}

struct Behind {
    explicit Behind(const Once& once)
        : proxy(once.faults()),
          driver("kubernetes", Json{{"server", proxy.url()}, {"token", "test-admin"}}.dump(),
                 Isolation::worker) {}
    Ask map(const std::string& name, const Json& data = {{"a", "1"}}) const {
        return {.kind = "v1/ConfigMap",
                .identity = Json(name).dump(),
                .declared = space.config_map(name, data),
                .action = ItemAction::create};
    }
    Answers ask(Method method, const std::vector<Ask>& items) {
        return driver.ask(method, space.name(), items);
    }

    Space space;
    FaultProxy proxy;
    PluginDriver driver;
};

} // namespace

#define NEEDS_SERVER                                                                                         \
    if (const auto why = server_obstacle()) return skip(*why)

TEST_CASE("a busy server is left alone for as long as it asks, and then gets everything") {
    NEEDS_SERVER;
    Behind behind(Once(10, "PATCH", "configmaps", {429, "Retry-After: 1\r\n", "busy"}));
    std::vector<Ask> asks;
    for (int i = 0; i < 30; ++i) asks.push_back(behind.map("m" + std::to_string(i)));
    const auto begun = std::chrono::steady_clock::now();
    const Answers answers = behind.ask(Method::apply, asks);
    CHECK(answers.end.ok);
    for (const auto& [index, answer] : answers.items) CHECK(answer.outcome == Outcome::done);
    CHECK(answers.items.size() == 30);
    CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::seconds(1));
}

TEST_CASE(
    "credentials that end in the midst of many writes are asked for anew, and every object is written once") {
    NEEDS_SERVER;
    Behind behind(Once(3, "PATCH", "configmaps", {401, "", refusal(401, "Unauthorized", "who is it?")}));
    std::vector<Ask> asks;
    for (int i = 0; i < 30; ++i) asks.push_back(behind.map("m" + std::to_string(i)));
    const Answers answers = behind.ask(Method::apply, asks);
    CHECK(answers.items.size() == 30);
    for (const auto& [index, answer] : answers.items) CHECK(answer.outcome == Outcome::done);
    std::size_t writes = 0;
    for (const std::string& request : behind.proxy.requests())
        writes += request.rfind("PATCH", 0) == 0 ? 1 : 0;
    CHECK(writes == 33);
}

TEST_CASE("a connection that was opened with one's certificate is nobody else's") {
    NEEDS_SERVER;
    HttpRequest ours, anonymous, distrustful;
    for (HttpRequest* one : {&ours, &anonymous, &distrustful}) {
        one->url = server_url() + "/api/v1/namespaces";
        one->ca_file = server_folder() + "/ca.crt";
        one->proxy = "-";
    }
    ours.client_certificate = server_folder() + "/admin.crt";
    ours.client_key = server_folder() + "/admin.key";
    distrustful.ca_file = server_folder() + "/admin.crt"; // no authority, and not the server's
    HttpClient client;
    std::vector<const HttpRequest*> left{&ours,      &anonymous,   &distrustful, &ours,
                                         &anonymous, &distrustful, &ours};
    HttpBatch batch;
    batch.most_at_once = GENERATE(1U, 16U);
    batch.next = [&]() -> const HttpRequest* {
        if (left.empty()) return nullptr;
        const HttpRequest* next = left.back();
        left.pop_back();
        return next;
    };
    std::map<const HttpRequest*, std::vector<int>> seen;
    batch.take = [&](const HttpRequest& request, const HttpResponse& response) {
        seen[&request].push_back(response.status);
        if (&request == &distrustful) CHECK(response.fault == HttpFault::certificate);
    };
    client.perform_all(batch);
    CHECK(seen[&ours] == std::vector<int>{200, 200, 200});
    CHECK(seen[&distrustful] == std::vector<int>{0, 0});
    CHECK(seen[&anonymous].size() == 2);
    for (const int status : seen[&anonymous]) CHECK((status == 401 || status == 403));
}

TEST_CASE("a list that the server forgets half way begins anew, and nothing counts as absent") {
    NEEDS_SERVER;
    Behind behind(Once(1, "GET", "configmaps?limit", {410, "", refusal(410, "Expired", "too old")}));
    std::vector<Ask> asks;
    for (int i = 0; i < 10; ++i) asks.push_back(behind.map("m" + std::to_string(i)));
    behind.ask(Method::apply, asks);
    const Answers seen = behind.ask(Method::observe, asks);
    for (const auto& [index, answer] : seen.items) CHECK(answer.outcome == Outcome::done);
}

TEST_CASE("a few objects among many others are not looked for in all pages of a list") {
    NEEDS_SERVER;
    Behind behind(Once(0, "GET", "", {}));
    std::vector<Ask> all;
    for (int i = 0; i < 140; ++i) all.push_back(behind.map("m" + std::to_string(i)));
    behind.ask(Method::apply, all);
    const std::vector<Ask> few(all.begin() + 100, all.begin() + 106);
    const Answers seen = behind.ask(Method::observe, few);
    CHECK(seen.items.size() == 6);
    for (const auto& [index, answer] : seen.items) CHECK(answer.outcome == Outcome::done);
    std::size_t lists = 0, gets = 0;
    for (const std::string& request : behind.proxy.requests()) {
        lists += has(request, "configmaps?limit") ? 1 : 0;
        gets += request.rfind("GET", 0) == 0 && has(request, "configmaps/m") ? 1 : 0;
    }
    CHECK(lists == 1);
    CHECK(gets <= 6);
}

TEST_CASE("a read that fails is never an absence") {
    NEEDS_SERVER;
    const Canned answer = GENERATE(Canned{500, "", "boom"}, Canned{404, "", "default backend - 404"},
                                   Canned{200, "", "<html>"}, Canned{403, "", "{}"});
    Behind behind(Once(100, "GET", "configmaps", answer));
    const Answers seen = behind.ask(Method::observe, {behind.map("web")});
    INFO(answer.status << ": " << seen.summary());
    CHECK(seen[0].outcome == Outcome::failed);
}

TEST_CASE("a discovery that fails is no absence of its kinds") {
    NEEDS_SERVER;
    const Canned answer = GENERATE(Canned{503, "", "down"}, Canned{404, "", "default backend - 404"});
    Behind behind(Once(100, "GET", "/apis/example.org/v1", answer));
    Ask ask = behind.map("one");
    ask.kind = "example.org/v1/Widget";
    CHECK(behind.ask(Method::observe, {ask})[0].outcome == Outcome::failed);
    ask.kind = "example.com/v1/Widget"; // a group that the server really does not have
    CHECK(behind.ask(Method::observe, {ask})[0].outcome == Outcome::absent);
}

TEST_CASE("an answer that is lost leaves one object, and the next write finds it") {
    NEEDS_SERVER;
    Behind behind(Once(1, "PATCH", "configmaps", {0, "", ""}));
    const Answers lost = behind.ask(Method::apply, {behind.map("web")});
    CHECK(lost[0].outcome == Outcome::unknown);
    CHECK(live(behind.space.path("configmaps", "web"))["data"]["a"] == "1");
    const std::string version = live(behind.space.path("configmaps", "web"))["metadata"]["resourceVersion"];
    behind.ask(Method::apply, {behind.map("web")});
    CHECK(live(behind.space.path("configmaps", "web"))["metadata"]["resourceVersion"] == version);
}

TEST_CASE("a webhook that refuses dry-runs is a reason to compare as written, and no error") {
    NEEDS_SERVER;
    Behind behind(
        Once(100, "PATCH", "dryRun=All",
             {400, "", refusal(400, "BadRequest", "admission webhook \"w\" does not support dry run")}));
    Ask ask = behind.map("web");
    ask.action = ItemAction::none;
    CHECK(behind.ask(Method::canonicalize, {ask}).summary() == "not-yet");
}

TEST_CASE("what a webhook changes is part of what is compared") {
    NEEDS_SERVER;
    const std::string mutated =
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","uid":"u","labels":{"injected":"yes"}},)"
        R"("data":{"a":"1"}})";
    Behind behind(Once(100, "PATCH", "dryRun=All", {200, "", mutated}));
    behind.ask(Method::apply, {behind.map("web")});
    Ask ask = behind.map("web");
    ask.action = ItemAction::none;
    ask.observed = mutated;
    const Answers answers = behind.ask(Method::canonicalize, {ask});
    CHECK(answers.summary() == "done");
    CHECK(Json::parse(answers[0].document)["metadata"]["labels"]["injected"] == "yes");
    CHECK(answers[0].detail.empty());
}

TEST_CASE("a watch that the server forgets again and again misses nothing") {
    NEEDS_SERVER;
    Behind behind(
        Once(3, "GET", "watch=true", {410, "", refusal(410, "Expired", "too old resource version")}));
    behind.ask(Method::apply, {behind.map("web")});
    std::mutex mutex;
    std::vector<Hint> hints;
    const OnHint on_hint = [&](const Hint& hint) {
        const std::lock_guard lock(mutex);
        hints.push_back(hint);
    };
    const auto count = [&] {
        const std::lock_guard lock(mutex);
        return hints.size();
    };
    const auto wait_for_more_than = [&](std::size_t known) {
        for (int i = 0; i < 1000 && count() <= known; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return count() > known;
    };
    const std::string identity = "\"web\"";
    const Item item{.kind = "v1/ConfigMap", .identity = identity};
    REQUIRE(behind.driver.provider().watch(behind.space.name(), {&item, 1}, on_hint).ok());
    REQUIRE(wait_for_more_than(0));
    CHECK(hints[0].reach == Hint::Reach::scope); // everything may have changed meanwhile
    const std::size_t before = count();
    // Whether the watch stands again by now or not: by an event or by beginning anew, it is told.
    edit(behind.space.path("configmaps", "web"), {{"data", {{"a", "2"}}}});
    CHECK(wait_for_more_than(before));
    behind.driver.provider().unwatch();
}

TEST_CASE("what is known to be equal is not asked about again") {
    NEEDS_SERVER;
    Behind behind(Once(0, "", "", {}));
    behind.ask(Method::apply, {behind.map("web")});
    Ask ask = behind.map("web");
    const Answer seen = behind.ask(Method::observe, {ask})[0];
    ask.action = ItemAction::none;
    ask.observed = seen.document;
    ask.version = seen.version;
    const auto dry_runs = [&] {
        std::size_t count = 0;
        for (const std::string& request : behind.proxy.requests())
            count += has(request, "dryRun=All") ? 1 : 0;
        return count;
    };
    behind.ask(Method::canonicalize, {ask});
    CHECK(dry_runs() == 1);
    behind.ask(Method::canonicalize, {ask});
    CHECK(dry_runs() == 1);
    ask.declared = behind.map("web", {{"a", "2"}}).declared;
    behind.ask(Method::canonicalize, {ask});
    CHECK(dry_runs() == 2);
}

TEST_CASE("a plan after an apply makes one list and no dry-run") {
    NEEDS_SERVER;
    FaultProxy proxy([](const std::string&, const std::string&) { return std::nullopt; });
    Space space;
    ::test::Playground play;
    std::string maps;
    for (int i = 0; i < 20; ++i)
        maps += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m" + std::to_string(i) +
                ", namespace: " + space.name() + "}\ndata: {a: b}\n";
    play.write("app/all.yaml", maps);
    play.write("holdfast.yaml", "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: c}\n"
                                "spec: {plugin: kubernetes, config: {server: '" +
                                    proxy.url() +
                                    "', token: test-admin}}\n---\napiVersion: holdfast.dev/v1alpha1\n"
                                    "kind: Stack\nmetadata: {name: app}\n"
                                    "spec: {path: app, providers: {'*': c}}\n");
    play.commit();
    const ::test::Ran applied = play.holdfast({"apply", "--yes"});
    INFO(applied.out << applied.err);
    REQUIRE(applied.exit_code == 0);
    const std::size_t before = proxy.requests().size();
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);
    std::string since;
    const std::vector<std::string> requests = proxy.requests();
    for (std::size_t i = before; i < requests.size(); ++i) since += requests[i] + "\n";
    INFO(since);
    CHECK_FALSE(has(since, "PATCH"));
    CHECK(requests.size() - before <= 4); // who the cluster is, what it serves (twice if it is old), the list
}

namespace {

// holdfast.yaml with stack "app" on the server behind a proxy.
std::string project_behind(const FaultProxy& proxy, const std::string& more_stack = {}) {
    return "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: c}\n"
           "spec: {plugin: kubernetes, config: {server: '" +
           proxy.url() +
           "', token: test-admin}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
           "metadata: {name: app}\nspec: {path: app, providers: {'*': c}" +
           more_stack + "}\n";
}

// Hints as they come, for a test to wait for.
class Heard {
public:
    OnHint listener() {
        return [this](const Hint& hint) {
            const std::lock_guard lock(mutex_);
            hints_.push_back(hint);
        };
    }
    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return hints_.size();
    }
    Hint at(std::size_t i) const {
        const std::lock_guard lock(mutex_);
        return hints_.at(i);
    }
    bool has_come(std::size_t count) const {
        for (int i = 0; i < 1500 && this->count() < count; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return this->count() >= count;
    }

private:
    mutable std::mutex mutex_;
    std::vector<Hint> hints_;
};

// For a daemon on a machine that has much else to do.
bool in_time(const std::function<bool()>& claim) {
    for (int i = 0; i < 3000 && !claim(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return claim();
}

std::size_t count_of(const std::vector<std::string>& requests, const std::string& part) {
    std::size_t count = 0;
    for (const std::string& request : requests) count += has(request, part) ? 1 : 0;
    return count;
}

// As kube-apiserver 1.32 writes them (apidiscovery.k8s.io/v2).
Json discovered(const char* group, const char* kind, const char* plural, const char* freshness = "Current") {
    return {{"metadata", {{"name", group}, {"creationTimestamp", nullptr}}},
            {"versions",
             {{{"version", "v1"},
               {"freshness", freshness},
               {"resources",
                {{{"resource", plural},
                  {"responseKind", {{"group", group}, {"version", "v1"}, {"kind", kind}}},
                  {"scope", "Namespaced"},
                  {"singularResource", ""},
                  {"verbs", {"create", "delete", "get", "list", "patch", "update", "watch"}},
                  {"subresources", Json::array()}}}}}}}};
}
std::string discovery_of(std::vector<Json> groups) {
    return Json{{"kind", "APIGroupDiscoveryList"},
                {"apiVersion", "apidiscovery.k8s.io/v2"},
                {"metadata", Json::object()},
                {"items", std::move(groups)}}
        .dump();
}

} // namespace

TEST_CASE("a newer server says once what it serves, and what it calls stale is asked for by itself") {
    NEEDS_SERVER;
    Space space;
    FaultProxy proxy([](const std::string&, const std::string& path) -> std::optional<Canned> {
        if (path == "/api") return Canned{200, "", discovery_of({discovered("", "ConfigMap", "configmaps")})};
        if (path == "/apis")
            return Canned{200, "",
                          discovery_of({discovered("apps", "Deployment", "deployments"),
                                        discovered("metrics.example.org", "Sample", "samples", "Stale")})};
        if (path == "/apis/metrics.example.org/v1") return Canned{503, "", "nobody answers"};
        return std::nullopt;
    });
    PluginDriver driver("kubernetes", Json{{"server", proxy.url()}, {"token", "test-admin"}}.dump(),
                        Isolation::worker);
    const auto look = [&](const char* kind) {
        return driver.ask(Method::observe, space.name(), {{.kind = kind, .identity = "\"web\""}}).summary();
    };
    CHECK(look("v1/ConfigMap") == "absent");
    CHECK(look("apps/v1/Deployment") == "absent");
    CHECK(look("metrics.example.org/v1/Sample") == "failed(kubernetes.broken-api)");
    CHECK(look("example.com/v1/Widget") == "absent"); // the server itself says that it has no such group
    const std::vector<std::string> requests = proxy.requests();
    const auto asked = [&](const std::string& whole) {
        return std::count(requests.begin(), requests.end(), "GET " + whole);
    };
    CHECK(asked("/api") == 1);
    CHECK(asked("/apis") == 1);
    CHECK(asked("/api/v1") == 0);
    CHECK(asked("/apis/apps/v1") == 0);
    CHECK(asked("/apis/metrics.example.org/v1") >= 1);
}

TEST_CASE("in a storm of 410s a streaming list says what has changed, and only that is told") {
    NEEDS_SERVER;
    Space space;
    const std::string version = ask_server("GET", "/api/v1/namespaces/" + space.name() + "/configmaps")
                                    .body()["metadata"]["resourceVersion"];
    std::atomic<int> lists{0}, refusals{0};
    // web changes before the third list, other is gone in the fourth.
    FaultProxy proxy([&](const std::string&, const std::string& path) -> std::optional<Canned> {
        if (!has(path, "watch=true") || !has(path, "configmaps")) return std::nullopt;
        if (!has(path, "sendInitialEvents=true")) {
            if (++refusals > 4) return std::nullopt;
            return Canned{410, "", refusal(410, "Expired", "too old resource version")};
        }
        const int round = ++lists;
        const auto event = [&](const char* type, Json metadata) {
            return Json{{"type", type},
                        {"object",
                         {{"kind", "PartialObjectMetadata"},
                          {"apiVersion", "meta.k8s.io/v1"},
                          {"metadata", std::move(metadata)}}}}
                       .dump() +
                   "\n";
        };
        std::string body =
            event("ADDED",
                  {{"name", "web"}, {"namespace", space.name()}, {"resourceVersion", round < 3 ? "1" : "3"}});
        if (round < 4)
            body +=
                event("ADDED", {{"name", "other"}, {"namespace", space.name()}, {"resourceVersion", "1"}});
        body += event("BOOKMARK", {{"resourceVersion", version},
                                   {"annotations", {{"k8s.io/initial-events-end", "true"}}}});
        return Canned{200, "", body};
    });
    PluginDriver driver("kubernetes", Json{{"server", proxy.url()}, {"token", "test-admin"}}.dump(),
                        Isolation::worker);
    Heard heard;
    const std::string web = "\"web\"", other = "\"other\"";
    const std::vector<Item> items{{.kind = "v1/ConfigMap", .identity = web},
                                  {.kind = "v1/ConfigMap", .identity = other}};
    REQUIRE(driver.provider().watch(space.name(), items, heard.listener()).ok());
    REQUIRE(heard.has_come(3));
    CHECK(heard.at(0).reach == Hint::Reach::scope); // of both nothing was known yet
    CHECK(heard.at(1).identity == web);
    CHECK(heard.at(2).identity == other);
    driver.provider().unwatch();
    CHECK(heard.count() == 3);
    CHECK(lists == 4);
}

TEST_CASE("a server without streaming lists is asked for one once, and everything is looked at") {
    NEEDS_SERVER;
    Behind behind(Once(2, "GET", "timeoutSeconds=290", {410, "", refusal(410, "Expired", "too old")}));
    Heard heard;
    const std::string web = "\"web\"";
    const Item item{.kind = "v1/ConfigMap", .identity = web};
    REQUIRE(behind.driver.provider().watch(behind.space.name(), {&item, 1}, heard.listener()).ok());
    REQUIRE(heard.has_come(2));
    CHECK(heard.at(0).reach == Hint::Reach::scope);
    CHECK(heard.at(1).reach == Hint::Reach::scope);
    behind.driver.provider().unwatch();
    CHECK(count_of(behind.proxy.requests(), "sendInitialEvents") == 1);
}

TEST_CASE("a token that ends while a watch runs is asked for anew, and the watch goes on") {
    NEEDS_SERVER;
    Space space;
    std::atomic<int> watches{0};
    FaultProxy proxy([&](const std::string&, const std::string& path) -> std::optional<Canned> {
        if (!has(path, "watch=true")) return std::nullopt;
        const int number = ++watches;
        if (number == 1) return Canned{200, "", ""}; // the server ends it
        if (number == 2) return Canned{401, "", refusal(401, "Unauthorized", "Unauthorized")};
        return std::nullopt;
    });
    TempFolder folder;
    const std::string program = folder / "credentials", runs = folder / "runs";
    write_file(program, "#!/bin/sh\necho run >>" + runs +
                            "\necho '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": "
                            "\"ExecCredential\", \"status\": {\"token\": \"test-admin\"}}'\n");
    chmod(program.c_str(), 0755);
    const std::string kubeconfig = folder / "kubeconfig";
    write_file(kubeconfig,
               "current-context: c\nclusters: [{name: c, cluster: {server: '" + proxy.url() +
                   "'}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
                   "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: " +
                   program + "}}}]\n");
    setenv("HOLDFAST_KUBERNETES_EXEC", program.c_str(), 1);
    PluginDriver driver("kubernetes", Json{{"kubeconfig", kubeconfig}}.dump(), Isolation::worker);
    unsetenv("HOLDFAST_KUBERNETES_EXEC");
    Heard heard;
    const std::string web = "\"web\"";
    const Item item{.kind = "v1/ConfigMap", .identity = web};
    REQUIRE(driver.provider().watch(space.name(), {&item, 1}, heard.listener()).ok());
    for (int i = 0; i < 500 && watches < 3; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(watches >= 3);
    ask_server("POST", "/api/v1/namespaces/" + space.name() + "/configmaps",
               {{"metadata", {{"name", "web"}}}, {"data", {{"a", "1"}}}});
    CHECK(heard.has_come(1));
    driver.provider().unwatch();
    CHECK(read_file(runs) == "run\nrun\n");
}

TEST_CASE("what is written into a namespace that is going away waits, and says so") {
    NEEDS_SERVER;
    Behind behind(Once(0, "", "", {}));
    behind.ask(Method::apply, {behind.map("old")});
    ask_server("DELETE",
               "/api/v1/namespaces/" + behind.space.name()); // without controllers it stays like that
    const Answers answers = behind.ask(Method::apply, {behind.map("web")});
    CHECK(answers.summary() == "failed(kubernetes.terminating)");
    CHECK(answers[0].diagnostics.list().front().retry == Retry::after);
}

TEST_CASE("a daemon corrects drift through a storm of 410s, and does not storm itself") {
    NEEDS_SERVER;
    Space space;
    std::atomic<int> refused{0};
    FaultProxy proxy([&](const std::string&, const std::string& path) -> std::optional<Canned> {
        if (!has(path, "watch=true") || refused >= 6) return std::nullopt;
        ++refused;
        return Canned{410, "", refusal(410, "Expired", "too old resource version")};
    });
    ::test::Playground play;
    play.write("holdfast.yaml", project_behind(proxy, ", interval: 1h"));
    play.write("app/web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: " +
                                   space.name() + "}\ndata: {mode: calm}\n");
    play.commit();
    ::test::DaemonProcess daemon(play, "  interval: 1h\n");
    daemon.start_and_wait();
    const std::string path = space.path("configmaps", "web");
    const auto is_calm = [&] {
        const Json now = live(path);
        return now.is_object() && now["data"]["mode"] == "calm";
    };
    REQUIRE(in_time(is_calm));
    REQUIRE(in_time([&] { return refused >= 1; }));
    edit(path, {{"data", {{"mode", "wild"}}}});
    const bool was_storming = refused < 6;
    CHECK(was_storming);
    CHECK(in_time(is_calm));
    CHECK(count_of(proxy.requests(), "watch=true") < 20);
    INFO(daemon.log());
    CHECK(daemon.stop().exit_code == 0);
}

namespace {

// A server that takes ConfigMaps and lists them, and is too busy for every 400th write.
class BusyServer {
public:
    Faults faults() {
        return [this](const std::string& method, const std::string& path) -> std::optional<Canned> {
            const std::size_t at = path.find("/configmaps");
            if (at == path.npos || has(path, "watch=true")) return std::nullopt;
            const std::lock_guard lock(mutex_);
            if (method == "GET") return Canned{200, "", list()};
            if (++asked_ % 400 == 0) return Canned{429, "Retry-After: 1\r\n", "busy"};
            const std::size_t begin = at + std::string("/configmaps/").size();
            const std::string name = path.substr(begin, path.find('?') - begin);
            ++writes_[name];
            return Canned{200, "", object(name).dump()};
        };
    }
    // How often each was written that was.
    std::map<std::string, int> writes() const {
        const std::lock_guard lock(mutex_);
        return writes_;
    }

private:
    static Json object(const std::string& name) {
        return {{"apiVersion", "v1"},
                {"kind", "ConfigMap"},
                {"metadata", {{"name", name}, {"uid", "u-" + name}, {"resourceVersion", "7"}}},
                {"data", {{"a", "1"}}}};
    }
    std::string list() const {
        Json items = Json::array();
        for (const auto& [name, times] : writes_) items.push_back(object(name));
        return Json{{"kind", "ConfigMapList"}, {"metadata", {{"resourceVersion", "8"}}}, {"items", items}}
            .dump();
    }

    mutable std::mutex mutex_;
    int asked_ = 0;
    std::map<std::string, int> writes_;
};

} // namespace

TEST_CASE("5,000 objects arrive at a server that is busy now and then, each once, and are read by one list") {
    NEEDS_SERVER;
    Space space;
    BusyServer server;
    FaultProxy proxy(server.faults());
    PluginDriver driver("kubernetes", Json{{"server", proxy.url()}, {"token", "test-admin"}}.dump(),
                        Isolation::worker);
    std::vector<Ask> asks;
    for (int i = 0; i < 5000; ++i)
        asks.push_back({.kind = "v1/ConfigMap",
                        .identity = Json("m" + std::to_string(i)).dump(),
                        .declared = space.config_map("m" + std::to_string(i), {{"a", "1"}}),
                        .action = ItemAction::create});
    const Answers applied = driver.ask(Method::apply, space.name(), asks);
    std::size_t done = 0;
    for (const auto& [index, answer] : applied.items) done += answer.outcome == Outcome::done ? 1 : 0;
    CHECK(done == 5000);
    const std::map<std::string, int> writes = server.writes();
    CHECK(writes.size() == 5000);
    CHECK(std::all_of(writes.begin(), writes.end(), [](const auto& one) { return one.second == 1; }));
    const std::size_t before = proxy.requests().size();
    CHECK(before >= 5000 + 12); // and those that it was too busy for
    const Answers seen = driver.ask(Method::observe, space.name(), asks);
    CHECK(seen.items.size() == 5000);
    CHECK(proxy.requests().size() - before == 1);
}

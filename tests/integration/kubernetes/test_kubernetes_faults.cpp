// The kubernetes plugin behind a proxy that plays the API server's bad days.

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "fault_proxy.hpp"
#include "server.hpp"
#include "support/catch.hpp"
#include "support/playground.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"

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

TEST_CASE("a list that the server forgets half way begins anew, and nothing counts as absent") {
    NEEDS_SERVER;
    Behind behind(Once(1, "GET", "configmaps?limit", {410, "", refusal(410, "Expired", "too old")}));
    std::vector<Ask> asks;
    for (int i = 0; i < 10; ++i) asks.push_back(behind.map("m" + std::to_string(i)));
    behind.ask(Method::apply, asks);
    const Answers seen = behind.ask(Method::observe, asks);
    for (const auto& [index, answer] : seen.items) CHECK(answer.outcome == Outcome::done);
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
    CHECK(requests.size() - before <= 3); // who the cluster is, what it serves, the list
}

// Rule files of a real Prometheus: what is written is checked, loaded and verified, or as it was.

#include <filesystem>
#include <thread>

#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include "servers.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* scope = "RuleGroup";

std::string first_message(const Answer& answer) { return answer.diagnostics.list().front().message; }
bool is_loaded(const Answer& answer) { return Json::parse(answer.document)["spec"]["loaded"].get<bool>(); }

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
}

constexpr const char* foreign_file =
    "# mine\ngroups:\n- name: theirs\n  rules:\n  - alert: Theirs\n    expr: vector(1)\n";

} // namespace

TEST_CASE("groups are written, run, changed and removed, and nothing else is touched") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    write_file(server.rules() + "/foreign.yml", foreign_file);
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const std::vector<Ask> asks{
        group("a", {alert("Down", "up==0"), {{"record", "up:sum"}, {"expr", "sum(up)by(job)"}}},
              {{"interval", "90s"}}),
        group("b", {alert("Other", "absent(up{job=\"x y\"})")}), group("c", {alert("C")}, {}, "more.yml")};
    CHECK(plugin.ask(Method::observe, scope, asks).summary() == "absent absent absent");
    REQUIRE(plugin.ask(Method::apply, scope, asks).summary() == "done done done");
    CHECK(server.running() ==
          "a/Down=up == 0, a/up:sum=sum by (job) (up), b/Other=absent(up{job=\"x y\"}), c/C=up == 0, "
          "theirs/Theirs=vector(1)");
    CHECK(names_in(server.rules()) == std::vector<std::string>{"foreign.yml", "holdfast.yml", "more.yml"});
    CHECK(read_file(server.rules() + "/foreign.yml") == foreign_file);

    Answers seen = plugin.ask(Method::observe, scope, asks);
    REQUIRE(seen.summary() == "done done done");
    CHECK(is_loaded(seen[0]));
    CHECK(Json::parse(seen[0].document)["spec"]["interval"] == "1m30s");
    CHECK(plugin.ask(Method::apply, scope, {changed(asks[0], seen[0])}).summary() == "unchanged");

    server.stop();
    server.start(); // a restart changes nothing
    seen = plugin.ask(Method::observe, scope, asks);
    CHECK(is_loaded(seen[0]));
    Ask update = changed(group("b", {alert("Other", "up == 1")}), seen[1]);
    CHECK(plugin.ask(Method::apply, scope, {removed(asks[0], seen[0]), update, removed(asks[2], seen[2])})
              .summary() == "done done done");
    CHECK(server.running() == "b/Other=up == 1, theirs/Theirs=vector(1)");
    CHECK(names_in(server.rules()) == std::vector<std::string>{"foreign.yml", "holdfast.yml"});
    CHECK(plugin.ask(Method::apply, scope, {removed(asks[0], seen[0])}).summary() == "unchanged");
}

TEST_CASE("an expression that is only spelled otherwise is no difference, another one is") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    REQUIRE(plugin.ask(Method::apply, scope, {group("g", {alert("A", "sum by (job) (rate(up[5m])) > 0.1")})})
                .summary() == "done");
    const Answers seen = plugin.ask(Method::observe, scope, {group("g", Json::array())});
    const auto [spelled, is_same] =
        GENERATE(table<const char*, bool>({{"sum(rate(up[300s]))by(job)>.1", true},
                                           {"sum by(job)(rate(up[5m]))   >  0.1 # so", true},
                                           {"sum by (job) (rate(up[5m])) > 0.2", false}}));
    Ask ask = group("g", {alert("A", spelled)});
    ask.observed = seen[0].document;
    const Answers canonical = plugin.ask(Method::canonicalize, scope, {ask});
    REQUIRE(canonical.summary() == "done");
    CHECK((Json::parse(canonical[0].document)["spec"] == Json::parse(seen[0].document)["spec"]) == is_same);
}

TEST_CASE("of many groups the bad ones fail with promtool's words, and the rest runs") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    std::vector<Ask> asks;
    for (int i = 0; i < 20; ++i) {
        const std::string n = std::to_string(i);
        asks.push_back(group("g" + n, {alert("A" + n, i == 3 || i == 17 ? "sum(up" : "up == " + n)}));
    }
    const Answers answers = plugin.ask(Method::apply, scope, asks);
    for (std::uint32_t i = 0; i < 20; ++i)
        CHECK(answers[i].outcome == (i == 3 || i == 17 ? Outcome::failed : Outcome::done));
    CHECK_THAT(first_message(answers[17]),
               ContainsSubstring("group \"g17\", rule 1, \"A17\": could not parse expression"));
    CHECK_THAT(first_message(answers[17]), ContainsSubstring(server.rules() + "/holdfast.yml:"));
    CHECK(server.ask("rules", ".data.groups | length") == "18");
}

TEST_CASE("a Prometheus that refuses to reload gets its old files back") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    write_file(server.rules() + "/foreign.yml", foreign_file);
    // What the check lets through, Prometheus does not.
    PluginDriver plugin("monitoring", server.config({{"checkRules", command("check-rules", {"/bin/true"})}}),
                        Isolation::worker);
    REQUIRE(plugin.ask(Method::apply, scope, {group("good", {alert("Good")})}).summary() == "done");
    const std::string before = read_file(server.rules() + "/holdfast.yml");
    const Answers answers =
        plugin.ask(Method::apply, scope,
                   {group("bad", {alert("Bad", "sum(up")}), group("new", {alert("N")}, {}, "new.yml")});
    CHECK(answers.summary() == "failed(monitoring.reload) failed(monitoring.reload)");
    CHECK_THAT(first_message(answers[0]), ContainsSubstring("are as they were before"));
    CHECK(read_file(server.rules() + "/holdfast.yml") == before);
    CHECK(names_in(server.rules()) == std::vector<std::string>{"foreign.yml", "holdfast.yml"});
    CHECK(server.running() == "good/Good=up == 0, theirs/Theirs=vector(1)");
    CHECK(server.ask("status/runtimeinfo", ".data.reloadConfigSuccess") == "true");
}

TEST_CASE("a folder that Prometheus does not read is told, and left as it was") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    TempFolder elsewhere;
    PluginDriver plugin("monitoring", server.config({{"rules", elsewhere.path()}}), Isolation::worker);
    const Answers answers = plugin.ask(Method::apply, scope, {group("a", {alert("A")})});
    CHECK(answers.summary() == "failed(monitoring.not-loaded)");
    CHECK_THAT(answers[0].diagnostics.list().front().hint, ContainsSubstring("rule_files"));
    CHECK(names_in(elsewhere.path()).empty());
}

TEST_CASE(
    "a Prometheus that is down midway leaves the files as they were, and one that is away is no empty one") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    REQUIRE(plugin.ask(Method::apply, scope, {group("a", {alert("A")})}).summary() == "done");
    const std::string before = read_file(server.rules() + "/holdfast.yml");
    const Answers seen = plugin.ask(Method::observe, scope, {group("a", {})});
    server.stop();
    const Answers answers =
        plugin.ask(Method::apply, scope,
                   {changed(group("a", {alert("A", "up == 1")}), seen[0]), group("b", {alert("B")})});
    CHECK(answers.summary() == "failed(monitoring.unreachable) failed(monitoring.unreachable)");
    CHECK(read_file(server.rules() + "/holdfast.yml") == before);
    CHECK(plugin.ask(Method::observe, scope, {group("a", {})}).summary() ==
          "failed(monitoring.unreachable) call failed");
    server.start();
    CHECK(plugin.ask(Method::observe, scope, {group("a", {})}).summary() == "done");
}

TEST_CASE("what stands in a file and does not run is drift, and a reload is made up for") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask ask = group("a", {alert("A")});
    REQUIRE(plugin.ask(Method::apply, scope, {ask}).summary() == "done");
    // As if Holdfast had been killed between rename and reload.
    const std::string text = read_file(server.rules() + "/holdfast.yml");
    write_file(server.rules() + "/holdfast.yml", "groups: []\n");
    REQUIRE(server.reload());
    write_file(server.rules() + "/holdfast.yml", text);
    const Answers seen = plugin.ask(Method::observe, scope, {ask});
    REQUIRE(seen.summary() == "done");
    CHECK_FALSE(is_loaded(seen[0]));
    CHECK(plugin.ask(Method::apply, scope, {changed(ask, seen[0])}).summary() == "done");
    CHECK(server.running() == "a/A=up == 0");
}

TEST_CASE("two administrators at once: who planned on what is not there any more fails, alone") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask a = group("a", {alert("A")}), b = group("b", {alert("B")});
    REQUIRE(plugin.ask(Method::apply, scope, {a, b}).summary() == "done done");
    const Answers seen = plugin.ask(Method::observe, scope, {a, b});
    std::string text = read_file(server.rules() + "/holdfast.yml");
    text.replace(text.find("up == 0"), 7, "up == 7");
    write_file(server.rules() + "/holdfast.yml", text);
    const Answers answers =
        plugin.ask(Method::apply, scope,
                   {changed(group("a", {alert("A", "up == 1")}), seen[0]),
                    changed(group("b", {alert("B", "up == 1")}), seen[1]), group("c", {alert("C")})});
    CHECK(answers.summary() == "failed(monitoring.conflict) done done");
    CHECK(server.running() == "a/A=up == 7, b/B=up == 1, c/C=up == 0");
}

TEST_CASE("a file that cannot be read hinders its own groups alone") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask a = group("a", {alert("A")}), b = group("b", {alert("B")}, {}, "b.yml");
    REQUIRE(plugin.ask(Method::apply, scope, {a, b}).summary() == "done done");
    const std::string good = read_file(server.rules() + "/b.yml");
    write_file(server.rules() + "/b.yml", "groups: [\n");
    const Answers seen = plugin.ask(Method::observe, scope, {a, b});
    CHECK(seen.summary() == "done failed(monitoring.yaml)");
    CHECK_THAT(first_message(seen[1]), ContainsSubstring("/b.yml:"));
    // Prometheus itself takes no reload now, so nothing can be done until somebody mends the file.
    const Answers answers = plugin.ask(
        Method::apply, scope, {changed(group("a", {alert("A", "up == 1")}), seen[0]), removed(b, seen[1])});
    CHECK(answers.summary() == "failed(monitoring.reload) failed(monitoring.yaml)");
    CHECK(read_file(server.rules() + "/b.yml") == "groups: [\n");
    write_file(server.rules() + "/b.yml", good);
    CHECK(plugin.ask(Method::observe, scope, {a, b}).summary() == "done done");
}

TEST_CASE("unit tests from Git run before a group is written") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const auto tests = [](const char* value) {
        return Json{{"tests",
                     {{{"interval", "1m"},
                       {"input_series", {{{"series", "up{job=\"a\"}"}, {"values", value}}}},
                       {"alert_rule_test",
                        {{{"eval_time", "3m"},
                          {"alertname", "Down"},
                          {"exp_alerts", {{{"exp_labels", {{"job", "a"}}}}}}}}}}}}};
    };
    const Answers answers = plugin.ask(Method::apply, scope,
                                       {group("good", {alert("Down")}, tests("0 0 0 0 0")),
                                        group("bad", {alert("Down")}, tests("1 1 1 1 1"), "bad.yml")});
    CHECK(answers[1].outcome == Outcome::failed);
    CHECK(answers[1].diagnostics.list().front().code == "monitoring.tests-failed");
    CHECK(answers[1].diagnostics.list().front().pointer == "/spec/tests");
    CHECK(answers[0].outcome == Outcome::done);
    CHECK(server.running() == "good/Down=up == 0");

    PluginDriver without("monitoring", server.config({{"testRules", nullptr}}), Isolation::worker);
    CHECK(without.ask(Method::apply, scope, {group("x", {alert("X")}, tests("0"))}).summary() ==
          "failed(monitoring.no-test-command)");
}

TEST_CASE("the last alerting rule is not removed unless that is allowed") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    const bool has_foreign = GENERATE(false, true);
    if (has_foreign) { // one that Prometheus has from elsewhere
        write_file(server.folder() + "/foreign.yml", foreign_file);
        write_file(server.folder() + "/prometheus.yml", "rule_files: [\"" + server.rules() + "/*.yml\", \"" +
                                                            server.folder() + "/foreign.yml\"]\n");
        REQUIRE(server.reload());
    }
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask a = group("a", {alert("A")}), b = group("b", {{{"record", "r"}, {"expr", "sum(up)"}}});
    REQUIRE(plugin.ask(Method::apply, scope, {a, b}).summary() == "done done");
    const Answers seen = plugin.ask(Method::observe, scope, {a, b});
    constexpr const char* review = R"({"call":"review"})";
    const Answers reviewed =
        plugin.ask(Method::canonicalize, scope, {removed(a, seen[0]), removed(b, seen[1])}, review);
    CHECK(reviewed.summary() ==
          (has_foreign ? "unchanged unchanged" : "failed(monitoring.no-alerts) unchanged"));
    // Another one that comes with the same plan makes it good.
    const std::vector<Ask> replaced{removed(a, seen[0]), group("c", {alert("C")})};
    CHECK(plugin.ask(Method::canonicalize, scope, replaced, review).summary() == "unchanged unchanged");
    const Answers answers = plugin.ask(Method::apply, scope, {removed(a, seen[0]), removed(b, seen[1])});
    CHECK(answers.summary() == (has_foreign ? "done done" : "failed(monitoring.no-alerts) done"));
    if (has_foreign) return;
    CHECK(server.running() == "a/A=up == 0");
    PluginDriver allowed("monitoring", server.config({{"allowNoAlerts", true}}), Isolation::worker);
    CHECK(allowed.ask(Method::apply, scope, {removed(a, seen[0])}).summary() == "done");
    CHECK(server.running().find("A=") == std::string::npos);
}

TEST_CASE("a full disk leaves the files as they were") {
    if (const auto why = obstacle()) return skip(*why);
    TempFolder mount_point;
    const bool is_mounted = unshare(CLONE_NEWNS) == 0 &&
                            mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            mount("tmpfs", mount_point.path().c_str(), "tmpfs", 0, "size=32k") == 0;
    if (!is_mounted) return skip("no tmpfs can be mounted here");
    {
        PrometheusServer server(mount_point.path());
        PluginDriver plugin("monitoring", server.config(), Isolation::worker);
        REQUIRE(plugin.ask(Method::apply, scope, {group("a", {alert("A")})}).summary() == "done");
        const std::string before = read_file(server.rules() + "/holdfast.yml");
        const Ask small = group("s", {alert("S")}, {}, "a-small.yml");
        Json much = Json::array();
        for (int i = 0; i < 1000; ++i) much.push_back(alert("A" + std::to_string(i)));
        CHECK(plugin.ask(Method::apply, scope, {small, group("big", much)}).summary() ==
              "failed(monitoring.file) failed(monitoring.file)");
        CHECK(read_file(server.rules() + "/holdfast.yml") == before);
        CHECK(names_in(server.rules()) == std::vector<std::string>{"holdfast.yml"});
        CHECK(plugin.ask(Method::apply, scope, {small}).summary() == "done");
    }
    umount2(mount_point.path().c_str(), MNT_DETACH);
}

TEST_CASE("a reload by the operator's command is waited for") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    const std::string reload = "sleep 0.2; curl -sf -X POST http://127.0.0.1:19090/-/reload";
    PluginDriver plugin(
        "monitoring",
        server.config(
            {{"reload", command("reload", {"/bin/sh", "-c", "(" + reload + ") >/dev/null 2>&1 &"})}}),
        Isolation::worker);
    CHECK(plugin.ask(Method::apply, scope, {group("a", {alert("A")})}).summary() == "done");
    CHECK(server.running() == "a/A=up == 0");
    PluginDriver failing(
        "monitoring",
        server.config({{"reload", command("reload", {"/bin/sh", "-c", "echo no such unit; exit 5"})}}),
        Isolation::worker);
    const Answers answers = failing.ask(Method::apply, scope, {group("b", {alert("B")})});
    CHECK(answers.summary() == "failed(monitoring.reload)");
    CHECK_THAT(first_message(answers[0]), ContainsSubstring("command reload ended with 5: no such unit"));
    CHECK(read_file(server.rules() + "/holdfast.yml").find("name: b") == std::string::npos);
}

TEST_CASE("a hand's edit and another one's reload are told at once") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const Ask a = group("a", {alert("A")});
    REQUIRE(plugin.ask(Method::apply, scope, {a}).summary() == "done");
    Hinted hinted;
    const OnHint on_hint = hinted.on_hint();
    const Item item{.kind = rule_group, .identity = a.identity};
    REQUIRE(plugin.provider().watch(scope, {&item, 1}, on_hint));
    hinted.comes_within(300ms);
    const std::string text = read_file(server.rules() + "/holdfast.yml");
    write_file(server.rules() + "/holdfast.yml", text + "# by hand\n");
    CHECK(hinted.comes());
    std::this_thread::sleep_for(1100ms); // Prometheus tells seconds
    REQUIRE(server.reload());
    CHECK(hinted.comes());
    server.stop();
    CHECK(hinted.comes());
    plugin.provider().unwatch();
    write_file(server.rules() + "/holdfast.yml", text);
    CHECK_FALSE(hinted.comes_within(300ms));
}

TEST_CASE("of more expressions than are asked about, one edited just after a reload is seen not to run") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    std::vector<Ask> asks;
    for (int i = 100; i < 350; ++i) {
        const std::string n = std::to_string(i);
        asks.push_back(group("g" + n, {alert("A", "sum(up)by(job)==" + n)}));
    }
    REQUIRE(plugin.ask(Method::apply, scope, asks).end.ok);
    const Answers before = plugin.ask(Method::observe, scope, asks);
    for (std::uint32_t i = 0; i < 250; ++i) REQUIRE(is_loaded(before[i]));
    std::string text = read_file(server.rules() + "/holdfast.yml");
    text.replace(text.find("==349"), 5, "==999");
    REQUIRE(server.reload());
    write_file(server.rules() + "/holdfast.yml", text);
    const Answers seen = plugin.ask(Method::observe, scope, asks);
    CHECK(is_loaded(seen[0]));
    CHECK_FALSE(is_loaded(seen[249]));
}

// Expressions that Prometheus spells otherwise, more of them than it is asked about at once.
std::vector<Ask> oddly_spelled(int count) {
    std::vector<Ask> out;
    for (int i = 0; i < count; ++i) {
        const std::string n = std::to_string(10000 + i);
        out.push_back(group("g" + n, {alert("A", "sum(up)by(job)==" + n)}));
    }
    return out;
}

// How often Prometheus was asked how it spells an expression.
int questions(const PrometheusServer& server) {
    const auto said = output_of(std::string("curl -s ") + prometheus_url +
                                "/metrics | awk '/^prometheus_http_requests_total.*format_query/ {n = $2} "
                                "END {print n + 0}'");
    REQUIRE(server.ask("status/runtimeinfo", ".status") == "success");
    return std::stoi(said.value_or("-1"));
}

TEST_CASE("what was verified once is known to the next process, until it is edited") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    std::vector<Ask> asks = oddly_spelled(250);
    asks.push_back(group("plain", {alert("P", "up == 0")}));
    {
        PluginDriver plugin("monitoring", server.config(), Isolation::worker);
        const Answers written = plugin.ask(Method::apply, scope, asks);
        REQUIRE(written.end.ok);
        for (std::uint32_t i = 0; i < asks.size(); ++i) {
            REQUIRE(is_loaded(written[i]));
            REQUIRE(written[i].private_data.empty() == (i == 250));
            asks[i].private_data = written[i].private_data;
        }
    }
    const int before = questions(server);
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    Answers seen = plugin.ask(Method::observe, scope, asks);
    for (std::uint32_t i = 0; i < asks.size(); ++i) CHECK(is_loaded(seen[i]));
    CHECK(questions(server) == before);

    std::string text = read_file(server.rules() + "/holdfast.yml");
    text.replace(text.find("==10249"), 7, "==99999");
    write_file(server.rules() + "/holdfast.yml", text);
    seen = plugin.ask(Method::observe, scope, asks);
    CHECK(is_loaded(seen[248]));
    CHECK_FALSE(is_loaded(seen[249]));
    // Read, it is what runs, as Prometheus says itself.
    REQUIRE(server.reload());
    seen = plugin.ask(Method::observe, scope, asks);
    CHECK(is_loaded(seen[249]));
    CHECK(seen[249].private_data != asks[249].private_data);
}

TEST_CASE("what is edited in the course of a long reload is not taken for loaded") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    write_file(server.folder() + "/prometheus.yml", // without evaluating so many all the time
               "global: {evaluation_interval: 1h}\nrule_files: [\"" + server.rules() + "/*.yml\"]\n");
    REQUIRE(server.reload());
    const std::string file = server.rules() + "/holdfast.yml";
    const std::vector<Ask> asks = oddly_spelled(3000);
    REQUIRE(PluginDriver("monitoring", server.config(), Isolation::worker)
                .ask(Method::apply, scope, asks)
                .end.ok);
    std::string text = read_file(file);
    text.replace(text.find("==12999"), 7, "==99999");
    std::jthread reload([&] { server.reload(); });
    std::this_thread::sleep_for(40ms); // it has read the file by now, or not
    write_file(file, text);
    reload.join();
    // Another process, which knows nothing but what it sees.
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const std::vector<Ask> last{asks.end() - 220, asks.end()};
    const Answers seen = plugin.ask(Method::observe, scope, last);
    CHECK(is_loaded(seen[0]));
    CHECK(is_loaded(seen[219]) == (server.running().find("== 99999") != std::string::npos));
}

// As fast as the kernel tells of it: before the server is told to reload, or just after.
TEST_CASE("what somebody puts in the place of a file that was just written is not taken for it") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    const std::string file = server.rules() + "/holdfast.yml";
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const int events = inotify_init1(IN_CLOEXEC);
    REQUIRE(inotify_add_watch(events, server.rules().c_str(), IN_MOVED_TO) >= 0);
    std::jthread other([&] {
        char buffer[4096];
        if (read(events, buffer, sizeof buffer) <= 0) return;
        std::string text = read_file(file);
        text.replace(text.find("==10249"), 7, "==99999");
        write_file(server.folder() + "/other", text);
        std::filesystem::rename(server.folder() + "/other", file);
    });
    const Answers answers = plugin.ask(Method::apply, scope, oddly_spelled(250));
    other.join();
    close(events);
    CHECK(read_file(file).find("==99999") != std::string::npos);
    if (server.running().find("== 99999") == std::string::npos) return; // it came too late to be read
    CHECK(answers[249].outcome == Outcome::failed);
    CHECK_THAT(first_message(answers[249]), ContainsSubstring("does not run RuleGroup g10249"));
}

TEST_CASE("all groups of the folder are listed, foreign ones too") {
    if (const auto why = obstacle()) return skip(*why);
    PrometheusServer server;
    write_file(server.rules() + "/foreign.yml", foreign_file);
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    REQUIRE(plugin.ask(Method::apply, scope, {group("a", {alert("A")})}).summary() == "done");
    const Answers listed = plugin.ask(Method::list, "", {},
                                      R"({"kind":"monitoring.holdfast.dev/v1alpha1/RuleGroup","page":""})");
    REQUIRE(listed.end.ok);
    REQUIRE(listed.items.size() == 2);
    CHECK(listed[0].identity == R"(["foreign.yml","theirs"])");
    CHECK(is_loaded(listed[0]));
}

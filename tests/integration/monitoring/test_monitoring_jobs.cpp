// Scrape jobs of a real Prometheus: written into its configuration, checked, loaded and verified, or as it
// was.

#include <filesystem>
#include <thread>

#include "servers.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* scope = "ScrapeJob";

std::string first_message(const Answer& answer) {
    return answer.diagnostics.empty() ? "" : answer.diagnostics.list().front().message;
}
Json spec_of(const Answer& answer) { return Json::parse(answer.document).at("spec"); }

Ask job(const std::string& name, Json more = Json::object()) {
    Json spec{{"job_name", name}, {"scrape_interval", "1h"}};
    spec.update(more);
    return leaf("ScrapeJob", name, spec);
}

Json targets(std::vector<std::string> all) { return {{"static_configs", {{{"targets", std::move(all)}}}}}; }

// A configuration with a job and comments of somebody else.
struct World {
    World() {
        write_file(file(), "# mine\nglobal: {scrape_interval: 1h} # slow\nrule_files: [\"" + server.rules() +
                               "/*.yml\"]\nscrape_configs:\n- job_name: theirs # theirs\n# the end\n");
        REQUIRE(server.reload());
    }
    std::string file() const { return server.folder() + "/prometheus.yml"; }
    // Names of the jobs that it runs.
    std::string running() const { return server.ask("status/config", ".data.yaml"); }

    PrometheusServer server;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("jobs are written into the configuration, run, changed and removed, and the rest of it stays") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    const std::string before = read_file(world.file());
    PluginDriver plugin("monitoring", world.server.config(), Isolation::worker);
    const std::vector<Ask> asks{job("a", targets({"127.0.0.1:1"})),
                                job("b", {{"basic_auth", {{"username", "u"}, {"password", "hush-hush"}}}})};
    CHECK(plugin.ask(Method::observe, scope, asks).summary() == "absent absent");
    REQUIRE(plugin.ask(Method::apply, scope, asks).summary() == "done done");
    CHECK(has(world.running(), "job_name: a"));
    CHECK(has(world.running(), "127.0.0.1:1"));
    CHECK(has(read_file(world.file()), "- job_name: theirs # theirs\n"));
    CHECK(has(read_file(world.file()), "\n# the end\n"));
    Answers seen = plugin.ask(Method::observe, scope, asks);
    REQUIRE(seen.summary() == "done done");
    CHECK(spec_of(seen[0])["loaded"] == true);
    CHECK(spec_of(seen[1])["loaded"] == true);
    CHECK(plugin.ask(Method::apply, scope, {changed(asks[0], seen[0])}).summary() == "unchanged");

    // Prometheus shows <secret> for either password.
    Ask rotated = job("b", {{"basic_auth", {{"username", "u"}, {"password", "hush-again"}}}});
    REQUIRE(plugin.ask(Method::apply, scope, {changed(rotated, seen[1])}).summary() == "done");
    CHECK(has(read_file(world.file()), "hush-again"));
    world.server.stop();
    world.server.start();
    seen = plugin.ask(Method::observe, scope, asks);
    CHECK(spec_of(seen[1])["loaded"] == true);
    CHECK(
        plugin.ask(Method::apply, scope, {removed(asks[0], seen[0]), removed(asks[1], seen[1])}).summary() ==
        "done done");
    CHECK(read_file(world.file()) == before);
    CHECK_FALSE(has(world.running(), "job_name: a"));
    CHECK(plugin.ask(Method::apply, scope, {removed(asks[0], seen[0])}).summary() == "unchanged");
}

TEST_CASE("of many jobs the bad ones fail with promtool's words, and the rest runs") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    PluginDriver plugin("monitoring", world.server.config(), Isolation::worker);
    const Answers answers = plugin.ask(Method::apply, scope,
                                       {job("a"), job("bad", {{"scrape_timeout", "2h"}}), job("b"),
                                        job("worse", {{"relabel_configs", {{{"action", "wish"}}}}})});
    CHECK(answers.summary() == "done failed(monitoring.bad-config) done failed(monitoring.bad-config)");
    CHECK_THAT(first_message(answers[1]), ContainsSubstring("scrape timeout greater than scrape interval"));
    CHECK_THAT(first_message(answers[3]), ContainsSubstring(world.file()));
    CHECK(has(world.running(), "job_name: b"));
    CHECK_FALSE(has(world.running(), "worse"));
    for (const auto& entry : std::filesystem::directory_iterator(world.server.folder()))
        CHECK_FALSE(has(entry.path().filename(), ".holdfast"));
}

TEST_CASE("a Prometheus that refuses to reload gets its old configuration back") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    PluginDriver plugin("monitoring",
                        world.server.config({{"checkConfig", command("check-config", {"/bin/true"})}}),
                        Isolation::worker);
    const std::string before = read_file(world.file());
    const Answers answers =
        plugin.ask(Method::apply, scope, {job("a"), job("bad", {{"scrape_timeout", "2h"}})});
    CHECK(answers.summary() == "failed(monitoring.reload) failed(monitoring.reload)");
    CHECK_THAT(first_message(answers[0]), ContainsSubstring("are as they were before"));
    CHECK(read_file(world.file()) == before);
    CHECK(world.server.ask("status/runtimeinfo", ".data.reloadConfigSuccess") == "true");
    CHECK_FALSE(has(world.running(), "job_name: a"));
}

TEST_CASE("a Prometheus that is down midway, or refuses us, leaves the file as it was") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    const std::string before = read_file(world.file());
    PluginDriver plugin("monitoring", world.server.config(), Isolation::worker);
    REQUIRE(plugin.ask(Method::observe, scope, {job("a")}).summary() == "absent");
    world.server.stop();
    CHECK(plugin.ask(Method::apply, scope, {job("a")}).summary() == "failed(monitoring.unreachable)");
    CHECK(read_file(world.file()) == before);
    CHECK(plugin.ask(Method::observe, scope, {job("a")}).summary() ==
          "failed(monitoring.unreachable) call failed");
    world.server.start();
    CHECK(plugin.ask(Method::apply, scope, {job("a")}).summary() == "done");
}

TEST_CASE("two administrators at once: who planned on a job that is another one now fails, alone") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    PluginDriver plugin("monitoring", world.server.config(), Isolation::worker);
    REQUIRE(plugin.ask(Method::apply, scope, {job("a", targets({"127.0.0.1:1"})), job("b")}).summary() ==
            "done done");
    const Answers seen = plugin.ask(Method::observe, scope, {job("a"), job("b")});
    std::string text = read_file(world.file());
    text.replace(text.find("127.0.0.1:1"), 11, "127.0.0.1:7");
    write_file(world.file(), text);
    const Answers answers = plugin.ask(Method::apply, scope,
                                       {changed(job("a", targets({"127.0.0.1:2"})), seen[0]),
                                        changed(job("b", {{"metrics_path", "/b"}}), seen[1])});
    CHECK(answers.summary() == "failed(monitoring.conflict) done");
    CHECK(has(world.running(), "127.0.0.1:7"));
}

TEST_CASE("a job that stands in the file and does not run is drift, which is told and mended") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    constexpr int never_polled = 3600; // what is told comes from the watch of the file
    PluginDriver plugin("monitoring", world.server.config(Json::object(), never_polled), Isolation::worker);
    const Ask a = job("a", targets({"127.0.0.1:1"}));
    REQUIRE(plugin.ask(Method::apply, scope, {a}).summary() == "done");
    Hinted hinted;
    const OnHint on_hint = hinted.on_hint();
    const Item item{.kind = a.kind, .identity = a.identity};
    REQUIRE(plugin.provider().watch(scope, {&item, 1}, on_hint));
    hinted.comes_within(300ms);
    std::string text = read_file(world.file());
    text.replace(text.find("127.0.0.1:1"), 11, "127.0.0.1:7");
    write_file(world.file(), text);
    CHECK(hinted.comes());
    const Answers seen = plugin.ask(Method::observe, scope, {a});
    CHECK(spec_of(seen[0])["loaded"] == false);
    CHECK(spec_of(seen[0])["static_configs"][0]["targets"][0] == "127.0.0.1:7");
    CHECK(plugin.ask(Method::apply, scope, {changed(a, seen[0])}).summary() == "done");
    CHECK(has(world.running(), "127.0.0.1:1"));
    plugin.provider().unwatch();
}

TEST_CASE("a fragment is refused where Prometheus is too old, and where nothing names it") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    const std::string fragment = world.server.folder() + "/jobs.yml";
    PluginDriver plugin("monitoring", world.server.config({{"jobs", fragment}}), Isolation::worker);
    const Answers seen = plugin.ask(Method::observe, scope, {job("a")});
    const std::string version = world.server.ask("status/buildinfo", ".data.version");
    const bool is_old = version.rfind("2.", 0) == 0 && std::stoi(version.substr(2)) < 43;
    CHECK_FALSE(seen.end.ok);
    CHECK(seen[0].diagnostics.list().front().code == (is_old ? "monitoring.too-old" : "monitoring.not-read"));
    CHECK_THAT(first_message(seen[0]), ContainsSubstring(world.file()));
    if (is_old) CHECK_THAT(first_message(seen[0]), ContainsSubstring("Prometheus " + version));
    CHECK_FALSE(std::filesystem::exists(fragment));
    if (is_old) return;
    write_file(world.file(), read_file(world.file()) + "scrape_config_files: [\"" + world.server.folder() +
                                 "/jobs*.yml\"]\n");
    REQUIRE(world.server.reload());
    REQUIRE(plugin.ask(Method::apply, scope, {job("a")}).summary() == "done");
    CHECK(has(read_file(fragment), "job_name: a"));
}

// A contract test from documentation, where the installed Prometheus is too old: the server is a fake.
TEST_CASE("a fragment that the configuration names is written, and the configuration is not") {
    if (const auto why = obstacle()) return skip(*why);
    if (!has_program("python3")) return skip("python3 is not installed");
    TempFolder folder;
    std::filesystem::create_directories(folder / "jobs.d");
    const std::string configuration = folder / "prometheus.yml", fragment = folder / "jobs.d/holdfast.yml";
    const bool is_named = GENERATE(true, false);
    write_file(configuration, std::string("scrape_config_files: [") + (is_named ? "jobs.d" : "other.d") +
                                  "/*.yml]\nscrape_configs: [{job_name: theirs}]\n");
    const std::string script =
        std::string(HOLDFAST_SOURCE_DIR) + "/tests/integration/monitoring/fake_prometheus.py";
    const char* const words[] = {"python3", "-B", script.c_str(), "19090", configuration.c_str(), nullptr};
    const BackgroundProgram server(words, folder / "log");
    const std::string ready = std::string("curl -sf ") + prometheus_url + "/metrics";
    for (int i = 0; i < 500 && !output_of(ready); ++i) std::this_thread::sleep_for(20ms);
    const Json config{{"prometheus",
                       {{"url", prometheus_url},
                        {"jobs", fragment},
                        {"checkConfig", command("check-config", {"/usr/bin/promtool", "check", "config"})}}}};
    PluginDriver plugin("monitoring", config.dump(), Isolation::worker);
    const Ask a = job("a", targets({"127.0.0.1:1"}));
    const std::string before = read_file(configuration);
    if (!is_named) {
        CHECK(plugin.ask(Method::observe, scope, {a}).summary() == "failed(monitoring.not-read) call failed");
        return;
    }
    CHECK(plugin.ask(Method::apply, scope, {a, job("bad", {{"scrape_timeout", "2h"}})}).summary() ==
          "done failed(monitoring.bad-config)");
    CHECK(has(read_file(fragment), "job_name: a"));
    CHECK(read_file(configuration) == before);
    Answers seen = plugin.ask(Method::observe, scope, {a});
    CHECK(spec_of(seen[0])["loaded"] == true);
    write_file(fragment, read_file(fragment) + "# by hand\n");
    seen = plugin.ask(Method::observe, scope, {a});
    CHECK(spec_of(seen[0])["loaded"] == false);
    CHECK(plugin.ask(Method::apply, scope, {changed(a, seen[0])}).summary() == "done");
    seen = plugin.ask(Method::observe, scope, {a});
    CHECK(spec_of(seen[0])["loaded"] == true);
    CHECK(plugin.ask(Method::apply, scope, {removed(a, seen[0])}).summary() == "done");
    CHECK_FALSE(has(read_file(fragment), "job_name"));
}

TEST_CASE("all jobs of the file are listed, foreign ones too") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    PluginDriver plugin("monitoring", world.server.config(), Isolation::worker);
    REQUIRE(plugin.ask(Method::apply, scope, {job("a")}).summary() == "done");
    const Answers listed = plugin.ask(Method::list, "", {},
                                      R"({"kind":"monitoring.holdfast.dev/v1alpha1/ScrapeJob","page":""})");
    REQUIRE(listed.items.size() == 2);
    CHECK(listed[1].identity == "\"theirs\"");
    CHECK(spec_of(listed[1])["loaded"] == true);
}

TEST_CASE("what the operator's documents and a Probe become is run by Prometheus") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    PluginDriver plugin("monitoring",
                        world.server.config({{"kubernetes", {{"apiServer", "http://127.0.0.1:1"}}}}),
                        Isolation::worker);
    const auto document = [](const char* version, const char* kind, const char* spec) {
        return Ask{.kind = std::string(version) + "/" + kind,
                   .declared = Json{{"apiVersion", version},
                                    {"kind", kind},
                                    {"metadata", {{"name", "m"}, {"namespace", "ns"}}},
                                    {"spec", Json::parse(spec)}}
                                   .dump()};
    };
    constexpr const char *theirs = "monitoring.coreos.com/v1", *ours = "monitoring.holdfast.dev/v1alpha1";
    const Answers compiled = plugin.ask(
        Method::compile, "",
        {document(theirs, "ServiceMonitor",
                  R"({"jobLabel":"app","selector":{"matchLabels":{"app":"x"}},"targetLabels":["team"],
                      "endpoints":[{"port":"web"},
                          {"targetPort":9090,"relabelings":[{"action":"LabelDrop","regex":"x"}]}]})"),
         document(
             theirs, "PodMonitor",
             R"({"selector":{"matchExpressions":[{"key":"a","operator":"Exists"}]},"podMetricsEndpoints":[{"port":"web"}]})"),
         document(
             theirs, "Probe",
             R"({"prober":{"url":"127.0.0.1:2"},"module":"icmp","targets":{"staticConfig":{"static":["10.0.0.1"]}}})"),
         document(ours, "Probe",
                  R"({"targets":["https://example.org/?a=b"],"prober":{"url":"127.0.0.1:3"}})")});
    REQUIRE(compiled.items.size() == 4); // of each document the last
    // Debian's Prometheus is built without kubernetes_sd_configs, so the rest of such jobs is what is tried.
    std::vector<Ask> asks;
    for (const auto& [from, answer] : compiled.items) {
        Json one = Json::parse(answer.document);
        if (one["spec"].contains("kubernetes_sd_configs")) {
            one["spec"].erase("kubernetes_sd_configs");
            one["spec"]["file_sd_configs"] = {{{"files", {"/nowhere/*.json"}}}};
        }
        asks.push_back({.kind = answer.kind,
                        .identity = answer.identity,
                        .declared = one.dump(),
                        .action = ItemAction::create});
    }
    const Answers applied = plugin.ask(Method::apply, scope, asks);
    INFO(first_message(applied[0]));
    REQUIRE(applied.summary() == "done done done done");
    const std::string wanted =
        "http://127.0.0.1:2/probe?module=icmp&target=10.0.0.1 "
        "http://127.0.0.1:3/probe?module=http_2xx&target=https%3A%2F%2Fexample.org%2F%3Fa%3Db";
    std::string urls;
    // Prometheus takes targets up every five seconds, and not those of all jobs in one go.
    for (int i = 0; i < 600 && urls != wanted; ++i) {
        std::this_thread::sleep_for(100ms);
        urls = world.server.ask("targets?state=active",
                                "[.data.activeTargets[].scrapeUrl] | sort | join(\" \")");
    }
    CHECK(urls == wanted);
}

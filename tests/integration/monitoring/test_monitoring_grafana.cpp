// Contract tests from documentation: no Grafana is packaged, so what is asked here is a fake that was written
// from the description of its HTTP API (fake_grafana.py). That a real one behaves so is not tested.

#include <chrono>
#include <filesystem>
#include <thread>

#include "servers.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;
using ::test::Playground;
using ::test::Ran;

namespace {

constexpr const char* grafana_url = "http://127.0.0.1:13000";

std::optional<std::string> no_fake() {
    if (!has_program("python3")) return "python3 is not installed";
    return obstacle();
}

class FakeGrafana {
public:
    FakeGrafana() { start(); }

    void start() {
        const std::string script =
            std::string(HOLDFAST_SOURCE_DIR) + "/tests/integration/monitoring/fake_grafana.py";
        const char* const words[] = {"python3", "-B", script.c_str(), "13000", "token-of-a-test", nullptr};
        process_ = std::make_unique<BackgroundProgram>(words, folder_ / "log");
        for (int i = 0; i < 500 && process_->is_running(); ++i) {
            if (output_of(std::string("curl -sf ") + grafana_url + "/state")) return;
            std::this_thread::sleep_for(20ms);
        }
        throw std::runtime_error("the fake Grafana does not come up: " + read_file(folder_ / "log"));
    }
    void stop() { process_.reset(); }

    static std::string config(const std::string& token = "token-of-a-test") {
        return Json{{"grafana", {{"url", grafana_url}, {"token", token}}}, {"poll", 1}}.dump();
    }
    // What it holds; changed by the patch, member by member.
    Json state(const Json& change = nullptr) const {
        write_file(folder_ / "change", change.dump());
        const std::string post = change.is_null() ? "" : " -X POST --data @" + folder_ / "change";
        return Json::parse(
            output_of("curl -s " + std::string(grafana_url) + "/state" + post).value_or("null"));
    }
    // Somebody's edit in the user interface.
    void edit(const char* kind, const std::string& uid, const std::function<void(Json&)>& how) const {
        Json all = state().at(kind);
        how(all.at(uid));
        state({{kind, all}});
    }

private:
    TempFolder folder_;
    std::unique_ptr<BackgroundProgram> process_;
};

Ask folder(const std::string& uid, Json more = Json::object()) {
    Json spec{{"uid", uid}, {"title", "The " + uid}};
    spec.update(more);
    return leaf("Folder", uid, spec);
}

Ask source(const std::string& uid, Json more = Json::object()) {
    Json spec{{"uid", uid}, {"name", uid}, {"type", "prometheus"}, {"access", "proxy"}, {"url", "http://p"}};
    spec.update(more);
    return leaf("DataSource", uid, spec);
}

Ask dashboard(const std::string& uid, Json more = Json::object(), const std::string& in = {}) {
    Json model{{"title", "The " + uid}, {"panels", {{{"type", "text"}}}}};
    if (more.is_object()) model.update(more);
    Json spec{{"uid", uid}, {"dashboard", model}};
    if (!in.empty()) spec["folder"] = in;
    return leaf("Dashboard", uid, spec);
}

std::string first_message(const Answer& answer) { return answer.diagnostics.list().front().message; }
Json spec_of(const Answer& answer) { return Json::parse(answer.document).at("spec"); }
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("folders, data sources and dashboards are made, changed and removed") {
    if (const auto why = no_fake()) return skip(*why);
    FakeGrafana grafana;
    PluginDriver plugin("monitoring", FakeGrafana::config(), Isolation::worker);
    const Ask f = folder("web"), inner = folder("inner", {{"parentUid", "web"}}),
              s = source("prom", {{"jsonData", {{"timeInterval", "15s"}}}}), d = dashboard("shop", {}, "web");
    for (const auto& [scope, ask] :
         {std::pair("Folder", f), {"Folder", inner}, {"DataSource", s}, {"Dashboard", d}}) {
        CHECK(plugin.ask(Method::observe, scope, {ask}).summary() == "absent");
        REQUIRE(plugin.ask(Method::apply, scope, {ask}).summary() == "done");
        CHECK(plugin.ask(Method::apply, scope, {ask}).summary() == "unchanged");
        const Answers seen = plugin.ask(Method::observe, scope, {ask});
        const Json declared = Json::parse(ask.declared)["spec"], there = spec_of(seen[0]);
        for (const auto& [key, value] : declared.items()) CHECK(there.at(key) == value);
        CHECK(plugin.ask(Method::apply, scope, {changed(ask, seen[0])}).summary() == "unchanged");
    }
    CHECK_FALSE(spec_of(plugin.ask(Method::observe, "Dashboard", {d})[0])["dashboard"].contains("version"));

    Answers seen = plugin.ask(Method::observe, "Dashboard", {d});
    // Without a folder in the document it stays where it is.
    CHECK(plugin.ask(Method::apply, "Dashboard", {changed(dashboard("shop", {{"refresh", "1m"}}), seen[0])})
              .summary() == "done");
    CHECK(grafana.state()["dashboards"]["shop"]["folderUid"] == "web");
    CHECK(grafana.state()["dashboards"]["shop"]["model"]["version"] == 2);
    seen = plugin.ask(Method::observe, "Folder", {f, inner});
    CHECK(plugin
              .ask(Method::apply, "Folder",
                   {changed(folder("web", {{"title", "Web"}}), seen[0]), changed(folder("inner"), seen[1])})
              .summary() == "done unchanged");
    const Ask moved = changed(folder("inner", {{"parentUid", ""}}), seen[1]);
    CHECK(plugin.ask(Method::apply, "Folder", {moved}).summary() == "done");
    CHECK_FALSE(grafana.state()["folders"]["inner"].contains("parentUid"));
    CHECK(grafana.state()["folders"]["web"]["title"] == "Web");

    // What lies in a folder, whoever made it, would go with it.
    seen = plugin.ask(Method::observe, "Folder", {f});
    const Answers kept = plugin.ask(Method::apply, "Folder", {removed(f, seen[0])});
    CHECK(kept.summary() == "failed(monitoring.folder-not-empty)");
    CHECK_THAT(first_message(kept[0]), ContainsSubstring("The shop"));
    for (const auto& [scope, ask] : {std::pair("Dashboard", d), {"DataSource", s}, {"Folder", f}}) {
        const Answers now = plugin.ask(Method::observe, scope, {ask});
        CHECK(plugin.ask(Method::apply, scope, {removed(ask, now[0])}).summary() == "done");
        CHECK(plugin.ask(Method::apply, scope, {removed(ask, now[0])}).summary() == "unchanged");
    }
    CHECK(grafana.state()["dashboards"].empty());
}

TEST_CASE("two administrators at once: a dashboard that was saved meanwhile is not overwritten") {
    if (const auto why = no_fake()) return skip(*why);
    FakeGrafana grafana;
    PluginDriver plugin("monitoring", FakeGrafana::config(), Isolation::worker);
    const Ask a = dashboard("a"), b = dashboard("b");
    REQUIRE(plugin.ask(Method::apply, "Dashboard", {a, b}).summary() == "done done");
    const Answers seen = plugin.ask(Method::observe, "Dashboard", {a, b});
    grafana.edit("dashboards", "a", [](Json& one) {
        one["model"]["title"] = "Mine";
        one["model"]["version"] = 2;
    });
    const Answers answers =
        plugin.ask(Method::apply, "Dashboard",
                   {changed(dashboard("a", {{"refresh", "1m"}}), seen[0]),
                    changed(dashboard("b", {{"refresh", "1m"}}), seen[1]), dashboard("c")});
    CHECK(answers.summary() == "failed(monitoring.conflict) done done");
    CHECK(answers[0].diagnostics.list().front().retry == Retry::conflict);
    CHECK(grafana.state()["dashboards"]["a"]["model"]["title"] == "Mine");
    // One that is there and was not when it was planned; and two of one title in a folder.
    CHECK(plugin.ask(Method::apply, "Dashboard", {dashboard("c", {{"title", "Other"}})}).summary() ==
          "failed(monitoring.conflict)");
    const Answers twice = plugin.ask(Method::apply, "Dashboard", {dashboard("d", {{"title", "The b"}})});
    CHECK(twice.summary() == "failed(monitoring.refused)");
    CHECK_THAT(first_message(twice[0]), ContainsSubstring("same name"));
}

TEST_CASE("secrets of a data source are written and never read") {
    if (const auto why = no_fake()) return skip(*why);
    FakeGrafana grafana;
    PluginDriver plugin("monitoring", FakeGrafana::config(), Isolation::worker);
    const Ask s = source("prom", {{"secureJsonData", {{"basicAuthPassword", "hush-hush"}}}});
    REQUIRE(plugin.ask(Method::apply, "DataSource", {s}).summary() == "done");
    CHECK(plugin.ask(Method::apply, "DataSource", {s}).summary() == "done"); // as after a lost reply
    const Answers seen = plugin.ask(Method::observe, "DataSource", {s});
    CHECK_FALSE(has(seen[0].document, "hush-hush"));
    const Ask rotated = source("prom", {{"secureJsonData", {{"basicAuthPassword", "hush-again"}}}});
    CHECK(plugin.ask(Method::apply, "DataSource", {changed(rotated, seen[0])}).summary() == "done");
    CHECK(grafana.state()["datasources"]["prom"]["secureJsonData"]["basicAuthPassword"] == "hush-again");

    grafana.edit("datasources", "prom", [](Json& one) { one["readOnly"] = true; });
    const Answers now = plugin.ask(Method::observe, "DataSource", {s});
    CHECK(plugin.ask(Method::apply, "DataSource", {changed(source("prom", {{"url", "http://q"}}), now[0])})
              .summary() == "failed(monitoring.provisioned)");
}

TEST_CASE("a wrong token, a Grafana that is down and one that refuses to write are told apart") {
    if (const auto why = no_fake()) return skip(*why);
    FakeGrafana grafana;
    PluginDriver wrong("monitoring", FakeGrafana::config("wrong-token"), Isolation::worker);
    const Answers refused = wrong.ask(Method::observe, "Folder", {folder("a")});
    CHECK(refused.summary() == "failed(monitoring.refused)");
    CHECK_THAT(first_message(refused[0]), ContainsSubstring("401, Invalid API key"));
    CHECK_THAT(refused[0].diagnostics.list().front().hint, ContainsSubstring("token"));

    PluginDriver plugin("monitoring", FakeGrafana::config(), Isolation::worker);
    grafana.state({{"down", 1}});
    CHECK(plugin.ask(Method::apply, "Folder", {folder("a")}).summary() == "unknown(monitoring.refused)");
    grafana.state({{"down", 0}, {"drop", "POST"}}); // it is done, and the answer is lost
    CHECK(plugin.ask(Method::apply, "Folder", {folder("a")}).summary() == "unknown(monitoring.unreachable)");
    CHECK(plugin.ask(Method::apply, "Folder", {folder("a")}).summary() == "unchanged");
    CHECK(plugin.ask(Method::apply, "Dashboard", {dashboard("d", {}, "nowhere")}).summary() ==
          "failed(monitoring.refused)");
    grafana.stop();
    CHECK(plugin.ask(Method::observe, "Folder", {folder("a")}).summary() ==
          "failed(monitoring.unreachable) call failed");
    CHECK(plugin.ask(Method::apply, "Folder", {folder("a"), folder("b")}).summary() ==
          "failed(monitoring.unreachable) failed(monitoring.unreachable)");
}

TEST_CASE("an edit in the user interface is told") {
    if (const auto why = no_fake()) return skip(*why);
    FakeGrafana grafana;
    PluginDriver plugin("monitoring", FakeGrafana::config(), Isolation::worker);
    const Ask d = dashboard("d");
    REQUIRE(plugin.ask(Method::apply, "Dashboard", {d}).summary() == "done");
    REQUIRE(plugin.ask(Method::observe, "Dashboard", {d}).summary() == "done");
    Hinted hinted;
    const OnHint on_hint = hinted.on_hint();
    const Item item{.kind = d.kind, .identity = d.identity};
    REQUIRE(plugin.provider().watch("Dashboard", {&item, 1}, on_hint));
    hinted.comes_within(300ms);
    grafana.edit("dashboards", "d", [](Json& one) { one["model"]["refresh"] = "5s"; });
    CHECK(hinted.comes());
    plugin.provider().unwatch();
}

TEST_CASE("a dashboard as people export it is planned, applied, drifts, is corrected and imported") {
    if (const auto why = no_fake()) return skip(*why);
    FakeGrafana grafana;
    Playground play;
    const Json provider{{"apiVersion", "holdfast.dev/v1alpha1"},
                        {"kind", "Provider"},
                        {"metadata", {{"name", "mon"}}},
                        {"spec", {{"plugin", "monitoring"}, {"config", Json::parse(FakeGrafana::config())}}}};
    const Json stack = Json::parse(R"({"apiVersion":"holdfast.dev/v1alpha1","kind":"Stack",
        "metadata":{"name":"watch"},"spec":{"path":"watch","providers":{"monitoring.holdfast.dev":"mon"}}})");
    play.write("holdfast.yaml", provider.dump() + "\n---\n" + stack.dump() + "\n");
    // The dashboard's document comes first: what lies in a folder waits for it.
    play.write("watch/all.yaml", R"doc(apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Dashboard
metadata: {name: a-shop}
spec:
  folder: web
  json: |
    {"id": 77, "uid": "shop-uid", "version": 12, "iteration": 1, "title": "Shop", "schemaVersion": 39,
     "panels": [{"id": 1, "type": "graph", "targets": [{"expr": "up"}],
                 "gridPos": {"h": 8, "w": 12, "x": 0, "y": 0}}]}
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: DataSource
metadata: {name: prom}
spec:
  type: prometheus
  url: http://127.0.0.1:9090
  isDefault: true
  secureJsonData: {password: only-for-tests}
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Folder
metadata: {name: web}
spec: {title: Web}
)doc");
    play.commit();
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    REQUIRE(apply.exit_code == 0);
    CHECK_FALSE(has(apply.out + apply.err, "only-for-tests"));
    CHECK(grafana.state()["dashboards"]["shop-uid"]["folderUid"] == "web");
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    grafana.edit("dashboards", "shop-uid", [](Json& one) {
        one["model"]["panels"][0]["targets"][0]["expr"] = "down";
        one["model"]["version"] = 2;
    });
    grafana.edit("datasources", "prom", [](Json& one) { one["url"] = "http://elsewhere"; });
    const Ran drift = play.holdfast({"drift", "--exit-code"});
    INFO(drift.out << drift.err);
    CHECK(drift.exit_code == 2);
    CHECK(has(drift.out, "http://elsewhere"));
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(grafana.state()["dashboards"]["shop-uid"]["model"]["panels"][0]["targets"][0]["expr"] == "up");
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    // The folder goes after what lies in it.
    play.write("watch/all.yaml", R"doc(apiVersion: monitoring.holdfast.dev/v1alpha1
kind: DataSource
metadata: {name: prom}
spec:
  type: prometheus
  url: http://127.0.0.1:9090
  isDefault: true
  secureJsonData: {password: only-for-tests}
)doc");
    play.commit();
    const Ran removal = play.holdfast({"apply", "--yes"});
    INFO(removal.out << removal.err);
    CHECK(removal.exit_code == 0);
    CHECK(grafana.state()["folders"].empty());

    grafana.state(
        {{"folders", {{"theirs", {{"id", 90}, {"uid", "theirs"}, {"title", "T"}, {"version", 1}}}}}});
    const Ran import = play.holdfast({"import", "mon", "--scope", "Folder", "--write"});
    INFO(import.out << import.err);
    REQUIRE(import.exit_code == 0);
    play.commit();
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);
}

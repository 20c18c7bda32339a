// The monitoring plugin as a person uses it: holdfast plan, apply, drift and import against a real Prometheus
// and Alertmanager, and random edits by others.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <random>

#include "servers.hpp"
#include "support/catch.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;
using test::Playground;
using test::Ran;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Both servers, and a repository whose stack `watch` goes to them. Commands are named, as the engine wants
// it.
struct World {
    explicit World(const std::string& ownership = "owned", const char* more = "") {
        Json config = Json::parse(prometheus.config());
        config["alertmanager"] = Json::parse(alertmanager.config())["alertmanager"];
        Json commands;
        for (Json* part : {&config["prometheus"], &config["alertmanager"]})
            for (auto& [key, value] : part->items())
                if (value.is_object()) {
                    const std::string name = value["name"];
                    commands[name] = {{"run", value["run"]}};
                    value = name;
                }
        const Json provider{
            {"apiVersion", "holdfast.dev/v1alpha1"},
            {"kind", "Provider"},
            {"metadata", {{"name", "mon"}}},
            {"spec", {{"plugin", "monitoring"}, {"ownership", ownership}, {"config", config}}}};
        const Json stack =
            Json::parse(R"({"apiVersion":"holdfast.dev/v1alpha1","kind":"Stack","metadata":{"name":"watch"},
            "spec":{"path":"watch","providers":
            {"monitoring.holdfast.dev":"mon","monitoring.coreos.com":"mon"}}})");
        play.write("holdfast.yaml", provider.dump() + "\n---\n" + stack.dump() + "\n" + more);
        const std::string operators = (play.folder() / "operator.yaml").string();
        write_file(operators, Json{{"commands", commands}}.dump());
        std::filesystem::permissions(operators, std::filesystem::perms(0600));
        play.set_environment("HOLDFAST_CONFIG", operators);
    }

    PrometheusServer prometheus;
    AlertmanagerServer alertmanager;
    Playground play;
};

constexpr const char* documents = R"doc(apiVersion: monitoring.holdfast.dev/v1alpha1
kind: RuleGroup
metadata: {name: node}
spec:
  interval: 30s
  rules:
  - {alert: InstanceDown, expr: up==0, for: 300s, labels: {severity: page},
     annotations: {summary: "{{ $labels.instance }} is down"}}
  tests:
  - interval: 1m
    input_series: [{series: 'up{instance="a"}', values: "0x10"}]
    alert_rule_test:
    - eval_time: 7m
      alertname: InstanceDown
      exp_alerts: [{exp_labels: {severity: page, instance: a}, exp_annotations: {summary: a is down}}]
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: shop, namespace: web, labels: {prometheus: k8s}}
spec:
  groups:
  - name: shop.rules
    rules: [{record: "shop:requests:rate5m", expr: "sum(rate(requests_total[5m])) by (code)"}]
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Slo
metadata: {name: shop}
spec:
  objective: 99.9
  indicator:
    errors: sum(rate(requests_total{code=~"5.."}[$window]))
    total: sum(rate(requests_total[$window]))
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: ScrapeJob
metadata: {name: shop}
spec:
  scrape_interval: 300s
  static_configs: [{targets: ["127.0.0.1:1"], labels: {site: east}}]
  authorization: {credentials: only-for-tests}
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Probe
metadata: {name: front}
spec: {targets: ["https://example.org"], interval: 5m}
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Receiver
metadata: {name: pager}
spec: {webhook_configs: [{url: "http://127.0.0.1:19999/only-for-tests"}]}
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Route
metadata: {name: pages}
spec: {matchers: [severity=page], receiver: pager, order: 10}
---
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Silence
metadata: {name: move}
spec: {matchers: [job=db], endsAt: 2099-01-01T00:00:00Z, comment: moving house}
)doc";

// Addresses' objects that a plan would change, as "create [..]", sorted.
std::vector<std::string> planned(Playground& play) {
    const Ran ran = play.holdfast({"plan", "--json"});
    INFO(ran.out << ran.err);
    const Json run = Json::parse(ran.out, nullptr, false);
    REQUIRE(run.is_object());
    std::vector<std::string> out;
    for (const Json& stack : run.at("stacks"))
        for (const Json& round : stack.at("rounds"))
            for (const Json& change : round.at("plan").at("changes"))
                out.push_back(change.at("action").get<std::string>() + " " +
                              change.at("object").at("identity").get<std::string>());
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace

TEST_CASE("monitoring is planned, applied, drifts and is corrected") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    Playground& play = world.play;
    play.write("watch/all.yaml", documents);
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 0);
    CHECK(has(plan.out, "8 to create"));
    CHECK_FALSE(has(plan.out + plan.err, "only-for-tests"));
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    REQUIRE(apply.exit_code == 0);
    CHECK(has(world.prometheus.running(), "node/InstanceDown=up == 0"));
    CHECK(has(world.prometheus.running(),
              "shop.rules/shop:requests:rate5m=sum by (code) (rate(requests_total[5m]))"));
    CHECK(has(world.prometheus.running(), "slo:shop/ErrorBudgetBurn="));
    CHECK(std::filesystem::exists(world.prometheus.rules() + "/web-shop.yml"));
    CHECK(has(world.prometheus.ask("status/config", ".data.yaml"), "job_name: front"));
    CHECK(has(world.alertmanager.running(), "receiver: pager"));
    CHECK(world.alertmanager.ask("silences", "length | tostring") == "1");
    CHECK(planned(play).empty());
    CHECK(output_of("grep -rl only-for-tests " + play.store().string()).value_or("") ==
          ""); // no secret in the store

    world.prometheus.stop();
    world.prometheus.start();
    world.alertmanager.stop();
    world.alertmanager.start();
    CHECK(planned(play).empty());

    const std::string file = world.prometheus.rules() + "/holdfast.yml";
    std::string text = read_file(file);
    text.replace(text.find("30s"), 3, "77s");
    write_file(file, text);
    REQUIRE(world.prometheus.reload());
    const Ran drift = play.holdfast({"drift", "--exit-code"});
    INFO(drift.out << drift.err);
    CHECK(drift.exit_code == 2);
    CHECK(has(drift.out, "1m17s"));
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(has(read_file(file), "30s"));
    CHECK(planned(play).empty());

    play.write("watch/all.yaml",
               std::string(documents).substr(
                   0, std::string(documents).find(
                          "---\napiVersion: monitoring.holdfast.dev/v1alpha1\nkind: Receiver")));
    play.commit();
    const Ran removal = play.holdfast({"apply", "--yes"});
    INFO(removal.out << removal.err);
    CHECK(removal.exit_code == 0);
    CHECK_FALSE(has(world.alertmanager.running(), "receiver: pager"));
    CHECK(world.alertmanager.ask("silences", ".[0].status.state") == "expired");
}

TEST_CASE("what is wrong is shown with its line, and a rule whose test fails is not written") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    Playground& play = world.play;
    std::string text = documents;
    text.replace(text.find("expr: up==0"), 11, "expr: up==1");
    play.write("watch/all.yaml", text);
    play.commit();
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    CHECK(apply.exit_code == 1);
    CHECK(has(apply.out + apply.err, "[monitoring.tests-failed]"));
    CHECK_FALSE(has(world.prometheus.running(), "InstanceDown"));
    CHECK(has(world.prometheus.running(), "shop:requests")); // the rest is done
    CHECK(has(world.alertmanager.running(), "receiver: pager"));

    text.replace(text.find("for: 300s"), 9, "for: soon");
    play.write("watch/all.yaml", text);
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.err, "watch/all.yaml:7:"));
    CHECK(has(plan.err, "[monitoring.duration]"));
}

TEST_CASE("a plan that leaves no alerting rule is refused, and the rest of it is not") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    Playground& play = world.play;
    const auto group = [](const char* name, const char* rule) {
        return std::string(
                   "apiVersion: monitoring.holdfast.dev/v1alpha1\nkind: RuleGroup\nmetadata: {name: ") +
               name + "}\nspec: {rules: [{" + rule + "}]}\n---\n";
    };
    const std::string records = group("sums", "record: 'up:sum', expr: sum(up)");
    play.write("watch/all.yaml", group("node", "alert: Down, expr: up == 0") + records);
    play.commit();
    REQUIRE(play.holdfast({"apply", "--yes"}).exit_code == 0);

    const bool by_edit = GENERATE(false, true); // the group goes, or its rule becomes another one
    play.write("watch/all.yaml", (by_edit ? group("node", "record: 'down:sum', expr: sum(1 - up)") : "") +
                                     records + group("more", "record: r, expr: sum(up)"));
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.out + plan.err, "without a single alerting rule"));
    CHECK(has(plan.out + plan.err, "prometheus.allowNoAlerts"));
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    CHECK(apply.exit_code == 1);
    CHECK(has(world.prometheus.running(), "node/Down=up == 0"));
    CHECK(has(world.prometheus.running(), "more/r=sum(up)"));

    // Another alerting rule in the same commit makes it good.
    play.write("watch/all.yaml", records + group("other", "alert: Other, expr: up == 0"));
    play.commit();
    const Ran good = play.holdfast({"apply", "--yes"});
    INFO(good.out << good.err);
    CHECK(good.exit_code == 0);
    CHECK_FALSE(has(world.prometheus.running(), "node/"));
}

TEST_CASE("imported groups have an empty plan") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    write_file(world.prometheus.rules() + "/theirs.yml",
               "groups:\n- name: a b\n  interval: 90s\n  rules:\n  - {alert: A, expr: up==0, for: 60s, "
               "labels: {n: 1.10}}\n"
               "- {name: c, rules: [{record: r, expr: 'sum(up)by(job)'}]}\n");
    REQUIRE(world.prometheus.reload());
    world.play.commit();
    const Ran import = world.play.holdfast({"import", "mon", "--scope", "RuleGroup", "--write"});
    INFO(import.out << import.err);
    REQUIRE(import.exit_code == 0);
    world.play.commit();
    for (const std::string& change : planned(world.play)) CHECK(change.rfind("adopt ", 0) == 0);
    CHECK(world.play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(planned(world.play).empty());
}

// ---- random edits by others ----

namespace {

struct Mutation {
    const char* what;
    std::function<void(Json& group, unsigned random)> change; // of the group in the file
    bool is_difference;
};

const std::vector<Mutation>& mutations() {
    static const std::vector<Mutation> all{
        {"another limit",
         [](Json& g, unsigned r) { g["rules"][0]["expr"] = "up > " + std::to_string(r % 50 + 60); }, true},
        {"another label",
         [](Json& g, unsigned r) { g["rules"][0]["labels"]["severity"] = "s" + std::to_string(r); }, true},
        {"no annotation", [](Json& g, unsigned) { g["rules"][0].erase("annotations"); }, true},
        {"another time",
         [](Json& g, unsigned r) { g["rules"][0]["for"] = std::to_string(r % 50 + 700) + "s"; }, true},
        {"one rule more",
         [](Json& g, unsigned) {
             g["rules"].push_back({{"record", "x"}, {"expr", "sum(up)"}});
         },
         true},
        {"other order", [](Json& g, unsigned) { std::swap(g["rules"][0], g["rules"][1]); }, true},
        {"another interval", [](Json& g, unsigned) { g["interval"] = "99s"; }, true},
        {"spelled otherwise",
         [](Json& g, unsigned) { g["rules"][1]["expr"] = "sum( rate(up[300s]) )by(job)"; }, false},
        {"time spelled otherwise", [](Json& g, unsigned) { g["rules"][0]["for"] = "600s"; }, false},
        {"empty map", [](Json& g, unsigned) { g["rules"][1]["labels"] = Json::object(); }, false},
        {"interval spelled otherwise", [](Json& g, unsigned) { g["interval"] = "60s"; }, false}};
    return all;
}

Json random_group(int i) {
    return {{"file", i % 2 == 0 ? "holdfast.yml" : "more.yml"},
            {"name", "g" + std::to_string(i)},
            {"interval", "1m"},
            {"rules",
             {{{"alert", "A"},
               {"expr", "up > " + std::to_string(i)},
               {"for", "10m"},
               {"labels", {{"severity", "page"}}},
               {"annotations", {{"s", "x"}}}},
              {{"record", "r"}, {"expr", "sum by (job) (rate(up[5m]))"}}}}};
}

} // namespace

TEST_CASE("of random edits exactly the real ones are reported, and corrected in one pass") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    Playground& play = world.play;
    constexpr int count = 24;
    std::string text;
    for (int i = 0; i < count; ++i)
        text += Json{{"apiVersion", "monitoring.holdfast.dev/v1alpha1"},
                     {"kind", "RuleGroup"},
                     {"metadata", {{"name", "g" + std::to_string(i)}}},
                     {"spec", random_group(i)}}
                    .dump() +
                "\n---\n";
    play.write("watch/groups.yaml", text);
    play.commit();
    REQUIRE(play.holdfast({"apply", "--yes"}).exit_code == 0);
    REQUIRE(planned(play).empty());

    std::mt19937 random(20261123);
    for (int round = 0; round < 5; ++round) {
        std::vector<std::string> expected;
        std::string told;
        // Others' tools write the whole file anew, in their own way: as JSON, which is YAML.
        std::map<std::string, Json> files{{"holdfast.yml", {{"groups", Json::array()}}},
                                          {"more.yml", {{"groups", Json::array()}}}};
        for (int i = 0; i < count; ++i) {
            Json group = random_group(i);
            const std::string file = group["file"], identity = Json::array({file, group["name"]}).dump();
            group.erase("file");
            const unsigned choice = static_cast<unsigned>(random()) % 3;
            if (choice == 0) {
                const Mutation& mutation = mutations()[static_cast<unsigned>(random()) % mutations().size()];
                mutation.change(group, static_cast<unsigned>(random()) % 1000);
                told += identity + ": " + mutation.what + "\n";
                if (mutation.is_difference) expected.push_back("update " + identity);
            } else if (choice == 1 && random() % 4 == 0) {
                expected.push_back("create " + identity);
                told += identity + ": gone\n";
                continue;
            }
            files[file]["groups"].push_back(std::move(group));
        }
        const std::string foreign = "foreign-" + std::to_string(round);
        files["more.yml"]["groups"].push_back(
            {{"name", foreign}, {"rules", {{{"alert", "F"}, {"expr", "vector(1)"}}}}});
        for (auto& [file, content] : files) {
            if (round % 2 == 1) std::reverse(content["groups"].begin(), content["groups"].end());
            write_file(world.prometheus.rules() + "/" + file, content.dump(1));
        }
        if (round != 2)
            REQUIRE(world.prometheus.reload()); // else they are not even loaded, which changes nothing
        std::sort(expected.begin(), expected.end());
        INFO("round " << round << "\n" << told);
        CHECK(planned(play) == expected);
        const Ran apply = play.holdfast({"apply", "--yes"});
        INFO(apply.out << apply.err);
        CHECK(apply.exit_code == 0);
        REQUIRE(planned(play).empty());
        CHECK(has(world.prometheus.running(), foreign + "/F=vector(1)"));
        CHECK(world.prometheus.ask(
                  "rules", "[.data.groups[] | select(.name | startswith(\"g\"))] | length | tostring") ==
              std::to_string(count));
    }
}

// ---- the same of jobs ----

namespace {

struct JobMutation {
    const char* what;
    std::function<void(Json& job, unsigned random)> change; // of the job in the file
    bool is_difference;
};

const std::vector<JobMutation>& job_mutations() {
    static const std::vector<JobMutation> all{
        {"another target",
         [](Json& j, unsigned r) {
             j["static_configs"][0]["targets"][0] = "127.0.0.1:" + std::to_string(r + 2);
         },
         true},
        {"another label",
         [](Json& j, unsigned r) { j["static_configs"][0]["labels"]["n"] = std::to_string(r + 2); }, true},
        {"another path", [](Json& j, unsigned r) { j["metrics_path"] = "/" + std::to_string(r); }, true},
        {"no relabelling", [](Json& j, unsigned) { j.erase("relabel_configs"); }, true},
        {"another password",
         [](Json& j, unsigned r) { j["basic_auth"]["password"] = "p" + std::to_string(r); }, true},
        {"another time", [](Json& j, unsigned) { j["scrape_interval"] = "91m"; }, true},
        {"time spelled otherwise", [](Json& j, unsigned) { j["scrape_interval"] = "5400s"; }, false},
        {"label as a number", [](Json& j, unsigned) { j["static_configs"][0]["labels"]["n"] = 1; }, false},
        {"one field more", [](Json& j, unsigned) { j["honor_labels"] = true; }, false}};
    return all;
}

Json random_job(int i) {
    return {{"job_name", "j" + std::to_string(i)},
            {"scrape_interval", "90m"},
            {"metrics_path", "/m"},
            {"basic_auth", {{"username", "u"}, {"password", "hush-hush"}}},
            {"static_configs", {{{"targets", {"127.0.0.1:1"}}, {"labels", {{"n", "1"}}}}}},
            {"relabel_configs", {{{"target_label", "x"}, {"replacement", "y"}}}}};
}

} // namespace

TEST_CASE("of random edits of jobs exactly the real ones are reported, and corrected in one pass") {
    if (const auto why = obstacle()) return skip(*why);
    World world;
    Playground& play = world.play;
    constexpr int count = 12;
    std::string text;
    for (int i = 0; i < count; ++i)
        text += Json{{"apiVersion", "monitoring.holdfast.dev/v1alpha1"},
                     {"kind", "ScrapeJob"},
                     {"metadata", {{"name", "j" + std::to_string(i)}}},
                     {"spec", random_job(i)}}
                    .dump() +
                "\n---\n";
    play.write("watch/jobs.yaml", text);
    play.commit();
    REQUIRE(play.holdfast({"apply", "--yes"}).exit_code == 0);
    REQUIRE(planned(play).empty());
    const std::string path = world.prometheus.folder() + "/prometheus.yml";
    std::mt19937 random(20261124);
    for (int round = 0; round < 4; ++round) {
        std::vector<std::string> expected;
        std::string told;
        Json jobs = Json::array({{{"job_name", "theirs-" + std::to_string(round)}}});
        for (int i = 0; i < count; ++i) {
            Json job = random_job(i);
            const std::string identity = job["job_name"].dump();
            const unsigned choice = static_cast<unsigned>(random()) % 3;
            if (choice == 0) {
                const JobMutation& mutation =
                    job_mutations()[static_cast<unsigned>(random()) % job_mutations().size()];
                mutation.change(job, static_cast<unsigned>(random()) % 1000);
                told += identity + ": " + mutation.what + "\n";
                if (mutation.is_difference) expected.push_back("update " + identity);
            } else if (choice == 1 && random() % 4 == 0) {
                expected.push_back("create " + identity);
                told += identity + ": gone\n";
                continue;
            }
            jobs.push_back(std::move(job));
        }
        if (round % 2 == 1) std::reverse(jobs.begin(), jobs.end());
        write_file(
            path,
            Json{{"rule_files", {world.prometheus.rules() + "/*.yml"}}, {"scrape_configs", jobs}}.dump(1));
        REQUIRE(world.prometheus.reload());
        std::sort(expected.begin(), expected.end());
        INFO("round " << round << "\n" << told);
        CHECK(planned(play) == expected);
        const Ran apply = play.holdfast({"apply", "--yes"});
        INFO(apply.out << apply.err);
        CHECK(apply.exit_code == 0);
        REQUIRE(planned(play).empty());
        const std::string running = world.prometheus.ask("status/config", ".data.yaml");
        CHECK(has(running, "job_name: theirs-" + std::to_string(round)));
        for (int i = 0; i < count; ++i) CHECK(has(running, "job_name: j" + std::to_string(i) + "\n"));
    }
}

// 5,000 rule groups written, checked, reloaded and verified by the monitoring provider, beside what that
// cannot do without: `promtool check rules` of the same file, Prometheus' own reload of it and one GET of its
// rules. The best of some rounds each, against one real server that has run as many rules before. The whole
// first apply from Git stands below, for comparison. Exits 1 where a limit is missed.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <sys/stat.h>

#include "integration/monitoring/servers.hpp"
#include "measure.hpp"
#include "repository.hpp"

namespace fs = std::filesystem;
using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr int rounds = 5, groups = 5000;
constexpr std::size_t hidden = 3210;
constexpr const char* scope = "RuleGroup";

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "monitoring_bench: {}\n", why);
    std::exit(1);
}

double wall_of(const std::vector<std::string>& command) {
    const bench::Usage usage = bench::run(command);
    if (usage.exit_code != 0) fail(command.front() + ": " + usage.output.substr(0, 1000));
    return usage.wall_s;
}

Json rules_of(std::size_t i) {
    return {{{"alert", fmt::format("Down{}", i)},
             {"expr", fmt::format("up{{job=\"j{}\"}} == 0", i)},
             {"for", "5m"},
             {"labels", {{"severity", "page"}}}},
            {{"record", fmt::format("job:up{}:sum", i)},
             {"expr", fmt::format("sum by (job) (rate(x{}[5m]))", i)}}};
}

std::vector<Ask> all_groups() {
    std::vector<Ask> out;
    for (std::size_t i = 0; i < groups; ++i) out.push_back(group(fmt::format("g{}", i), rules_of(i)));
    return out;
}

// Evaluation is no part of it.
void calm(const PrometheusServer& server) {
    write_file(server.folder() + "/prometheus.yml",
               "global: {evaluation_interval: 1h}\nrule_files: [\"" + server.rules() + "/*.yml\"]\n");
    if (!server.reload()) fail("Prometheus takes no configuration: " + server.log());
}

std::string rule_file(const PrometheusServer& server) { return server.rules() + "/holdfast.yml"; }

// As before the first apply.
void clear(const PrometheusServer& server) {
    fs::remove(rule_file(server));
    if (!server.reload() || !server.running().empty()) fail("Prometheus keeps its rules");
}

void must_run_all(const PrometheusServer& server) {
    const std::string count = server.ask("rules", "[.data.groups[].rules | length] | add");
    if (count != std::to_string(2 * groups)) fail("Prometheus does not run all rules, but " + count);
}

// ---- what it cannot do without, in seconds

struct Floor {
    double check = 0, reload = 0, get = 0;

    double sum() const { return check + reload + get; }
};

// Of the rules that stand in the server's folder, which it runs already. One after the other, as the plugin
// does.
Floor measure_floor(const PrometheusServer& server) {
    const std::string file = rule_file(server), aside = server.folder() + "/aside", url = prometheus_url;
    Floor out;
    fs::rename(file, aside);
    if (!server.reload()) fail("Prometheus does not reload");
    out.check = wall_of({"promtool", "check", "rules", aside});
    fs::rename(aside, file);
    out.reload = wall_of({"curl", "-sf", "-X", "POST", url + "/-/reload"});
    out.get = wall_of({"curl", "-sf", "-o", server.folder() + "/rules.json", url + "/api/v1/rules"});
    must_run_all(server);
    return out;
}

// ---- the plugin

bool is_loaded(const Answer& answer) { return Json::parse(answer.document)["spec"]["loaded"].get<bool>(); }

// One expression by hand: an observe tells of that group alone, and that Prometheus runs another one.
void must_be_seen(PluginDriver& plugin, const PrometheusServer& server, const std::vector<Ask>& all) {
    const Answers before = plugin.ask(Method::observe, scope, all);
    std::string text = read_file(rule_file(server));
    const std::string wanted = fmt::format("rate(x{}[5m])", hidden);
    const std::size_t at = text.find(wanted);
    if (at == std::string::npos) fail("the hidden change has no place");
    text.replace(at, wanted.size(), fmt::format("rate(x{}[6m])", hidden));
    write_file(rule_file(server), text);
    const Answers after = plugin.ask(Method::observe, scope, all);
    for (std::uint32_t i = 0; i < all.size(); ++i) {
        if (before[i].outcome != Outcome::done || !is_loaded(before[i])) fail("not all is seen to run");
        const bool is_changed = before[i].version != after[i].version;
        if (is_changed != (i == hidden) || is_loaded(after[i]) == (i == hidden))
            fail("the hidden change is not what is seen");
    }
}

double by_plugin(const PrometheusServer& server, std::vector<Floor>& floors) {
    clear(server);
    PluginDriver plugin("monitoring", server.config(), Isolation::worker);
    const std::vector<Ask> all = all_groups();
    plugin.ask(Method::observe, scope, {all.front()}); // starts it
    Answers answers;
    const double wall = bench::seconds_of([&] { answers = plugin.ask(Method::apply, scope, all); });
    if (!answers.end.ok || answers.items.size() != all.size()) fail("the plugin did not write");
    for (const auto& [index, answer] : answers.items)
        if (answer.outcome != Outcome::done || !is_loaded(answer))
            fail("the plugin did not write " + all[index].identity);
    must_run_all(server);
    floors.push_back(measure_floor(server));
    must_be_seen(plugin, server, all);
    return wall;
}

// ---- the whole apply from Git

std::string project(const PrometheusServer& server) {
    return fmt::format("apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {{name: mon}}\n"
                       "spec: {{plugin: monitoring, config: {{prometheus: {{url: \"{}\", rules: {}, "
                       "checkRules: check-rules}}}}}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
                       "metadata: {{name: watch}}\n"
                       "spec: {{path: stack, providers: {{monitoring.holdfast.dev: mon}}}}\n",
                       prometheus_url, server.rules());
}

std::string all_documents(std::size_t) {
    std::string out;
    for (std::size_t i = 0; i < groups; ++i)
        out += "apiVersion: monitoring.holdfast.dev/v1alpha1\nkind: RuleGroup\nmetadata: {name: g" +
               std::to_string(i) + "}\nspec: {rules: " + rules_of(i).dump() + "}\n---\n";
    return out;
}

double by_whole_apply(const PrometheusServer& server) {
    clear(server);
    const TempFolder place;
    const std::string repository = place / "repo.git", operators = place / "operator.yaml";
    bench::make_repository(repository, project(server), 1, all_documents,
                           [](std::size_t) { return std::string("stack/groups.yaml"); });
    write_file(operators,
               "commands:\n  check-rules: {run: [/usr/bin/promtool, check, rules], timeout: 60s}\n");
    chmod(operators.c_str(), 0600);
    const bench::Usage usage = bench::run({std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast", "-C",
                                           repository, "--store", place / "store", "apply", "--yes"},
                                          {"HOLDFAST_CONFIG=" + operators});
    if (usage.exit_code != 0) fail("the apply failed:\n" + usage.output.substr(0, 2000));
    must_run_all(server);
    return usage.wall_s;
}

bench::Table measured;

} // namespace

int main() {
    if (const auto why = obstacle()) fail(*why);
    const PrometheusServer server;
    calm(server);
    std::vector<Floor> floors;
    double plugin = std::numeric_limits<double>::max(), whole = plugin;
    for (int i = 0; i < rounds; ++i) {
        plugin = std::min(plugin, by_plugin(server, floors));
        whole = std::min(whole, by_whole_apply(server));
    }
    const Floor floor = *std::min_element(floors.begin(), floors.end(),
                                          [](const Floor& a, const Floor& b) { return a.sum() < b.sum(); });
    fmt::print("promtool {:.0f} + reload {:.0f} + GET {:.0f} ms\n", floor.check * 1e3, floor.reload * 1e3,
               floor.get * 1e3);
    measured.row("5000 rule groups by the plugin : promtool, reload and GET", plugin, floor.sum(), 1.3);
    measured.row("5000 rule groups by a whole first apply from Git : the same", whole, floor.sum(), 0);
    return measured.holds() ? 0 : 1;
}

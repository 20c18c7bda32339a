#include "compile.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "duration.hpp"
#include "rules.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

std::string as_text(const Json& from, const char* key) {
    const auto found = from.find(key);
    if (found == from.end() || found->is_null()) return {};
    return found->is_string() ? found->get<std::string>() : sdk::dump_json(*found);
}

void check_rule(const Json& rule, const std::string& pointer, sdk::Diagnostics& problems) {
    const std::string alert = as_text(rule, "alert"), record = as_text(rule, "record");
    if (alert.empty() == record.empty())
        complain(problems, "monitoring.bad-rule", pointer,
                 alert.empty() ? "the rule is neither an alert nor a recording rule"
                               : "the rule is an alert and a recording rule at once",
                 "give it one of alert and record");
    if (as_text(rule, "expr").find_first_not_of(" \t\n") == std::string::npos)
        complain(problems, "monitoring.bad-rule", pointer + "/expr", "the rule has no expression",
                 "an empty expression is always an error to Prometheus");
    check_duration(rule, "for", pointer, problems);
    check_duration(rule, "keep_firing_for", pointer, problems);
    for (const char* key : {"for", "keep_firing_for", "annotations"})
        if (!record.empty() && rule.contains(key))
            complain(problems, "monitoring.bad-rule", pointer + "/" + key,
                     std::string("a recording rule has no ") + key, "remove it, or make it an alert");
}

// promtool warns of them and goes on: one of two series of one name and labels is lost.
void check_twice(const Json& rules, const std::string& pointer, sdk::Diagnostics& problems) {
    const auto is_recording = [](const Json& rule) { return rule.is_object() && rule.contains("record"); };
    if (std::count_if(rules.begin(), rules.end(), is_recording) < 2) return;
    std::map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const Json rule = canonical_rule(rules[i]);
        const std::string record = rule.value("record", "");
        if (record.empty()) continue;
        const auto [first, is_new] = seen.emplace(record + rule.value("labels", Json()).dump(), i);
        if (is_new) continue;
        complain(problems, "monitoring.rule-twice", pointer + "/" + std::to_string(i),
                 "rule " + std::to_string(first->second + 1) + " of the group records " + record +
                     " with the same labels already",
                 "give one of them another name or another label");
        problems.back().severity = sdk::Severity::warning;
    }
}

} // namespace

void check_duration(const Json& from, const char* key, const std::string& pointer,
                    sdk::Diagnostics& problems) {
    const std::string text = as_text(from, key);
    if (!text.empty() && !parse_duration(text))
        complain(problems, "monitoring.duration", pointer + "/" + key, "\"" + text + "\" is no time",
                 "write numbers with y, w, d, h, m, s or ms, such as 1h30m");
}

void complain(sdk::Diagnostics& problems, std::string code, std::string pointer, std::string message,
              std::string hint) {
    sdk::Diagnostic why = problem(std::move(code), std::move(message), std::move(hint));
    why.pointer = std::move(pointer);
    problems.push_back(std::move(why));
}

Compiled rule_group_leaf(const std::string& file, Json spec, const std::string& pointer,
                         sdk::Diagnostics& problems) {
    check_duration(spec, "interval", pointer, problems);
    check_duration(spec, "query_offset", pointer, problems);
    if (const auto found = spec.find("rules"); found != spec.end() && found->is_array()) {
        const Json& rules = *found;
        for (std::size_t i = 0; i < rules.size(); ++i)
            if (rules[i].is_object()) check_rule(rules[i], pointer + "/rules/" + std::to_string(i), problems);
        check_twice(rules, pointer + "/rules", problems);
    }
    Json tests = spec.contains("tests") ? std::move(spec["tests"]) : Json();
    Json canonical = canonical_group(std::move(spec));
    canonical["file"] = file;
    if (!tests.is_null()) canonical["tests"] = std::move(tests);
    Compiled out;
    out.key = {"RuleGroup", Json::array({file, canonical["name"]}).dump()};
    out.scope = scope::rules;
    out.pointer = pointer;
    out.document = document_of("RuleGroup", std::move(canonical));
    return out;
}

void compile_rule_group(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    if (as_text(spec, "name").empty()) spec["name"] = sdk::text_at(document, "/metadata/name");
    const std::string file = sdk::text_at(spec, "/file", default_rule_file);
    Compiled leaf = rule_group_leaf(file, std::move(spec), "/spec", problems);
    if (document.contains("metadata")) leaf.document["metadata"] = document["metadata"];
    out.push_back(std::move(leaf));
}

// A PrometheusRule as the operator takes it (github.com/prometheus-operator/prometheus-operator,
// Documentation/api.md): a file for each, called after namespace and name.
void compile_prometheus_rule(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    const std::string space = sdk::text_at(document, "/metadata/namespace");
    const std::string file =
        (space.empty() ? "" : space + "-") + sdk::text_at(document, "/metadata/name") + ".yml";
    const Json groups = document.at("spec").value("groups", Json::array());
    std::set<std::string> names;
    for (std::size_t i = 0; groups.is_array() && i < groups.size(); ++i) {
        const std::string pointer = "/spec/groups/" + std::to_string(i);
        if (!groups[i].is_object()) continue; // the schema has said so
        Json group = groups[i];
        group.erase("partial_response_strategy"); // Thanos' alone
        const std::string name = as_text(group, "name");
        if (!names.insert(name).second)
            complain(problems, "monitoring.group-twice", pointer + "/name",
                     "two groups of this document are called \"" + name + "\"",
                     "Prometheus wants the groups of a file to differ in name");
        Compiled leaf = rule_group_leaf(file, std::move(group), pointer, problems);
        leaf.part = name;
        out.push_back(std::move(leaf));
    }
}

std::vector<Compiled> compile_document(std::string_view text, sdk::Diagnostics& problems,
                                       const Surroundings& around) {
    const Json document = sdk::parse_json(text, "monitoring.document");
    std::vector<Compiled> out;
    if (!document.is_object() || !document.contains("spec") || !document["spec"].is_object())
        return out; // the schema has said so
    const std::string kind = sdk::text_at(document, "/kind");
    const bool is_operators = sdk::text_at(document, "/apiVersion") == operator_api_version;
    static const std::map<std::string, void (*)(const Json&, const Surroundings&, std::vector<Compiled>&,
                                                sdk::Diagnostics&)>
        monitors{{"ServiceMonitor", &compile_service_monitor}, {"PodMonitor", &compile_pod_monitor}};
    static const std::map<std::string, void (*)(const Json&, std::vector<Compiled>&, sdk::Diagnostics&)>
        kinds{{"RuleGroup", &compile_rule_group},
              {"PrometheusRule", &compile_prometheus_rule},
              {"Slo", &compile_slo},
              {"ScrapeJob", &compile_scrape_job},
              {"Probe", &compile_probe},
              {"Folder", &compile_folder},
              {"DataSource", &compile_data_source},
              {"Dashboard", &compile_dashboard},
              {"AlertmanagerConfig", &compile_alertmanager_config},
              {"Receiver", &compile_receiver},
              {"Route", &compile_route},
              {"Silence", &compile_silence}};
    if (is_operators && kind == "Probe")
        compile_operator_probe(document, out, problems);
    else if (const auto monitor = monitors.find(kind); monitor != monitors.end())
        monitor->second(document, around, out, problems);
    else if (const auto compiler = kinds.find(kind); compiler != kinds.end())
        compiler->second(document, out, problems);
    return out;
}

} // namespace holdfast::monitoring

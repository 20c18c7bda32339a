#include "rules.hpp"

#include <algorithm>
#include <cctype>

#include "duration.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

std::string as_text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : sdk::dump_json(value);
}

void put_texts(Json& out, const char* key, const Json& from) {
    const auto found = from.find(key);
    if (found == from.end() || !found->is_object() || found->empty()) return;
    Json& texts = out[key];
    for (const auto& [name, value] : found->items()) texts[name] = as_text(value);
}

void put_duration(Json& out, const char* key, const Json& from) {
    const auto found = from.find(key);
    if (found == from.end() || found->is_null()) return;
    const std::string text = canonical_duration(as_text(*found));
    if (text != "0s" && !text.empty()) out[key] = text;
}

void put_seconds(Json& out, const char* key, const Json& seconds) {
    if (!seconds.is_number()) return;
    const auto ms = static_cast<std::int64_t>(seconds.get<double>() * 1000 + 0.5);
    if (ms != 0) out[key] = print_duration(ms);
}

} // namespace

Json canonical_rule(const Json& rule) {
    Json out = Json::object();
    if (!rule.is_object()) return out;
    for (const char* key : {"alert", "record", "expr"}) {
        const auto found = rule.find(key);
        if (found == rule.end()) continue;
        const std::string text = as_text(*found);
        if (!text.empty()) out[key] = text;
    }
    put_duration(out, "for", rule);
    put_duration(out, "keep_firing_for", rule);
    put_texts(out, "labels", rule);
    put_texts(out, "annotations", rule);
    return out;
}

Json canonical_group(const Json& group) {
    Json out{{"name", as_text(group.value("name", Json()))}, {"rules", Json::array()}};
    put_duration(out, "interval", group);
    put_duration(out, "query_offset", group);
    put_texts(out, "labels", group);
    if (const auto limit = group.find("limit"); limit != group.end() && *limit != 0 && !limit->is_null())
        out["limit"] = *limit;
    if (const auto rules = group.find("rules"); rules != group.end() && rules->is_array())
        for (const Json& rule : *rules) out["rules"].push_back(canonical_rule(rule));
    return out;
}

Json group_in_file(const Json& spec) {
    Json out = spec;
    for (const char* key : {"file", "tests", "loaded"}) out.erase(key);
    return out;
}

namespace {

// In place: what Prometheus answers about thousands of groups is large.
const Json& member(const Json& object, const char* key) {
    static const Json nothing;
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

Json rule_of_api(const Json& rule) {
    Json out{{rule.value("type", "") == "alerting" ? "alert" : "record", member(rule, "name")}};
    out["expr"] = member(rule, "query");
    put_texts(out, "labels", rule);
    put_texts(out, "annotations", rule);
    put_seconds(out, "for", member(rule, "duration"));
    put_seconds(out, "keep_firing_for", member(rule, "keepFiringFor"));
    return out;
}

} // namespace

Json group_of_api(const Json& group) {
    Json out{{"name", member(group, "name")}, {"rules", Json::array()}};
    put_seconds(out, "interval", member(group, "interval"));
    if (const Json& limit = member(group, "limit"); !limit.is_null() && limit != 0) out["limit"] = limit;
    for (const Json& rule : member(group, "rules")) out["rules"].push_back(rule_of_api(rule));
    return out;
}

bool is_alert(const Json& rule) { return rule.is_object() && rule.contains("alert"); }

std::size_t count_alerts(const Json& group) {
    const auto rules = group.find("rules");
    if (rules == group.end() || !rules->is_array()) return 0;
    return static_cast<std::size_t>(std::count_if(rules->begin(), rules->end(), is_alert));
}

// What stands in quotes counts letter by letter, with its blanks. A comment makes two texts different here,
// which costs one question to Prometheus.
bool is_same_but_blanks(std::string_view left, std::string_view right) {
    const auto next = [](std::string_view text, std::size_t& at, char& quote) {
        while (quote == '\0' && at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0)
            ++at;
        if (at == text.size()) return '\0';
        const char c = text[at++];
        const bool is_escaped = quote != '\0' && quote != '`' && at >= 2 && text[at - 2] == '\\';
        if (quote == '\0' && (c == '"' || c == '\'' || c == '`'))
            quote = c;
        else if (c == quote && !is_escaped)
            quote = '\0';
        return c;
    };
    char left_quote = '\0', right_quote = '\0';
    for (std::size_t l = 0, r = 0;;) {
        const char a = next(left, l, left_quote), b = next(right, r, right_quote);
        if (a != b) return false;
        if (a == '\0') return true;
    }
}

} // namespace holdfast::monitoring

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

// What is moved: there are thousands of them.
void put_texts(Json& out, const char* key, Json& from) {
    const auto found = from.find(key);
    if (found == from.end() || !found->is_object() || found->empty()) return;
    for (Json& value : *found)
        if (!value.is_string()) value = as_text(value);
    out[key] = std::move(*found);
}

void put_duration(Json& out, const char* key, const Json& from) {
    const auto found = from.find(key);
    if (found == from.end() || found->is_null()) return;
    const std::string text = canonical_duration(as_text(*found));
    if (text != "0s" && !text.empty()) out[key] = text;
}

} // namespace

Json canonical_rule(Json rule) {
    Json out = Json::object();
    if (!rule.is_object()) return out;
    for (const char* key : {"alert", "record", "expr"}) {
        const auto found = rule.find(key);
        if (found == rule.end()) continue;
        if (!found->is_string()) *found = as_text(*found);
        if (!found->get_ref<const std::string&>().empty()) out[key] = std::move(*found);
    }
    put_duration(out, "for", rule);
    put_duration(out, "keep_firing_for", rule);
    put_texts(out, "labels", rule);
    put_texts(out, "annotations", rule);
    return out;
}

Json canonical_group(Json group) {
    const auto name = group.find("name");
    Json out = Json::object();
    out["name"] = name == group.end() ? std::string() : as_text(*name);
    Json& rules_out = out["rules"] = Json::array();
    put_duration(out, "interval", group);
    put_duration(out, "query_offset", group);
    put_texts(out, "labels", group);
    if (const auto limit = group.find("limit"); limit != group.end() && *limit != 0 && !limit->is_null())
        out["limit"] = *limit;
    if (const auto rules = group.find("rules"); rules != group.end() && rules->is_array())
        for (Json& rule : *rules) rules_out.push_back(canonical_rule(std::move(rule)));
    return out;
}

Json group_in_file(const Json& spec) {
    Json out = spec;
    for (const char* key : {"file", "tests", "loaded"}) out.erase(key);
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
    if (left == right) return true;
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

#include "rules_answer.hpp"

#include <algorithm>
#include <utility>

#include "duration.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

double number_at(const Json& from, const char* key) {
    const auto found = from.find(key);
    return found != from.end() && found->is_number() ? found->get<double>() : 0;
}

std::string take_text(Json& from, const char* key) {
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? std::move(found->get_ref<std::string&>())
                                                     : std::string();
}

void put_seconds(Json& out, const char* key, double seconds) {
    const auto ms = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e12) * 1000 + 0.5);
    if (ms != 0) out[key] = print_duration(ms);
}

Json take_rule(Json& said) {
    Json out = Json::object();
    out[take_text(said, "type") == "alerting" ? "alert" : "record"] = take_text(said, "name");
    out["expr"] = take_text(said, "query");
    for (const char* key : {"labels", "annotations"})
        if (const auto found = said.find(key); found != said.end() && !found->empty())
            out[key] = std::move(*found);
    put_seconds(out, "for", number_at(said, "duration"));
    put_seconds(out, "keep_firing_for", number_at(said, "keepFiringFor"));
    return out;
}

LoadedGroup take_group(Json& said) {
    LoadedGroup out{take_text(said, "file"), Json::object()};
    out.spec["name"] = take_text(said, "name");
    put_seconds(out.spec, "interval", number_at(said, "interval"));
    if (const auto limit = static_cast<std::int64_t>(std::clamp(number_at(said, "limit"), -1e15, 1e15));
        limit != 0)
        out.spec["limit"] = limit;
    Json rules = Json::array();
    if (const auto found = said.find("rules"); found != said.end() && found->is_array())
        for (Json& rule : *found)
            if (rule.is_object()) rules.push_back(take_rule(rule));
    out.spec["rules"] = std::move(rules);
    return out;
}

} // namespace

std::optional<std::vector<LoadedGroup>> read_rules_answer(std::string_view body) {
    Json said = sdk::parse_json(body, "monitoring.bad-answer");
    const Json::json_pointer place("/data/groups");
    if (!said.is_object() || !said.contains(place)) return std::nullopt;
    std::vector<LoadedGroup> groups;
    Json& all = said[place];
    if (!all.is_array() && !all.is_null()) return std::nullopt;
    for (Json& group : all) // as Go writes an empty list: null
        if (group.is_object()) groups.push_back(take_group(group));
    return groups;
}

} // namespace holdfast::monitoring

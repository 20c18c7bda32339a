#include "rules_answer.hpp"

#include <algorithm>
#include <utility>

#include "duration.hpp"
#include "json_cursor.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

void put_seconds(Json& out, const char* key, double seconds) {
    const auto ms = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e12) * 1000 + 0.5);
    if (ms != 0) out[key] = print_duration(ms);
}

Json texts_at(JsonCursor& at) {
    Json out = Json::object();
    at.members([&](std::string_view name) { out[std::string(name)] = at.text(); });
    return out;
}

Json rule_at(JsonCursor& at) {
    std::string name, query;
    bool is_alert = false;
    double duration = 0, keep_firing_for = 0;
    Json labels, annotations;
    at.members([&](std::string_view key) {
        if (key == "name") name = at.text();
        if (key == "query") query = at.text();
        if (key == "type") is_alert = at.text() == "alerting";
        if (key == "duration") duration = at.number();
        if (key == "keepFiringFor") keep_firing_for = at.number();
        if (key == "labels") labels = texts_at(at);
        if (key == "annotations") annotations = texts_at(at);
    });
    Json out = Json::object();
    out[is_alert ? "alert" : "record"] = std::move(name);
    out["expr"] = std::move(query);
    if (!labels.empty()) out["labels"] = std::move(labels);
    if (!annotations.empty()) out["annotations"] = std::move(annotations);
    put_seconds(out, "for", duration);
    put_seconds(out, "keep_firing_for", keep_firing_for);
    return out;
}

LoadedGroup group_at(JsonCursor& at) {
    LoadedGroup out{{}, Json::object()};
    Json rules = Json::array();
    at.members([&](std::string_view key) {
        if (key == "name") out.spec["name"] = at.text();
        if (key == "file") out.file = at.text();
        if (key == "interval") put_seconds(out.spec, "interval", at.number());
        if (key == "limit")
            if (const auto limit = static_cast<std::int64_t>(std::clamp(at.number(), -1e15, 1e15));
                limit != 0)
                out.spec["limit"] = limit;
        if (key == "rules") at.elements([&] { rules.push_back(rule_at(at)); });
    });
    if (!out.spec.contains("name")) out.spec["name"] = "";
    out.spec["rules"] = std::move(rules);
    return out;
}

} // namespace

std::optional<std::vector<LoadedGroup>> read_rules_answer(std::string_view body) {
    std::vector<LoadedGroup> groups;
    bool has_groups = false;
    JsonCursor at(body);
    at.members([&](std::string_view key) {
        if (key != "data") return;
        at.members([&](std::string_view member) {
            if (member != "groups") return;
            has_groups = true;
            at.elements([&] { groups.push_back(group_at(at)); });
        });
    });
    if (has_groups) at.end();
    return has_groups ? std::optional(std::move(groups)) : std::nullopt;
}

} // namespace holdfast::monitoring

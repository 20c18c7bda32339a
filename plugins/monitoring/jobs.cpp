#include "jobs.hpp"

#include "duration.hpp"

namespace holdfast::monitoring {

using sdk::Json;

Key job_key(const std::string& job_name) { return {"ScrapeJob", Json(job_name).dump()}; }

std::string job_name_of(const Key& key) { return sdk::parse_json(key.identity).get<std::string>(); }

Json canonical_job(const Json& job) {
    Json out = job.is_object() ? job : Json::object();
    out.erase("loaded");
    for (const char* key : {"scrape_interval", "scrape_timeout"})
        if (const auto time = out.find(key); time != out.end() && time->is_string())
            *time = canonical_duration(time->get<std::string>());
    const auto targets = out.find("static_configs");
    if (targets == out.end() || !targets->is_array()) return out;
    for (Json& group : *targets)
        if (group.is_object() && group.contains("labels") && group["labels"].is_object())
            for (auto& [name, value] : group["labels"].items())
                if (!value.is_string()) value = value.is_null() ? "" : sdk::dump_json(value);
    return out;
}

Json relabelling(Json from, const std::string& to, const std::string& regex, const std::string& replacement) {
    Json out = Json::object();
    if (!from.empty()) out["source_labels"] = std::move(from);
    if (!to.empty()) out["target_label"] = to;
    if (!regex.empty()) out["regex"] = regex;
    if (!replacement.empty()) out["replacement"] = replacement;
    return out;
}

Json probe_relabellings(const std::string& address) {
    return Json::array({relabelling({"__address__"}, "__param_target"),
                        relabelling({"__param_target"}, "instance"),
                        relabelling(Json::array(), "__address__", {}, address)});
}

} // namespace holdfast::monitoring

// Documents about what Prometheus scrapes: a job in its own words, and a probe of the blackbox exporter.

#include "compile.hpp"
#include "jobs.hpp"

namespace holdfast::monitoring {

using sdk::Json;

Compiled job_leaf(const Json& job, const std::string& pointer) {
    Compiled out;
    out.key = job_key(sdk::text_at(job, "/job_name"));
    out.scope = scope::jobs;
    out.pointer = pointer;
    out.document = document_of("ScrapeJob", canonical_job(job));
    return out;
}

void compile_scrape_job(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    if (!spec.contains("job_name")) spec["job_name"] = sdk::text_at(document, "/metadata/name");
    check_duration(spec, "scrape_interval", "/spec", problems);
    check_duration(spec, "scrape_timeout", "/spec", problems);
    out.push_back(job_leaf(spec, "/spec"));
    if (document.contains("metadata")) out.back().document["metadata"] = document["metadata"];
}

void compile_probe(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    const Json& spec = document.at("spec");
    check_duration(spec, "interval", "/spec", problems);
    check_duration(spec, "timeout", "/spec", problems);
    Json group{{"targets", spec.value("targets", Json::array())}};
    if (const Json labels = spec.value("labels", Json::object()); !labels.empty()) group["labels"] = labels;
    Json job{{"job_name", sdk::text_at(spec, "/job", sdk::text_at(document, "/metadata/name"))},
             {"metrics_path", sdk::text_at(spec, "/prober/path", "/probe")},
             {"params", {{"module", Json::array({sdk::text_at(spec, "/module", "http_2xx")})}}},
             {"static_configs", Json::array({std::move(group)})},
             {"relabel_configs", probe_relabellings(sdk::text_at(spec, "/prober/url", "127.0.0.1:9115"))}};
    if (const std::string scheme = sdk::text_at(spec, "/prober/scheme"); !scheme.empty())
        job["scheme"] = scheme;
    for (const auto& [from, to] : {std::pair("interval", "scrape_interval"), {"timeout", "scrape_timeout"}})
        if (spec.contains(from)) job[to] = spec[from];
    out.push_back(job_leaf(job, "/spec"));
}

} // namespace holdfast::monitoring

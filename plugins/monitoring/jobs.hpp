#pragma once
// Scrape jobs in the one form in which they are compared, in the words of Prometheus' configuration
// (prometheus.io/docs/prometheus/latest/configuration/configuration, scrape_config). Pure.

#include <string>

#include <holdfast/json.hpp>

#include "names.hpp"

namespace holdfast::monitoring {

constexpr const char* jobs_key = "scrape_configs";

Key job_key(const std::string& job_name);
std::string job_name_of(const Key& key);
// Times in Prometheus' spelling, labels as texts, without `loaded`.
sdk::Json canonical_job(const sdk::Json& job);

// `{source_labels: from, target_label: to}`, and the rest as it is given; what is empty is left out.
sdk::Json relabelling(sdk::Json from, const std::string& to, const std::string& regex = {},
                      const std::string& replacement = {});
// What makes each target a parameter of the prober at `address`, as the blackbox exporter wants it.
sdk::Json probe_relabellings(const std::string& address);

} // namespace holdfast::monitoring

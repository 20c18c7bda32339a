#pragma once
// What Prometheus says that it runs (prometheus.io/docs/prometheus/latest/querying/api, "Rules").

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>

namespace holdfast::monitoring {

struct LoadedGroup {
    std::string file; // as Prometheus names it
    sdk::Json spec;   // in the form in which groups are compared
};

// Nothing where that is no such answer. Throws `monitoring.bad-answer` where it is no JSON.
std::optional<std::vector<LoadedGroup>> read_rules_answer(std::string_view body);

} // namespace holdfast::monitoring

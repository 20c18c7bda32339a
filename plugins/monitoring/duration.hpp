#pragma once
// Times as Prometheus writes them: "90s" and "1m30s" are one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::monitoring {

// Milliseconds of "1d2h", "500ms", "0"; nothing where it is none (prometheus/common, model/time.go).
std::optional<std::int64_t> parse_duration(std::string_view text);
// As Prometheus prints it: years and weeks only where nothing is left over.
std::string print_duration(std::int64_t ms);
// One spelling for each time; what is no time stays as it is.
std::string canonical_duration(const std::string& text);

} // namespace holdfast::monitoring

#pragma once
// Rule groups in the one form in which they are compared: of declared documents, of Prometheus' files and of
// what its API says that it runs. Pure.

#include <holdfast/json.hpp>

#include "names.hpp"

namespace holdfast::monitoring {

constexpr const char* default_rule_file = "holdfast.yml";

// Durations in Prometheus' spelling, labels as texts, nothing that is empty or zero. Expressions stay as they
// are: only Prometheus can say which two are one.
sdk::Json canonical_rule(sdk::Json rule);
// `spec` of a RuleGroup, or a group of a rule file, to a leaf's spec without `file`.
sdk::Json canonical_group(sdk::Json group);
// A leaf's spec to what stands in the file.
sdk::Json group_in_file(const sdk::Json& spec);

bool is_alert(const sdk::Json& rule);
std::size_t count_alerts(const sdk::Json& group);

// Equal but for blanks outside of quotes.
bool is_same_but_blanks(std::string_view left, std::string_view right);

} // namespace holdfast::monitoring

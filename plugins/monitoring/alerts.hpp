#pragma once
// Alertmanager's words in the one form in which they are compared
// (prometheus.io/docs/alerting/latest/configuration). Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>

#include "names.hpp"

namespace holdfast::monitoring {

struct Matcher {
    std::string name, value;
    bool is_regex = false, is_equal = true;
};
// Of `severity="page"`, `job=~a.*`, `x != y`; nothing where it is none.
std::optional<Matcher> parse_matcher(std::string_view text);
std::string print_matcher(const Matcher& matcher);
// `matchers`, and the older `match` and `match_re`, as sorted texts. What is no matcher stays as it is.
sdk::Json canonical_matchers(const sdk::Json& route);

// A route with all below it: matchers sorted, group_by sorted.
sdk::Json canonical_route(const sdk::Json& route);
// The whole file without receivers and without the routes below the first.
sdk::Json canonical_config(const sdk::Json& content);
Key route_key(const sdk::Json& route);
Key receiver_key(const std::string& name);
Key config_key();

constexpr int default_route_order = 1000;

// The names of fields that hold secrets, wherever they stand in Alertmanager's configuration.
const std::vector<std::string>& secret_fields();
// `text` with "<secret>" for every secret that stands in `spec`.
std::string without_secrets(std::string text, const sdk::Json& spec);

// Milliseconds since 1970 of a time as of RFC 3339; nothing where it is none.
std::optional<std::int64_t> parse_time(std::string_view text);
// In UTC, with whole seconds: "2026-11-23T10:00:00Z".
std::string print_time(std::int64_t ms);

} // namespace holdfast::monitoring

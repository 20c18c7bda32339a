#pragma once
// YAML files of Go programs, as JSON values and back. Only what is plainly a number, true, false or null has
// a type: `1.10` stays those four letters, as a Go program sees them in a field that is a text.

#include <map>
#include <string>

#include <holdfast/json.hpp>

namespace holdfast::monitoring {

// Throws `monitoring.yaml` with line and column in `path`. An empty text is null.
sdk::Json read_yaml(const std::string& text, const std::string& path);
// In block style, lists and maps in the order in which people write them. Of a map, a member with the key
// `comment_key` is printed as a comment above it.
std::string print_yaml(const sdk::Json& value);

constexpr const char* comment_key = "\x01";
// The comment lines that begin with `prefix`, without it, by the line below them (from 0).
std::map<int, std::string> comments_above(const std::string& text, const std::string& prefix);
// For each element of the list at `path` (keys from the top), the line where it begins.
std::vector<int> lines_of(const std::string& text, const std::vector<std::string>& path);

} // namespace holdfast::monitoring

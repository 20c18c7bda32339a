#pragma once
// A quick reader for the plain part of YAML in which nearly all manifests are written: private to manifest.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/yaml.hpp"

namespace holdfast {

// The documents of `text`, or nothing where it uses anything beyond the plain part, or has any problem:
// then yaml-cpp's reader decides. `text` is valid UTF-8 without NUL and lone carriage returns.
std::optional<std::vector<YamlDocument>> parse_plain_yaml(std::string_view text, const std::string& file,
                                                          ScalarRules rules, const YamlLimits& limits);

// The same by yaml-cpp, always.
std::vector<YamlDocument> parse_yaml_events(std::string_view text, const std::string& file, ScalarRules rules,
                                            Diagnostics& problems, const YamlLimits& limits);

} // namespace holdfast

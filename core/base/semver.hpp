#pragma once
// Versions and ranges as npm and Cargo write them: "1.4.2", "^1.2", ">=1.0.0 <2.0.0".
// https://semver.org, https://docs.npmjs.com/cli/v6/using-npm/semver

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

bool is_semver_range(std::string_view range);
// Also false where one of the two cannot be read. A pre-release ("2.0.0-rc.1") matches only a range that
// names one itself ("^2.0.0-0"): nobody gets one by surprise. A leading "v" of the version does not count.
bool semver_matches(std::string_view version, std::string_view range);
// Negative, 0, positive; nothing where one of the two is no version. Build metadata does not count.
std::optional<int> compare_semver(std::string_view a, std::string_view b);
// Index of the highest version that matches; of equal ones the first.
std::optional<std::size_t> highest_match(const std::vector<std::string>& versions, std::string_view range);

} // namespace holdfast

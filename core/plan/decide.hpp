#pragma once
// What is to be done about one leaf.

#include <string>
#include <unordered_map>

#include "plan/match.hpp"

namespace holdfast {

// Providers whose target is another one than what is recorded says -> the recorded target.
using ChangedTargets = std::unordered_map<std::string, std::string>;
ChangedTargets find_changed_targets(Draft& draft);
Diagnostic target_changed(const Change& change, const std::string& recorded_target);

// Adds the leaf's change to the draft, or counts it as unchanged.
void decide_leaf(Draft& draft, std::size_t leaf, const Matches& matches,
                 const ChangedTargets& changed_targets);
// One error for each target object that two leaves declare.
void report_duplicates(Draft& draft, const Matches& matches);

} // namespace holdfast

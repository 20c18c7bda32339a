#pragma once
// --only and --exclude.

#include <vector>

#include "plan/draft.hpp"

namespace holdfast {

// By index of the draft's changes: whether it is left out. A pattern is an id or an address, with or
// without its group, or a glob of one; a document's covers its leaves.
std::vector<bool> find_excluded(const Draft& draft);

// The same of one leaf.
bool is_left_out(const PlanInput& input, const Address& address);

} // namespace holdfast

#pragma once
// The graph of a plan's changes: who waits for whom, what a blocked one stops, and the order of it all.

#include <vector>

#include "plan/dependencies.hpp"

namespace holdfast {

// Whether the change does something that others have to wait for.
bool is_pending(const Change& change);

// Links the draft's changes, blocks what waits for something blocked or left out, drops what is left out
// (`excluded`, by index of the changes), and leaves the rest in their order with `after` and gates filled in.
void order_changes(Draft& draft, const Dependencies& dependencies, const std::vector<bool>& excluded);

// Parks what waits for something parked, and takes parked changes out of the gates they would hold shut.
void spread_parked(Plan& plan);

} // namespace holdfast

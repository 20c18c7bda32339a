#pragma once
// Law 4: what a saved or approved plan stands for, as a hash.

#include "plan/draft.hpp"

namespace holdfast {

// Fills in Change::hash of all changes and Plan::hash.
void hash_plan(Draft& draft);

} // namespace holdfast

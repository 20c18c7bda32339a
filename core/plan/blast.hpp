#pragma once
// Law 2: plans that destroy much, or what cannot be made again, wait for a person.

#include "plan/draft.hpp"

namespace holdfast {

// Parks the deletes and replaces that pass a limit. Everything parked, for whatever reason, is unparked
// where `approved` is the plan's hash.
void apply_blast_limits(Draft& draft);

} // namespace holdfast

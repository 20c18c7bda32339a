#pragma once
// What becomes of ledger entries that no leaf stands for any more, and of foreign objects.

#include "plan/decide.hpp"

namespace holdfast {

void plan_prunes(Draft& draft, const Matches& matches, const ChangedTargets& changed_targets);
// Law 16: everything that is recorded, whatever Git says.
void plan_destroy(Draft& draft, const ChangedTargets& changed_targets);
void plan_foreign(Draft& draft, const Matches& matches, const ChangedTargets& changed_targets);

// "web:File/motd#deposed-1" -> "web:File/motd"
Address successor_of(const Address& deposed);

} // namespace holdfast

#pragma once
// Looks for what must not be in a store: `holdfast store check`.

#include "store/audit.hpp"
#include "store/database.hpp"
#include "store/journal.hpp"
#include "store/ledger.hpp"

namespace holdfast {

// Never throws for what it finds damaged: that is a finding.
Diagnostics check_store(Database& database, Ledger& ledger, JournalTable& journal, Audit& audit);

} // namespace holdfast

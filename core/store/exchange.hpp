#pragma once
// The store as JSON lines: a header, one record a line, and a last line that counts them.

#include <functional>
#include <string>
#include <string_view>

#include "store/audit.hpp"
#include "store/database.hpp"
#include "store/journal.hpp"
#include "store/ledger.hpp"
#include "store/stacks.hpp"

namespace holdfast {

struct StoreParts {
    Database& database;
    Ledger& ledger;
    JournalTable& journal;
    Audit& audit;
    Stacks& stacks;
};

void export_store(StoreParts parts, const std::function<void(std::string_view line)>& write);
// All of it or nothing. Errors: `store.not-empty`, `store.import`, which names the line.
Status import_store(StoreParts parts, const std::function<bool(std::string& line)>& read);

} // namespace holdfast

#pragma once
// What the store and Git tell of passes, steps and leaves, as JSON: one form for what `--json` prints and for
// what a daemon answers, which is read back so that `why` and `history` say the same words either way.

#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "reconcile/query.hpp"

namespace holdfast {

Value commit_to_json(const CommitInfo& commit);
Value pass_to_json(const PassRecord& pass);
Value step_to_json(const JournalStep& step);
Value entry_to_json(const LedgerEntry& entry);

Value why_to_message(const Why& why);
Value history_to_message(const std::vector<PassRecord>& passes);
Value leaf_history_to_message(const LeafHistory& history);

// Of such an answer. Error: `control.version`, of one that is another.
Result<Why> why_from_message(const Value& message);
Result<std::vector<PassRecord>> history_from_message(const Value& message);
Result<LeafHistory> leaf_history_from_message(const Value& message);

} // namespace holdfast

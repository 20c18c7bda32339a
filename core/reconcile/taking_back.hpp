#pragma once
// What ledger, journal and history say after guarded scopes were put back as they were (law 10), and what
// passes that died in between have left to be said.

#include <set>
#include <stop_token>
#include <string>

#include "confirm/checkpoint.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// "nobody confirmed in time", "ana@edge-1 took it back".
std::string reason_of(const GivenVerdict& verdict);

// The entries are as they were before, each change has a step that says so, and unless it was for no fault of
// theirs, the changes are quarantined. Safe to repeat. Where the restore is not complete, only the
// quarantine.
void record_taken_back(Session& session, const Checkpoint& checkpoint, const Reverted& reverted);

// Waits until the supervisor of a checkpoint that is to be taken back has done so, and starts one where none
// lives. Nothing where it does not come to that before `stop`, or before the checkpoint's limits are over.
std::optional<Reverted> wait_for_restore(Session& session, const Checkpoint& checkpoint,
                                         const std::stop_token& stop);

// Before a pass of the stack: takes in what became of the changes of passes that are dead. Errors:
// `confirm.pending` while one still waits for its confirmation, `confirm.restore-failed`; a warning
// (`confirm.reverted`) for each that was taken back.
Diagnostics take_in_leftovers(Session& session, const std::string& stack, const std::stop_token& stop);

// Whether another stack's change in one of these scopes (target, scope) waits for its confirmation: a restore
// would take back what is written there now as well. Error: `confirm.pending`.
Status check_scopes_are_free(Session& session, const std::string& stack,
                             const std::set<std::pair<std::string, std::string>>& scopes);

// What `resume` ends: quarantine, and checkpoints whose restore has failed. How many changes there were.
std::size_t let_go_of_taken_back(Store& store, const std::string& store_directory, const std::string& stack);

} // namespace holdfast

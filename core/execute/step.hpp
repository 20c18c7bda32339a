#pragma once
// The steps of a change: what is sent to a provider, or written to the ledger alone. A replace has two,
// every other change one.

#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "model/plan.hpp"
#include "plan/plan.hpp"

namespace holdfast {

enum class StepKind {
    create,
    update,
    refresh,
    remove,         // the object of a prune, or the old one of a replace that deletes first
    remove_deposed, // the old one of a replace that has created the new one already
    adopt,
    move,
    forget,
};

// True for what needs no provider: ledger and journal are all that changes.
bool is_bookkeeping(StepKind kind);
bool is_removal(StepKind kind);
Action action_of(StepKind kind); // as the journal names it

// In the order in which they are done. Create-first is possible only where the new object is another one
// than the recorded one: one name cannot stand for two objects.
std::vector<StepKind> steps_of(const Change& change, const LedgerEntry* recorded);

// What stands at the target as far as it is known, in the recordable form: no secret in plain text.
struct Standing {
    std::string document; // canonical JSON, masked; empty: not known
    std::string version, private_data, refreshed;
};

// The kind of a change's leaf, or null where the plugin no longer knows it.
const KindInfo* kind_of(const Change& change, const PlanInput& input);
const Leaf* leaf_of(const Change& change, const PlanInput& input);
// Pointers of everything in the change's documents that is masked.
std::vector<std::string> secrets_of(const Change& change, const PlanInput& input);

// What may have been written once an update was sent, as far as nobody knows yet how it ended: the document
// recorded so far and all fields of the intended one that it does not have. Nothing where it has them all.
// So whatever of them stands there is ours, and is unset once it is declared no longer.
std::optional<std::string> with_fields_of(std::string_view recorded_json, std::string_view intended_json);

// What an update sends: the declared document with what stands at ignored paths as it was observed, so that
// a correction elsewhere takes nothing from whoever owns those fields. A path inside a list has no effect.
std::string with_ignored_as_observed(std::string_view declared_json, std::string_view observed_json,
                                     const std::vector<std::string>& ignore,
                                     const std::vector<std::string>& write_only);

// True where the fields that the target itself sets (`KindInfo::observed`) differ.
bool outputs_differ(const KindInfo& kind, std::string_view before_json, const Value& after);

} // namespace holdfast

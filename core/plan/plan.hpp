#pragma once
// The planner: declared x recorded x observed -> an ordered Plan. Pure: no I/O, no clock, no exceptions;
// the same input gives the same plan, byte for byte.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/kind.hpp"
#include "model/observed.hpp"
#include "model/plan.hpp"
#include "model/recorded.hpp"
#include "model/stack.hpp"

namespace holdfast {

// What the planner must know of a provider instance.
struct ProviderFacts {
    std::string target;
    Hash rules; // of what decides what is equal beside the documents
    const Description* description = nullptr;
    Ownership ownership = Ownership::owned;
};

// The document that the target would store for a leaf, as the plugin canonicalised it.
struct Canonical {
    // absent: what it was for is done, and it need not stand there any more.
    enum class State { as_declared, done, not_yet, must_replace, absent } state = State::as_declared;
    Document document;                // done, must_replace
    std::vector<std::string> paths;   // must_replace: what cannot be changed in place
    std::string reason;               // not_yet
    std::string asks;                 // must_replace: why a person has to allow that first; empty: need not
    std::vector<std::string> removes; // done: what stands there besides, that a write takes away
    std::vector<std::string> notes;   // done: sentences for people, who wrote what
    std::string refresh;              // why a refresh, where there is one
    bool is_refresh_due = false;      // done: there is, although nothing of refresh-on has changed
};

// An object that the target holds and nobody recorded; only where a scope is exclusive.
struct ForeignObject {
    std::string provider, api_version;
    TargetObject object;
    std::string document;
};

constexpr std::size_t no_index = SIZE_MAX;

struct PlanInput {
    const StackDocument* stack = nullptr;
    std::vector<Leaf> leaves;
    // Of this stack, brief or full; besides, what a leaf's moved-from names of another stack.
    std::vector<LedgerEntry> recorded;
    std::vector<Observed> observed_leaves; // by index of `leaves`
    // By index of `leaves`, and it may be shorter: which of `recorded` holds the leaf's object, where that
    // has been looked up already; no_index elsewhere.
    std::vector<std::size_t> entry_of_leaf;
    // By index of `recorded`; unread where a leaf has the same object. Empty where none was looked at.
    std::vector<Observed> observed_recorded;
    std::vector<Canonical> canonical; // by index of `leaves`; empty where the plugin changes none
    std::vector<ForeignObject> foreign;
    std::map<std::string, ProviderFacts> providers;
    // Objects that other stacks declare or record: no prune of these, the entry moves (law 7).
    std::unordered_map<Hash, Address> declared_elsewhere;
    std::unordered_map<Hash, LedgerEntry> recorded_elsewhere;
    // Entries of this stack that a leaf of another one moves to itself (moved-from): not to be pruned here.
    std::map<Address, Address> taken_over;
    // Documents that could not be loaded: their leaves' entries are not pruned, nor anything of the
    // scopes named here (law 1 and 5). `all_prunes_blocked` carries the reason where not even the
    // documents' ids are known.
    std::vector<ResourceId> unloaded;
    std::vector<std::pair<std::string, std::string>> unread_scopes; // provider, scope
    std::string all_prunes_blocked;
    // Leaves whose document failed to validate: blocked, with these problems.
    std::unordered_map<std::size_t, Diagnostics> invalid;
    // Changes that their plugin refuses, as it said of an earlier make of this plan: blocked, with its
    // reasons.
    std::map<Address, Diagnostics> refused;
    bool destroy = false;                   // plan the removal of everything
    bool tree_is_empty = false;             // the stack's path holds no document at all (law 2)
    std::vector<Address> replace;           // --replace
    std::vector<std::string> only, exclude; // --only, --exclude: ids or globs of them
    Hash inputs;                            // of the stack's inputs, for the plan's hash (law 4)
    Hash approved;                          // a plan hash that somebody approved, or none
    // Law 10: what was taken back, and waits until its declaration is another one.
    struct Quarantine {
        Hash declared;      // of the declaration that was taken back; none: its delete
        std::string reason; // for people
    };
    std::map<Address, Quarantine> quarantined;
    // Where a pass plans some leaves again, once others are done: whatever they depend on and is not among
    // them is done. What the whole stack had recorded, by kind, and what was deleted or replaced already: the
    // limits of law 2 are those of the whole pass.
    bool is_later_round = false;
    std::map<std::string, std::size_t, std::less<>> recorded_of_kind, destroyed_of_kind;
    std::string masking_key; // for comparing secrets with what is recorded

    const Observed& sight_of_recorded(std::size_t index) const {
        static const Observed unread;
        return observed_recorded.empty() ? unread : observed_recorded[index];
    }
};

Plan make_plan(const PlanInput& input);

// The memo of law 13: once a comparison came out equal, the same declared document, policy, plugin and
// observed bytes come out equal again, so nothing has to be parsed. Keyed, since the observed bytes may
// hold secrets.
Hash settle_hash(const Leaf& leaf, const Hash& rules, const Hash& observed_raw, std::string_view masking_key);
// Whether the memo of `entry` can be one of this leaf: applied as it is declared now, under the same names.
// Where it cannot, there is something to write down, and the observed document is needed for it.
bool has_memo_of(const LedgerEntry& entry, const Leaf& leaf);

// The three-way comparison of one leaf (see compare.cpp for the rules). `recorded` may be null: then
// nothing is unset. Paths under `policy_ignore` and under the kind's `observed` are left out.
std::vector<FieldChange> compare_documents(const Value& declared, const Value& recorded,
                                           const Value& observed, const KindInfo& kind,
                                           const std::vector<std::string>& policy_ignore,
                                           const std::vector<std::string>& sensitive);

// `value` with every secret replaced by {"$secret": "<keyed hash>"}; the pointers may hold "*".
Value mask_document(const Value& value, const std::vector<std::string>& sensitive,
                    std::string_view masking_key);

} // namespace holdfast

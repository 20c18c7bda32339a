#pragma once
// A plan: the ordered changes that would make observed agree with declared. Plain data, so that it can
// be shown, saved, hashed, approved and executed.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/ids.hpp"
#include "base/value.hpp"
#include "model/leaf.hpp"
#include "model/stack.hpp"

namespace holdfast {

enum class Action {
    none, // nothing to do; kept only where there is something to say (drift that is not corrected)
    create,
    update,
    replace, // executed as two journalled steps
    remove,
    refresh, // act on changed leaves named by refresh-on
    adopt,   // an existing object is written into the ledger; the target is not touched
    move,    // the ledger entry gets another address; the target is not touched
    forget,  // the entry goes, the object stays (orphan) or is gone already
    wait,    // not planned yet: a reference is not known
};

enum class Readiness {
    ready,
    parked,  // law 2, or protect: waits for an approval of the plan's hash
    blocked, // something that it depends on failed; `diagnostics` say what
};

struct FieldChange {
    std::string pointer; // "/spec/mode"; of what comes or goes in an ordered list, its place on its own side
    std::optional<Value> before; // observed; nothing: not there
    std::optional<Value> after;  // declared; nothing: to be unset
    bool sensitive = false;      // never show the values
    bool forces_replace = false;
    bool by_drift = false; // declared did not change, observed did

    bool operator==(const FieldChange&) const = default;
};

struct Change {
    Action action = Action::none;
    Readiness readiness = Readiness::ready;
    Address address;
    ResourceId parent; // the document it belongs to
    std::string provider;
    std::string api_version;
    TargetObject object;
    std::optional<std::size_t> leaf;     // index into the input's leaves
    std::optional<std::size_t> recorded; // index into the input's ledger entries
    Address moved_from;                  // action move (also together with an update): the old address
    std::vector<FieldChange> fields;     // ordered by pointer
    bool is_drift = false;               // declared and recorded agree, observed differs
    bool create_first = false;           // replace
    bool is_quarantined = false;         // parked because it, or what it waits for, was taken back (law 10)
    ReplaceOrder order = ReplaceOrder::by_kind;
    std::vector<std::string> reasons; // short sentences for people: why replace, why parked, why delete
    std::vector<Wait> waits;
    Origin origin;                        // of a delete: where it was declared last
    std::vector<std::size_t> after;       // indices of changes that must be done and healthy before
    std::vector<std::size_t> after_gates; // indices of Plan::gates that must be open before
    Hash hash;                            // covers what law 4 says
    Diagnostics diagnostics;
};

// "All of these before all of those" at the price of one edge per change: waves, the creates and updates
// that a scope's prunes wait for, a document that others depend on. A gate opens once every change in
// `after` is done and healthy and every gate in `after_gates` is open. Where one of them fails, waits or
// is blocked it stays shut, and what stands behind it is not started. Parked changes hold no gate.
struct Gate {
    std::string name;                     // for people: "wave 0", "Zone/example-org"
    bool is_dependency = false;           // what it stands for was depended on by name
    std::vector<std::size_t> after;       // indices of changes
    std::vector<std::size_t> after_gates; // indices of gates, all lower than its own
};

// A leaf that was compared, and not merely remembered, as equal: worth remembering (law 13).
struct SettledLeaf {
    std::size_t leaf = 0, recorded = 0; // indices into the input
    Hash hash;                          // for LedgerEntry::settled
    bool rewrite_entry = false;         // the declared document, its provider's name or its order changed,
                                        // although nothing that is compared differs: an apply records it
};

// What Git says of a leaf that is declared no longer.
struct Undeclared {
    CommitInfo by;             // the newest commit that changed the file that it was declared in
    bool file_is_gone = false; // that commit removed the file: no doubt that it was this one
};

struct PlanCounts {
    std::size_t create = 0, update = 0, replace = 0, remove = 0, refresh = 0, adopt = 0, move = 0, forget = 0,
                wait = 0, parked = 0, blocked = 0, drifted = 0, unchanged = 0;
};

struct Plan {
    std::string stack;
    // In an order that respects `after`. Within one apply of a scope this order is to be kept: it is how
    // containment (KindInfo::rank) is honoured, which needs no edges.
    std::vector<Change> changes;
    std::vector<Gate> gates;
    std::vector<SettledLeaf> settled;
    PlanCounts counts;
    Hash hash; // of all changes, in a canonical order
    Diagnostics diagnostics;
    // Told beyond the changes, for people. No part of the hash.
    std::map<Address, Undeclared> undeclared; // of what is to be removed, as far as Git knows it cheaply
    // Leaves without a change of their own that take outputs of leaves that are about to change, directly or
    // through others: `waits` names those. They are planned again once these are done.
    std::vector<Change> planned_again;

    bool is_empty() const; // nothing to execute, nothing waits and nothing is blocked
    bool is_parked() const { return counts.parked > 0; }
};

// Reasons that whoever shows a plan has better words for.
constexpr std::string_view only_reported = "drift is only reported";
constexpr std::string_view no_longer_declared = "no longer declared";

// "create", "update", ..., the word used in plans, JSON and the journal ("delete" for remove).
std::string_view to_string(Action action);
std::string_view to_string(Readiness readiness);
std::optional<Action> action_from(std::string_view word);

} // namespace holdfast

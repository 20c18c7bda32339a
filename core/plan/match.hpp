#pragma once
// Which leaf goes with which ledger entry.

#include <cstdint>
#include <utility>
#include <vector>

#include "plan/draft.hpp"

namespace holdfast {

enum class MatchKind : std::uint8_t {
    none,         // nobody recorded the object
    same,         // recorded at the leaf's own address
    moved,        // recorded at another address of this stack: a rename
    elsewhere,    // recorded by another stack
    other_object, // recorded at this address (or at moved-from) is another object: it is to be replaced
    by_address,   // the leaf's identity is not known yet: its entry is kept for it
};

struct LeafMatch {
    MatchKind kind = MatchKind::none;
    bool is_duplicate = false;          // another leaf declares the same object
    std::size_t recorded = no_index;    // into PlanInput::recorded
    const LedgerEntry* entry = nullptr; // also for `elsewhere`
};

struct Matches {
    std::vector<LeafMatch> leaves;          // by index of PlanInput::leaves
    std::vector<std::size_t> leaf_of_entry; // by index of PlanInput::recorded; no_index: none
    // Deposed entries whose object is a leaf's again: nothing is left that could be removed.
    std::vector<std::size_t> superseded;
    std::vector<std::pair<std::size_t, std::size_t>> duplicates; // leaves: the first one, another one
};

Matches match_leaves(Draft& draft);

} // namespace holdfast

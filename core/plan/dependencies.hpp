#pragma once
// What the leaves say of their order: resolved, with unknown names and rings found.

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "plan/draft.hpp"

namespace holdfast {

// Nodes are the leaves by index, then one per document that is depended on as a whole.
struct Dependencies {
    std::vector<std::vector<std::size_t>> of; // node -> the nodes it depends on; empty: nobody depends
    std::vector<ResourceId> documents;        // node - number of leaves -> the document
    std::vector<std::int32_t> waves;          // by leaf: its own, or that of what it depends on if higher
    std::unordered_set<std::size_t> bad;      // leaves in a ring, or that depend on what nobody declares

    bool is_bad(std::size_t leaf) const { return !bad.empty() && bad.contains(leaf); }
};

// Adds `plan.unknown-dependency` and `plan.cycle` to the plan's diagnostics.
Dependencies resolve_dependencies(Draft& draft);

} // namespace holdfast

#pragma once
// The order of deletes: what the ledger recorded of what came after what, turned around.

#include <string>
#include <utility>
#include <vector>

#include "plan/draft.hpp"

namespace holdfast {

// All numbers but those of joints are indices of the draft's changes.
struct Teardown {
    // "All of these before all of those": a document that was depended on as a whole, or an entry that is
    // forgotten while what came after it and what it came after are both deleted.
    struct Joint {
        std::string name;
        std::vector<std::size_t> before;
        std::vector<std::size_t> before_joints; // lower than its own
        std::vector<std::size_t> deletes;       // wait for all of them
    };
    std::vector<Joint> joints;
    std::vector<std::pair<std::size_t, std::size_t>> edges; // a change, and the delete that waits for it
    std::vector<std::int32_t> waves; // by change; of no use where it is no delete. Empty: all in wave 0
};

Teardown plan_teardown(const Draft& draft);

} // namespace holdfast

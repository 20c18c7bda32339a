#pragma once
// One set of changes in guarded scopes (law 10), on its way from the snapshots to the verdict.

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/diagnostic.hpp"
#include "confirm/checkpoint.hpp"
#include "confirm/probe.hpp"
#include "sys/file.hpp"

namespace holdfast {

struct GuardedSet {
    std::vector<bool> changes;                            // by change of the plan: in a guarded scope
    std::vector<std::optional<Diagnostic>> refused;       // by change: why it is not to be written at all
    std::set<std::pair<std::string, std::string>> scopes; // provider, scope
    Checkpoint checkpoint;
    std::vector<PreparedProbe> probes; // none: a person confirms
    Fd lifeline;                       // of the supervisor; held while we write
    bool is_armed = false;
};

} // namespace holdfast

#pragma once
// One walk: the steps, and then the claims that have to hold whatever the steps were.

#include <string>
#include <vector>

#include "steps.hpp"
#include "world.hpp"

namespace holdfast::walks {

struct WalkOptions {
    unsigned seed = 0;
    Mode mode = Mode::engine;
    std::vector<std::string> lies;
    bool is_verbose = false; // each step, and what came of it
};

// Throws a Finding where something does not hold. `steps` may be any part of those of the seed.
void walk(const WalkOptions& options, const std::vector<Step>& steps);

} // namespace holdfast::walks

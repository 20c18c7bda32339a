#pragma once
// A scenario.yaml as data: the steps of a little story. README.md explains the format.

#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/value.hpp"

namespace holdfast::scenario {

struct Step {
    std::string verb;   // "commit", "apply", ...
    Value argument;     // null where there is none
    std::string expect; // done, changes, parked, error, killed; empty: what is usual for the verb
    std::string note;
    std::uint32_t line = 0;
};

struct Story {
    std::string says;
    Map outside; // path -> text, of files outside the repository
    std::vector<Step> steps;
};

// Every verb and key is checked here; what an argument holds is the world's business.
Story parse_story(const std::string& text, const std::string& file, Diagnostics& problems);

// Runs a command of holdfast, and so has a result to expect.
bool is_command(const std::string& verb);

// For headings: "apply --only Object/a", "kill after create Object/a", "commit".
std::string heading_of(const Step& step);

} // namespace holdfast::scenario

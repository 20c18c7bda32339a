#pragma once
// A playground whose target is the test provider `memory` (tests/plugins/README.md), with a call log, and
// with a look into its objects that does not go through the engine.

#include <string>
#include <vector>

#include "support/playground.hpp"

namespace test {

class MemoryWorld {
public:
    // Stack "app" (path app) on provider "memory"; with `more`, faults and other keys of its config.
    explicit MemoryWorld(const std::string& more = {});

    Playground place;

    // holdfast.yaml anew: keys of the provider's config, and of the stack's spec (as YAML flow, "a: 1, b:
    // 2").
    void configure(const std::string& more_config, const std::string& more_stack = {});
    // One document per name: app/NAME.yaml. `spec` is the inside of a YAML flow map.
    void object(const std::string& name, const std::string& spec, const std::string& annotations = {},
                const std::string& kind = "Object");
    static std::string document(const std::string& name, const std::string& spec,
                                const std::string& annotations = {}, const std::string& kind = "Object");

    // Commits whatever is uncommitted, then `holdfast apply --yes` with more arguments.
    Ran apply(const std::vector<std::string>& more = {});
    Ran plan(const std::vector<std::string>& more = {});
    // Commits and applies, and fails the test where that does not end with exit code 0.
    void applied();

    // The stored document as JSON, "<none>" where there is none.
    std::string stored(const std::string& name, const std::string& kind = "Object",
                       const std::string& scope = {});
    // Somebody else writes: an object as JSON, or with an empty text removes it.
    void by_hand(const std::string& name, const std::string& json, const std::string& kind = "Object");

    // The lines of the call log that are attempts to write, since the last call of this function.
    std::vector<std::string> writes();

private:
    std::size_t log_seen_ = 0;
};

// Nothing to do, nothing written, a clean store: the end of every test that says it converged.
void check_converged(MemoryWorld& world);

// How many of `lines` are `line`.
std::size_t count(const std::vector<std::string>& lines, const std::string& line);
// The words after `before` in `text`, up to white space.
std::string word_after(const std::string& text, const std::string& before);

} // namespace test

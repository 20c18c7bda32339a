#pragma once
// Law 9: two writers that fight over a field are detected and reported, and not fed. Pure, as the scheduler.

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/ids.hpp"

namespace holdfast {

// A field that a pass set back, because somebody else had changed it.
struct Correction {
    Address leaf;
    std::string pointer; // empty: the whole object was gone
    auto operator<=>(const Correction&) const = default;
};

struct Fight {
    Correction over;
    int corrections = 0; // in all
    std::chrono::milliseconds paused_until{};
};

struct FightOptions {
    int corrections = 5; // of one field within the window make a fight
    std::chrono::milliseconds window{600'000};
    std::chrono::milliseconds first_pause{60'000}; // doubles with each correction that did not last
    std::chrono::milliseconds longest_pause{3'600'000};
};

class FightDetector {
public:
    explicit FightDetector(FightOptions options = {}) : options_(options) {}

    // The corrections of one pass. Returns the fights that began with it or go on in spite of a pause.
    std::vector<Fight> note(const std::vector<Correction>& corrections, std::chrono::milliseconds now);
    // Leaves of the stack that are left alone at the moment.
    std::vector<Address> paused(const std::string& stack, std::chrono::milliseconds now) const;
    std::vector<Fight> of(const std::string& stack, std::chrono::milliseconds now) const;
    // A new commit, or somebody who says that it is over, begins anew.
    void forget(const std::string& stack);

private:
    struct Field {
        std::deque<std::chrono::milliseconds> seen; // within the window
        int in_all = 0, pauses = 0;
        std::chrono::milliseconds paused_until{};
    };
    void drop_old(std::chrono::milliseconds now);

    FightOptions options_;
    std::map<Correction, Field> fields_;
};

} // namespace holdfast

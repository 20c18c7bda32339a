#pragma once
// How long what somebody else has changed stays, beside a daemon that watches it.

#include <chrono>
#include <functional>

#include "support/playground.hpp"

namespace bench {

// `round` is 0 to 49; each changes something of its own, since what is changed again and again is taken for a
// fight.
struct ForeignChange {
    // Makes the change, and gives the time from which the correction counts.
    std::function<std::chrono::steady_clock::time_point(int round)> make;
    // Whether the round's object is as Git declares it. Asked every millisecond.
    std::function<bool(int round)> is_as_declared;
};

// Of `rounds` changes the median. The daemon applies the repository first; it looks around by itself once an
// hour. Ends the program where something is not applied, not changed, or not corrected within ten seconds.
double median_correction_ms(::test::Playground& play, const ForeignChange& change, int rounds = 50);

} // namespace bench

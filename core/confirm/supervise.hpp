#pragma once
// What the program holdfast-supervisor does: waits for the verdict on one checkpoint, or for the time to be
// over, and then puts things back.

#include <functional>
#include <string>

#include "confirm/checkpoint.hpp"

namespace holdfast {

// The caller holds the checkpoint's lock. `lifeline` is a pipe that somebody of the engine holds open: its
// end means that nobody else will say when the writing is over; -1: nobody does. Ends on a verdict, SIGTERM
// (which takes the change back at once), or when nobody has confirmed in time by CLOCK_BOOTTIME. True where
// the change stays or everything is back as it was.
bool supervise(const Checkpoint& checkpoint, int lifeline,
               const std::function<Reverted(const Checkpoint&)>& restore);

// Ends a checkpoint that nobody supervises, now: removes it where it was confirmed, else restores.
bool end_checkpoint(const Checkpoint& checkpoint, const GivenVerdict& otherwise,
                    const std::function<Reverted(const Checkpoint&)>& restore);

} // namespace holdfast

#pragma once
// Lets this process die at its n-th write or sync of a file: the same moment each time, unlike a signal from
// outside. SQLite, libgit2 and the test provider's call log reach the kernel through here.

#include <cstddef>

namespace holdfast::walks {

// SIGKILL at the `n`-th write from now on, before it is made where `n` is odd, else after it; 0: never.
void die_at_write(std::size_t n);

} // namespace holdfast::walks

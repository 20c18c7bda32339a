#pragma once
// Random bytes from the kernel, good enough for keys.

#include <cstddef>
#include <string>

namespace holdfast {

// From getrandom(2). Throws `Error` (`system.no-randomness`) where the kernel gives none.
std::string random_bytes(std::size_t count);

} // namespace holdfast

#pragma once
// A test that cannot run here says so loudly: tests/run.sh counts and prints each "SKIPPED:" line.

#include <iostream>
#include <string>

namespace holdfast::test {

inline void skip(const std::string& why) { std::cout << "SKIPPED: " << why << std::endl; }

} // namespace holdfast::test

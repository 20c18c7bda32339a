#pragma once
// The program holdfastd: from its command line to a running daemon, and what it says where it cannot run.

#include <string>
#include <vector>

namespace holdfast {

// The exit code: 0, 1 for an error, with --once also 3 where something is parked; 64 for a wrong command
// line.
int run_holdfastd(const std::vector<std::string>& arguments);

} // namespace holdfast

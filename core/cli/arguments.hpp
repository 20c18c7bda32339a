#pragma once
// argv -> what was asked for. The only file that knows the command line parser (CLI11).

#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/options.hpp"

namespace holdfast {

// `arguments` without the program's name. Errors: `cli.*`, with a suggestion where something looks like a
// typo. Asking for help is a command like any other.
Result<Invocation> parse_arguments(const std::vector<std::string>& arguments);

} // namespace holdfast

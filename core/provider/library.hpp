#pragma once
// Loads a checked plugin and takes its table. What is loaded stays loaded until the process ends.

#include <holdfast/provider.h>

#include "base/result.hpp"

namespace holdfast {

// `descriptor` is of the checked file and must stay open for ever: the library's name in the dynamic
// loader is made from it. `path` is for messages. Runs the library's constructors.
// Errors: `plugin.unreadable` (a dependency is missing), `plugin.bad-table`.
Result<const holdfast_plugin*> load_plugin(int descriptor, const std::string& plugin,
                                           const std::string& path);

} // namespace holdfast

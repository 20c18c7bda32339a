#pragma once
// Which symbols a shared library exports, read from its bytes without loading it.

#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace holdfast {

// Names of defined, global symbols of the dynamic symbol table; they point into `image`. Every offset is
// checked against the image. Error: `plugin.unreadable` for what is no ELF shared library of this machine.
Result<std::vector<std::string_view>> exported_symbols(std::string_view image);

} // namespace holdfast

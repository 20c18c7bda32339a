#pragma once
// Problems for people: base's `render` with colours, and with nothing in it that could steer a terminal.

#include <string>

#include "base/diagnostic.hpp"

namespace holdfast {

std::string diagnostic_text(const Diagnostic& diagnostic, bool colour);
// All of them, errors and warnings in the order in which they are, and a last line with their numbers where
// there are more than three.
std::string diagnostics_text(const Diagnostics& diagnostics, bool colour);

} // namespace holdfast

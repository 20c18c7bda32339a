#pragma once
// The kinds of named objects, and the one that lists many of them, for describe().

#include <string>

namespace holdfast::firewall {

// JSON objects with a comma behind each.
std::string describe_objects();

} // namespace holdfast::firewall

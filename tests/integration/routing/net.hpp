#pragma once
// A small network of a test's own: a namespace with v0 (192.0.2.1/24, 2001:db8::1/64) and v1
// (198.51.100.1/24) of two veth pairs, whose far ends are up, and neighbours that need no answer.

#include <optional>
#include <string>

#include "support/network_namespace.hpp"
#include "support/shell.hpp"

namespace holdfast::test {

bool run(const std::string& command);

// Why such networks cannot be had here.
std::optional<std::string> no_network();

class Net {
public:
    // A new namespace for the calling thread, and what it starts. What was there before is gone with its
    // users.
    Net();
};

// What `ip` says of one prefix, a line a route, without what is not wanted in comparisons.
std::string routes(const std::string& words);

} // namespace holdfast::test

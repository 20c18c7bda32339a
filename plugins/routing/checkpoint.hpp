#pragma once
// The kernel's part of a checkpoint: everything that this provider might change, as it was, and back to it.

#include <string>
#include <string_view>

#include "kernel.hpp"

namespace holdfast::routing {

// Routes of the owned tables, rules and nexthop objects, ours and those that people made, and the links'
// state, MTU and addresses where they are managed. Self-contained JSON.
std::string take_snapshot(Kernel& kernel, const Settings& settings);
// Makes what is missing, then removes what was not there. What protocols and DHCP made is not touched.
// Throws `routing.snapshot`, or `routing.restore` with what could not be brought back.
void restore_snapshot(Kernel& kernel, const Settings& settings, std::string_view snapshot);

} // namespace holdfast::routing

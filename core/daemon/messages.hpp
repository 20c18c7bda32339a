#pragma once
// What the daemon tells of its passes over the control socket; docs/daemon.md has the members.

#include <string>

#include "base/value.hpp"
#include "daemon/reconciler.hpp"

namespace holdfast {

Value pass_to_message(const std::string& stack, const std::string& id, const PassReport& report);

} // namespace holdfast

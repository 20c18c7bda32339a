#pragma once
// Shows a plan to the plugins that want to see it (holdfast.review/1) before anybody else does.

#include <cstddef>
#include <map>
#include <stop_token>

#include "plan/plan.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// Changes of the plan, by index, that their plugin refuses, with its reasons. Asks only about those that
// reach the target and are not blocked already.
std::map<std::size_t, Diagnostics> review(Session& session, const Plan& plan, const PlanInput& input,
                                          const std::stop_token& stop);

} // namespace holdfast

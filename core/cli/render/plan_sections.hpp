#pragma once
// The parts of a plan's text around its changes: the heading, drift, what many changes have in common, and
// the summary with the advice what to do next.

#include <set>
#include <string>

#include "cli/render/plan_text.hpp"

namespace holdfast {

void add_heading(Page& page, const std::string& stack, const PlanView& view);
void add_drift(Page& page, const Plan& plan, const PlanView& view);
void add_summary(Page& page, const Plan& plan, const PlanView& view);

// Reasons for parking and problems that several changes share: said once, below the changes.
std::set<std::string> shared_remarks(const Plan& plan);
void add_shared_remarks(Page& page, const Plan& plan);
// All reasons of a change in one line; of a removal, since which commit as well.
std::string reasons_text(const Plan& plan, const Change& change);
// "message [code]", with "web/a.yaml:4:7: " before it where the problem has another place than `origin`,
// which the reader sees anyway.
std::string remark_text(const Diagnostic& problem, const Origin& origin);

} // namespace holdfast

#pragma once
// Plans and problems for programs. The form is stable and documented in docs/json.md; secrets are never in
// it.

#include "base/diagnostic.hpp"
#include "base/value.hpp"
#include "model/plan.hpp"

namespace holdfast {

Value plan_to_json(const Plan& plan);
Value counts_to_json(const PlanCounts& counts);
Value diagnostic_to_json(const Diagnostic& diagnostic);
Value diagnostics_to_json(const Diagnostics& diagnostics);
Value origin_to_json(const Origin& origin);

} // namespace holdfast

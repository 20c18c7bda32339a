#pragma once
// What an outcome or a second look at an object means for a step: go on, try again, or give up (law 4).
// Pure.

#include <string>
#include <string_view>

#include "execute/step.hpp"
#include "model/observed.hpp"

namespace holdfast {

// The strongest retry class that the diagnostics name: conflict before after before never.
Retry retry_class(const Diagnostics& diagnostics);

// What the planner saw of the object that a step writes; null where it saw none.
const Observed* planned_sight(const Change& change, StepKind step, const PlanInput& input);

// How an object that was read again stands to what the plan wanted and to what it was made from.
enum class Sight {
    absent,
    as_declared, // every compared field is as declared: the step's work is done
    as_planned,  // the compared fields are those that the plan was made from
    otherwise,   // somebody else's doing, or a write that was cut in half
};
Sight judge_sight(const Change& change, StepKind step, const PlanInput& input, const LedgerEntry* old,
                  const Observed& seen, std::string_view masking_key);

// Why the object was read again.
enum class Doubt {
    conflict, // the target refused: somebody else wrote
    unknown,  // the write was sent, and no answer came
};

enum class Verdict { done, retry, stale, half_done };
// `may_have_written`: an attempt of this step ended without an answer, now or before.
Verdict decide(StepKind step, Doubt doubt, Sight sight, bool may_have_written);

} // namespace holdfast

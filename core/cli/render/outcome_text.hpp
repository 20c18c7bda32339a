#pragma once
// What came of an apply: what failed and why, what was not tried, and a line of counts.

#include <cstddef>
#include <string>

#include "base/value.hpp"
#include "reconcile/run.hpp"

namespace holdfast {

struct OutcomeView {
    std::size_t width = 80;
    bool colour = false;
};

// Empty for a stack in which nothing was executed.
std::string render_outcome(const StackOutcome& outcome, const OutcomeView& view);
// "created File/motd", "failed to update File/motd: ...": for one leaf, as it ends. Without a newline.
std::string render_step(const StackOutcome& stack, const Change& change, const StepResult& result,
                        const OutcomeView& view);

// "created", "updated", "deleted", ...
std::string_view done_word(Action action);

// {"format": "holdfast.run/1", ...}, as docs/json.md says.
Value outcome_to_json(std::string_view command, const CommitInfo& commit, const RunOutcome& outcome);

} // namespace holdfast

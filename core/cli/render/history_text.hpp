#pragma once
// What was done, pass by pass and step by step, as text.

#include <string>
#include <vector>

#include "cli/render/query_text.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

std::string render_history(const std::vector<PassRecord>& passes, const TextView& view);

// Each step with what it changed, as a plan shows it. `passes` may lack those of some steps.
std::string render_steps(const std::vector<JournalStep>& steps, const std::vector<PassRecord>& passes,
                         const TextView& view);

// Newest first, as the store gives them: without the intentions of steps that ended, at most `limit`.
std::vector<JournalStep> ended_steps(std::vector<JournalStep> steps, std::size_t limit);

// "done" in green, "failed" in red.
std::string pass_state_text(PassState state, const Palette& colours);

} // namespace holdfast

#pragma once
// A plan as people look at it every day: grouped under the documents that were written, only what changes,
// reasons in words, and at the end what to do next. Pure: the same plan and view give the same text.

#include <cstdint>
#include <string>

#include "cli/render/page.hpp"
#include "model/plan.hpp"
#include "model/stack.hpp"

namespace holdfast {

enum class Purpose { plan, apply, destroy };

struct PlanView {
    Purpose purpose = Purpose::plan;
    std::string revision = "HEAD"; // as asked for; "working tree"
    CommitInfo commit;
    std::size_t width = 80; // columns of the terminal
    bool colour = false;
    std::int64_t now_s = 0;      // for relative times
    bool all = false;            // nothing is left out or shortened
    std::size_t limit = 200;     // leaves shown per document, and plain documents per kind
    std::string saved_as;        // file that `plan --out` wrote
    std::string approve_options; // those of them that `approve` takes, " --working-tree"
    std::string selection;       // options to repeat in the advice, " -s web --only File/motd"
};

// Narrower terminals have places only on the lines of documents.
constexpr std::size_t wide_terminal = 100;

// Problems of the plan as a whole are not in it: they go to standard error, once.
std::string render_plan(const Plan& plan, const PlanView& view);

// A plan that holds only drift: the changes and what happened, without counts and advice.
std::string render_drift(const Plan& drift, const PlanView& view);

// The parts of it, for callers that show only some.
std::string render_plan_heading(const Plan& plan, const PlanView& view);
std::string render_plan_summary(const Plan& plan, const PlanView& view);

} // namespace holdfast

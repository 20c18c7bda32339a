#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/running.hpp"
#include "cli/render/plan_json.hpp"

namespace holdfast {

namespace {

bool has_drifted(const Change& change) {
    return change.is_drift || std::any_of(change.fields.begin(), change.fields.end(),
                                          [](const FieldChange& f) { return f.by_drift; });
}

// The part of a plan that is about drift: only leaves and fields that somebody else changed.
Plan drift_of(const Plan& plan) {
    Plan drift;
    drift.stack = plan.stack;
    for (const Change& change : plan.changes) {
        if (!has_drifted(change)) continue;
        Change& kept = drift.changes.emplace_back(change);
        kept.after.clear();
        kept.after_gates.clear();
        kept.is_drift = true;
        std::erase_if(kept.fields, [&](const FieldChange& f) { return !change.is_drift && !f.by_drift; });
    }
    return drift;
}

Value drift_to_json(const std::vector<Plan>& drifts, const RunOutcome& outcome) {
    List stacks;
    for (const Plan& drift : drifts) {
        const Value plan = plan_to_json(drift);
        stacks.push_back(Value::map({{"stack", drift.stack}, {"leaves", *plan.find("changes")}}));
    }
    Diagnostics problems = outcome.problems;
    for (const StackOutcome& stack : outcome.stacks) problems.append(stack.problems);
    return Value::map({{"format", "holdfast.drift/1"},
                       {"stacks", std::move(stacks)},
                       {"problems", diagnostics_to_json(problems)}});
}

void print_drift(Context& context, const std::vector<Plan>& drifts, const DriftOptions& options) {
    std::size_t leaves = 0;
    for (const Plan& drift : drifts) {
        leaves += drift.changes.size();
        if (drift.changes.empty()) continue;
        const PlanView view = plan_view(context, options.selection, {.all = options.all});
        context.print(render_drift(drift, view));
    }
    const std::string_view what = drifts.size() == 1 ? "the stack holds" : "the stacks hold";
    if (leaves == 0)
        context.print(fmt::format("No drift: {} what was applied.\n", what));
    else
        context.print(fmt::format("{} drifted. `holdfast plan` shows what applying would do.\n",
                                  count_of(leaves, "leaf has", "leaves have")));
}

} // namespace

int run_drift(const DriftOptions& options, Context& context) {
    if (!context.open(session_options(options.selection, StoreUse::read))) return exit_error;
    RunOutcome outcome;
    {
        ProgressLine progress(context);
        RunEvents events;
        events.progress = [&](std::string_view doing, std::size_t done, std::size_t of) {
            progress.show(doing, done, of);
        };
        outcome = context.engine().run(run_options(options.selection, Mode::plan), events, context.stop);
    }
    std::vector<Plan> drifts;
    bool any = false;
    for (const StackOutcome& stack : outcome.stacks) {
        if (!stack.plan()) continue;
        drifts.push_back(drift_of(*stack.plan()));
        any |= !drifts.back().changes.empty();
    }
    if (context.json())
        context.print_json(drift_to_json(drifts, outcome));
    else
        print_drift(context, drifts, options);
    report_problems(context, outcome);
    if (outcome.exit_code(false) == exit_error) return exit_error;
    return any && options.exit_code ? exit_changes : exit_done;
}

} // namespace holdfast

#include <fmt/core.h>

#include "base/json.hpp"
#include "cli/commands.hpp"
#include "cli/commands/running.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

SavedPlan saved_plan_of(const RunOutcome& outcome, Context& context, const PlanOptions& options) {
    SavedPlan saved;
    saved.commit = options.selection.working_tree ? "" : context.engine().commit().id;
    saved.destroy = options.destroy;
    for (const StackOutcome& stack : outcome.stacks)
        if (const Plan* plan = stack.plan()) saved.stacks.push_back({stack.stack, plan->hash});
    saved.text = context.engine().mask(to_json(outcome_to_json("plan", context.engine().commit(), outcome)));
    return saved;
}

// A plan that leaves something out on purpose, or whose stacks have errors, must not look complete later.
std::optional<Diagnostic> save(const RunOutcome& outcome, Context& context, const PlanOptions& options) {
    if (!options.selection.only.empty() || !options.selection.exclude.empty() ||
        !options.selection.replace.empty())
        return failure("plan.not-saved", "a plan with --only, --exclude or --replace cannot be saved",
                       "apply it with the same options instead");
    const std::string text = to_json(saved_plan_of(outcome, context, options));
    const Status written = write_file_atomically(options.out, text, 0600);
    return written ? std::nullopt : std::optional(written.error());
}

RunOutcome make_plans(const PlanOptions& options, Context& context) {
    ProgressLine progress(context);
    RunEvents events;
    events.progress = [&](std::string_view doing, std::size_t done, std::size_t of) {
        progress.show(doing, done, of);
    };
    // Destroying is planned by destroying and saying no; the engine takes its locks before it asks.
    events.confirm = [](const RunOutcome&) { return false; };
    const Mode mode = options.destroy ? Mode::destroy : Mode::plan;
    return context.engine().run(run_options(options.selection, mode), events, context.stop);
}

} // namespace

int run_plan(const PlanOptions& options, Context& context) {
    const StoreUse use = options.destroy ? StoreUse::write : StoreUse::read;
    if (!context.open(session_options(options.selection, use))) return exit_error;
    const RunOutcome outcome = make_plans(options, context);
    const int code = outcome.exit_code(options.exit_code);
    std::optional<Diagnostic> unsaved;
    if (!options.out.empty() && code != exit_error) unsaved = save(outcome, context, options);
    if (context.json()) {
        context.print_json(outcome_to_json("plan", context.engine().commit(), outcome));
    } else {
        print_plans(context, outcome, options.selection,
                    {.purpose = options.destroy ? Purpose::destroy : Purpose::plan,
                     .all = options.all,
                     .saved_as = unsaved || code == exit_error ? "" : options.out});
    }
    report_problems(context, outcome);
    if (unsaved) context.report(*unsaved);
    return unsaved ? exit_error : code;
}

} // namespace holdfast

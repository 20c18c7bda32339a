#include "cli/commands.hpp"
#include "cli/commands/running.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

Result<SavedPlan> read_saved_plan(const std::string& path) {
    const Result<std::string> text = read_file(path);
    if (!text) return text.error();
    Result<SavedPlan> plan = parse_saved_plan(*text);
    if (!plan && plan.error().span.file.empty()) plan.error().span.file = path;
    return plan;
}

} // namespace

int run_apply(const ApplyOptions& options, Context& context) {
    Carrying carrying{.selection = options.selection,
                      .run = run_options(options.selection, Mode::apply),
                      .style = {.purpose = Purpose::apply, .all = options.all},
                      .command = "apply",
                      .question = "Apply these changes?",
                      .is_confirmed = options.yes || !options.plan.empty()};
    SessionOptions session = session_options(options.selection, StoreUse::write);
    if (!options.plan.empty()) {
        Result<SavedPlan> saved = read_saved_plan(options.plan);
        if (!saved) return context.fail(saved.error());
        if (saved->destroy) carrying.run.mode = Mode::destroy;
        for (const SavedPlan::Stack& stack : saved->stacks) carrying.run.stacks.push_back(stack.name);
        // A plan of files that were not committed can only be made again from such files.
        session.working_tree = session.working_tree || saved->commit.empty();
        carrying.run.saved = std::move(*saved);
    }
    if (!context.open(std::move(session))) return exit_error;
    return carry_out(carrying, context);
}

} // namespace holdfast

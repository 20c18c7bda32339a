#include <optional>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/daemon_link.hpp"
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

// Law 15: what a daemon keeps is applied through it; two hands at the same targets would only take turns to
// wait for each other's locks. Nothing where the command goes on by itself.
std::optional<int> apply_through_daemon(const ApplyOptions& options, Context& context) {
    const DaemonLink link = link_to_daemon_of_session(context);
    if (link.failed) return exit_error;
    if (!link.client) return std::nullopt;
    const Selection& selection = options.selection;
    const auto kept = stacks_kept_by(context, *link.client, selection.stacks);
    if (!kept) return exit_error;
    if (kept->empty()) return std::nullopt; // all of them are suspended: they are ours
    const bool is_plain = selection.only.empty() && selection.exclude.empty() && selection.replace.empty() &&
                          selection.revision == "HEAD" && !selection.working_tree && options.plan.empty() &&
                          options.confirm_within.empty();
    if (!is_plain)
        return context.fail(
            failure("cli.kept-by-daemon",
                    fmt::format("holdfastd keeps {}, and brings whole stacks to what its repository declares",
                                join(*kept, ", ")),
                    "let go of it first: holdfast suspend " + kept->front()));
    say_whom(context, *link.client);
    return sync_through(context, *link.client, {.stacks = *kept});
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
    if (!options.confirm_within.empty()) carrying.run.confirm_within = parse_duration(options.confirm_within);
    if (!context.open(std::move(session))) return exit_error;
    if (const auto code = apply_through_daemon(options, context)) return *code;
    return carry_out(carrying, context);
}

} // namespace holdfast

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/running.hpp"

namespace holdfast {

int run_validate(const ValidateOptions& options, Context& context) {
    if (!context.open(session_options(options.selection, StoreUse::read))) return exit_error;
    const RunOutcome outcome =
        context.engine().run(run_options(options.selection, Mode::validate), {}, context.stop);
    if (context.json()) context.print_json(outcome_to_json("validate", context.engine().commit(), outcome));
    report_problems(context, outcome);
    const int code = outcome.exit_code(false);
    if (context.json() || code != exit_done) return code;
    std::size_t documents = 0;
    for (const StackOutcome& stack : outcome.stacks) documents += stack.documents;
    context.print(fmt::format("{} valid: {}.\n",
                              outcome.stacks.size() == 1
                                  ? "The stack is"
                                  : count_of(outcome.stacks.size(), "stack is", "stacks are"),
                              count_of(documents, "document")));
    return code;
}

} // namespace holdfast

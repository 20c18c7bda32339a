#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

namespace {

// Without -s only a repository with one stack says which one is meant.
Result<std::string> stack_to_approve(const ApproveOptions& options, Context& context) {
    if (options.stacks.size() == 1) return options.stacks.front();
    const std::vector<std::string> stacks = declared_stacks(context);
    if (options.stacks.empty() && stacks.size() == 1) return stacks.front();
    return failure("cli.which-stack", "an approval is for one stack",
                   fmt::format("name it with -s; known stacks: {}", join(stacks, ", ")));
}

} // namespace

int run_approve(const ApproveOptions& options, Context& context) {
    if (!context.open({})) return exit_error;
    const Result<std::string> stack = stack_to_approve(options, context);
    if (!stack) return context.fail(stack.error());
    const Result<std::string> approved = context.engine().approve(*stack, options.plan);
    if (!approved) return context.fail(approved.error());
    if (context.json())
        context.print_json(
            Value::map({{"format", "holdfast.approve/1"}, {"stack", *stack}, {"plan", *approved}}));
    else
        context.print(fmt::format("Approved plan {} of {}. Carry it out with: holdfast apply -s {}\n",
                                  approved->substr(0, 12), printable(*stack), printable(*stack)));
    return exit_done;
}

} // namespace holdfast

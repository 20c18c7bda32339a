#include "cli/commands.hpp"
#include "cli/help_text.hpp"

namespace holdfast {

int run_completion(const CompletionOptions& options, Context& context) {
    context.print(completion_script(options.shell));
    return exit_done;
}

int run_help(const HelpOptions& options, Context& context) {
    if (options.man) {
        context.print(manual_page());
        return exit_done;
    }
    const CommandSpec* command = find_command(options.command);
    context.print(command ? command_help(*command, context.terminal.width)
                          : program_help(context.terminal.width));
    return exit_done;
}

} // namespace holdfast

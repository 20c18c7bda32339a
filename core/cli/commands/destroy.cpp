#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/commands/running.hpp"

namespace holdfast {

int run_destroy(const DestroyOptions& options, Context& context) {
    if (!context.open(session_options(options.selection, StoreUse::write))) return exit_error;
    const DaemonLink link = link_to_daemon_of_session(context);
    if (link.failed) return exit_error;
    if (link.client) {
        const auto kept = stacks_kept_by(context, *link.client, options.selection.stacks);
        if (!kept) return exit_error;
        // It would make anew what is removed here.
        if (!kept->empty())
            return context.fail(failure("cli.kept-by-daemon",
                                        "holdfastd keeps " + join(*kept, ", ") + ", and would make it again",
                                        "let go of it first: holdfast suspend " + kept->front()));
    }
    const Carrying carrying{.selection = options.selection,
                            .run = run_options(options.selection, Mode::destroy),
                            .style = {.purpose = Purpose::destroy, .all = options.all},
                            .command = "destroy",
                            .question = "Remove all of this?",
                            .is_confirmed = options.yes};
    return carry_out(carrying, context);
}

} // namespace holdfast

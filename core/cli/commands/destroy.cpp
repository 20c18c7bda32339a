#include "cli/commands.hpp"
#include "cli/commands/running.hpp"

namespace holdfast {

int run_destroy(const DestroyOptions& options, Context& context) {
    if (!context.open(session_options(options.selection, StoreUse::write))) return exit_error;
    const Carrying carrying{.selection = options.selection,
                            .run = run_options(options.selection, Mode::destroy),
                            .style = {.purpose = Purpose::destroy, .all = options.all},
                            .command = "destroy",
                            .question = "Remove all of this?",
                            .is_confirmed = options.yes};
    return carry_out(carrying, context);
}

} // namespace holdfast

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"

namespace holdfast {

int run_why(const WhyOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    const Result<Why> why = context.engine().why(options.leaf, options.limit);
    if (!why) return context.fail(why.error());
    if (context.json())
        context.print_json(why_to_json(*why));
    else
        context.print(render_why(*why, text_view(context)));
    context.report(why->problems);
    return exit_done;
}

} // namespace holdfast

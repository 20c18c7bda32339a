#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/history_text.hpp"

namespace holdfast {

int run_why(const WhyOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    // A step that ended has two records.
    Result<Why> why = context.engine().why(options.leaf, 2 * options.limit);
    if (!why) return context.fail(why.error());
    why->steps = ended_steps(std::move(why->steps), options.limit);
    if (context.json())
        context.print_json(why_to_json(*why));
    else
        context.print(render_why(*why, text_view(context)));
    context.report(why->problems);
    return exit_done;
}

} // namespace holdfast

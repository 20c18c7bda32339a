#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/render/history_text.hpp"
#include "control/records.hpp"

namespace holdfast {

namespace {

Result<Why> told_by(ControlClient& client, Context& context, const std::string& leaf, std::size_t limit) {
    Result<Value> answer = ask_about_leaf(client, context, "why", leaf, limit);
    if (!answer) return answer.error();
    return why_from_message(*answer);
}

} // namespace

int run_why(const WhyOptions& options, Context& context) {
    const Answerer asked = daemon_or_store(context);
    if (asked.failed) return exit_error;
    const std::size_t limit = 2 * options.limit; // a step that ended has two records
    Result<Why> why = asked.daemon ? told_by(*asked.daemon, context, options.leaf, limit)
                                   : context.engine().why(options.leaf, limit);
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

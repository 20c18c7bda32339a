#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/render/history_text.hpp"
#include "control/records.hpp"

namespace holdfast {

namespace {

Result<LeafHistory> history_of_leaf(const HistoryOptions& options, Context& context, ControlClient* daemon) {
    const std::size_t limit = 2 * options.limit; // a step that ended has two records
    if (!daemon) return context.engine().history_of(options.leaf, limit);
    Result<Value> answer = ask_about_leaf(*daemon, context, "history", options.leaf, limit);
    if (!answer) return answer.error();
    return leaf_history_from_message(*answer);
}

int show_steps(const HistoryOptions& options, Context& context, ControlClient* daemon) {
    Result<LeafHistory> history = history_of_leaf(options, context, daemon);
    if (!history) return context.fail(history.error());
    const std::vector<JournalStep> steps = ended_steps(std::move(history->steps), options.limit);
    if (!context.json()) {
        context.print(render_steps(steps, history->passes, text_view(context)));
        return exit_done;
    }
    List list;
    for (const JournalStep& step : steps) list.push_back(step_to_json(step));
    context.print_json(Value::map({{"format", "holdfast.history/1"},
                                   {"address", to_string(history->address)},
                                   {"steps", std::move(list)}}));
    return exit_done;
}

Result<std::vector<PassRecord>> history_of_stacks(const HistoryOptions& options, Context& context,
                                                  ControlClient* daemon) {
    if (!daemon) return passes_of(context.engine().store(), options.stacks, options.limit);
    List stacks;
    for (const std::string& stack : options.stacks) stacks.emplace_back(stack);
    Map request;
    request.set("request", "history");
    request.set("stacks", std::move(stacks));
    request.set("limit", static_cast<std::int64_t>(options.limit));
    Result<Value> answer = daemon->ask(std::move(request), answer_timeout, context.stop);
    if (!answer) return answer.error();
    return history_from_message(*answer);
}

} // namespace

int run_history(const HistoryOptions& options, Context& context) {
    const Answerer asked = daemon_or_store(context);
    if (asked.failed) return exit_error;
    if (!options.leaf.empty()) return show_steps(options, context, asked.daemon.get());
    const Result<std::vector<PassRecord>> passes = history_of_stacks(options, context, asked.daemon.get());
    if (!passes) return context.fail(passes.error());
    if (context.json())
        context.print_json(history_to_message(*passes));
    else
        context.print(render_history(*passes, text_view(context)));
    return exit_done;
}

} // namespace holdfast

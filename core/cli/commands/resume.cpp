#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/commands/running.hpp"
#include "cli/render/style.hpp"
#include "reconcile/taking_back.hpp"
#include "sys/environment.hpp"

namespace holdfast {

namespace {

bool is_true_at(const Value& answer, std::string_view pointer) {
    const Value* value = find_at(answer, pointer);
    return value && value->if_bool() && *value->if_bool();
}

Value resumed_in_store(const std::string& stack, Context& context) {
    Store& store = context.engine().store();
    const std::vector<Store::StackHold> holds = store.holds();
    const auto held =
        std::find_if(holds.begin(), holds.end(), [&](const auto& h) { return h.stack == stack; });
    const bool was_held = held != holds.end();
    const std::size_t taken_back = let_go_of_taken_back(store, context.engine().store_directory(), stack);
    if (taken_back > 0)
        store.audit(
            context.clock().now_ms(), actor(), "resume", stack,
            fmt::format("{} that were taken back may be tried again", count_of(taken_back, "change")));
    if (was_held) {
        store.set_hold({.stack = stack});
        store.audit(context.clock().now_ms(), actor(), "resume", stack,
                    held->pin.empty() ? "" : "was held at " + held->pin);
    }
    return Value::map(
        {{"format", "holdfast.resume/1"},
         {"stacks", Value::list({Value::map({{"stack", stack},
                                             {"was_held", was_held},
                                             {"suspended", was_held && held->is_suspended},
                                             {"pin", was_held ? held->pin : ""},
                                             {"taken_back", static_cast<std::int64_t>(taken_back)}})})}});
}

void print_resumed(const std::string& stack, const Value& answer, Context& context) {
    const Value* pin = find_at(answer, "/stacks/0/pin");
    const bool was_pinned = pin && pin->if_string() && !pin->if_string()->empty();
    const Value* taken_back = find_at(answer, "/stacks/0/taken_back");
    const std::int64_t again = taken_back && taken_back->if_integer() ? *taken_back->if_integer() : 0;
    if (again > 0)
        context.print(fmt::format("{} of {} that {} taken back may be tried again.\n",
                                  count_of(static_cast<std::size_t>(again), "change"), printable(stack),
                                  again == 1 ? "was" : "were"));
    if (!is_true_at(answer, "/stacks/0/was_held") && again > 0) return;
    if (!is_true_at(answer, "/stacks/0/was_held"))
        context.print(fmt::format("{} was neither suspended nor rolled back.\n", printable(stack)));
    else
        context.print(fmt::format("Resumed {}{}.\n", printable(stack),
                                  was_pinned ? ": it follows the repository again" : ""));
    if (is_true_at(answer, "/stacks/0/suspended_in_git"))
        context.print("It stays suspended by its document: take `suspend: true` out of it.\n");
}

} // namespace

int run_resume(const ResumeOptions& options, Context& context) {
    const DaemonLink link = link_to_daemon(context, DaemonNeed::if_there);
    if (link.failed) return exit_error;
    std::optional<Value> answer;
    if (link.client) {
        say_whom(context, *link.client);
        answer = ask_daemon(context, *link.client, request_about("resume", options.stack));
        if (!answer) return exit_error;
    } else {
        if (!context.open(session_options({}, StoreUse::write))) return exit_error;
        answer = resumed_in_store(options.stack, context);
    }
    if (context.json())
        context.print_json(*answer);
    else
        print_resumed(options.stack, *answer, context);
    return exit_done;
}

} // namespace holdfast

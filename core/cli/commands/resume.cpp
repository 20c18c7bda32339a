#include <algorithm>

#include <fmt/core.h>

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/commands/running.hpp"
#include "cli/render/style.hpp"
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
    if (was_held) {
        store.set_hold({.stack = stack});
        store.audit(context.clock().now_ms(), actor(), "resume", stack,
                    held->pin.empty() ? "" : "was held at " + held->pin);
    }
    return Value::map({{"format", "holdfast.resume/1"},
                       {"stacks", Value::list({Value::map({{"stack", stack},
                                                           {"was_held", was_held},
                                                           {"suspended", was_held && held->is_suspended},
                                                           {"pin", was_held ? held->pin : ""}})})}});
}

void print_resumed(const std::string& stack, const Value& answer, Context& context) {
    const Value* pin = find_at(answer, "/stacks/0/pin");
    const bool was_pinned = pin && pin->if_string() && !pin->if_string()->empty();
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

#include <fmt/core.h>

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/commands/running.hpp"
#include "sys/environment.hpp"

namespace holdfast {

namespace {

Store::StackHold hold_in_store(Store& store, const std::string& stack) {
    for (Store::StackHold& hold : store.holds())
        if (hold.stack == stack) return hold;
    return {.stack = stack};
}

// For a daemon that is started later.
int suspend_in_store(const SuspendOptions& options, Context& context) {
    if (!context.open(session_options({}, StoreUse::write))) return exit_error;
    if (auto problem = check_stacks({options.stack}, declared_stacks(context))) return context.fail(*problem);
    Store& store = context.engine().store();
    Store::StackHold hold = hold_in_store(store, options.stack);
    hold.is_suspended = true;
    hold.suspended_by = actor();
    hold.suspend_reason = options.reason;
    hold.suspended_at_ms = context.clock().now_ms();
    store.set_hold(hold);
    store.audit(hold.suspended_at_ms, hold.suspended_by, "suspend", options.stack, options.reason);
    if (context.json())
        context.print_json(Value::map({{"format", "holdfast.suspend/1"},
                                       {"stacks", Value::list({Value::map({{"stack", options.stack},
                                                                           {"suspended", true},
                                                                           {"running", false},
                                                                           {"reason", options.reason},
                                                                           {"pin", hold.pin}})})}}));
    else
        context.print(fmt::format("Suspended {}. No daemon runs; one that is started leaves it alone until: "
                                  "holdfast resume {}\n",
                                  options.stack, options.stack));
    return exit_done;
}

} // namespace

int run_suspend(const SuspendOptions& options, Context& context) {
    const DaemonLink link = link_to_daemon(context, DaemonNeed::if_there);
    if (link.failed) return exit_error;
    if (!link.client) return suspend_in_store(options, context);
    say_whom(context, *link.client);
    Map request = request_about("suspend", options.stack);
    request.set("reason", options.reason);
    const std::optional<Value> answer = ask_daemon(context, *link.client, std::move(request));
    if (!answer) return exit_error;
    if (context.json()) {
        context.print_json(*answer);
        return exit_done;
    }
    const Value* running = find_at(*answer, "/stacks/0/running");
    const bool is_running = running && running->if_bool() && *running->if_bool();
    context.print(fmt::format("Suspended {}{}. Let it go on with: holdfast resume {}\n", options.stack,
                              is_running ? "; the pass that runs stops between two writes" : "",
                              options.stack));
    return exit_done;
}

} // namespace holdfast

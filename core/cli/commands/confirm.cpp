#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/render/style.hpp"
#include "confirm/checkpoint.hpp"
#include "manifest/operator_config.hpp"
#include "sys/environment.hpp"

namespace holdfast {

namespace {

// A change waits in the store's folder, whoever made it: no daemon is needed to confirm it, and no repository
// where the store is known without one.
std::optional<std::string> store_folder(Context& context) {
    if (!context.global.store.empty()) return context.global.store;
    Diagnostics ignored; // whoever opens a session hears of them
    if (const OperatorConfig config = load_operator_config(ignored); config.store.starts_with('/'))
        return config.store;
    if (!context.open(read_only_session())) return std::nullopt;
    return context.engine().store_directory();
}

// The one stack that waits, where none is named.
Result<std::string> stack_meant(const std::string& store, const std::string& named) {
    if (!named.empty()) return named;
    std::vector<std::string> waiting;
    for (const PendingConfirmation& pending : pending_confirmations(store)) waiting.push_back(pending.stack);
    if (waiting.size() == 1) return waiting.front();
    return failure("confirm.nothing",
                   waiting.empty() ? std::string("nothing waits for a confirmation")
                                   : fmt::format("{} wait for a confirmation", join(waiting, ", ")),
                   waiting.empty() ? "`holdfast status` says what was taken back"
                                   : "name the one that is meant");
}

int confirm_through(ControlClient& client, const std::string& stack, Context& context) {
    say_whom(context, client);
    const std::optional<Value> answer = ask_daemon(context, client, request_about("confirm", stack));
    if (!answer) return exit_error;
    if (context.json())
        context.print_json(*answer);
    else
        context.print(fmt::format("Confirmed: the change of {} stays.\n", printable(stack)));
    return exit_done;
}

} // namespace

int run_confirm(const ConfirmOptions& options, Context& context) {
    const std::optional<std::string> store = store_folder(context);
    if (!store) return exit_error;
    const Result<std::string> stack = stack_meant(*store, options.stack);
    // Who may not read the store may be allowed to ask the daemon that keeps it.
    if (options.stack.empty() && !stack) return context.fail(stack.error());
    const Result<PendingConfirmation> confirmed =
        confirm_change(*store, *stack, actor(), context.clock().now_ms());
    if (!confirmed && pending_confirmations(*store).empty()) {
        const DaemonLink link = link_to_daemon(context, DaemonNeed::if_there);
        if (link.failed) return exit_error;
        if (link.client) return confirm_through(*link.client, *stack, context);
    }
    if (!confirmed) return context.fail(confirmed.error());
    if (context.json())
        context.print_json(
            Value::map({{"format", "holdfast.confirm/1"}, {"stack", *stack}, {"pass", confirmed->pass}}));
    else
        context.print(fmt::format("Confirmed: {} of {} {}.\n",
                                  count_of(confirmed->changes.size(), "change", "changes"), printable(*stack),
                                  confirmed->changes.size() == 1 ? "stays" : "stay"));
    return exit_done;
}

} // namespace holdfast

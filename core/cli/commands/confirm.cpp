#include <fmt/core.h>

#include "cli/commands.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

int run_confirm(const ConfirmOptions& options, Context& context) {
    const DaemonLink link = link_to_daemon(context, DaemonNeed::must);
    if (!link.client) return exit_error;
    say_whom(context, *link.client);
    const std::optional<Value> answer =
        ask_daemon(context, *link.client, request_about("confirm", options.stack));
    if (!answer) return exit_error;
    if (context.json())
        context.print_json(*answer);
    else
        context.print(fmt::format("Confirmed: the change of {} stays.\n", printable(options.stack)));
    return exit_done;
}

} // namespace holdfast

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/daemon_link.hpp"

namespace holdfast {

int run_sync(const SyncOptions& options, Context& context) {
    const auto timeout = parse_duration(options.timeout);
    if (!timeout)
        return context.fail(failure("cli.bad-value", "--timeout cannot be \"" + options.timeout + '"',
                                    "write a duration such as 30s, 5m or 1h30m"));
    const DaemonLink link = link_to_daemon(context, DaemonNeed::must);
    if (!link.client) return exit_error;
    say_whom(context, *link.client);
    Syncing syncing{.stacks = {}, .wait = options.wait, .timeout = *timeout};
    if (!options.stack.empty()) syncing.stacks.push_back(options.stack);
    return sync_through(context, *link.client, syncing);
}

} // namespace holdfast

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/render/query_text.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

int run_rollback(const RollbackOptions& options, Context& context) {
    const DaemonLink link = link_to_daemon(context, DaemonNeed::must);
    if (!link.client) return exit_error;
    say_whom(context, *link.client);
    Map request = request_about("rollback", options.stack);
    request.set("to", options.to);
    request.set("reason", options.reason);
    request.set("wait", options.wait);
    constexpr std::chrono::minutes timeout{15};
    const Result<Value> answer = link.client->ask(std::move(request), timeout, context.stop);
    if (!answer) return context.fail(answer.error());
    if (options.wait && answer->text_at("format") == "holdfast.sync/1") {
        const int code = show_synced(context, *answer);
        if (!context.json())
            context.print(
                fmt::format("It stays there until: holdfast resume {}\n", printable(options.stack)));
        return code;
    }
    if (context.json()) {
        context.print_json(*answer);
        return exit_done;
    }
    context.print(fmt::format("{} is brought to {} \"{}\" and stays there until: holdfast resume {}\n",
                              printable(options.stack), short_commit(std::string(answer->text_at("commit"))),
                              printable(answer->text_at("subject")), printable(options.stack)));
    return exit_done;
}

} // namespace holdfast

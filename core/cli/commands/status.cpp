#include <algorithm>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/render/daemon_text.hpp"
#include "cli/render/status_text.hpp"

namespace holdfast {

int run_status(const StatusOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    std::vector<StackStatus> stacks = context.engine().status();
    if (!options.stacks.empty()) {
        std::vector<std::string> names;
        for (const StackStatus& stack : stacks) names.push_back(stack.name);
        if (auto problem = check_stacks(options.stacks, names)) return context.fail(*problem);
        std::erase_if(stacks, [&](const StackStatus& stack) {
            return std::find(options.stacks.begin(), options.stacks.end(), stack.name) ==
                   options.stacks.end();
        });
    }
    const DaemonLink link = link_to_daemon_of_session(context);
    if (link.failed) return exit_error;
    std::optional<Value> daemon;
    if (link.client) {
        List names;
        for (const std::string& name : options.stacks) names.emplace_back(name);
        Map request;
        request.set("request", "status");
        request.set("stacks", std::move(names));
        daemon = ask_daemon(context, *link.client, std::move(request));
        if (!daemon) return exit_error;
    }
    if (context.json()) {
        Value document = status_to_json(stacks);
        if (daemon) document.as_map().set("daemon", *std::move(daemon));
        context.print_json(document);
        return exit_done;
    }
    context.print(render_status(stacks, context.engine().commit().id, text_view(context)));
    if (daemon) context.print("\n" + render_daemon(*daemon, text_view(context)));
    return exit_done;
}

} // namespace holdfast

#include <algorithm>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
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
    if (context.json())
        context.print_json(status_to_json(stacks));
    else
        context.print(render_status(stacks, context.engine().commit().id, text_view(context)));
    return exit_done;
}

} // namespace holdfast

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"

namespace holdfast {

int run_graph(const GraphOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    if (auto problem = check_stacks(options.stacks, declared_stacks(context))) return context.fail(*problem);
    std::vector<GraphNode> nodes;
    Diagnostics problems;
    for (const std::string& stack : chosen_stacks(context, options.stacks))
        if (const auto own = context.engine().graph(stack, problems))
            nodes.insert(nodes.end(), own->begin(), own->end());
    problems.sort_by_place();
    if (problems.has_errors()) return context.fail(problems);
    context.report(problems);
    if (context.json())
        context.print_json(graph_to_json(nodes));
    else
        context.print(options.dot ? render_graph_dot(nodes) : render_graph(nodes, text_view(context)));
    return exit_done;
}

} // namespace holdfast

#include <algorithm>

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"

namespace holdfast {

int run_output(const OutputOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    if (auto problem = check_stacks(options.stacks, declared_stacks(context))) return context.fail(*problem);
    std::vector<Outputs> all;
    for (const std::string& stack : chosen_stacks(context, options.stacks)) {
        const std::vector<Outputs> own = context.engine().outputs(stack);
        all.insert(all.end(), own.begin(), own.end());
    }
    if (!options.leaf.empty()) {
        const Result<LedgerEntry> entry = context.engine().find_entry(options.leaf);
        if (!entry) return context.fail(entry.error());
        std::erase_if(all, [&](const Outputs& output) { return output.address != entry->address; });
    }
    if (!context.json()) {
        context.print(render_outputs(all, text_view(context)));
        return exit_done;
    }
    Map outputs;
    for (const Outputs& output : all) outputs.set(to_string(output.address), output.values);
    context.print_json(Value::map({{"format", "holdfast.outputs/1"}, {"outputs", std::move(outputs)}}));
    return exit_done;
}

} // namespace holdfast

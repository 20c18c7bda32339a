#include <algorithm>

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/history_text.hpp"
#include "cli/render/outcome_text.hpp"

namespace holdfast {

namespace {

constexpr std::size_t passes_looked_at = 1000;

int show_steps(const HistoryOptions& options, Context& context) {
    const Result<LedgerEntry> entry = context.engine().find_entry(options.leaf);
    // A leaf that is gone from the ledger still has its steps, if it is named by its address.
    const Result<Address> address = entry ? Result<Address>(entry->address) : parse_address(options.leaf);
    if (!address || address->stack.empty()) {
        Diagnostic unknown = entry.error();
        if (!unknown.hint.starts_with("did you mean"))
            unknown.hint = "one that was never made, or is gone, is found by its full address, such as "
                           "web:host.holdfast.dev/File/motd";
        return context.fail(unknown);
    }
    Store& store = context.engine().store();
    // A step that ended has two records.
    const std::vector<JournalStep> steps =
        ended_steps(store.steps_of(*address, 2 * options.limit), options.limit);
    if (!entry && steps.empty()) return context.fail(entry.error());
    if (!context.json()) {
        // Of all stacks: a leaf that came from another one has steps of its passes as well.
        const std::vector<PassRecord> passes = store.passes("", passes_looked_at);
        context.print(render_steps(steps, passes, text_view(context)));
        return exit_done;
    }
    List list;
    for (const JournalStep& step : steps) list.push_back(step_to_json(step));
    context.print_json(Value::map(
        {{"format", "holdfast.history/1"}, {"address", to_string(*address)}, {"steps", std::move(list)}}));
    return exit_done;
}

// Newest first, also over several stacks.
std::vector<PassRecord> passes_of(const HistoryOptions& options, Context& context) {
    if (options.stacks.empty()) return context.engine().store().passes("", options.limit);
    std::vector<PassRecord> passes;
    for (const std::string& stack : options.stacks) {
        const std::vector<PassRecord> own = context.engine().store().passes(stack, options.limit);
        passes.insert(passes.end(), own.begin(), own.end());
    }
    std::stable_sort(passes.begin(), passes.end(),
                     [](const PassRecord& a, const PassRecord& b) { return a.started_ms > b.started_ms; });
    if (passes.size() > options.limit) passes.resize(options.limit);
    return passes;
}

} // namespace

int run_history(const HistoryOptions& options, Context& context) {
    if (!context.open(read_only_session())) return exit_error;
    if (!options.leaf.empty()) return show_steps(options, context);
    const std::vector<PassRecord> passes = passes_of(options, context);
    if (!context.json()) {
        context.print(render_history(passes, text_view(context)));
        return exit_done;
    }
    List list;
    for (const PassRecord& pass : passes) list.push_back(pass_to_json(pass));
    context.print_json(Value::map({{"format", "holdfast.history/1"}, {"passes", std::move(list)}}));
    return exit_done;
}

} // namespace holdfast

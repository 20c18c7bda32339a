#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/running.hpp"

namespace holdfast {

int run_approve(const ApproveOptions& options, Context& context) {
    if (!context.open(session_options(options.selection, StoreUse::write))) return exit_error;
    const Result<Approved> approved =
        context.engine().approve(options.plan, run_options(options.selection, Mode::plan));
    if (!approved) return context.fail(approved.error());
    if (context.json()) {
        context.print_json(Value::map({{"format", "holdfast.approve/1"},
                                       {"stack", approved->stack},
                                       {"plan", to_hex(approved->plan)},
                                       {"destroy", approved->destroy},
                                       {"changes", static_cast<std::int64_t>(approved->changes)}}));
        return exit_done;
    }
    Selection selection = options.selection;
    selection.stacks = {approved->stack};
    context.print(fmt::format("Approved plan {} of {}: {}. Carry it out with: holdfast {}{}\n",
                              short_hex(approved->plan), printable(approved->stack),
                              count_of(approved->changes, "parked change"),
                              approved->destroy ? "destroy" : "apply", printable(selection_text(selection))));
    return exit_done;
}

} // namespace holdfast

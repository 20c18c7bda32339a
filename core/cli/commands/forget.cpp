#include <fmt/core.h>

#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/style.hpp"
#include "control/records.hpp"

namespace holdfast {

int run_forget(const ForgetOptions& options, Context& context) {
    if (!context.open({})) return exit_error;
    const Result<LedgerEntry> entry = context.engine().find_entry(options.leaf);
    if (!entry) return context.fail(entry.error());
    const std::string address = to_string(entry->address);
    if (!options.yes && !context.can_ask)
        return context.fail(failure("cli.cannot-ask",
                                    "there is no terminal to ask on, so nothing was forgotten", "add --yes"));
    if (!options.yes &&
        !context.ask(fmt::format("Forget {}? Its object stays as it is.", printable(address)))) {
        context.print("Nothing was changed.\n");
        return exit_error;
    }
    // By its address: what was typed could name another leaf by now.
    const Result<LedgerEntry> forgotten = context.engine().forget(address);
    if (!forgotten) return context.fail(forgotten.error());
    if (context.json())
        context.print_json(
            Value::map({{"format", "holdfast.forget/1"}, {"entry", entry_to_json(*forgotten)}}));
    else
        context.print(fmt::format("Forgot {}. If Git still declares it, the next apply adopts it again.\n",
                                  printable(address)));
    return exit_done;
}

} // namespace holdfast

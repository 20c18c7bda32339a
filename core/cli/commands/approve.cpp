#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/daemon_link.hpp"
#include "cli/commands/running.hpp"

namespace holdfast {

namespace {

// Nothing where no daemon keeps the store, or where the plan is one that it would not make.
std::optional<int> approve_through_daemon(const ApproveOptions& options, Context& context) {
    if (selection_text(options.selection) != "") return std::nullopt;
    const DaemonLink link = link_to_daemon_of_session(context);
    if (link.failed) return exit_error;
    if (!link.client) return std::nullopt;
    say_whom(context, *link.client);
    Map request;
    request.set("request", "approve");
    request.set("plan", options.plan);
    const std::optional<Value> answer = ask_daemon(context, *link.client, std::move(request));
    if (!answer) return exit_error;
    if (context.json()) {
        context.print_json(*answer);
        return exit_done;
    }
    const Value* changes = answer->find("changes");
    const Value* destroy = answer->find("destroy");
    const std::string stack = printable(answer->text_at("stack"));
    const bool is_destroy = destroy && destroy->if_bool() && *destroy->if_bool();
    context.print(fmt::format(
        "Approved plan {} of {}: {}. {}\n", answer->text_at("plan").substr(0, 12), stack,
        count_of(static_cast<std::size_t>(changes && changes->if_integer() ? *changes->if_integer() : 0),
                 "parked change"),
        is_destroy ? "Carry it out with: holdfast suspend " + stack + " && holdfast destroy -s " + stack
                   : "The daemon carries it out now."));
    return exit_done;
}

} // namespace

int run_approve(const ApproveOptions& options, Context& context) {
    if (!context.open(session_options(options.selection, StoreUse::write))) return exit_error;
    if (const auto code = approve_through_daemon(options, context)) return *code;
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

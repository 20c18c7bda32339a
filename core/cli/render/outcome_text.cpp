#include "cli/render/outcome_text.hpp"

#include <map>
#include <set>
#include <vector>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/page.hpp"
#include "cli/render/plan_groups.hpp"
#include "cli/render/plan_json.hpp"
#include "cli/render/plan_sections.hpp"
#include "control/records.hpp"

namespace holdfast {

std::string_view done_word(Action action) {
    switch (action) {
        case Action::create: return "created";
        case Action::update: return "updated";
        case Action::replace: return "replaced";
        case Action::remove: return "deleted";
        case Action::refresh: return "refreshed";
        case Action::adopt: return "adopted";
        case Action::move: return "moved";
        case Action::forget: return "forgotten";
        case Action::wait:
        case Action::none: break;
    }
    return "done";
}

namespace {

std::string_view failure_words(StepState state) {
    switch (state) {
        case StepState::failed: return "failed to";
        case StepState::partial: return "did only a part of:";
        case StepState::unknown: return "does not know whether it did:";
        case StepState::skipped: return "did not try to";
        default: return "";
    }
}

// How many steps ended in which way, over all rounds.
struct Tally {
    std::map<std::string_view, std::size_t> done;
    std::size_t unchanged = 0, failed = 0, unknown = 0, skipped = 0, not_tried = 0;
};

void count_step(Tally& tally, const StepResult& result) {
    switch (result.state) {
        case StepState::done: ++tally.done[done_word(result.action)]; return;
        case StepState::unchanged: ++tally.unchanged; return;
        case StepState::failed:
        case StepState::partial: ++tally.failed; return;
        case StepState::unknown: ++tally.unknown; return;
        case StepState::skipped: ++tally.skipped; return;
        case StepState::intended: ++tally.not_tried; return;
    }
}

bool is_to_be_executed(const Change& change) {
    return change.action != Action::none && change.action != Action::wait &&
           change.readiness == Readiness::ready;
}

Tally tally_of(const StackOutcome& outcome) {
    Tally tally;
    std::set<Address> planned_later; // what a round left to a later one counts there
    for (auto round = outcome.rounds.rbegin(); round != outcome.rounds.rend(); ++round) {
        if (!round->report) continue;
        const std::vector<Change>& changes = round->plan.changes;
        for (std::size_t i = 0; i < round->report->results.size() && i < changes.size(); ++i) {
            const bool was_left = round->report->results[i].state == StepState::intended;
            if (was_left && planned_later.contains(changes[i].address)) continue;
            if (is_to_be_executed(changes[i])) count_step(tally, round->report->results[i]);
        }
        for (const Change& change : changes) planned_later.insert(change.address);
    }
    return tally;
}

std::string tally_text(const Tally& tally) {
    std::vector<std::string> parts;
    const auto add = [&](std::size_t count, std::string_view word) {
        if (count > 0) parts.push_back(fmt::format("{} {}", with_separators(count), word));
    };
    for (const char* word :
         {"created", "updated", "replaced", "deleted", "refreshed", "adopted", "moved", "forgotten"}) {
        if (const auto at = tally.done.find(word); at != tally.done.end()) add(at->second, word);
    }
    add(tally.unchanged, "already so");
    add(tally.failed, "failed");
    add(tally.unknown, "unknown");
    add(tally.skipped, "skipped");
    add(tally.not_tried, "not tried");
    return parts.empty() ? "nothing to do" : join(parts, ", ");
}

std::string duration_text(std::int64_t ms) {
    if (ms < 1000) return fmt::format("{} ms", ms);
    if (ms < 60'000) return fmt::format("{}.{} s", ms / 1000, ms % 1000 / 100);
    return fmt::format("{} min {} s", ms / 60'000, ms / 1000 % 60);
}

void add_failures(Page& page, const Round& round) {
    const Names names(round.plan);
    for (std::size_t i = 0; i < round.report->results.size() && i < round.plan.changes.size(); ++i) {
        const StepResult& result = round.report->results[i];
        const Change& change = round.plan.changes[i];
        const bool is_silent = has_succeeded(result.state) || result.state == StepState::intended;
        if (is_silent && result.diagnostics.empty()) continue;
        const std::string what =
            is_silent ? std::string(done_word(result.action))
                      : fmt::format("{} {}", failure_words(result.state), to_string(change.action));
        const std::string_view colour = is_silent ? page.colours().warning : page.colours().error;
        page.line(2, paint(colour, what) + " " + names.of(change.address),
                  printable(to_string(change.origin)));
        for (const Diagnostic& problem : result.diagnostics) {
            page.paragraph(6, printable(remark_text(problem, change.origin)), 2);
            if (!problem.hint.empty()) page.paragraph(8, printable(problem.hint));
        }
    }
}

bool was_executed(const StackOutcome& outcome) {
    for (const Round& round : outcome.rounds)
        if (round.report) return true;
    return false;
}

} // namespace

std::string render_outcome(const StackOutcome& outcome, const OutcomeView& view) {
    if (!was_executed(outcome)) return {};
    Page page(view.width, view.colour);
    bool interrupted = false;
    for (const Round& round : outcome.rounds) {
        if (!round.report) continue;
        add_failures(page, round);
        interrupted |= round.report->interrupted;
    }
    const Palette& colours = page.colours();
    std::string text = fmt::format("{}: {}", printable(outcome.stack), tally_text(tally_of(outcome)));
    if (outcome.pass.ended_ms > outcome.pass.started_ms)
        text += fmt::format(", in {}", duration_text(outcome.pass.ended_ms - outcome.pass.started_ms));
    if (outcome.reverted)
        text += outcome.reverted->is_complete ? "; then taken back" : "; to be taken back, and that failed";
    else if (!outcome.confirmed_by.empty())
        text += fmt::format(", confirmed by {}", printable(outcome.confirmed_by));
    text += '.';
    const bool failed = outcome.result == StackResult::failed || outcome.result == StackResult::reverted;
    page.line_with_right(paint(failed ? colours.error : colours.strong, text),
                         outcome.pass.id.empty() ? "" : paint(colours.dim, "pass " + outcome.pass.id));
    if (interrupted) page.paragraph(0, "Interrupted: the next apply finds out what happened and goes on.");
    return std::move(page).take();
}

std::string render_step(const StackOutcome& stack, const Change& change, const StepResult& result,
                        const OutcomeView& view) {
    const Palette& colours = palette(view.colour);
    const std::string name = printable(to_string(Address{stack.stack, change.address.id}));
    if (result.state == StepState::done)
        return fmt::format("{} {}", paint(colours.create, done_word(change.action)), name);
    if (result.state == StepState::unchanged)
        return fmt::format("{} {}", paint(colours.dim, "already so"), name);
    std::string text = fmt::format("{} {} {}", failure_words(result.state), to_string(change.action), name);
    if (!result.diagnostics.empty())
        text += ": " + printable(remark_text(result.diagnostics.list().front(), change.origin));
    return paint(colours.error, text);
}

namespace {

Value results_to_json(const Round& round) {
    List out;
    for (std::size_t i = 0; i < round.report->results.size() && i < round.plan.changes.size(); ++i) {
        const StepResult& result = round.report->results[i];
        out.push_back(Value::map({{"address", to_string(round.plan.changes[i].address)},
                                  {"action", to_string(round.plan.changes[i].action)},
                                  {"state", to_string(result.state)},
                                  {"diagnostics", diagnostics_to_json(result.diagnostics)}}));
    }
    return out;
}

Value stack_to_json(const StackOutcome& stack) {
    const auto number = [](std::size_t count) { return static_cast<std::int64_t>(count); };
    Map out;
    out.set("stack", stack.stack);
    out.set("result", to_string(stack.result));
    out.set("removed", stack.is_removed);
    out.set("files", number(stack.files));
    out.set("documents", number(stack.documents));
    out.set("leaves", number(stack.leaves));
    if (!stack.pass.id.empty()) out.set("pass", pass_to_json(stack.pass));
    List rounds;
    for (const Round& round : stack.rounds) {
        Map entry;
        entry.set("plan", plan_to_json(round.plan));
        if (round.report) {
            entry.set("results", results_to_json(round));
            entry.set("interrupted", round.report->interrupted);
            entry.set("diagnostics", diagnostics_to_json(round.report->diagnostics));
        }
        rounds.emplace_back(std::move(entry));
    }
    out.set("rounds", std::move(rounds));
    if (!stack.confirmed_by.empty()) out.set("confirmed_by", stack.confirmed_by);
    if (stack.reverted)
        out.set("reverted", Value::map({{"at_ms", stack.reverted->at_ms},
                                        {"why", stack.reverted->why},
                                        {"changes", number(stack.reverted->changes)},
                                        {"complete", stack.reverted->is_complete}}));
    out.set("problems", diagnostics_to_json(stack.problems));
    return out;
}

} // namespace

Value outcome_to_json(std::string_view command, const CommitInfo& commit, const RunOutcome& outcome) {
    List stacks;
    for (const StackOutcome& stack : outcome.stacks) stacks.push_back(stack_to_json(stack));
    return Value::map({{"format", "holdfast.run/1"},
                       {"command", command},
                       {"commit", commit_to_json(commit)},
                       {"stacks", std::move(stacks)},
                       {"problems", diagnostics_to_json(outcome.problems)}});
}

} // namespace holdfast

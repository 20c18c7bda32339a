#include "cli/render/status_text.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/daemon_text.hpp"
#include "cli/render/history_text.hpp"
#include "cli/render/outcome_text.hpp"
#include "cli/render/page.hpp"
#include "cli/render/table.hpp"
#include "control/records.hpp"
#include "sys/clock.hpp"

namespace holdfast {

namespace {

std::string leaves_text(const StackStatus& stack) {
    std::string text = count_of(stack.leaves, "leaf", "leaves");
    if (stack.protected_leaves > 0)
        text += fmt::format(", {} protected", with_separators(stack.protected_leaves));
    return text;
}

// "07ebd23, 2 minutes ago, by ana@box".
std::string last_pass_text(const StackStatus& stack, const TextView& view) {
    const PassRecord& last = stack.last;
    if (last.id.empty()) return {};
    const bool is_apply = last.command.empty() || last.command == "apply";
    const std::string what = is_apply ? "" : printable(last.command) + " at ";
    const std::int64_t at_ms = std::max(last.ended_ms, last.started_ms);
    return fmt::format("{}{}, {}{}", what, short_commit(last.commit),
                       relative_time(view.now_s - at_ms / 1000),
                       last.actor.empty() ? "" : ", by " + printable(last.actor));
}

enum class Weight { note, trouble };

// One thing to know about a stack, and what to do about it.
struct Remark {
    Weight weight = Weight::trouble;
    std::string_view Palette::*colour = &Palette::parked;
    std::string what, advice;
};

std::string failure_text(const JournalStep& step) {
    const std::string_view how =
        step.state == StepState::intended ? std::string_view("never ended") : to_string(step.state);
    const std::string what =
        fmt::format("{} {}: {}", to_string(step.action), printable(short_name(step.address.id)), how);
    return step.message.empty() ? what : what + ": " + printable(step.message);
}

void add_failures(std::vector<Remark>& remarks, const StackStatus& stack) {
    for (const JournalStep& step : stack.failures)
        remarks.push_back({.colour = &Palette::error, .what = failure_text(step), .advice = {}});
    if (stack.more_failures > 0) {
        remarks.push_back({.colour = &Palette::error,
                           .what = fmt::format("and {} more", with_separators(stack.more_failures)),
                           .advice = {}});
    }
}

void add_pass_state(std::vector<Remark>& remarks, const StackStatus& stack) {
    const std::string option = " -s " + printable(stack.name);
    switch (stack.last.id.empty() ? PassState::done : stack.last.state) {
        case PassState::done: return;
        case PassState::failed:
            remarks.push_back({.colour = &Palette::error,
                               .what = "the last pass did not succeed",
                               .advice = "see what is left: holdfast plan" + option});
            return;
        case PassState::reverted:
            remarks.push_back({.colour = &Palette::error,
                               .what = "what the last pass applied was taken back",
                               .advice = "see what happened: holdfast history" + option});
            return;
        case PassState::parked:
            if (!stack.quarantined.empty()) return; // that has been said
            remarks.push_back({.what = "a part of the plan waits until somebody approves it",
                               .advice = "see it and its hash: holdfast plan" + option});
            return;
        case PassState::interrupted:
            remarks.push_back(
                {.what = "the last pass was interrupted", .advice = "go on: holdfast apply" + option});
            return;
        case PassState::running:
            remarks.push_back({.colour = &Palette::wait,
                               .what = "the last pass has not ended: it runs, or it was killed",
                               .advice = "if nothing runs, go on: holdfast apply" + option});
            return;
    }
}

void add_leftovers(std::vector<Remark>& remarks, const StackStatus& stack) {
    const std::string apply = "holdfast apply -s " + printable(stack.name);
    const std::size_t doubtful = stack.creating + stack.deleting;
    if (doubtful > 0) {
        remarks.push_back(
            {.what = fmt::format("it is not known what became of {}", count_of(doubtful, "leaf", "leaves")),
             .advice = "find out: " + apply});
    }
    if (stack.deposed > 0) {
        remarks.push_back({.what = count_of(stack.deposed, "replaced object is still there",
                                            "replaced objects are still there"),
                           .advice = "remove: " + apply});
    }
    if (!stack.is_declared) {
        remarks.push_back({.what = "holdfast.yaml declares it no longer",
                           .advice = "see what the next apply does about it: holdfast plan"});
    }
}

// Being behind is the usual state between a commit and its apply, so it is no trouble.
void add_news(std::vector<Remark>& remarks, const StackStatus& stack, const std::string& head) {
    if (!stack.is_declared) return;
    const std::string option = " -s " + printable(stack.name);
    if (stack.last.id.empty() && stack.memory.last_commit.empty()) {
        remarks.push_back({.weight = Weight::note,
                           .colour = &Palette::wait,
                           .what = "never applied",
                           .advice = "see what it would do: holdfast plan" + option});
    } else if (remarks.empty() && stack.memory.last_commit != head && !head.empty()) {
        remarks.push_back({.weight = Weight::note,
                           .colour = &Palette::wait,
                           .what = fmt::format("applied is {}, and HEAD is {}",
                                               short_commit(stack.memory.last_commit), short_commit(head)),
                           .advice = "see what differs: holdfast plan" + option});
    }
}

// Nothing that is wrong: somebody wanted it.
void add_holds(std::vector<Remark>& remarks, const StackStatus& stack, const TextView& view) {
    const Store::StackHold& hold = stack.hold;
    const std::string advice = "let it go on: holdfast resume " + printable(stack.name);
    const auto add = [&](std::string what) {
        remarks.push_back(
            {.weight = Weight::note, .colour = &Palette::parked, .what = std::move(what), .advice = advice});
    };
    if (hold.is_suspended)
        add(suspended_text(hold.suspended_by, hold.suspended_at_ms, hold.suspend_reason, view));
    if (!hold.pin.empty())
        add(pinned_text(hold.pin, hold.pinned_by, hold.pinned_at_ms, hold.pin_reason, view));
}

void add_confirmation(std::vector<Remark>& remarks, const StackStatus& stack, const TextView& view) {
    if (const auto& pending = stack.pending) {
        const std::int64_t left_s = pending->until_ms / 1000 - view.now_s;
        std::string what =
            fmt::format("{} ({}) waits for a confirmation", count_of(pending->changes.size(), "change"),
                        printable(join(pending->changes, ", ")));
        what += pending->until_ms == 0 ? std::string(": it is being applied")
                                       : fmt::format(" until {}, in {} s", utc_time(pending->until_ms),
                                                     std::max<std::int64_t>(0, left_s));
        remarks.push_back({.colour = &Palette::wait,
                           .what = what,
                           .advice = "keep it: holdfast confirm " + printable(stack.name)});
    }
    for (const Store::Quarantined& change : stack.quarantined)
        remarks.push_back(
            {.colour = &Palette::error,
             .what = fmt::format("{} was taken back {}, because {}", printable(short_name(change.address.id)),
                                 relative_time(view.now_s - change.at_ms / 1000), printable(change.why)),
             .advice = {}});
    if (!stack.quarantined.empty())
        remarks.back().advice =
            "it waits for another declaration; to try it again: holdfast resume " + printable(stack.name);
}

std::vector<Remark> remarks_on(const StackStatus& stack, const std::string& head, const TextView& view) {
    std::vector<Remark> remarks;
    add_holds(remarks, stack, view);
    add_confirmation(remarks, stack, view);
    // Of what was taken back, and of a pass that waits, that has said it all.
    const bool is_said = stack.pending || (!stack.quarantined.empty() && !stack.last.id.empty() &&
                                           stack.last.state == PassState::reverted);
    if (!is_said) {
        add_failures(remarks, stack);
        add_pass_state(remarks, stack);
    }
    add_leftovers(remarks, stack);
    add_news(remarks, stack, head);
    return remarks;
}

std::string state_word(const StackStatus& stack, const Palette& colours) {
    if (stack.last.id.empty()) return paint(colours.wait, stack.is_declared ? "new" : "removed");
    return pass_state_text(stack.last.state, colours);
}

std::string conclusion(std::size_t stacks, std::size_t troubled) {
    if (troubled > 0)
        return fmt::format("{} of {} attention.", with_separators(troubled),
                           count_of(stacks, "stack needs", "stacks need"));
    return "Nothing needs attention. `holdfast drift` looks at the targets themselves.";
}

} // namespace

std::string render_status(const std::vector<StackStatus>& stacks, const std::string& head,
                          const TextView& view) {
    if (stacks.empty()) return "No stacks: holdfast.yaml declares none and nothing is recorded.\n";
    Page page(view.width, view.colour);
    const Palette& colours = page.colours();
    Table table;
    for (const StackStatus& stack : stacks)
        table.add({paint(colours.strong, printable(stack.name)), state_word(stack, colours),
                   leaves_text(stack), last_pass_text(stack, view)});
    const std::vector<std::string> lines = table.lines(view.width);
    std::size_t troubled = 0;
    for (std::size_t i = 0; i < stacks.size(); ++i) {
        page.raw(lines[i] + '\n');
        bool has_trouble = false;
        for (const Remark& remark : remarks_on(stacks[i], head, view)) {
            has_trouble |= remark.weight == Weight::trouble;
            page.paragraph(4, remark.what, 2, colours.*remark.colour);
            if (!remark.advice.empty()) page.paragraph(6, remark.advice, 2);
        }
        troubled += has_trouble;
    }
    page.blank();
    page.paragraph(0, conclusion(stacks.size(), troubled));
    return std::move(page).take();
}

Value status_to_json(const std::vector<StackStatus>& stacks) {
    const auto number = [](std::size_t count) { return static_cast<std::int64_t>(count); };
    List list;
    for (const StackStatus& stack : stacks) {
        Map entry;
        entry.set("stack", stack.name);
        entry.set("declared", stack.is_declared);
        entry.set("leaves", number(stack.leaves));
        entry.set("creating", number(stack.creating));
        entry.set("deleting", number(stack.deleting));
        entry.set("deposed", number(stack.deposed));
        entry.set("protected", number(stack.protected_leaves));
        entry.set("last_commit", stack.memory.last_commit);
        entry.set("applied_at_ms", stack.memory.applied_at_ms);
        List providers;
        for (const std::string& name : stack.providers) providers.emplace_back(name);
        entry.set("providers", std::move(providers));
        if (stack.hold.is_suspended)
            entry.set("suspended", Value::map({{"by", stack.hold.suspended_by},
                                               {"reason", stack.hold.suspend_reason},
                                               {"at_ms", stack.hold.suspended_at_ms}}));
        if (!stack.hold.pin.empty())
            entry.set("pinned", Value::map({{"commit", stack.hold.pin},
                                            {"by", stack.hold.pinned_by},
                                            {"reason", stack.hold.pin_reason},
                                            {"at_ms", stack.hold.pinned_at_ms}}));
        if (stack.pending) {
            List changes;
            for (const std::string& change : stack.pending->changes) changes.emplace_back(change);
            entry.set("waits_for_confirmation", Value::map({{"pass", stack.pending->pass},
                                                            {"until_ms", stack.pending->until_ms},
                                                            {"manual", stack.pending->is_manual},
                                                            {"supervised", stack.pending->is_supervised},
                                                            {"changes", std::move(changes)}}));
        }
        List taken_back;
        for (const Store::Quarantined& change : stack.quarantined)
            taken_back.push_back(Value::map({{"address", to_string(change.address)},
                                             {"pass", change.pass},
                                             {"why", change.why},
                                             {"at_ms", change.at_ms}}));
        if (!taken_back.empty()) entry.set("taken_back", std::move(taken_back));
        if (!stack.last.id.empty()) entry.set("last_pass", pass_to_json(stack.last));
        List failures;
        for (const JournalStep& step : stack.failures) failures.push_back(step_to_json(step));
        entry.set("failures", std::move(failures));
        list.emplace_back(std::move(entry));
    }
    return Value::map({{"format", "holdfast.status/1"}, {"stacks", std::move(list)}});
}

} // namespace holdfast

#include "cli/render/daemon_text.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/page.hpp"

namespace holdfast {

namespace {

std::int64_t number_at(const Value& map, std::string_view key) {
    const Value* value = map.find(key);
    return value && value->if_integer() ? *value->if_integer() : 0;
}

const List& list_at(const Value& map, std::string_view key) {
    static const List none;
    const Value* value = map.find(key);
    return value && value->if_list() ? *value->if_list() : none;
}

std::string time_text(std::int64_t ms) {
    // Nobody wants to know milliseconds of minutes.
    const std::int64_t rounded = ms >= 1000 ? ms / 1000 * 1000 : ms;
    return duration_text(std::chrono::milliseconds(rounded));
}

std::string by_whom(std::string_view by, std::int64_t at_ms, std::string_view reason, const TextView& view) {
    std::string text = fmt::format("by {} {}", printable(by), relative_time(view.now_s - at_ms / 1000));
    if (!reason.empty()) text += fmt::format(": {}", printable(reason));
    return text;
}

std::string state_of_kept(const Value& stack) {
    const std::string_view state = stack.text_at("state");
    if (state == "running") return "a pass runs for " + time_text(number_at(stack, "running_ms"));
    if (state == "waiting") {
        const std::string_view what = stack.text_at("waits_for"); // a stack, or "source infra"
        return fmt::format("waits for {}{}", what.starts_with("source ") ? "" : "stack ", printable(what));
    }
    if (state == "retrying")
        return fmt::format("failed {}, tried again in {}",
                           count_of(static_cast<std::size_t>(number_at(stack, "failures")), "time"),
                           time_text(number_at(stack, "next_ms")));
    if (state == "due") return "a pass is due";
    return {};
}

void add_kept(Page& page, const Value& stack) {
    const std::string name = printable(stack.text_at("stack"));
    const auto say = [&](const std::string& what) { page.paragraph(2, name + ": " + what, 4); };
    if (const std::string state = state_of_kept(stack); !state.empty()) say(state);
    if (stack.find("suspended_in_git")) say("suspended by its document");
    if (const Value* what = stack.find("waits_for_confirmation"); what && what->if_string())
        say(fmt::format("{} waits for a confirmation: holdfast confirm {}", printable(*what->if_string()),
                        name));
    for (const Value& fight : list_at(stack, "fights"))
        say(fmt::format("somebody else keeps changing {} of {}, set back {}; left alone for {}",
                        fight.text_at("field").empty() ? "the object" : printable(fight.text_at("field")),
                        printable(fight.text_at("leaf")),
                        count_of(static_cast<std::size_t>(number_at(fight, "corrections")), "time"),
                        time_text(number_at(fight, "paused_ms"))));
}

void add_source(Page& page, const Value& source, const TextView& view) {
    const std::string name =
        fmt::format("source {} ({})", printable(source.text_at("source")), printable(source.text_at("ref")));
    const std::string_view commit = source.text_at("commit");
    if (!commit.empty())
        page.paragraph(2,
                       fmt::format("{} is at {}, fetched {}", name, short_commit(std::string(commit)),
                                   relative_time(view.now_s - number_at(source, "fetched_ms") / 1000)),
                       4);
    if (const Value* problem = source.find("problem"))
        page.paragraph(2,
                       fmt::format("{} cannot be fetched: {}", name, printable(problem->text_at("message"))),
                       4, page.colours().error);
}

std::string synced_text(const Value& stack, const Palette& colours) {
    const std::string_view word = stack.text_at("result");
    const std::size_t changes =
        std::max(list_at(stack, "changed").size(), static_cast<std::size_t>(number_at(stack, "changes")));
    if (word == "unchanged") return paint(colours.note, "as declared, nothing to do");
    if (word == "applied") return paint(colours.create, "applied " + count_of(changes, "change"));
    if (word == "parked")
        return paint(colours.parked,
                     fmt::format("{} for approval: holdfast approve {}",
                                 count_of(static_cast<std::size_t>(number_at(stack, "parked")),
                                          "change waits", "changes wait"),
                                 printable(stack.text_at("plan").substr(0, 12))));
    if (word == "reverted") return paint(colours.error, "what was applied was taken back");
    if (word == "invalid") return paint(colours.error, "its documents have errors");
    if (word == "stopped") return paint(colours.error, "stopped");
    return paint(colours.error, "failed");
}

} // namespace

std::string suspended_text(std::string_view by, std::int64_t at_ms, std::string_view reason,
                           const TextView& view) {
    return "suspended " + by_whom(by, at_ms, reason, view);
}

std::string pinned_text(std::string_view commit, std::string_view by, std::int64_t at_ms,
                        std::string_view reason, const TextView& view) {
    return fmt::format("rolled back to {} {}", short_commit(std::string(commit)),
                       by_whom(by, at_ms, reason, view));
}

std::string render_daemon(const Value& status, const TextView& view) {
    Page page(view.width, view.colour);
    std::string line = fmt::format("Kept by holdfastd {} (pid {})", printable(status.text_at("version")),
                                   number_at(status, "pid"));
    const Value* source = status.find("source");
    if (source && !source->text_at("commit").empty())
        line += fmt::format(", which follows {} at {}", printable(source->text_at("revision")),
                            short_commit(std::string(source->text_at("commit"))));
    page.paragraph(0, line + ".", 2);
    if (const Value* problem = source ? source->find("problem") : nullptr)
        page.paragraph(2, "the source cannot be read: " + printable(problem->text_at("message")), 4,
                       page.colours().error);
    for (const Value& one : list_at(status, "sources")) add_source(page, one, view);
    for (const Value& stack : list_at(status, "stacks")) add_kept(page, stack);
    return std::move(page).take();
}

std::string render_synced(const Value& result, const TextView& view) {
    Page page(view.width, view.colour);
    for (const Value& stack : list_at(result, "stacks")) {
        const std::string at = stack.text_at("commit").empty()
                                   ? ""
                                   : " at " + short_commit(std::string(stack.text_at("commit")));
        page.paragraph(0,
                       fmt::format("{}{}: {}", printable(stack.text_at("stack")), at,
                                   synced_text(stack, page.colours())),
                       2);
        for (const Value& leaf : list_at(stack, "changed"))
            page.paragraph(
                2,
                fmt::format("{} {}: {}{}", leaf.text_at("action"), printable(leaf.text_at("address")),
                            leaf.text_at("state"),
                            leaf.text_at("message").empty() ? "" : ": " + printable(leaf.text_at("message"))),
                2);
    }
    return std::move(page).take();
}

} // namespace holdfast

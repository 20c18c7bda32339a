#include "cli/render/history_text.hpp"

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/field_text.hpp"
#include "cli/render/outcome_text.hpp"
#include "cli/render/page.hpp"
#include "cli/render/table.hpp"
#include "cli/render/value_text.hpp"
#include "sys/clock.hpp"

namespace holdfast {

namespace {

constexpr std::size_t one_line_width = 120;
constexpr std::size_t second_line_indent = 4;

// "3 updated, 1 deleted" of {"delete": 1, "update": 3}: what was done in the order of plans, then how the
// rest ended.
std::string summary_text(const PassRecord& pass) {
    const Result<Value> summary = parse_json(pass.summary);
    const Map* counts = summary ? summary->if_map() : nullptr;
    if (!counts || counts->empty())
        return pass.state == PassState::running ? "not finished" : "nothing was changed";
    std::vector<std::pair<Action, std::string>> parts;
    for (const MapEntry& entry : *counts) {
        const std::int64_t* count = entry.value.if_integer();
        if (!count || *count <= 0) continue;
        const std::optional<Action> action = action_from(entry.key);
        const std::string word = action ? std::string(done_word(*action)) : printable(entry.key);
        parts.emplace_back(action.value_or(Action::wait),
                           with_separators(static_cast<std::size_t>(*count)) + " " + word);
    }
    std::stable_sort(parts.begin(), parts.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> words;
    for (auto& [action, text] : parts) words.push_back(std::move(text));
    return join(words, ", ");
}

std::string quoted_subject(const PassRecord& pass) {
    return pass.commit_subject.empty() ? std::string() : '"' + printable(pass.commit_subject) + '"';
}

} // namespace

std::string pass_state_text(PassState state, const Palette& colours) {
    std::string_view colour;
    switch (state) {
        case PassState::done: colour = colours.create; break;
        case PassState::failed:
        case PassState::reverted: colour = colours.error; break;
        case PassState::parked:
        case PassState::interrupted: colour = colours.parked; break;
        case PassState::running: colour = colours.wait; break;
    }
    return paint(colour, to_string(state));
}

// On a wide terminal one line each; else the commit's subject and the person go to a second line.
std::string render_history(const std::vector<PassRecord>& passes, const TextView& view) {
    if (passes.empty()) return "Nothing was applied yet.\n";
    const Palette& colours = palette(view.colour);
    const bool is_wide = view.width >= one_line_width;
    Table table;
    std::vector<std::string> second_lines;
    for (const PassRecord& pass : passes) {
        table.add({utc_time(pass.started_ms), paint(colours.strong, printable(pass.stack)),
                   printable(pass.command), pass_state_text(pass.state, colours), short_commit(pass.commit),
                   summary_text(pass)});
        const std::string by = "by " + printable(pass.actor), subject = quoted_subject(pass);
        if (is_wide) {
            table.add_to_last({paint(colours.dim, by), subject});
            continue;
        }
        const std::size_t room = view.width - std::min(view.width, second_line_indent + by.size() + 2);
        const std::string line = subject.empty() ? by : shorten(subject, room) + "  " + by;
        second_lines.push_back(std::string(second_line_indent, ' ') + paint(colours.dim, line));
    }
    if (is_wide) return table.render(view.width);
    std::string out;
    const std::vector<std::string> first_lines = table.lines(view.width);
    for (std::size_t i = 0; i < first_lines.size(); ++i)
        out += first_lines[i] + '\n' + second_lines[i] + '\n';
    return out;
}

std::vector<JournalStep> ended_steps(std::vector<JournalStep> steps, std::size_t limit) {
    std::vector<JournalStep> kept;
    for (JournalStep& step : steps) {
        // An outcome closes what its own pass and all earlier ones intended.
        const bool has_ended = step.state == StepState::intended &&
                               std::any_of(kept.begin(), kept.end(), [&](const JournalStep& later) {
                                   return later.action == step.action || later.pass != step.pass;
                               });
        if (!has_ended) kept.push_back(std::move(step));
    }
    if (kept.size() > limit) kept.resize(limit);
    return kept;
}

namespace {

// Neither side of a secret is recorded, so both stand for "it changed".
void fill_secret(FieldChange& field, Action action) {
    field.after = Value(std::string(sensitive_text));
    if (action != Action::create) field.before = field.after;
}

// The recordable changes of the journal, in the form that plans are drawn from.
Change change_of(const JournalStep& step) {
    Change change;
    change.action = step.action;
    change.address = step.address;
    const Result<Value> changes = parse_json(step.changes.empty() ? "[]" : step.changes);
    const List* list = changes ? changes->if_list() : nullptr;
    if (!list) return change;
    for (const Value& line : *list) {
        const auto is_set = [&](std::string_view name) {
            const Value* value = line.find(name);
            return value && value->if_bool() && *value->if_bool();
        };
        FieldChange field;
        field.pointer = std::string(line.text_at("pointer"));
        field.sensitive = is_set("sensitive");
        field.by_drift = is_set("drift");
        if (const Value* before = line.find("before")) field.before = *before;
        if (const Value* after = line.find("after")) field.after = *after;
        if (field.sensitive) fill_secret(field, step.action);
        change.fields.push_back(std::move(field));
    }
    return change;
}

std::string step_state_text(StepState state, const Palette& colours) {
    const bool is_good = has_succeeded(state);
    const std::string_view word = state == StepState::intended ? "not ended" : to_string(state);
    return paint(is_good ? colours.create : colours.error, word);
}

std::string subject_of(const JournalStep& step, const std::vector<PassRecord>& passes) {
    const auto pass =
        std::find_if(passes.begin(), passes.end(), [&](const PassRecord& p) { return p.id == step.pass; });
    return pass == passes.end() ? std::string() : quoted_subject(*pass);
}

} // namespace

std::string render_steps(const std::vector<JournalStep>& steps, const std::vector<PassRecord>& passes,
                         const TextView& view) {
    if (steps.empty()) return "No steps are recorded.\n";
    Page page(view.width, view.colour);
    const Palette& colours = page.colours();
    for (const JournalStep& step : steps) {
        const std::string head =
            fmt::format("{}  {}  {}  {}", utc_time(step.at_ms), pad(to_string(step.action), 7),
                        pad(step_state_text(step.state, colours), 9), pad(short_commit(step.commit), 7));
        const std::size_t taken = display_width(head) + 2;
        const bool has_room = page.width() >= taken + 16;
        const std::string subject =
            has_room ? shorten(subject_of(step, passes), page.width() - taken) : std::string();
        page.line(0, head + "  " + paint(colours.dim, subject));
        if (!step.message.empty()) page.paragraph(4, printable(step.message), 2, colours.error);
        add_fields(page, change_of(step), 4, {.diff_lines = 20});
    }
    return std::move(page).take();
}

} // namespace holdfast

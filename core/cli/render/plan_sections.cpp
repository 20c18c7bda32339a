#include "cli/render/plan_sections.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/plan_groups.hpp"
#include "cli/render/value_text.hpp"

namespace holdfast {

namespace {

constexpr std::size_t shared_from = 3; // changes with the same remark
constexpr std::size_t drift_limit = 20;
constexpr std::size_t hash_digits = 12;

std::string commit_text(const PlanView& view) {
    if (view.commit.id.empty()) return printable(view.revision);
    return fmt::format("{} @ {}", printable(view.revision), view.commit.id.substr(0, 7));
}

std::string author_text(const PlanView& view) {
    const CommitInfo& commit = view.commit;
    if (commit.author.empty()) return {};
    return fmt::format("{}, {}", printable(commit.author), relative_time(view.now_s - commit.time_s));
}

} // namespace

// edge   main @ 3f2a91c  "Open 443 to the new balancer"   Ana Souza, 2 hours ago
// What does not fit goes to a second line; only the subject is ever shortened.
void add_heading(Page& page, const std::string& stack, const PlanView& view) {
    const Palette& colours = page.colours();
    const std::string name = printable(stack), commit = commit_text(view), author = author_text(view);
    const std::string subject = view.commit.subject.empty() ? "" : '"' + printable(view.commit.subject) + '"';
    const std::size_t head = display_width(name) + 3 + display_width(commit);
    std::string line = paint(colours.strong, name) + "   " + commit;
    const bool fits = head + 2 + display_width(subject) + 3 + display_width(author) <= page.width();
    if (!subject.empty()) {
        const std::size_t room = page.width() > head + 2 ? page.width() - head - 2 : 0;
        if (fits || room >= 24) line += "  " + shorten(subject, room);
    }
    if (!author.empty() && fits) line += "   " + paint(colours.dim, author);
    page.line(0, line);
    if (author.empty() || fits) return;
    const bool subject_is_out = page.width() < head + 26 && !subject.empty();
    if (subject_is_out) page.paragraph(display_width(name) + 3, subject);
    page.line(display_width(name) + 3, paint(colours.dim, author));
}

namespace {

std::vector<const FieldChange*> drifted_fields(const Change& change) {
    std::vector<const FieldChange*> fields;
    for (const FieldChange& field : change.fields) {
        if (field.by_drift || change.is_drift) fields.push_back(&field);
    }
    return fields;
}

// Two long values are shown from where they differ.
std::string short_value(const std::optional<Value>& value, const std::optional<Value>& other,
                        bool sensitive) {
    if (!value) return "nothing";
    if (sensitive) return std::string(sensitive_text);
    constexpr std::size_t columns = 32;
    const std::string text = value_text(*value);
    return window(text, other ? shared_prefix(text, value_text(*other)) : 0, columns);
}

std::string restores(const Change& change, const FieldChange& field) {
    if (change.action == Action::none) return "it is only reported";
    if (!field.after) return "applying removes it";
    if (field.sensitive || is_text_block(*field.after)) return "applying restores what Git declares";
    return fmt::format("applying restores {}", short_value(field.after, field.before, false));
}

// Each once; of elements that have no name of their own, how many: "to[] (20)".
std::vector<std::string> names_of(const std::vector<const FieldChange*>& fields) {
    std::vector<std::pair<std::string, std::size_t>> counts;
    for (const FieldChange* field : fields) {
        std::string name = field_name(field->pointer);
        if (!counts.empty() && counts.back().first == name)
            ++counts.back().second;
        else
            counts.emplace_back(std::move(name), 1);
    }
    std::vector<std::string> out;
    for (auto& [name, count] : counts)
        out.push_back(count == 1 ? std::move(name) : fmt::format("{} ({})", name, count));
    return out;
}

std::string drift_sentence(const Change& change, const std::string& name) {
    const auto fields = drifted_fields(change);
    if (change.action == Action::create)
        return fmt::format("{} is gone from its target although Git declares it; applying makes it again.",
                           name);
    if (change.action == Action::none && fields.empty())
        return fmt::format("{} differs from what Git declares; it is only reported.", name);
    if (fields.size() == 1) {
        const FieldChange& field = *fields.front();
        const std::string field_text = field_name(field.pointer);
        std::string what = fmt::format("{} was removed", field_text);
        if (field.before && is_text_block(*field.before))
            what = fmt::format("{} was changed", field_text);
        else if (field.before)
            what = fmt::format("{} was set to {}", field_text,
                               short_value(field.before, field.after, field.sensitive));
        return fmt::format("{}: {} outside Git; {}.", name, what, restores(change, field));
    }
    std::vector<std::string> fields_text = names_of(fields);
    if (fields_text.size() > 6) {
        const std::string rest = count_of(fields_text.size() - 5, "more field");
        fields_text.resize(5);
        fields_text.push_back(rest);
    }
    const std::string_view outcome =
        change.action == Action::none ? "they are only reported" : "applying restores what Git declares";
    return fmt::format("{}: {} were changed outside Git; {}.", name, join(fields_text, ", "), outcome);
}

bool has_drifted(const Change& change) {
    return change.is_drift || std::any_of(change.fields.begin(), change.fields.end(),
                                          [](const FieldChange& f) { return f.by_drift; });
}

// "Label  text", the text wrapped behind the label.
void add_labelled(Page& page, std::string_view label, std::string_view colour, const std::string& text) {
    const std::size_t indent = display_width(label) + 2;
    const std::vector<std::string> lines = wrap(text, page.room_after(indent));
    for (const std::string& line : lines) {
        const bool is_first = &line == &lines.front();
        page.line(0, (is_first ? paint(colour, label) + "  " : std::string(indent, ' ')) + line);
    }
}

} // namespace

void add_drift(Page& page, const Plan& plan, const PlanView& view) {
    const Names names(plan);
    std::size_t drifted = 0;
    const std::size_t limit = view.all ? plan.changes.size() : drift_limit;
    for (const Change& change : plan.changes) {
        if (!has_drifted(change) || drifted++ >= limit) continue;
        const std::string_view label = drifted == 1 ? "Drift" : "     ";
        std::string text = drift_sentence(change, names.of(change.address));
        // That it is only reported, the sentence has said.
        if (change.action == Action::none) {
            for (const std::string& reason : change.reasons)
                if (reason != only_reported) text += fmt::format(" ({})", printable(reason));
        }
        add_labelled(page, label, page.colours().drift, text);
    }
    if (drifted > limit) {
        const std::string rest =
            fmt::format("… and {} more (--all shows them)", with_separators(drifted - limit));
        add_labelled(page, "     ", {}, rest);
    }
    if (drifted > 0) page.blank();
}

// no longer declared since 91bc0de (Li Wei)
// Where the file is still there, somebody else may have changed it after the document was taken out of it.
std::string reasons_text(const Plan& plan, const Change& change) {
    std::string text = join(change.reasons, "; ");
    const auto known = plan.undeclared.find(change.address);
    const std::size_t at = text.find(no_longer_declared);
    if (known == plan.undeclared.end() || at == std::string::npos) return text;
    const auto& [by, file_is_gone] = known->second;
    const std::string author = by.author.empty() ? "" : fmt::format(" ({})", by.author);
    return text.insert(at + no_longer_declared.size(),
                       fmt::format("{} {}{}", file_is_gone ? " since" : ", its file last changed in",
                                   by.id.substr(0, 7), author));
}

std::string remark_text(const Diagnostic& problem, const Origin& origin) {
    const Span& span = problem.span;
    const bool is_elsewhere =
        !span.file.empty() &&
        (span.file != origin.file || (span.position.is_known() && span.position.line != origin.line));
    std::string text = is_elsewhere ? to_string(span) + ": " : std::string();
    text += problem.message;
    return problem.code.empty() ? text : fmt::format("{} [{}]", text, problem.code);
}

namespace {

struct SharedRemark {
    std::size_t parked = 0, blocked = 0;
    std::string hint;
};

std::map<std::string, SharedRemark> count_remarks(const Plan& plan) {
    std::map<std::string, SharedRemark> counts;
    for (const Change& change : plan.changes) {
        if (change.readiness == Readiness::parked && !change.reasons.empty())
            ++counts[reasons_text(plan, change)].parked;
        for (const Diagnostic& problem : change.diagnostics) {
            SharedRemark& remark = counts[remark_text(problem, change.origin)];
            ++remark.blocked;
            remark.hint = problem.hint;
        }
    }
    std::erase_if(counts,
                  [](const auto& entry) { return entry.second.parked + entry.second.blocked < shared_from; });
    return counts;
}

} // namespace

std::set<std::string> shared_remarks(const Plan& plan) {
    std::set<std::string> remarks;
    for (const auto& [text, count] : count_remarks(plan)) remarks.insert(text);
    return remarks;
}

void add_shared_remarks(Page& page, const Plan& plan) {
    const auto counts = count_remarks(plan);
    for (const auto& [text, count] : counts) {
        if (count.parked > 0) {
            add_labelled(page, "Parked", page.colours().parked,
                         fmt::format("{}: {}", count_of(count.parked, "change"), printable(text)));
        }
        if (count.blocked > 0) {
            const std::string hint = count.hint.empty() ? "" : "; " + printable(count.hint);
            add_labelled(page, "Blocked", page.colours().error,
                         fmt::format("{}: {}{}", count_of(count.blocked, "change"), printable(text), hint));
        }
    }
    if (!counts.empty()) page.blank();
}

namespace {

std::size_t count_blocked(const Plan& plan, Action action) {
    return static_cast<std::size_t>(
        std::count_if(plan.changes.begin(), plan.changes.end(), [action](const Change& change) {
            return change.action == action && change.readiness == Readiness::blocked;
        }));
}

std::string counts_text(const Plan& plan) {
    const PlanCounts& counts = plan.counts;
    std::vector<std::string> parts;
    const auto add = [&](std::size_t count, std::string_view one, std::string_view many) {
        if (count > 0) parts.push_back(fmt::format("{} {}", with_separators(count), count == 1 ? one : many));
    };
    const auto add_to = [&](std::size_t count, std::string_view verb) {
        const std::string words = fmt::format("to {}", verb);
        add(count, words, words);
    };
    add_to(counts.create, "create");
    add_to(counts.update, "update");
    add_to(counts.replace, "replace");
    // Of a blocked delete it is not certain that it is one.
    const std::size_t kept = std::min(count_blocked(plan, Action::remove), counts.remove);
    add_to(counts.remove - kept, "delete");
    add_to(counts.refresh, "refresh");
    add_to(counts.adopt, "adopt");
    add_to(counts.move, "move");
    add_to(counts.forget, "forget");
    add(counts.wait, "waits", "wait");
    std::string text = join(parts, ", ");
    const std::size_t undecided =
        std::min(count_blocked(plan, Action::none) + kept, counts.blocked); // no other number has them
    parts.clear();
    add(counts.parked, "is parked", "are parked");
    add(counts.blocked - undecided, "is blocked", "are blocked");
    if (!parts.empty()) text += (text.empty() ? "" : "; of these ") + join(parts, ", ");
    parts.clear();
    const std::string_view more = text.empty() ? "" : "more ";
    add(undecided, fmt::format("{}is blocked", more), fmt::format("{}are blocked", more));
    if (!parts.empty()) text += (text.empty() ? "" : "; ") + parts.front();
    parts.clear();
    add(plan.planned_again.size(), "is planned again later", "are planned again later");
    if (!parts.empty()) text += (text.empty() ? "" : "; ") + parts.front();
    return text.empty() ? text : text + ".";
}

std::string nothing_text(const PlanCounts& counts) {
    if (counts.drifted > 0)
        return fmt::format("Nothing to do: drift of {} is only reported.",
                           count_of(counts.drifted, "leaf", "leaves"));
    if (counts.unchanged == 0) return "Nothing to do: nothing is declared and nothing is recorded.";
    const std::string all = counts.unchanged == 1
                                ? "the only leaf is"
                                : fmt::format("all {} leaves are", with_separators(counts.unchanged));
    return fmt::format("Nothing to do: {} as Git declares.", all);
}

std::string apply_command(const PlanView& view) {
    if (!view.saved_as.empty()) return fmt::format("holdfast apply --plan {}", printable(view.saved_as));
    return (view.purpose == Purpose::destroy ? "holdfast destroy" : "holdfast apply") + view.selection;
}

// An approval is of a whole plan's hash. Whatever `apply` does now is no part of the plan afterwards, so the
// hash to approve is known only then.
void add_approval_advice(Page& page, const Plan& plan, const PlanView& view, bool rest_goes_first) {
    const auto quarantined =
        static_cast<std::size_t>(std::count_if(plan.changes.begin(), plan.changes.end(),
                                               [](const Change& change) { return change.is_quarantined; }));
    if (quarantined > 0)
        page.paragraph(
            0, fmt::format("{} taken back before. A new declaration is tried by itself; to try this "
                           "one again: holdfast resume {}",
                           quarantined == 1 ? "1 change was" : with_separators(quarantined) + " changes were",
                           printable(plan.stack)));
    const std::size_t parked = plan.counts.parked - std::min(quarantined, plan.counts.parked);
    if (parked == 0) return;
    const std::string waits = parked == 1 ? "1 change waits" : with_separators(parked) + " changes wait";
    if (rest_goes_first)
        return page.paragraph(0,
                              fmt::format("{} for an approval. Once the rest is applied, `holdfast plan{}` "
                                          "shows the hash to approve.",
                                          waits, view.selection));
    page.paragraph(0, waits + " until somebody approves this plan:");
    const std::string hash = short_hex(plan.hash, hash_digits);
    page.line(2,
              paint(page.colours().strong, fmt::format("holdfast approve {}{}", hash, view.approve_options)));
}

void add_advice(Page& page, const Plan& plan, const PlanView& view) {
    const PlanCounts& counts = plan.counts;
    const bool can_apply_some = counts.parked + counts.blocked + counts.wait < plan.changes.size();
    if (counts.parked > 0)
        add_approval_advice(page, plan, view, view.purpose == Purpose::apply && can_apply_some);
    if (view.purpose != Purpose::plan) return;
    std::string lead = "Nothing needs approval. Apply with: ";
    if (counts.parked > 0)
        lead = can_apply_some ? "The rest applies without it: " : "Then apply with: ";
    else if (counts.blocked > 0)
        lead = can_apply_some ? "What is blocked stays as it is; apply the rest with: " : "";
    if (lead.empty()) return page.paragraph(0, "Everything is blocked: nothing can be applied yet.");
    const std::string command = apply_command(view);
    if (display_width(lead) + display_width(command) <= page.width()) return page.line(0, lead + command);
    page.paragraph(0, trim(lead));
    page.line(2, command);
}

} // namespace

void add_summary(Page& page, const Plan& plan, const PlanView& view) {
    if (plan.is_empty()) return page.paragraph(0, nothing_text(plan.counts));
    const std::string hash = "plan " + short_hex(plan.hash, hash_digits);
    const std::string counts = counts_text(plan);
    const bool fits = display_width(counts) + 2 + display_width(hash) <= page.width();
    if (fits) {
        page.line_with_right(paint(page.colours().strong, counts), paint(page.colours().dim, hash));
    } else {
        for (const std::string& line : wrap(counts, page.width()))
            page.line(0, paint(page.colours().strong, line));
        page.line(0, paint(page.colours().dim, hash));
    }
    add_advice(page, plan, view);
}

} // namespace holdfast

#include "cli/render/plan_text.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/field_text.hpp"
#include "cli/render/plan_groups.hpp"
#include "cli/render/plan_sections.hpp"
#include "cli/render/value_text.hpp"

namespace holdfast {

namespace {

constexpr std::size_t group_indent = 2;
constexpr std::size_t sign_width = 4; // "-/+ "
constexpr std::size_t widest_name_column = 28;
constexpr std::size_t widest_place_column = 40; // longer ones get a line of their own

struct Sign {
    std::string_view text;
    std::string_view Palette::*colour;
};

Sign sign_of(const Change& change) {
    switch (change.action) {
        case Action::create: return {"+", &Palette::create};
        case Action::update: return {"~", &Palette::update};
        case Action::remove:
            if (change.readiness != Readiness::blocked) return {"-", &Palette::remove};
            break; // nothing is deleted, and it must not look as if
        case Action::replace: return {change.create_first ? "+/-" : "-/+", &Palette::replace};
        case Action::refresh: return {"*", &Palette::update};
        case Action::wait: return {".", &Palette::wait};
        case Action::adopt:
        case Action::move:
        case Action::forget: return {"→", &Palette::ledger};
        case Action::none: // blocked before anything could be planned, or planned again later
            if (change.readiness != Readiness::blocked) return {".", &Palette::wait};
            break;
    }
    return {"!", &Palette::remove};
}

// Draws the changes of one plan. Lives for one call of render_plan.
class ChangesText {
public:
    ChangesText(Page& page, const Plan& plan, const PlanView& view)
        : page_(page), plan_(plan), view_(view), names_(plan), shared_(shared_remarks(plan)) {}

    void add(const PlanGroups& groups) {
        for (const PlanGroup& group : groups.shown) add_group(group);
        for (const auto& [kind, count] : groups.hidden_documents) {
            page_.line(group_indent,
                       paint(page_.colours().dim, fmt::format("… and {} more of kind {} (--all shows them)",
                                                              with_separators(count), printable(kind))));
        }
    }

private:
    bool is_wide() const { return page_.width() >= wide_terminal; }

    void add_group(const PlanGroup& group) {
        const std::string place = printable(to_string(group.origin()));
        if (group.is_plain()) return add_plain(*group.leaves.front(), place);
        page_.line(group_indent, paint(page_.colours().strong, names_.of(group.parent)), place);
        const std::size_t column = name_column(group);
        for (const Change* leaf : group.leaves) add_leaf(*leaf, group, column, place);
        if (group.hidden > 0) {
            page_.line(group_indent + 2,
                       paint(page_.colours().dim, fmt::format("… and {} more leaves (--all shows them)",
                                                              with_separators(group.hidden))));
        }
    }

    std::string leaf_name(const Change& change, const PlanGroup& group) const {
        const ResourceId& id = change.address.id;
        const auto has_this_id = [&](const Change* other) { return other->address.id == id; };
        const bool is_shared = std::count_if(group.leaves.begin(), group.leaves.end(), has_this_id) > 1;
        const std::string on = is_shared ? "on " + printable(change.provider) : std::string();
        if (id == group.parent && is_shared) return on;
        const std::string name = id.part.empty() ? names_.of(id) : printable(id.part);
        return is_shared ? name + " " + on : name;
    }

    std::size_t name_column(const PlanGroup& group) const {
        std::size_t column = 0;
        for (const Change* leaf : group.leaves) {
            const std::size_t width = display_width(leaf_name(*leaf, group));
            if (width <= widest_name_column) column = std::max(column, width);
        }
        return column;
    }

    std::string signed_name(const Change& change, std::string_view name) const {
        const Sign sign = sign_of(change);
        const std::string_view colour = page_.colours().*sign.colour;
        const std::size_t width = is_long_sign(change) ? sign_width : 2;
        return paint(colour, sign.text) +
               std::string(width - std::min(width, display_width(sign.text)), ' ') + std::string(name);
    }
    static bool is_long_sign(const Change& change) { return change.action == Action::replace; }

    void add_plain(const Change& change, const std::string& place) {
        const std::string head = signed_name(change, paint(page_.colours().strong, names_.of(change.parent)));
        const std::size_t place_room = place.empty() || is_wide() ? 0 : display_width(place) + 2;
        const std::size_t taken = group_indent + display_width(head) + 2 + place_room;
        const std::size_t room = page_.body_width() > taken ? page_.body_width() - taken : 0;
        // What a new object holds is short more often than not.
        const auto fields = change.action == Action::create && remarks_of(change).empty()
                                ? fields_on_one_line(change, room, page_.colours())
                                : std::nullopt;
        const std::string remark = fields ? *fields : short_remark(change, room);
        page_.line(group_indent, remark.empty() ? head : head + "  " + remark, place);
        if (shows_fields(change) && !fields) add_fields(page_, change, group_indent + 4, {.all = view_.all});
        if (remark.empty()) add_remarks(change, group_indent + 4);
        add_problems(change, group_indent + 4);
    }

    void add_leaf(const Change& change, const PlanGroup& group, std::size_t column,
                  const std::string& group_place) {
        const std::size_t indent = group_indent + 2;
        std::string place = is_wide() ? printable(to_string(change.origin)) : std::string();
        if (place == group_place) place.clear();
        const std::string name = leaf_name(change, group);
        const std::string head = signed_name(change, pad(name, column));
        const std::size_t taken = indent + display_width(head) + 2;
        const std::size_t room = page_.body_width() > taken ? page_.body_width() - taken : 0;
        const bool has_remarks = !remarks_of(change).empty();
        const auto fields = shows_fields(change) && !has_remarks
                                ? fields_on_one_line(change, room, page_.colours())
                                : std::nullopt;
        const std::string remark = fields ? *fields : shows_fields(change) ? "" : short_remark(change, room);
        page_.line(indent, remark.empty() ? head : head + "  " + remark, place);
        if (remark.empty() && shows_fields(change)) add_fields(page_, change, indent + 4, {.all = view_.all});
        if (remark.empty()) add_remarks(change, indent + 4);
        add_problems(change, indent + 4);
    }

    static bool shows_fields(const Change& change) {
        return !change.fields.empty() && change.action != Action::remove && change.action != Action::forget;
    }

    // What is to be said in words: why, from where, what for. Remarks that many changes share are said once,
    // at the end.
    std::vector<std::string> remarks_of(const Change& change) const {
        std::vector<std::string> remarks;
        if (change.action == Action::adopt) remarks.push_back("adopted: exists already and is not touched");
        if (!change.moved_from.id.empty()) {
            const char* rest = change.action == Action::move ? "; only the ledger changes" : "";
            remarks.push_back(fmt::format("was {}{}", names_.of(change.moved_from), rest));
        }
        if (change.action == Action::forget && change.reasons.empty())
            remarks.push_back("leaves the ledger; the object is not touched");
        add_waits(change, remarks);
        if (change.readiness == Readiness::blocked)
            remarks.push_back(change.action == Action::remove ? "kept" : "blocked");
        const bool is_parked = change.readiness == Readiness::parked;
        const std::string reasons = reasons_text(plan_, change);
        if (reasons.empty() || (is_parked && shared_.contains(reasons))) {
            if (is_parked) remarks.push_back("parked");
        } else {
            remarks.push_back((is_parked ? "parked: " : "") + printable(reasons));
        }
        return remarks;
    }

    void add_waits(const Change& change, std::vector<std::string>& remarks) const {
        std::vector<std::string> producers;
        for (const Wait& wait : change.waits) {
            const std::string path = wait.path.empty() ? "" : fmt::format(" ({})", printable(wait.path));
            producers.push_back(names_.of(wait.producer) + path);
        }
        if (change.action == Action::none && !producers.empty()) {
            const std::size_t shown = view_.all ? producers.size() : 5;
            const std::size_t more = producers.size() - std::min(shown, producers.size());
            producers.resize(producers.size() - more);
            return remarks.push_back("is planned again after " + join(producers, ", ") +
                                     (more > 0 ? fmt::format(" and {} more", more) : ""));
        }
        for (const std::string& producer : producers) remarks.push_back("waits for " + producer);
    }

    std::string_view remark_colour(const Change& change) const {
        if (change.readiness == Readiness::parked) return page_.colours().parked;
        if (change.readiness == Readiness::blocked) return page_.colours().error;
        const bool waits = change.action == Action::wait || change.action == Action::none;
        return waits ? page_.colours().wait : page_.colours().dim;
    }

    // All remarks on the line of the change itself, if there is room.
    std::string short_remark(const Change& change, std::size_t room) const {
        const std::string text = join(remarks_of(change), "; ");
        return display_width(text) <= room ? paint(remark_colour(change), text) : std::string();
    }

    void add_remarks(const Change& change, std::size_t indent) {
        for (const std::string& remark : remarks_of(change))
            page_.paragraph(indent, remark, 2, remark_colour(change));
    }

    void add_problems(const Change& change, std::size_t indent) {
        for (const Diagnostic& problem : change.diagnostics) {
            if (shared_.contains(remark_text(problem, change.origin))) continue;
            const bool is_error = problem.severity == Severity::error;
            const std::string_view colour = is_error ? page_.colours().error : page_.colours().warning;
            page_.paragraph(indent, printable(remark_text(problem, change.origin)), 2, colour);
            if (!problem.hint.empty()) page_.paragraph(indent + 2, printable(problem.hint), 0);
        }
    }

    Page& page_;
    const Plan& plan_;
    const PlanView& view_;
    Names names_;
    std::set<std::string> shared_;
};

std::size_t place_column(const PlanGroups& groups, std::size_t width) {
    if (width < wide_terminal) return 0;
    std::size_t column = 0;
    for (const PlanGroup& group : groups.shown) {
        for (const Change* leaf : group.leaves)
            column = std::max(column, display_width(printable(to_string(leaf->origin))));
    }
    return column;
}

} // namespace

std::string render_plan_heading(const Plan& plan, const PlanView& view) {
    Page page(view.width, view.colour);
    add_heading(page, plan.stack, view);
    return std::move(page).take();
}

std::string render_plan_summary(const Plan& plan, const PlanView& view) {
    Page page(view.width, view.colour);
    add_summary(page, plan, view);
    return std::move(page).take();
}

namespace {

Page page_with_changes(const Plan& plan, const PlanView& view) {
    const PlanGroups groups = group_changes(plan, view.all ? 0 : view.limit);
    Page page(view.width, view.colour, place_column(groups, view.width));
    add_heading(page, plan.stack, view);
    page.blank();
    ChangesText(page, plan, view).add(groups);
    page.blank();
    add_drift(page, plan, view);
    return page;
}

} // namespace

std::string render_drift(const Plan& drift, const PlanView& view) {
    return page_with_changes(drift, view).take();
}

std::string render_plan(const Plan& plan, const PlanView& view) {
    Page page = page_with_changes(plan, view);
    add_shared_remarks(page, plan);
    add_summary(page, plan, view);
    return std::move(page).take();
}

} // namespace holdfast

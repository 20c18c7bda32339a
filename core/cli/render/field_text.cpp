#include "cli/render/field_text.hpp"

#include <algorithm>
#include <vector>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/text_diff.hpp"
#include "cli/render/value_text.hpp"

namespace holdfast {

namespace {

constexpr std::size_t longest_aligned_name = 24;
constexpr std::size_t longest_aligned_value = 32;
constexpr std::string_view arrow = " -> ";

// One field, ready to be shown.
struct Row {
    std::string name;
    const FieldChange* field = nullptr;
    const Value* before = nullptr;
    const Value* after = nullptr;
    bool sensitive = false;

    bool is_new() const { return !before; }
};

void add_rows_below(std::vector<Row>& rows, const FieldChange& field, const Value& after,
                    const std::string& pointer) {
    const Map* map = after.if_map();
    if (!map || map->empty() || is_masked_secret(after)) {
        rows.push_back({field_name(pointer), &field, nullptr, &after, is_masked_secret(after)});
        return;
    }
    for (const MapEntry& entry : *map)
        add_rows_below(rows, field, entry.value, append_pointer(pointer, entry.key));
}

bool makes_an_object(const Change& change) { return change.action == Action::create; }

// A new object's maps are taken apart, so that each scalar has a line of its own.
std::vector<Row> rows_of(const Change& change) {
    std::vector<Row> rows;
    for (const FieldChange& field : change.fields) {
        const Value* before = field.before ? &*field.before : nullptr;
        const Value* after = field.after ? &*field.after : nullptr;
        const bool is_masked = (before && is_masked_secret(*before)) || (after && is_masked_secret(*after));
        const bool sensitive = field.sensitive || is_masked;
        if (makes_an_object(change) && !before && after && !sensitive) {
            add_rows_below(rows, field, *after, field.pointer);
        } else {
            rows.push_back({field_name(field.pointer), &field, before, after, sensitive});
        }
    }
    return rows;
}

std::string side_text(const Row& row, const Value* value) {
    if (!value) return std::string(absent_text);
    return row.sensitive ? std::string(sensitive_text) : value_text(*value);
}

std::string notes_of(const Row& row, const Palette& colours) {
    std::string notes;
    if (row.field->forces_replace) notes += "  " + paint(colours.replace, "(forces replace)");
    if (row.field->by_drift) notes += "  " + paint(colours.drift, "(drift)");
    return notes;
}

// "0644" -> "0600", with `before` filled up to `column`.
std::string change_text(const Row& row, bool is_create, std::size_t column, const Palette& colours) {
    if (is_create && row.is_new()) return paint(colours.create, side_text(row, row.after));
    if (row.sensitive && row.before && row.after) return paint(colours.dim, sensitive_text) + " changes";
    const std::string before = side_text(row, row.before);
    const std::size_t missing = column - std::min(column, display_width(before));
    return paint(row.before ? colours.remove : colours.dim, before) + std::string(missing, ' ') +
           std::string(arrow) + paint(row.after ? colours.create : colours.dim, side_text(row, row.after));
}

bool is_shown_as_block(const Row& row) {
    if (row.sensitive) return false;
    return (row.before && is_text_block(*row.before)) || (row.after && is_text_block(*row.after));
}

bool is_collection(const Value* value) { return value && !value->is_scalar(); }

void add_two_lines(Page& page, const Row& row, std::size_t indent, bool all) {
    const Palette& colours = page.colours();
    const std::string before = side_text(row, row.before), after = side_text(row, row.after);
    const std::size_t room = all ? before.size() + after.size() + 1 : page.room_after(indent + 4);
    const std::size_t differs_at = shared_prefix(before, after);
    page.line(indent, row.name + notes_of(row, colours));
    page.line(indent + 2, paint(colours.remove, "- " + window(before, differs_at, room)));
    page.line(indent + 2, paint(colours.create, "+ " + window(after, differs_at, room)));
}

void add_long_new_value(Page& page, const Row& row, std::size_t indent, bool all) {
    const Palette& colours = page.colours();
    const std::string text = side_text(row, row.after);
    page.line(indent, row.name + notes_of(row, colours));
    const std::size_t room = page.room_after(indent + 2);
    if (all) return page.line(indent + 2, paint(colours.create, text));
    const std::string size = fmt::format(" ({} bytes)", with_separators(text.size()));
    page.line(indent + 2, paint(colours.create, shorten(text, room - std::min(room, size.size()))) +
                              paint(colours.dim, size));
}

std::string block_of(const Value* value) {
    if (!value) return {};
    if (const std::string* text = value->if_string()) return *text;
    return to_pretty_json(*value);
}

bool ends_without_newline(const Value* value) {
    const std::string* text = value ? value->if_string() : nullptr;
    return text && !text->empty() && text->back() != '\n';
}

void add_diff_line(Page& page, const DiffLine& line, std::size_t indent) {
    const Palette& colours = page.colours();
    const std::size_t room = page.room_after(indent + 2);
    const std::string text = shorten(printable(line.text), room);
    switch (line.kind) {
        case LineKind::kept: return page.line(indent, "  " + paint(colours.dim, text));
        case LineKind::removed: return page.line(indent, paint(colours.remove, "- " + text));
        case LineKind::added: return page.line(indent, paint(colours.create, "+ " + text));
        case LineKind::gap:
            return page.line(indent, "  " + paint(colours.dim, fmt::format("… {} as before",
                                                                           count_of(line.count, "line"))));
    }
}

void add_block(Page& page, const Row& row, std::size_t indent, const FieldLimits& limits) {
    const Palette& colours = page.colours();
    page.line(indent, row.name + notes_of(row, colours));
    const std::string before = block_of(row.before), after = block_of(row.after);
    const std::vector<DiffLine> lines = diff_lines(before, after);
    const std::size_t most = limits.all ? lines.size() : row.is_new() ? limits.new_lines : limits.diff_lines;
    // One line too many is shown instead of the remark that it is not.
    const std::size_t shown = lines.size() <= most + 1 ? lines.size() : most;
    for (std::size_t i = 0; i < shown; ++i) add_diff_line(page, lines[i], indent + 2);
    if (shown < lines.size()) {
        page.line(indent + 2, paint(colours.dim, fmt::format("… {} more lines (--all shows them)",
                                                             with_separators(lines.size() - shown))));
    }
    if (!row.before || !row.after) return;
    const bool had_none = ends_without_newline(row.before), has_none = ends_without_newline(row.after);
    if (had_none != has_none)
        page.line(indent + 2, paint(colours.dim, has_none ? "  (no newline at the end any more)"
                                                          : "  (with a newline at the end now)"));
}

void add_row(Page& page, const Row& row, bool is_create, std::size_t indent, std::size_t name_column,
             std::size_t value_column, const FieldLimits& limits) {
    if (is_shown_as_block(row)) return add_block(page, row, indent, limits);
    const Palette& colours = page.colours();
    const bool is_aligned = display_width(row.name) <= name_column;
    const std::string text = pad(row.name, name_column) + "  " +
                             change_text(row, is_create, is_aligned ? value_column : 0, colours) +
                             notes_of(row, colours);
    if (display_width(text) <= page.room_after(indent)) return page.line(indent, text);
    if (!row.sensitive && (is_collection(row.before) || is_collection(row.after)))
        return add_block(page, row, indent, limits);
    if (row.is_new() && is_create) return add_long_new_value(page, row, indent, limits.all);
    add_two_lines(page, row, indent, limits.all);
}

struct Columns {
    std::size_t name = 0, value = 0;
};

// Names and old values line up, but one long one must not push all others to the right.
Columns columns_of(const std::vector<Row>& rows, bool is_create) {
    Columns columns;
    for (const Row& row : rows) {
        if (is_shown_as_block(row)) continue;
        const std::size_t name = display_width(row.name);
        if (name > longest_aligned_name) continue;
        columns.name = std::max(columns.name, name);
        if ((row.is_new() && is_create) || (row.sensitive && row.before && row.after)) continue;
        const std::size_t before = display_width(side_text(row, row.before));
        if (before <= longest_aligned_value) columns.value = std::max(columns.value, before);
    }
    return columns;
}

} // namespace

void add_fields(Page& page, const Change& change, std::size_t indent, const FieldLimits& limits) {
    const std::vector<Row> rows = rows_of(change);
    const bool is_create = makes_an_object(change);
    const Columns columns = columns_of(rows, is_create);
    const std::size_t shown = limits.all || rows.size() <= limits.fields + 1 ? rows.size() : limits.fields;
    for (std::size_t i = 0; i < shown; ++i)
        add_row(page, rows[i], is_create, indent, columns.name, columns.value, limits);
    if (shown < rows.size()) {
        page.line(indent, paint(page.colours().dim, fmt::format("… {} more fields (--all shows them)",
                                                                with_separators(rows.size() - shown))));
    }
}

std::optional<std::string> fields_on_one_line(const Change& change, std::size_t columns,
                                              const Palette& colours) {
    const std::vector<Row> rows = rows_of(change);
    const bool is_create = makes_an_object(change);
    if (rows.empty() || (rows.size() > 1 && !is_create) || rows.size() > 6) return std::nullopt;
    std::string text;
    for (const Row& row : rows) {
        if (is_shown_as_block(row)) return std::nullopt;
        if (!text.empty()) text += ", ";
        text += row.name + ' ' + change_text(row, is_create, 0, colours) + notes_of(row, colours);
    }
    if (display_width(text) > columns) return std::nullopt;
    return text;
}

} // namespace holdfast

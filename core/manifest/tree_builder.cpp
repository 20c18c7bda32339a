#include "manifest/tree_builder.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/scalars.hpp"

namespace holdfast {

namespace {

constexpr std::string_view core_tags = "tag:yaml.org,2002:";

// What a copy of `value` costs: its nodes, and one more for each 64 bytes of text.
std::size_t cost_of(const Value& value) {
    std::size_t cost = 1;
    if (const std::string* text = value.if_string()) cost += text->size() / 64;
    if (const List* list = value.if_list())
        for (const Value& item : *list) cost += cost_of(item);
    if (const Map* map = value.if_map())
        for (const MapEntry& entry : *map) cost += cost_of(entry.value) + entry.key.size() / 64;
    return cost;
}

bool by_key(const MapEntry& a, const MapEntry& b) { return a.key < b.key; }

// Stable. Maps in manifests are small, and insertion asks for no buffer.
void sort_entries(std::vector<MapEntry>& entries) {
    constexpr std::size_t small = 16;
    if (entries.size() > small) return std::stable_sort(entries.begin(), entries.end(), by_key);
    for (std::size_t i = 1; i < entries.size(); ++i) {
        if (!by_key(entries[i], entries[i - 1])) continue;
        const auto from = entries.begin() + static_cast<std::ptrdiff_t>(i);
        std::rotate(std::upper_bound(entries.begin(), from, *from, by_key), from, from + 1);
    }
}

} // namespace

Diagnostic& TreeBuilder::report(std::string_view code, std::string message, Position position,
                                std::size_t length, std::string hint) {
    Diagnostic& problem = problems_.error(code, std::move(message));
    problem.span = {file_, position, static_cast<std::uint32_t>(std::min<std::size_t>(length, 1000))};
    problem.excerpt = excerpt_of(text_, position.line);
    problem.hint = std::move(hint);
    return problem;
}

void TreeBuilder::spend(std::size_t nodes, Position position) {
    nodes_ += nodes;
    if (nodes_ <= limits_.max_nodes) return;
    report(
        "manifest.too-many-nodes",
        fmt::format("the document has more than {} nodes once its aliases are expanded", limits_.max_nodes),
        position, 1, "split the file, or use fewer aliases");
    throw Stop{};
}

void TreeBuilder::start_document(Position position) {
    first_ = position;
    is_empty_ = true;
    frames_.clear();
    anchors_.clear();
}

void TreeBuilder::end_document() {
    if (!is_empty_) documents_.push_back({std::move(root_), first_.line});
    root_ = Value{};
}

void TreeBuilder::null(Position position, std::size_t anchor) {
    spend(1, position);
    if (awaits_key()) {
        report("manifest.bad-key", "a map has an empty key", position, 1, "write a key before the colon");
        throw Stop{};
    }
    // Some readers put a missing value at the token behind it.
    if (!frames_.empty() && frames_.back().is_map) position = frames_.back().key_position;
    Value value;
    value.position = position;
    put(std::move(value), anchor);
}

Value TreeBuilder::read_tagged(Position position, std::string_view tag, std::string_view text) {
    const std::string_view name =
        tag.starts_with(core_tags) ? tag.substr(core_tags.size()) : std::string_view{};
    Value number;
    bool boolean = false;
    if (name == "str" || tag == "!") return Value(text);
    if (name == "null" && is_null_text(text)) return {};
    if (name == "bool" && read_boolean(text, boolean)) return Value(boolean);
    if ((name == "int" || name == "float") && read_number(text, number)) {
        if (name == "float" || number.is_integer()) return number;
    }
    if (name == "binary") {
        std::string digits(text);
        std::erase_if(digits, [](char c) { return c == ' ' || c == '\n' || c == '\t'; });
        if (from_base64(digits)) return Value(std::move(digits));
    }
    const bool is_known =
        name == "null" || name == "bool" || name == "int" || name == "float" || name == "binary";
    if (is_known)
        report("manifest.bad-tag", fmt::format("\"{}\" is no !!{}", text.substr(0, 40), name), position, 1);
    else
        report("manifest.bad-tag", fmt::format("unknown tag \"{}\"", tag), position, 1,
               "only !!str, !!int, !!bool, !!float, !!null and !!binary are understood");
    return {};
}

Value TreeBuilder::read_scalar(Position position, std::string_view tag, std::string_view text,
                               ScalarStyle style) {
    if (!tag.empty()) return read_tagged(position, tag, text);
    if (style == ScalarStyle::quoted) return Value(text);
    PlainScalar plain = read_plain_scalar(text, rules_);
    if (plain.ambiguity.empty()) return std::move(plain.value);
    std::string hint = fmt::format("write \"{}\"", text);
    if (!plain.alternative.empty()) hint += fmt::format(" or {}", plain.alternative);
    report("manifest.ambiguous-scalar", plain.ambiguity, position, text.size(), std::move(hint));
    return std::move(plain.value);
}

void TreeBuilder::scalar(Position position, std::string_view tag, std::size_t anchor, std::string_view text,
                         ScalarStyle style) {
    spend(1, position);
    is_empty_ = false;
    if (awaits_key()) {
        Frame& frame = frames_.back();
        const bool merges = tag.empty() && style == ScalarStyle::plain && text == "<<";
        frame.merges |= merges;
        frame.key = text;
        // kubectl turns keys such as 0644 and yes into the text of what they mean.
        if (rules_ == ScalarRules::kubernetes && tag.empty() && style == ScalarStyle::plain && !merges)
            put_key(read_plain_scalar(text, rules_).value);
        frame.key_position = position;
        frame.has_key = true;
        if (anchor) anchors_[anchor] = {Value(text), 1};
        return;
    }
    Value value = read_scalar(position, tag, text, style);
    value.position = position;
    put(std::move(value), anchor);
}

void TreeBuilder::put_key(const Value& value) {
    std::string& key = frames_.back().key;
    if (const bool* boolean = value.if_bool()) key = *boolean ? "true" : "false";
    if (const std::int64_t* integer = value.if_integer()) key = std::to_string(*integer);
}

void TreeBuilder::alias(Position position, std::size_t anchor) {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
        report("manifest.bad-alias", "an alias stands inside the node that it refers to", position, 1,
               "an alias can only repeat what is complete before it");
        throw Stop{};
    }
    is_empty_ = false;
    spend(found->second.cost, position);
    const Value& value = found->second.value;
    if (awaits_key()) {
        if (const std::string* text = value.if_string())
            return scalar(position, "!", 0, *text, ScalarStyle::quoted);
        report("manifest.bad-key", "an alias that is used as a key must stand for text", position, 1);
        throw Stop{};
    }
    Value copy = value;
    copy.position = position;
    put(std::move(copy), 0);
}

void TreeBuilder::open(bool is_map, Position position, std::string_view tag, std::size_t anchor) {
    spend(1, position);
    is_empty_ = false;
    if (awaits_key()) {
        report("manifest.bad-key", fmt::format("a {} cannot be a key", is_map ? "map" : "list"), position, 1,
               "keys are text; curly brackets around a value need quotes: \"{{ x }}\"");
        throw Stop{};
    }
    if (frames_.size() >= limits_.max_depth) {
        report("manifest.too-deep", fmt::format("nested deeper than {} levels", limits_.max_depth), position,
               1);
        throw Stop{};
    }
    const std::string_view expected = is_map ? "map" : "seq";
    if (!tag.empty() && tag != "!" &&
        !(tag.starts_with(core_tags) && tag.substr(core_tags.size()) == expected))
        report("manifest.bad-tag", fmt::format("unknown tag \"{}\"", tag), position, 1,
               "only !!str, !!int, !!bool, !!float, !!null and !!binary are understood");
    Frame frame;
    frame.is_map = is_map;
    frame.position = position;
    frame.anchor = anchor;
    if (is_map) frame.entries.reserve(8);
    frames_.push_back(std::move(frame));
}

void TreeBuilder::start_list(Position position, std::string_view tag, std::size_t anchor) {
    open(false, position, tag, anchor);
}

void TreeBuilder::start_map(Position position, std::string_view tag, std::size_t anchor) {
    open(true, position, tag, anchor);
}

void TreeBuilder::end_list() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Value value(std::move(frame.items));
    value.position = frame.position;
    put(std::move(value), frame.anchor);
}

void TreeBuilder::end_map() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Value value(finish_map(std::move(frame.entries), frame.merges));
    value.position = frame.position;
    put(std::move(value), frame.anchor);
}

Map TreeBuilder::finish_map(std::vector<MapEntry> entries, bool merges) {
    sort_entries(entries);
    report_duplicates(entries);
    if (merges) merge(entries);
    return Map::from_unsorted(std::move(entries));
}

void TreeBuilder::report_duplicates(const std::vector<MapEntry>& sorted) {
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        if (sorted[i].key != sorted[i - 1].key) continue;
        std::size_t first = i - 1;
        while (first > 0 && sorted[first - 1].key == sorted[i].key) --first;
        const Position before = sorted[first].key_position;
        report("manifest.duplicate-key",
               fmt::format("the key \"{}\" stands twice in this map, first at {}:{}", sorted[i].key,
                           before.line, before.column),
               sorted[i].key_position, sorted[i].key.size(), "remove one of them");
    }
}

// "<<: *base" takes in the members of a map, or of several: explicit keys win, then earlier maps.
void TreeBuilder::merge(std::vector<MapEntry>& entries) {
    auto it = std::find_if(entries.begin(), entries.end(), [](const MapEntry& e) { return e.key == "<<"; });
    if (it == entries.end()) return;
    MapEntry merged = std::move(*it);
    entries.erase(it);
    std::vector<const Map*> maps;
    bool is_wrong = !merged.value.is_map() && !merged.value.is_list();
    if (const Map* map = merged.value.if_map()) maps.push_back(map);
    if (const List* list = merged.value.if_list())
        for (const Value& item : *list) item.is_map() ? maps.push_back(item.if_map()) : void(is_wrong = true);
    if (is_wrong)
        report("manifest.bad-merge", "the merge key \"<<\" takes a map or a list of maps",
               merged.key_position, 2, "quote it (\"<<\") if a key of that name is meant");
    std::vector<MapEntry> taken;
    for (const Map* map : maps)
        for (const MapEntry& entry : *map) taken.push_back(entry);
    // Sorted with the winner last, which is the one that Map keeps.
    std::reverse(taken.begin(), taken.end());
    taken.insert(taken.end(), std::make_move_iterator(entries.begin()),
                 std::make_move_iterator(entries.end()));
    entries = std::move(taken);
}

void TreeBuilder::put(Value value, std::size_t anchor) {
    if (anchor) {
        const std::size_t cost = cost_of(value);
        spend(cost, value.position); // the copy that is kept for aliases
        anchors_[anchor] = {value, cost};
    }
    if (frames_.empty()) {
        root_ = std::move(value);
        return;
    }
    Frame& frame = frames_.back();
    if (!frame.is_map) {
        frame.items.push_back(std::move(value));
        return;
    }
    frame.entries.push_back({std::move(frame.key), std::move(value), frame.key_position});
    frame.has_key = false;
}

} // namespace holdfast

#include "base/value.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

namespace holdfast {

namespace {

// Works for const and mutable ranges of entries alike.
template <typename Entries>
auto lower_bound_of(Entries& entries, std::string_view key) {
    return std::lower_bound(entries.begin(), entries.end(), key,
                            [](const MapEntry& e, std::string_view k) { return e.key.compare(k) < 0; });
}

bool parse_index(std::string_view token, std::size_t& index) {
    auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
    return error == std::errc{} && end == token.data() + token.size();
}

} // namespace

Map Map::from_unsorted(std::vector<MapEntry> entries) {
    Map map;
    const auto by_key = [](const MapEntry& a, const MapEntry& b) { return a.key < b.key; };
    // Canonical text comes sorted already, and a stable sort asks for a buffer each time.
    if (!std::is_sorted(entries.begin(), entries.end(), by_key))
        std::stable_sort(entries.begin(), entries.end(), by_key);
    // Of a run of equal keys only the last stays.
    auto out = entries.begin();
    for (auto it = entries.begin(); it != entries.end(); ++it) {
        const bool next_is_equal = std::next(it) != entries.end() && std::next(it)->key == it->key;
        if (next_is_equal) continue;
        if (out != it) *out = std::move(*it);
        ++out;
    }
    entries.erase(out, entries.end());
    map.entries_ = std::move(entries);
    return map;
}

const MapEntry* Map::find_entry(std::string_view key) const {
    auto it = lower_bound_of(entries_, key);
    return it != entries_.end() && it->key == key ? &*it : nullptr;
}

const Value* Map::find(std::string_view key) const {
    const MapEntry* entry = find_entry(key);
    return entry ? &entry->value : nullptr;
}

Value* Map::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Map::operator[](std::string_view key) {
    auto it = lower_bound_of(entries_, key);
    if (it == entries_.end() || it->key != key)
        it = entries_.insert(it, MapEntry{std::string(key), Value{}, {}});
    return it->value;
}

Value& Map::set(std::string_view key, Value value) {
    Value& place = (*this)[key];
    place = std::move(value);
    return place;
}

bool Map::erase(std::string_view key) {
    auto it = lower_bound_of(entries_, key);
    if (it == entries_.end() || it->key != key) return false;
    entries_.erase(it);
    return true;
}

Value Value::map(std::initializer_list<std::pair<std::string_view, Value>> entries) {
    Map map;
    for (const auto& [key, value] : entries) map.set(key, value);
    return Value(std::move(map));
}

std::string_view Value::type_name() const {
    switch (type()) {
        case Type::null: return "null";
        case Type::boolean: return "boolean";
        case Type::integer: return "integer";
        case Type::real: return "number";
        case Type::string: return "string";
        case Type::list: return "list";
        case Type::map: return "map";
    }
    return "null";
}

Map& Value::as_map() {
    if (is_null()) content_ = Map{};
    assert(is_map());
    return *if_map();
}

List& Value::as_list() {
    if (is_null()) content_ = List{};
    assert(is_list());
    return *if_list();
}

const Value* Value::find(std::string_view key) const {
    const Map* map = if_map();
    return map ? map->find(key) : nullptr;
}

std::string_view Value::text_at(std::string_view key, std::string_view otherwise) const {
    const Value* value = find(key);
    const std::string* text = value ? value->if_string() : nullptr;
    return text ? std::string_view(*text) : otherwise;
}

bool operator==(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number() && a.type() != b.type()) {
        const double left = a.if_integer() ? static_cast<double>(*a.if_integer()) : *a.if_real();
        const double right = b.if_integer() ? static_cast<double>(*b.if_integer()) : *b.if_real();
        return left == right;
    }
    if (a.type() != b.type()) return false;
    if (const Map* left = a.if_map()) {
        const Map& right = *b.if_map();
        return std::equal(
            left->begin(), left->end(), right.begin(), right.end(),
            [](const MapEntry& x, const MapEntry& y) { return x.key == y.key && x.value == y.value; });
    }
    return a.content_ == b.content_;
}

std::vector<std::string> texts_of(const Value* list) {
    std::vector<std::string> texts;
    if (list && list->is_list())
        for (const Value& item : *list->if_list())
            if (const std::string* text = item.if_string()) texts.push_back(*text);
    return texts;
}

std::map<std::string, std::string> texts_by_key(const Value* map) {
    std::map<std::string, std::string> texts;
    if (map && map->is_map())
        for (const MapEntry& entry : *map->if_map())
            if (const std::string* text = entry.value.if_string()) texts.emplace(entry.key, *text);
    return texts;
}

std::string escape_pointer_token(std::string_view token) {
    std::string out;
    out.reserve(token.size());
    for (char c : token) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

std::string append_pointer(std::string_view pointer, std::string_view token) {
    std::string out(pointer);
    out += '/';
    out += escape_pointer_token(token);
    return out;
}

std::string append_pointer(std::string_view pointer, std::size_t index) {
    return std::string(pointer) + "/" + std::to_string(index);
}

std::vector<std::string> split_pointer(std::string_view pointer) {
    std::vector<std::string> tokens;
    if (pointer.empty()) return tokens;
    if (pointer.front() == '/') pointer.remove_prefix(1);
    std::string token;
    for (std::size_t i = 0; i < pointer.size(); ++i) {
        if (pointer[i] == '/') {
            tokens.push_back(std::move(token));
            token.clear();
        } else if (pointer[i] == '~' && i + 1 < pointer.size()) {
            token += pointer[++i] == '1' ? '/' : '~';
        } else {
            token += pointer[i];
        }
    }
    tokens.push_back(std::move(token));
    return tokens;
}

namespace {

const Value* step_into(const Value& node, const std::string& token) {
    if (const Map* map = node.if_map()) return map->find(token);
    const List* list = node.if_list();
    std::size_t index = 0;
    return list && parse_index(token, index) && index < list->size() ? &(*list)[index] : nullptr;
}

} // namespace

const Value* find_at(const Value& root, std::string_view pointer) {
    const Value* node = &root;
    for (const std::string& token : split_pointer(pointer)) {
        node = step_into(*node, token);
        if (!node) return nullptr;
    }
    return node;
}

Value* find_at(Value& root, std::string_view pointer) {
    return const_cast<Value*>(find_at(std::as_const(root), pointer));
}

bool set_at(Value& root, std::string_view pointer, Value value) {
    Value* node = &root;
    for (const std::string& token : split_pointer(pointer)) {
        if (node->is_null()) node->as_map();
        if (Map* map = node->if_map()) {
            node = &(*map)[token];
        } else if (List* list = node->if_list()) {
            std::size_t index = 0;
            if (!parse_index(token, index) || index > list->size()) return false;
            if (index == list->size()) list->emplace_back();
            node = &(*list)[index];
        } else {
            return false;
        }
    }
    *node = std::move(value);
    return true;
}

bool erase_at(Value& root, std::string_view pointer) {
    std::vector<std::string> tokens = split_pointer(pointer);
    if (tokens.empty()) return false;
    Value* node = &root;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        node = const_cast<Value*>(step_into(*node, tokens[i]));
        if (!node) return false;
    }
    if (Map* map = node->if_map()) return map->erase(tokens.back());
    List* list = node->if_list();
    std::size_t index = 0;
    if (!list || !parse_index(tokens.back(), index) || index >= list->size()) return false;
    list->erase(list->begin() + static_cast<std::ptrdiff_t>(index));
    return true;
}

Position position_at(const Value& root, std::string_view pointer, bool of_key) {
    const Value* node = &root;
    Position found = root.position;
    for (const std::string& token : split_pointer(pointer)) {
        const Map* map = node->if_map();
        const MapEntry* entry = map ? map->find_entry(token) : nullptr;
        const Value* next = entry ? &entry->value : step_into(*node, token);
        if (!next) return found;
        node = next;
        const Position here = entry && of_key ? entry->key_position : node->position;
        if (here.is_known()) found = here;
    }
    return found;
}

} // namespace holdfast

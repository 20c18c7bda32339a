#include "sample.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast::conformance {

namespace {

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

void collect_touched(const Value& patch, const std::string& pointer, std::vector<std::string>& out) {
    const Map* map = patch.if_map();
    if (!map || map->empty()) return out.push_back(pointer);
    for (const MapEntry& entry : *map) collect_touched(entry.value, append_pointer(pointer, entry.key), out);
}

// "#/definitions/port"
const Value* resolve(const Value& root, const Value* schema) {
    for (int hops = 0; schema && hops < 16; ++hops) {
        const std::string_view reference = schema->text_at("$ref");
        if (!reference.starts_with("#")) return schema;
        schema = find_at(root, reference.substr(1));
    }
    return schema;
}

// The schema of what stands at `token` of what `schema` describes.
const Value* child_schema(const Value& root, const Value* schema, const std::string& token) {
    schema = resolve(root, schema);
    if (!schema) return nullptr;
    const Value* properties = schema->find("properties");
    if (const Value* found = properties ? properties->find(token) : nullptr) return resolve(root, found);
    for (std::string_view key : {"additionalProperties", "items"})
        if (const Value* found = schema->find(key); found && found->is_map()) return resolve(root, found);
    for (std::string_view key : {"allOf", "anyOf", "oneOf"}) {
        const Value* parts = schema->find(key);
        if (const List* list = parts ? parts->if_list() : nullptr)
            for (const Value& part : *list)
                if (const Value* found = child_schema(root, &part, token)) return found;
    }
    return nullptr;
}

// A schema that names no members at all allows any; one that names some and not this one has a typo in it,
// or the pointer has.
bool names_members(const Value& schema) {
    return std::any_of(schema.if_map()->begin(), schema.if_map()->end(), [](const MapEntry& entry) {
        static const std::set<std::string_view> telling{
            "properties", "patternProperties", "items", "allOf", "anyOf", "oneOf", "if"};
        const bool is_closed = entry.key == "additionalProperties" && !(entry.value == Value(true));
        return is_closed || telling.count(entry.key) > 0;
    });
}

InSchema find_from(const Value& root, const Value* schema, const std::vector<std::string>& tokens,
                   std::size_t depth) {
    schema = resolve(root, schema);
    if (depth == tokens.size()) return InSchema::yes;
    if (!schema || !schema->is_map() || !names_members(*schema)) return InSchema::open;
    if (tokens[depth] == "*") {
        if (const Value* any = child_schema(root, schema, "*"))
            return find_from(root, any, tokens, depth + 1);
        return InSchema::open;
    }
    if (const Value* next = child_schema(root, schema, tokens[depth]))
        return find_from(root, next, tokens, depth + 1);
    return schema->find("patternProperties") ? InSchema::open : InSchema::no;
}

std::vector<Value> text_variants(const std::string& text) {
    std::vector<Value> out;
    if (!text.empty() && std::isdigit(static_cast<unsigned char>(text.back())) != 0)
        for (char digit : {'1', '2', '4', '7'})
            if (text.back() != digit) out.emplace_back(text.substr(0, text.size() - 1) + digit);
    for (const char* more : {"-2", "2", "x"}) out.emplace_back(text + more);
    for (std::size_t i = text.size(); i > 0 && out.size() < 12; --i)
        if (std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0) {
            std::string other = text;
            other[i - 1] = other[i - 1] == 'a'                                           ? 'b'
                           : std::isdigit(static_cast<unsigned char>(other[i - 1])) != 0 ? '5'
                                                                                         : 'a';
            if (other != text) out.emplace_back(std::move(other));
        }
    return out;
}

// Every text and number of it another one: a new element of a list.
Value other_element(const Value& element) {
    if (const Map* map = element.if_map()) {
        Value out = element;
        for (const MapEntry& entry : *map)
            if (entry.value.is_string()) out.as_map().set(entry.key, other_element(entry.value));
        return out;
    }
    const std::vector<Value> variants = variants_of(element, nullptr);
    return variants.empty() ? element : variants.front();
}

std::string show(const Value& value) {
    std::string text = to_json(value);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text;
}

} // namespace

std::string fill_text(std::string_view text, const Words& words) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '$') {
            out += text[i++];
            continue;
        }
        const bool has_brace = text.substr(i + 1).starts_with('{');
        const std::size_t start = i + (has_brace ? 2 : 1);
        std::size_t end = start;
        while (end < text.size() && is_word_character(text[end])) ++end;
        const auto word = words.find(std::string(text.substr(start, end - start)));
        const bool is_whole = !has_brace || text.substr(end).starts_with('}');
        if (word == words.end() || !is_whole) {
            out += text[i++];
            continue;
        }
        out += word->second;
        i = end + (has_brace ? 1 : 0);
    }
    return out;
}

Value fill_in(const Value& value, const Words& words) {
    if (const std::string* text = value.if_string()) {
        const auto number = words.find("number");
        if (*text == "$number" && number != words.end()) return std::int64_t{std::stoll(number->second)};
        return fill_text(*text, words);
    }
    if (const List* list = value.if_list()) {
        List out;
        for (const Value& item : *list) out.push_back(fill_in(item, words));
        return out;
    }
    const Map* map = value.if_map();
    if (!map) return value;
    Map out;
    for (const MapEntry& entry : *map) out.set(fill_text(entry.key, words), fill_in(entry.value, words));
    return out;
}

Value merge_patch(const Value& target, const Value& patch) {
    const Map* members = patch.if_map();
    if (!members) return patch;
    Value out = target.is_map() ? target : Value(Map{});
    for (const MapEntry& entry : *members) {
        if (entry.value.is_null())
            out.as_map().erase(entry.key);
        else
            out.as_map().set(
                entry.key,
                merge_patch(target.find(entry.key) ? *target.find(entry.key) : Value{}, entry.value));
    }
    return out;
}

std::vector<std::string> touched_by(const Value& patch) {
    std::vector<std::string> out;
    collect_touched(patch, "", out);
    return out;
}

const Value* schema_at(const Value& schema, std::string_view pointer) {
    const Value* at = resolve(schema, &schema);
    for (const std::string& token : split_pointer(pointer))
        at = at ? child_schema(schema, at, token) : nullptr;
    return at;
}

InSchema find_in_schema(const Value& schema, std::string_view pointer) {
    if (!schema.is_map()) return InSchema::open;
    return find_from(schema, &schema, split_pointer(pointer), 0);
}

std::vector<Value> variants_of(const Value& value, const Value* schema) {
    const Value* allowed = schema ? schema->find("enum") : nullptr;
    std::vector<Value> out;
    if (allowed && allowed->is_list()) {
        for (const Value& other : *allowed->if_list())
            if (!(other == value)) out.push_back(other);
    } else if (const bool* flag = value.if_bool()) {
        out.emplace_back(!*flag);
    } else if (const std::int64_t* number = value.if_integer()) {
        for (std::int64_t other : {*number + 1, *number - 1, *number + 10, *number * 2})
            if (other != *number) out.emplace_back(other);
    } else if (const double* real = value.if_real()) {
        out = {Value(*real + 0.5), Value(*real + 1)};
    } else if (const std::string* text = value.if_string()) {
        out = text_variants(*text);
    }
    return out;
}

std::vector<Edit> EditMaker::edits_of(const Value& document, const Words& words) {
    edits_.clear();
    unchangeable_.clear();
    given_.clear();
    for (const auto* patches : {&settings_.changes, &settings_.replaces})
        for (const Value& raw : *patches) {
            const Value patch = fill_in(raw, words);
            const std::vector<std::string> touched = touched_by(patch);
            given_.insert(given_.end(), touched.begin(), touched.end());
            edits_.push_back({.pointer = touched.size() == 1 ? touched.front() : "",
                              .what = show(patch),
                              .document = merge_patch(document, patch),
                              .is_given = true,
                              .must_replace = patches == &settings_.replaces});
        }
    for (const std::string& pointer : kind_.compare)
        if (find_at(document, pointer)) walk(document, pointer, {});
    return edits_;
}

bool EditMaker::is_fixed(std::string_view pointer) const {
    for (const auto* pointers :
         {&kind_.identity, &kind_.scope, &kind_.observed, &kind_.files, &settings_.keep, &given_})
        if (any_covers(*pointers, pointer)) return true;
    return false;
}

// `shown` is the list that `pointer` lies in, or empty.
void EditMaker::walk(const Value& document, const std::string& pointer, const std::string& shown) {
    if (is_fixed(pointer)) return;
    const Value& value = *find_at(document, pointer);
    if (const Map* map = value.if_map()) {
        for (const MapEntry& entry : *map) walk(document, append_pointer(pointer, entry.key), shown);
        return;
    }
    if (value.is_list()) return list(document, pointer, shown);
    scalar(document, pointer, shown);
    if (shown.empty()) unset(document, pointer);
}

void EditMaker::scalar(const Value& document, const std::string& pointer, const std::string& shown) {
    const Value& value = *find_at(document, pointer);
    const Value* schema = schema_at(kind_.schema, pointer);
    if (value.is_null() || (schema && schema->find("const"))) return;
    for (const Value& variant : variants_of(value, schema))
        if (try_value(document, pointer, shown, variant)) return;
    unchangeable_.push_back(pointer);
}

// An element more, one less, and each field of the first one that does not name it.
void EditMaker::list(const Value& document, const std::string& pointer, const std::string& shown) {
    const List& elements = *find_at(document, pointer)->if_list();
    if (elements.empty()) return;
    const std::string& name = shown.empty() ? pointer : shown;
    List longer = elements;
    longer.push_back(other_element(elements.front()));
    if (try_value(document, pointer, name, longer)) edits_.back().only_adds = is_subset_list(pointer);
    if (elements.size() > 1) try_value(document, pointer, name, List(elements.begin(), elements.end() - 1));
    const Map* first = elements.front().if_map();
    if (!first) return;
    const std::vector<std::string>& by = list_rule(kind_, pointer).by;
    for (const MapEntry& entry : *first)
        if (std::find(by.begin(), by.end(), entry.key) == by.end())
            walk(document, append_pointer(append_pointer(pointer, std::size_t{0}), entry.key), name);
}

bool EditMaker::is_subset_list(const std::string& pointer) const {
    const ListType type = list_rule(kind_, pointer).type;
    return type == ListType::keyed || type == ListType::set;
}

bool EditMaker::try_value(const Value& document, const std::string& pointer, const std::string& shown,
                          const Value& value) {
    Edit edit{.pointer = shown.empty() ? pointer : shown,
              .what = fmt::format("{}: {} -> {}", pointer, show(*find_at(document, pointer)), show(value)),
              .document = document};
    set_at(edit.document, pointer, value);
    if (!is_valid_(edit.document)) return false;
    edits_.push_back(std::move(edit));
    return true;
}

void EditMaker::unset(const Value& document, const std::string& pointer) {
    if (any_covers(kind_.immutable, pointer)) return;
    Edit edit{.pointer = pointer, .what = pointer + " is no longer declared", .document = document};
    erase_at(edit.document, pointer);
    edit.unsets = true;
    if (is_valid_(edit.document)) edits_.push_back(std::move(edit));
}

std::vector<std::string> EditMaker::untouched(const Value& document) const {
    std::vector<std::string> out;
    for (const std::string& pointer : kind_.compare) {
        const Value* schema = schema_at(kind_.schema, pointer);
        const Value* properties = schema ? schema->find("properties") : nullptr;
        if (!properties || !properties->is_map()) continue;
        for (const MapEntry& entry : *properties->if_map()) {
            const std::string field = append_pointer(pointer, entry.key);
            if (!find_at(document, field) && !is_fixed(field) &&
                std::none_of(given_.begin(), given_.end(),
                             [&](const std::string& given) { return covers(field, given); }))
                out.push_back(field);
        }
    }
    return out;
}

} // namespace holdfast::conformance

#include "plan/paths.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "model/kind.hpp"

namespace holdfast {

namespace {

std::size_t depth_of(std::string_view pointer) {
    return static_cast<std::size_t>(std::count(pointer.begin(), pointer.end(), '/'));
}

// The first `depth` tokens of `pattern`.
std::string_view head(std::string_view pattern, std::size_t depth) {
    std::size_t end = 0;
    for (std::size_t i = 0; i < depth; ++i) end = pattern.find('/', end + 1);
    return pattern.substr(0, std::min(end, pattern.size()));
}

bool is_index(std::string_view token) {
    return !token.empty() &&
           std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

bool lies_below(std::string_view pattern, std::string_view pointer) {
    const std::size_t depth = depth_of(pointer);
    return depth_of(pattern) > depth && covers(head(pattern, depth), pointer);
}

bool any_lies_below(const std::vector<std::string>& patterns, std::string_view pointer) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return lies_below(pattern, pointer); });
}

std::vector<std::string> rest_below(std::string_view pattern, std::string_view pointer) {
    return split_pointer(pattern.substr(head(pattern, depth_of(pointer)).size()));
}

std::string any_index(std::string_view pointer) {
    std::string out;
    for (const std::string& token : split_pointer(pointer))
        out = append_pointer(out, is_index(token) ? "*" : token);
    return out;
}

namespace {

const Value* follow_reference(const Value& root, const Value* schema) {
    // A chain of references that is longer than this is a ring.
    for (int hops = 0; schema && hops < 8; ++hops) {
        const std::string_view reference = schema->text_at("$ref");
        if (!reference.starts_with("#")) return schema;
        schema = find_at(root, reference.substr(1));
    }
    return schema;
}

const Value* subschema(const Value& schema, const std::string& token) {
    const Value* items = schema.find("items");
    if (items && items->is_map() && (is_index(token) || token == "*" || token.starts_with('['))) return items;
    const Value* properties = schema.find("properties");
    const Value* property = properties ? properties->find(token) : nullptr;
    return property ? property : schema.find("additionalProperties");
}

} // namespace

const Value* schema_default(const Value& schema, std::string_view pointer) {
    const Value* node = follow_reference(schema, &schema);
    for (const std::string& token : split_pointer(pointer)) {
        node = node ? follow_reference(schema, subschema(*node, token)) : nullptr;
        if (!node) return nullptr;
    }
    return node->find("default");
}

std::string element_token(const Value& element, const std::vector<std::string>& by,
                          const std::vector<const Value*>& defaults) {
    // A text that reads like another JSON value ("80") keeps its quotes: 80 and "80" are two keys.
    auto text_of = [](const Value& value) {
        const std::string* text = value.if_string();
        return text && !parse_json(*text) ? *text : to_json(value);
    };
    if (by.empty() || !element.is_map()) return "[=" + text_of(element) + "]";
    std::string token = "[";
    for (std::size_t i = 0; i < by.size(); ++i) {
        const Value* value = element.find(by[i]);
        if ((!value || value->is_null()) && defaults[i]) value = defaults[i];
        if (i > 0) token += ',';
        token += by[i] + "=" + (value ? text_of(*value) : "");
    }
    return token + "]";
}

} // namespace holdfast

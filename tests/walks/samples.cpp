#include "samples.hpp"

#include <algorithm>

namespace holdfast::walks {

namespace {

// Text that something on its way through YAML, JSON, a shell or a reference might take for something else.
const std::vector<std::string> texts{
    "one", "two",      "three",    "four",  "",     " lead and trail ", "yes",  "0644", "null",
    "~",   "1e3",      "a: b # c", "- x",   "{{}}", "${HOME}",          "$${{", "é ✓",  "two\nlines\n",
    "\t.", "\"'\\\\'", "\x01\b",   "&a *b", "!!x",  "2026-11-23",       "=",    "<<",   "|\n  block"};
const std::vector<std::int64_t> integers{0, 1, 2, 3, -1, 4096, 9'007'199'254'740'993};

Value sample_of(const Value& schema, Dice& dice) {
    if (const Value* choices = schema.find("enum"); choices && choices->if_list())
        return choices->if_list()->at(dice.below(choices->if_list()->size()));
    const std::string_view type = schema.text_at("type", "string");
    if (type == "integer") return dice.any(integers);
    if (type == "boolean") return dice.one_in(2);
    // Mostly of a few, so that equal values and changes back to an earlier one happen.
    return dice.one_in(3) ? dice.any(texts) : texts[dice.below(4)];
}

// Elements that can be told apart, in any order.
List sample_list(const Field& field, Dice& dice) {
    List list;
    const Value* items = field.schema.find("items");
    for (std::size_t i = 0, size = dice.below(4); i < size; ++i) {
        Value item = field.by.empty() ? sample_of(items ? *items : Value(), dice) : Value(Map{});
        for (const std::string& key : field.by) item.as_map().set(key, "k" + std::to_string(dice.below(4)));
        if (!field.by.empty() && !dice.one_in(3))
            item.as_map().set("port", static_cast<std::int64_t>(dice.below(3)));
        const bool is_there = std::any_of(list.begin(), list.end(), [&](const Value& other) {
            if (field.by.empty()) return other == item;
            return other.text_at(field.by.front()) == item.text_at(field.by.front());
        });
        if (!is_there || field.list == ListType::ordered) list.push_back(std::move(item));
    }
    return list;
}

} // namespace

std::vector<Field> fields_of(const KindInfo& kind) {
    std::vector<Field> fields;
    const Value* properties = find_at(kind.schema, "/properties/spec/properties");
    if (!properties || !properties->if_map()) return fields;
    for (const MapEntry& entry : *properties->if_map()) {
        const std::string pointer = append_pointer("/spec", entry.key);
        if (std::find(kind.scope.begin(), kind.scope.end(), pointer) != kind.scope.end()) continue;
        const ListRule& rule = list_rule(kind, pointer);
        fields.push_back({entry.key, entry.value, rule.type, rule.by});
    }
    return fields;
}

Value sample(const Field& field, Dice& dice) {
    if (field.name == "health") return "healthy";
    if (field.name == "password" && dice.one_in(2)) return "${{ secrets.keys.token }}";
    if (field.name == "value" && dice.one_in(6)) return "${{ vars.zone }}";
    return field.schema.text_at("type") == "array" ? Value(sample_list(field, dice))
                                                   : sample_of(field.schema, dice);
}

} // namespace holdfast::walks

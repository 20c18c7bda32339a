#include "manifest/explain.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/reference.hpp"

namespace holdfast {

namespace {

using Findings = std::vector<SchemaFinding>;

// What people call the thing at a pointer: "spec.mode", or the document.
std::string name_of(std::string_view pointer) {
    std::string out;
    for (const std::string& token : split_pointer(pointer)) {
        const bool is_index = !token.empty() && token.find_first_not_of("0123456789") == token.npos;
        if (is_index)
            out += "[" + token + "]";
        else
            out += (out.empty() ? "" : ".") + token;
    }
    return out.empty() ? "the document" : out;
}

bool has_type(const Value& value, std::string_view type) {
    if (type == "number") return value.is_number();
    if (type == "integer") {
        const double* real = value.if_real();
        return value.is_integer() || (real && *real == std::floor(*real));
    }
    if (type == "object") return value.is_map();
    if (type == "array") return value.is_list();
    return value.type_name() == type; // null, boolean, string
}

std::string_view with_article(std::string_view type) {
    if (type == "object") return "a map";
    if (type == "array") return "a list";
    if (type == "string") return "text";
    if (type == "integer") return "an integer";
    if (type == "boolean") return "true or false";
    if (type == "number") return "a number";
    return type;
}

std::string found_text(const Value& value) {
    if (value.is_map()) return "a map";
    if (value.is_list()) return "a list";
    const std::string json = to_json(value);
    if (value.is_string()) return "the text " + shorten(json, 40);
    if (value.is_bool()) return "the boolean " + json;
    if (value.is_null()) return "nothing (null)";
    return "the number " + json;
}

bool is_reference(const Value& value) {
    const std::string* text = value.if_string();
    return text && may_hold_references(*text) && !references_in(*text).empty();
}

class Explainer {
public:
    Explainer(const Value& root, const PatternSearch& search) : root_(root), search_(search) {}

    Findings explain(const Value& schema, const Value& value, const std::string& pointer) {
        Findings found;
        check(schema, value, pointer, found);
        return found;
    }

private:
    void add(Findings& out, const std::string& pointer, std::string_view code, std::string message,
             std::string hint = {}, bool of_key = false) {
        out.push_back({pointer, of_key, std::string(code), std::move(message), std::move(hint)});
    }

    const Value* resolve(const Value& schema) const {
        const Value* at = &schema;
        for (int hops = 0; at && hops < 32; ++hops) {
            const std::string_view target = at->text_at("$ref");
            if (target.empty()) return at;
            at = target.starts_with('#') ? find_at(root_, target.substr(1)) : nullptr;
        }
        return nullptr;
    }

    void check(const Value& given, const Value& value, const std::string& pointer, Findings& out) {
        if (is_reference(value)) return;
        if (const bool* allowed = given.if_bool()) {
            if (!*allowed)
                add(out, pointer, "manifest.bad-value", fmt::format("{} may not be set", name_of(pointer)));
            return;
        }
        const Value* schema = resolve(given);
        if (!schema || ++depth_ > 200) return;
        if (check_type(*schema, value, pointer, out)) {
            check_words(*schema, value, pointer, out);
            if (value.is_map()) check_map(*schema, *value.if_map(), pointer, out);
            if (value.is_list()) check_list(*schema, *value.if_list(), pointer, out);
            if (value.is_string()) check_text(*schema, *value.if_string(), pointer, out);
            if (value.is_number()) check_number(*schema, value, pointer, out);
            check_combinations(*schema, value, pointer, out);
        }
        --depth_;
    }

    bool check_type(const Value& schema, const Value& value, const std::string& pointer, Findings& out) {
        const Value* type = schema.find("type");
        if (!type) return true;
        std::vector<std::string> allowed = texts_of(type);
        if (type->is_string()) allowed = {*type->if_string()};
        if (std::any_of(allowed.begin(), allowed.end(), [&](const auto& t) { return has_type(value, t); }))
            return true;
        std::string expected;
        for (std::size_t i = 0; i < allowed.size(); ++i) {
            if (i > 0) expected += i + 1 == allowed.size() ? " or " : ", ";
            expected += with_article(allowed[i]);
        }
        std::string hint;
        const bool wants_text = std::find(allowed.begin(), allowed.end(), "string") != allowed.end();
        if (wants_text && value.is_scalar() && !value.is_null())
            hint = fmt::format("write \"{}\"", to_json(value));
        add(out, pointer, "manifest.wrong-type",
            fmt::format("{} must be {}, but is {}", name_of(pointer), expected, found_text(value)),
            std::move(hint));
        return false;
    }

    void check_words(const Value& schema, const Value& value, const std::string& pointer, Findings& out) {
        if (const Value* only = schema.find("const"); only && !(*only == value))
            add(out, pointer, "manifest.bad-value",
                fmt::format("{} must be {}, but is {}", name_of(pointer), to_json(*only), found_text(value)));
        const Value* words = schema.find("enum");
        const List* list = words ? words->if_list() : nullptr;
        if (!list || std::find(list->begin(), list->end(), value) != list->end()) return;
        std::string choice;
        for (const Value& word : *list) {
            if (!choice.empty()) choice += ", ";
            choice += word.is_string() ? *word.if_string() : to_json(word);
        }
        const std::string* text = value.if_string();
        const std::optional<std::string> near = text ? closest(*text, texts_of(words)) : std::nullopt;
        add(out, pointer, "manifest.bad-value",
            fmt::format("{} must be one of {}, but is {}", name_of(pointer), choice, found_text(value)),
            near ? fmt::format("did you mean \"{}\"?", *near) : std::string{});
    }

    void check_map(const Value& schema, const Map& map, const std::string& pointer, Findings& out) {
        for (const std::string& key : texts_of(schema.find("required")))
            if (!map.contains(key))
                add(out, pointer, "manifest.missing-key",
                    fmt::format("{} needs the key \"{}\"", name_of(pointer), key));
        check_count(schema, map.size(), "minProperties", "maxProperties", "keys", pointer, out);
        for (const MapEntry& entry : map)
            check_member(schema, entry, append_pointer(pointer, entry.key), out);
    }

    void check_member(const Value& schema, const MapEntry& entry, const std::string& pointer, Findings& out) {
        bool is_known = false;
        const Value* properties = schema.find("properties");
        if (const Value* member = properties ? properties->find(entry.key) : nullptr) {
            check(*member, entry.value, pointer, out);
            is_known = true;
        }
        if (const Value* patterns = schema.find("patternProperties"); patterns && patterns->is_map())
            for (const MapEntry& pattern : *patterns->if_map())
                if (search_(pattern.key, entry.key)) {
                    check(pattern.value, entry.value, pointer, out);
                    is_known = true;
                }
        if (const Value* names = schema.find("propertyNames")) {
            const Findings wrong = explain(*names, Value(entry.key), pointer);
            if (!wrong.empty())
                add(out, pointer, "manifest.bad-value",
                    fmt::format("\"{}\" may not be a key there", entry.key), wrong.front().message, true);
        }
        const Value* others = schema.find("additionalProperties");
        if (is_known || !others) return;
        if (const bool* allowed = others->if_bool(); !allowed)
            check(*others, entry.value, pointer, out);
        else if (!*allowed)
            add_unknown_key(properties, entry.key, pointer, out);
    }

    void add_unknown_key(const Value* properties, const std::string& key, const std::string& pointer,
                         Findings& out) {
        std::vector<std::string> known;
        if (properties && properties->is_map())
            for (const MapEntry& entry : *properties->if_map()) known.push_back(entry.key);
        std::string hint;
        if (const auto near = closest(key, known))
            hint = fmt::format("did you mean \"{}\"?", *near);
        else if (!known.empty() && known.size() <= 12)
            hint = "known keys: " + join(known, ", ");
        const std::string parent = pointer.substr(0, pointer.rfind('/'));
        add(out, pointer, "manifest.unknown-key",
            fmt::format("unknown key \"{}\" in {}", key, name_of(parent)), std::move(hint), true);
    }

    void check_list(const Value& schema, const List& list, const std::string& pointer, Findings& out) {
        check_count(schema, list.size(), "minItems", "maxItems", "items", pointer, out);
        const Value* items = schema.find("items");
        const List* by_place = items ? items->if_list() : nullptr;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const Value* wanted =
                by_place ? (i < by_place->size() ? &(*by_place)[i] : schema.find("additionalItems")) : items;
            if (wanted) check(*wanted, list[i], append_pointer(pointer, i), out);
        }
        const Value* unique = schema.find("uniqueItems");
        if (!unique || !unique->if_bool() || !*unique->if_bool()) return;
        for (std::size_t i = 0; i < list.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                if (list[i] == list[j] && !is_reference(list[i])) {
                    add(out, append_pointer(pointer, i), "manifest.bad-value",
                        fmt::format("{} stands twice in {}", shorten(to_json(list[i]), 40),
                                    name_of(pointer)));
                    return;
                }
    }

    void check_count(const Value& schema, std::size_t count, std::string_view least_key,
                     std::string_view most_key, std::string_view unit, const std::string& pointer,
                     Findings& out) {
        const auto limit = [&](std::string_view key) -> const std::int64_t* {
            const Value* value = schema.find(key);
            return value ? value->if_integer() : nullptr;
        };
        const auto size = static_cast<std::int64_t>(count);
        if (const auto* least = limit(least_key); least && size < *least)
            add(out, pointer, "manifest.bad-value",
                fmt::format("{} must have at least {} {}, but has {}", name_of(pointer), *least, unit, size));
        if (const auto* most = limit(most_key); most && size > *most)
            add(out, pointer, "manifest.bad-value",
                fmt::format("{} must have at most {} {}, but has {}", name_of(pointer), *most, unit, size));
    }

    void check_text(const Value& schema, const std::string& text, const std::string& pointer, Findings& out) {
        const auto characters =
            std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
        check_count(schema, static_cast<std::size_t>(characters), "minLength", "maxLength", "characters",
                    pointer, out);
        const std::string_view pattern = schema.text_at("pattern");
        if (pattern.empty()) return;
        if (text.size() > max_pattern_text)
            return add(out, pointer, "manifest.bad-value",
                       fmt::format("{} has {} bytes, too many for a field with a pattern", name_of(pointer),
                                   text.size()));
        if (search_(std::string(pattern), text)) return;
        const std::string_view title = schema.text_at("description");
        add(out, pointer, "manifest.bad-value",
            fmt::format("{} does not have the form {}: {}", name_of(pointer), pattern,
                        found_text(Value(text))),
            std::string(title));
    }

    void check_number(const Value& schema, const Value& value, const std::string& pointer, Findings& out) {
        const auto as_double = [](const Value& v) {
            return v.if_integer() ? static_cast<double>(*v.if_integer()) : *v.if_real();
        };
        const auto bound = [&](std::string_view key, std::string_view words, auto is_wrong) {
            const Value* limit = schema.find(key);
            if (!limit || !limit->is_number() || !is_wrong(as_double(value), as_double(*limit))) return;
            add(out, pointer, "manifest.bad-value",
                fmt::format("{} must be {} {}, but is {}", name_of(pointer), words, to_json(*limit),
                            to_json(value)));
        };
        bound("minimum", "at least", [](double v, double limit) { return v < limit; });
        bound("maximum", "at most", [](double v, double limit) { return v > limit; });
        bound("exclusiveMinimum", "more than", [](double v, double limit) { return v <= limit; });
        bound("exclusiveMaximum", "less than", [](double v, double limit) { return v >= limit; });
        bound("multipleOf", "a multiple of", [](double v, double step) {
            return step > 0 && std::abs(std::remainder(v, step)) > 1e-9 * std::max(1.0, std::abs(v));
        });
    }

    void check_combinations(const Value& schema, const Value& value, const std::string& pointer,
                            Findings& out) {
        if (const Value* all = schema.find("allOf"); all && all->is_list())
            for (const Value& part : *all->if_list()) check(part, value, pointer, out);
        check_alternatives(schema.find("anyOf"), value, pointer, false, out);
        check_alternatives(schema.find("oneOf"), value, pointer, true, out);
        if (const Value* forbidden = schema.find("not");
            forbidden && explain(*forbidden, value, pointer).empty())
            add(out, pointer, "manifest.bad-value",
                fmt::format("{} has a form that is not allowed there", name_of(pointer)),
                std::string(forbidden->text_at("description")));
        if (const Value* condition = schema.find("if")) {
            const bool holds = explain(*condition, value, pointer).empty();
            if (const Value* then = schema.find(holds ? "then" : "else")) check(*then, value, pointer, out);
        }
    }

    // Of several forms, the one that the value comes nearest to says what is wrong.
    void check_alternatives(const Value* forms, const Value& value, const std::string& pointer, bool only_one,
                            Findings& out) {
        const List* list = forms ? forms->if_list() : nullptr;
        if (!list) return;
        std::optional<Findings> best;
        std::string types;
        std::size_t matches = 0;
        for (const Value& form : *list) {
            Findings found = explain(form, value, pointer);
            if (found.empty()) {
                ++matches;
                continue;
            }
            const bool has_wrong_type =
                found.front().code == "manifest.wrong-type" && found.front().pointer == pointer;
            const Value* resolved = resolve(form);
            if (has_wrong_type && resolved) {
                const std::string_view type = with_article(resolved->text_at("type"));
                if (types.find(type) == types.npos)
                    types += (types.empty() ? "" : " or ") + std::string(type);
            } else if (!best || found.size() < best->size()) {
                best = std::move(found);
            }
        }
        if (matches == 1 || (matches > 1 && !only_one)) return;
        if (matches > 1)
            return add(out, pointer, "manifest.bad-value",
                       fmt::format("{} fits several forms of which only one may apply", name_of(pointer)));
        if (best)
            out.insert(out.end(), best->begin(), best->end());
        else
            add(out, pointer, "manifest.wrong-type",
                fmt::format("{} must be {}, but is {}", name_of(pointer), types, found_text(value)));
    }

    const Value& root_;
    const PatternSearch& search_;
    int depth_ = 0;
};

} // namespace

std::vector<SchemaFinding> explain_mismatch(const Value& schema, const Value& document,
                                            const PatternSearch& search) {
    return Explainer(schema, search).explain(schema, document, "");
}

} // namespace holdfast

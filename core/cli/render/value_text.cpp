#include "cli/render/value_text.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

bool is_masked_secret(const Value& value) {
    const Map* map = value.if_map();
    return map && map->size() == 1 && map->contains("$secret");
}

bool is_text_block(const Value& value) {
    const std::string* text = value.if_string();
    if (!text) return false;
    const std::size_t newline = text->find('\n');
    return newline != std::string::npos && newline + 1 < text->size();
}

namespace {

bool looks_like_another_type(std::string_view text) {
    constexpr std::array words{"true", "false", "null", "~", "yes", "no", "on", "off"};
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (std::find(words.begin(), words.end(), lower) != words.end()) return true;
    // Dots and colons inside stay plain: addresses and versions are not numbers.
    const std::string_view digits = lower.front() == '-' || lower.front() == '+' ? text.substr(1) : text;
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_decimal_number(std::string_view text) {
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    return std::count(text.begin(), text.end(), '.') == 1 && text.size() > 1 &&
           text.find_first_not_of("0123456789.") == std::string_view::npos;
}

enum class Where { alone, inside };

bool needs_quotes(std::string_view text, Where where) {
    if (text.empty() || text.front() == ' ' || text.back() == ' ') return true;
    if (std::string_view("\"'[{(&*!|>%@`#").find(text.front()) != std::string_view::npos) return true;
    if (where == Where::inside && text.find_first_of(",[]{}:\"") != std::string_view::npos) return true;
    return looks_like_another_type(text) || is_decimal_number(text) ||
           text.find(" -> ") != std::string_view::npos;
}

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    // The backslashes of the text itself are doubled before `printable` adds its own.
    std::string escaped;
    for (char c : text) {
        if (c == '"' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return out + printable(escaped) + "\"";
}

std::string string_text(std::string_view text, Where where) {
    bool was_escaped = false;
    std::string plain = printable(text, &was_escaped);
    return was_escaped || needs_quotes(text, where) ? in_quotes(text) : plain;
}

void append_value(std::string& out, const Value& value, Where where) {
    if (is_masked_secret(value)) {
        out += sensitive_text;
    } else if (const std::string* text = value.if_string()) {
        out += string_text(*text, where);
    } else if (const List* list = value.if_list()) {
        out += '[';
        for (const Value& item : *list) {
            if (&item != &list->front()) out += ", ";
            append_value(out, item, Where::inside);
        }
        out += ']';
    } else if (const Map* map = value.if_map()) {
        out += '{';
        bool first = true;
        for (const MapEntry& entry : *map) {
            if (!first) out += ", ";
            first = false;
            out += string_text(entry.key, Where::inside) + ": ";
            append_value(out, entry.value, Where::inside);
        }
        out += '}';
    } else {
        out += to_json(value);
    }
}

bool is_plain_key(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '$';
    });
}

// "[name=web]", as pointers name elements of keyed lists; only where it needs no quotes.
bool is_element_token(std::string_view token) {
    static constexpr std::string_view others = "=,.:/#";
    return token.size() > 2 && token.front() == '[' && token.back() == ']' &&
           std::all_of(token.begin() + 1, token.end() - 1, [](char c) {
               return is_plain_key({&c, 1}) || others.find(c) != std::string_view::npos;
           });
}

} // namespace

std::string value_text(const Value& value) {
    std::string out;
    append_value(out, value, Where::alone);
    return out;
}

std::string field_name(std::string_view pointer) {
    std::vector<std::string> tokens = pointer.empty() ? std::vector<std::string>{} : split_pointer(pointer);
    if (!tokens.empty() && tokens.front() == "spec") tokens.erase(tokens.begin());
    if (tokens.empty()) return "(document)";
    std::string name;
    for (const std::string& token : tokens) {
        const bool is_index = !token.empty() && token.find_first_not_of("0123456789") == std::string::npos;
        const bool is_element = is_element_token(token);
        if (token.starts_with("[=") && &token == &tokens.back() && !name.empty())
            name += "[]"; // an element of a set, which is the value that stands beside it
        else if (is_index && !name.empty())
            name += "[" + token + "]";
        else if (is_element && !name.empty())
            name += token; // of a keyed list: rules[name=web]
        else if (is_plain_key(token))
            name += (name.empty() ? "" : ".") + token;
        else
            name += (name.empty() ? "" : "[") + in_quotes(token) + (name.empty() ? "" : "]");
    }
    return name;
}

} // namespace holdfast

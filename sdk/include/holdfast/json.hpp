#pragma once
// Optional: documents as nlohmann-json values, for providers that look inside them. Only this header
// needs that library; provider.hpp does not.

#include <algorithm>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <holdfast/provider.hpp>

namespace holdfast::sdk {

using Json = nlohmann::json; // std::map underneath: dump() writes keys in order, as canonical JSON wants

// Documents come from the engine and are JSON; what is not (a plugin's own private data, a target's
// answer) throws Error with `code`.
inline Json parse_json(std::string_view text, const char* code = "plugin.bad-json") {
    Json value = Json::parse(text.begin(), text.end(), nullptr, false);
    if (value.is_discarded()) throw Error(code, "this is not JSON: " + std::string(text.substr(0, 60)));
    return value;
}

// As dump(), three times as fast, since text that needs no escapes is copied as a whole.
inline void append_json(std::string& out, const Json& value) {
    const auto text = [&](const std::string& one) {
        const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
        if (!std::all_of(one.begin(), one.end(), is_plain)) return append_quoted(out, one);
        out += '"';
        out += one;
        out += '"';
    };
    char separator = '\0';
    const auto separate = [&] {
        if (separator != '\0') out += separator;
        separator = ',';
    };
    switch (value.type()) {
        case Json::value_t::object:
            out += '{';
            for (auto member = value.begin(); member != value.end(); ++member) {
                separate();
                text(member.key());
                out += ':';
                append_json(out, *member);
            }
            out += '}';
            break;
        case Json::value_t::array:
            out += '[';
            for (const Json& element : value) separate(), append_json(out, element);
            out += ']';
            break;
        case Json::value_t::string: text(value.get_ref<const std::string&>()); break;
        case Json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; break;
        case Json::value_t::number_integer: out += std::to_string(value.get<std::int64_t>()); break;
        case Json::value_t::number_unsigned: out += std::to_string(value.get<std::uint64_t>()); break;
        default: out += value.dump();
    }
}

// Bytes that are not UTF-8 become U+FFFD rather than an exception.
inline std::string dump_json(const Json& value) {
    std::string out;
    append_json(out, value);
    return out;
}

// The value at a JSON pointer (RFC 6901), or null. Json's own pointers are parsed into a list of strings each
// time.
inline const Json* find(const Json& document, std::string_view pointer) {
    const Json* at = &document;
    while (!pointer.empty()) {
        pointer.remove_prefix(1);
        const std::string_view raw = pointer.substr(0, pointer.find('/'));
        pointer.remove_prefix(raw.size());
        if (at->is_object()) {
            std::string token(raw);
            for (std::size_t i = 0; (i = token.find('~', i)) != std::string::npos; ++i)
                token.replace(i, 2, token.compare(i, 2, "~1") == 0 ? "/" : "~");
            const auto member = at->find(token);
            if (member == at->end()) return nullptr;
            at = &*member;
        } else {
            std::size_t index = 0;
            const bool is_index = at->is_array() && !raw.empty() && raw.size() < 10 &&
                                  raw.find_first_not_of("0123456789") == raw.npos &&
                                  (raw[0] != '0' || raw.size() == 1);
            for (const char digit : raw) index = index * 10 + static_cast<std::size_t>(digit - '0');
            if (!is_index || index >= at->size()) return nullptr;
            at = &(*at)[index];
        }
    }
    return at;
}

// The string at a JSON pointer, or `otherwise`.
inline std::string text_at(const Json& document, std::string_view pointer, std::string otherwise = {}) {
    const Json* value = find(document, pointer);
    return value && value->is_string() ? value->get<std::string>() : std::move(otherwise);
}

} // namespace holdfast::sdk

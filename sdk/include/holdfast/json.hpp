#pragma once
// Optional: documents as nlohmann-json values, for providers that look inside them. Only this header
// needs that library; provider.hpp does not.

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

// Bytes that are not UTF-8 become U+FFFD rather than an exception.
inline std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The value at a JSON pointer, or null.
inline const Json* find(const Json& document, const char* pointer) {
    const Json::json_pointer at(pointer);
    return document.contains(at) ? &document.at(at) : nullptr;
}

// The string at a JSON pointer, or `otherwise`.
inline std::string text_at(const Json& document, const char* pointer, std::string otherwise = {}) {
    const Json* value = find(document, pointer);
    return value && value->is_string() ? value->get<std::string>() : std::move(otherwise);
}

} // namespace holdfast::sdk

#pragma once
// JSON text <-> Value. Printing is canonical: keys sorted, no spaces, shortest numbers, so equal values
// give equal bytes and a hash of the text is a hash of the document.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace holdfast {

struct JsonLimits {
    std::size_t max_bytes = 64U << 20;
    std::size_t max_depth = 256;
};

// Errors: `json.syntax`, `json.too-large`, `json.too-deep`, `json.encoding` (not UTF-8),
// `json.duplicate-key`.
Result<Value> parse_json(std::string_view text, const JsonLimits& limits = {});

// The text of what stands at `pointer`, found without a parse. Nothing where nothing stands there, and
// wherever only a parse could tell: an escaped or repeated key on the way, a list, text that is no JSON.
std::optional<std::string_view> json_text_at(std::string_view json, std::string_view pointer);

std::string to_json(const Value& value);
void append_json(std::string& out, const Value& value);
void append_json_string(std::string& out, std::string_view text);
// Indented by two spaces, for people.
std::string to_pretty_json(const Value& value);

} // namespace holdfast

#pragma once
// Values and field names as a plan shows them: like YAML on one line, so that "0644" and 0644, or "true"
// and true, never look the same.

#include <string>
#include <string_view>

#include "base/value.hpp"

namespace holdfast {

constexpr std::string_view sensitive_text = "(sensitive)";
constexpr std::string_view absent_text = "(none)";

// One line without control characters. The keyed hash of a secret ({"$secret": ...}) shows as (sensitive).
std::string value_text(const Value& value);
// True for {"$secret": ...}, the recordable form of a secret.
bool is_masked_secret(const Value& value);
// True for text of several lines, which is shown as lines and compared line by line.
bool is_text_block(const Value& value);

// "/spec/labels/app.io~1name/0" -> labels["app.io/name"][0]; "/spec" alone and "" -> "(document)".
std::string field_name(std::string_view pointer);

} // namespace holdfast

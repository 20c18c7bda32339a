#pragma once
// The JSON that programs print, read without a parser's events. See parse_json for what everybody calls.

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/value.hpp"

namespace holdfast {

// Nothing where the text is not plain, right or wrong: nlohmann's parser decides then, and makes the
// messages.
// `max_depth` counts lists and maps within each other.
std::optional<Value> read_plain_json(std::string_view text, std::size_t max_depth);

} // namespace holdfast

#pragma once
// Says in people's words why a document does not fit its JSON Schema. Private to manifest.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace holdfast {

// Searches `text` for the regular expression `pattern`.
using PatternSearch = std::function<bool(const std::string& pattern, const std::string& text)>;

struct SchemaFinding {
    std::string pointer;
    bool of_key = false; // the key at `pointer` is wrong, not its value
    std::string code, message, hint;
};

// Reports nothing where a value holds a reference: its type is not known yet.
std::vector<SchemaFinding> explain_mismatch(const Value& schema, const Value& document,
                                            const PatternSearch& search);

// Longest text that is compared with a pattern: std::regex recurses once per character.
constexpr std::size_t max_pattern_text = 2048;

} // namespace holdfast

#pragma once
// What a plain scalar of YAML means: null, a boolean, a number or text. Pure functions.

#include <string>
#include <string_view>

#include "base/value.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

struct PlainScalar {
    Value value;
    // Not empty: YAML 1.1 and 1.2 disagree about it, and this says how.
    std::string ambiguity{};
    // Not empty: what to write for the other reading (besides quotes).
    std::string alternative{};
};

PlainScalar read_plain_scalar(std::string_view text, ScalarRules rules);

// YAML 1.2's core schema, for explicit tags.
bool is_null_text(std::string_view text);
bool read_boolean(std::string_view text, bool& value);
// True where `text` is an integer or real; `value` gets it.
bool read_number(std::string_view text, Value& value);

// True where some YAML reader, of either version, takes the plain text for something else than a string.
bool needs_quotes(std::string_view text);

} // namespace holdfast

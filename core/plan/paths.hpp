#pragma once
// Questions about JSON pointers and patterns that the comparison asks.

#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace holdfast {

// True where `pattern` names something strictly below `pointer`: "/spec/*/ttl" below "/spec" and "/spec/www".
bool lies_below(std::string_view pattern, std::string_view pointer);
bool any_lies_below(const std::vector<std::string>& patterns, std::string_view pointer);
// What is left of `pattern` behind `pointer`, as tokens; asked only where it lies below.
std::vector<std::string> rest_below(std::string_view pattern, std::string_view pointer);

// "/spec/users/0/password" -> "/spec/users/*/password": the same secret may stand at another index of
// what was observed.
std::string any_index(std::string_view pointer);

// The "default" of a JSON Schema for what stands at `pointer`, or null. Follows properties,
// additionalProperties, items and local $ref.
const Value* schema_default(const Value& schema, std::string_view pointer);

// How an element of a keyed list or a set is named in pointers: "[name=web]", "[port=80,protocol=TCP]",
// "[=wheel]". Readable, free of indices, and safe as a pointer's token.
std::string element_token(const Value& element, const std::vector<std::string>& by,
                          const std::vector<const Value*>& defaults);

} // namespace holdfast

#pragma once
// The recordable form of a secret: {"$secret": "<keyed hash>"}.

#include <string_view>

#include "base/value.hpp"

namespace holdfast {

bool is_mask(const Value& value);
// The mask of `value`; what is masked already, and null, stays as it is. Without a key (a comparison that
// was not given one) the mask says only that something is there: an unkeyed hash could be guessed.
Value mask_of(const Value& value, std::string_view masking_key);

} // namespace holdfast

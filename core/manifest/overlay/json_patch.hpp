#pragma once
// JSON patches, RFC 6902. Private to manifest.

#include <string>

#include "base/diagnostic.hpp"
#include "base/value.hpp"

namespace holdfast {

// Carries out `operations`, a list of {op, path, from, value}; values keep the places where they were
// written. What cannot be done is reported at its operation, `overlay.bad-patch`; `document` is then as far
// as it got. `subject` names the document in messages.
bool json_patch(Value& document, const Value& operations, const std::string& subject, Diagnostics& problems);

} // namespace holdfast

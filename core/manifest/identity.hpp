#pragma once
// What a kind's pointers pick out of a document: the target object's identity, its scope, the files it
// names. The one place where these forms are made.

#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "model/kind.hpp"

namespace holdfast {

struct Picked {
    std::string identity;            // canonical JSON: the value itself, or a list of several
    Symbol scope;                    // joined by "/"
    bool hangs_on_reference = false; // then both are empty
    std::string missing;             // a pointer of the kind that the document has nothing at
};

Picked pick_identity(const KindInfo& kind, const Value& document, bool references_count);

// The pointers in `document` that `pattern` stands for: "*" is any key or index.
std::vector<std::string> expand_pointer(const Value& document, std::string_view pattern);

} // namespace holdfast

#pragma once
// A document in the one form in which documents are compared, hashed, stored and sent to plugins:
// canonical JSON text with its hash. Parsed only where somebody looks inside.

#include <string>

#include "base/hash.hpp"
#include "base/value.hpp"

namespace holdfast {

struct Document {
    std::string json;
    Hash hash;

    bool empty() const { return json.empty(); }
    bool operator==(const Document& other) const { return hash == other.hash; }
};

Document make_document(const Value& value);
// For text that is canonical already; the caller vouches for that.
Document make_document(std::string canonical_json);
// The tree of a document that this process made; asserts that it parses.
Value tree_of(const Document& document);

} // namespace holdfast

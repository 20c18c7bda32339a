#include "model/document.hpp"

#include <cassert>

#include "base/json.hpp"

namespace holdfast {

Document make_document(const Value& value) { return make_document(to_json(value)); }

Document make_document(std::string canonical_json) {
    Document document{.json = std::move(canonical_json), .hash = {}};
    document.hash = sha256(document.json);
    return document;
}

Value tree_of(const Document& document) {
    if (document.empty()) return {};
    Result<Value> tree = parse_json(document.json);
    assert(tree.ok());
    return *std::move(tree);
}

} // namespace holdfast

#pragma once
// Documents as people write them, Zone and RecordSet, to leaves in canonical form: one for each RRset, with
// one spelling for each name, type and value. Pure.

#include <holdfast/json.hpp>

#include "model.hpp"

namespace holdfast::dns {

struct Compiled {
    Wire origin;
    Key key;
    std::string document;      // canonical JSON
    std::string pointer;       // where in the document it stands
    bool stands_alone = false; // from a RecordSet: the leaf is the document
};

// All leaves of a document, and everything that is wrong with it, with pointers. With errors the leaves do
// not count.
std::vector<Compiled> compile_document(std::string_view document, sdk::Diagnostics& problems);

} // namespace holdfast::dns

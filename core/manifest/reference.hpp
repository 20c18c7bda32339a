#pragma once
// References in documents: ${{ vars.zone }}, ${{ outputs["web:g/Kind/name"].status.addresses[0] }},
// ${{ secrets.NAME.key }}. Three roots, no functions. Anything else in ${{ }} is plain text; $${{ escapes.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/ids.hpp"
#include "base/value.hpp"
#include "model/leaf.hpp"

namespace holdfast {

struct Reference {
    enum class Root { vars, outputs, secrets } root = Root::vars;
    Address producer;              // outputs; the stack is empty where it is the document's own
    std::string name;              // vars: first key; secrets: NAME
    std::vector<std::string> path; // the rest; list indices as digits
    std::string text;              // as written, for messages
};

// The references inside one scalar. Problems in something that begins like a reference (unknown key of a
// known root, missing bracket) are reported by `resolve_references`.
std::vector<Reference> references_in(std::string_view text);
bool may_hold_references(std::string_view json_or_yaml); // cheap: looks for "${{"

struct ReferenceUse {
    Reference reference;
    std::string pointer;
};
std::vector<ReferenceUse> references_of(const Value& document);

// What a reference stands for at this moment.
struct Resolution {
    enum class State { known, not_yet, error } state = State::known;
    Value value; // known
    bool sensitive = false;
    Diagnostic problem; // error
};
using Resolver = std::function<Resolution(const Reference& reference, std::string_view pointer)>;

struct ResolvedDocument {
    Value document;                     // unknown ones are left as written
    std::vector<std::string> sensitive; // pointers that took in a secret, also by interpolation
    std::vector<Wait> waits;
    std::vector<Address> producers; // of all outputs references
    Diagnostics problems;           // pointer set, no span
};

// A scalar that is only a reference keeps the type of what it names; inside other text, scalars are
// printed and anything else is an error (`reference.not-scalar`).
ResolvedDocument resolve_references(const Value& document, const Resolver& resolver);

// The value at `path` in an output document: keys and indices. Null where there is none.
const Value* follow_path(const Value& root, const std::vector<std::string>& path);

} // namespace holdfast

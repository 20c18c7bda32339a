#pragma once
// The annotations holdfast.dev/* with which a document steers the engine. Private to manifest.

#include <optional>
#include <string>
#include <vector>

#include "manifest/places.hpp"
#include "model/leaf.hpp"

namespace holdfast {

// What a document says of its own treatment; what it does not say comes from the stack.
struct Steering {
    std::string provider;
    std::optional<bool> protect, observe_only;
    std::optional<Deletion> deletion;
    std::optional<Adopt> adopt;
    std::optional<DriftPolicy> drift;
    std::optional<ReplaceOrder> replace;
    std::optional<std::int32_t> wave;
    std::vector<std::string> ignore;
    std::vector<Address> depends_on, moved_from, refresh_on; // no stack: the document's own

    bool operator==(const Steering&) const = default;
    // Over the stack's defaults.
    Policy policy(const Policy& defaults) const;
};

// Takes the annotations out of `document`. Problems: `manifest.bad-annotation`,
// `manifest.unknown-annotation`.
Steering take_steering(Value& document, const SourceText& source, Diagnostics& problems);

} // namespace holdfast

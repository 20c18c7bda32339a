#pragma once
// Which resources a patch or a replacement is for: kustomize's selectors. Private to manifest.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/overlay/pattern.hpp"
#include "manifest/overlay/resource.hpp"

namespace holdfast {

// Kubernetes' label selectors: "a=b, c!=d, e in (f, g), h notin (i), j, !k".
class LabelSelector {
public:
    // Error: `overlay.bad-selector` without a place.
    static Result<LabelSelector> parse(std::string_view text);
    // `labels` may be null.
    bool matches(const Value* labels) const;

private:
    struct Term {
        std::string key;
        bool is_wanted = true;           // false: !=, notin, !key
        std::vector<std::string> values; // empty: that there is one at all
    };
    std::vector<Term> terms_;
};

class TargetSelector {
public:
    // From a map {group, version, kind, name, namespace, labelSelector, annotationSelector}. What is wrong is
    // reported at its place.
    static std::optional<TargetSelector> read(const Value& target, Diagnostics& problems);
    // The original name and namespace count as well as those of now.
    bool selects(const OverlayResource& resource) const;
    // All that it selects, in their order.
    std::vector<OverlayResource*> select(OverlayResources& resources) const;

private:
    std::optional<Pattern> group_, version_, kind_, name_, name_space_;
    std::optional<LabelSelector> labels_, annotations_;
};

} // namespace holdfast

#pragma once
// The comparison with all that steers it; `compare_documents` in plan.hpp is the short form.

#include <string_view>
#include <vector>

#include "base/value.hpp"
#include "model/kind.hpp"
#include "model/plan.hpp"

namespace holdfast {

struct CompareRules {
    const KindInfo& kind;
    std::vector<std::string> ignore;    // of the policy
    std::vector<std::string> sensitive; // of the leaf; the kind's own are added
    std::string_view masking_key;       // empty: a mask never equals a plain value
};

std::vector<FieldChange> compare(const Value& declared, const Value& recorded, const Value& observed,
                                 const CompareRules& rules);

} // namespace holdfast

#pragma once
// How the lists of a kind are merged by a strategic merge patch: by the keys of Kubernetes' built-in kinds,
// by what a plugin says of its kinds, and as a whole for all others. Private to manifest.

#include <string>
#include <string_view>
#include <vector>

#include "model/kind.hpp"

namespace holdfast {

class MergeRules {
public:
    // `kind` may be null: nobody describes it.
    MergeRules(std::string_view api_version, std::string_view kind_name, const KindInfo* kind);
    // Of the list at `pointer`; an index stands as "*" in it, as in KindInfo::lists.
    const ListRule& at(std::string_view pointer) const;
    // Whether they are those of a kind of Kubernetes itself.
    bool is_builtin() const { return builtin_ != nullptr; }

private:
    const std::vector<ListRule>* builtin_ = nullptr;
    const KindInfo* kind_ = nullptr;
};

} // namespace holdfast

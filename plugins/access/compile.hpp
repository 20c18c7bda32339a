#pragma once
// One list of people, teams, roles and grants, rendered for one target: which accounts and groups it is to
// hold, and what who may do there now.
//
// What has run out does not disappear from the target, it is taken back in place: an account whose last grant
// is over is suspended, and its group memberships go. So time alone never plans a delete, which the limits
// of a stack could park; removing a person's document does, and is meant to.

#include <cstdint>
#include <string>
#include <vector>

#include "model.hpp"

namespace holdfast::access {

// Of the provider's config: which target this is, and what must never happen to it.
struct Target {
    std::string name, adapter;
    std::vector<std::string> required; // people who must have an account here that nothing ends
    std::string admin_role;            // at least so many people hold it here, for ever
    std::size_t min_admins = 0;
};

struct Compiled {
    std::size_t document = 0; // what it comes from
    Kind kind = Kind::none;
    std::string name, part, pointer;
    Json document_json;
};

struct Rendered {
    std::vector<Compiled> leaves;
    std::int64_t until_ms = 0; // from then on the same documents render to something else; 0: never
};

Rendered render(const std::vector<Json>& documents, const Target& target, std::int64_t now_ms,
                Problems& problems);

} // namespace holdfast::access

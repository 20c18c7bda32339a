#pragma once
// One change of an apply, compared with what stands on the target right before it is written.

#include <set>
#include <string>
#include <vector>

#include "names.hpp"

namespace holdfast::access {

struct Step {
    sdk::Change change;
    Kind kind = Kind::none;
    std::string name;
    Json want, recorded; // specs; null where there is none
    Json before;         // the spec of what stands there; null: nothing does
    bool is_over = false;
    bool is_touched = false; // something of it may be written

    bool removes() const { return want.is_null(); }
    bool creates() const { return before.is_null(); }
    // "Account ana"
    std::string title() const { return std::string(name_of(kind)) + " " + name; }
};

std::vector<Step> read_steps(sdk::Items changes);
// With `before` filled in: true where all is as it is to be. Throws `access.conflict` where it is not what
// was observed.
bool is_so_already(const Step& step);
// Elements of the list of texts at `key`.
std::set<std::string> texts_of(const Json& spec, const char* key);
// Elements of a list that nobody declares are others', less what we gave and is declared no more.
std::set<std::string> wanted_texts(const Step& step, const char* key);

} // namespace holdfast::access

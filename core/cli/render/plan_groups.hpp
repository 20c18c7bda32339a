#pragma once
// A plan's changes as a person wrote them: sorted by file, leaves under their documents, and cut down to
// what fits on a screen.

#include <map>
#include <string>
#include <vector>

#include "model/plan.hpp"

namespace holdfast {

struct PlanGroup {
    ResourceId parent;
    std::vector<const Change*> leaves;
    std::size_t hidden = 0; // leaves that are not among `leaves`

    // A document that is its own leaf.
    bool is_plain() const {
        return hidden == 0 && leaves.size() == 1 && leaves.front()->address.id == parent;
    }
    const Origin& origin() const { return leaves.front()->origin; }
};

struct PlanGroups {
    std::vector<PlanGroup> shown;
    std::map<std::string, std::size_t> hidden_documents; // kind -> plain documents that are not shown
};

// Changes that do nothing are left out. `limit` of 0: everything.
PlanGroups group_changes(const Plan& plan, std::size_t limit);

// Names documents shortly ("File/motd"), and in full where two groups have a kind of that name.
class Names {
public:
    explicit Names(const Plan& plan);
    std::string of(const ResourceId& id) const;
    // With the stack where it is not the plan's own.
    std::string of(const Address& address) const;

private:
    std::string stack_;
    std::map<std::string, std::string> group_of_kind_; // "" where there are several
};

} // namespace holdfast

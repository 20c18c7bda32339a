#pragma once
// A plan while it is made: the input, what was decided so far, and the small questions that every stage
// asks of them.

#include <string>
#include <string_view>

#include "plan/plan.hpp"

namespace holdfast {

struct Draft {
    explicit Draft(const PlanInput& given) : input(given) {}

    const PlanInput& input;
    Plan plan;

    // Null where no such provider is configured. Cheap when asked for the same one again and again.
    const ProviderFacts* provider(std::string_view name);
    // Null where the provider, or the kind in any version of its group, is not known.
    const KindInfo* kind(std::string_view provider_name, std::string_view api_version,
                         std::string_view kind_name);

    Change change_for_leaf(std::size_t leaf);
    Change change_for_entry(std::size_t recorded) const;
    bool is_declared_elsewhere(const TargetObject& object, Address* where = nullptr) const;

private:
    std::string_view last_name_;
    const ProviderFacts* last_ = nullptr;
};

// A problem of one change, with its address and the place where it was declared.
Diagnostic problem_of(const Change& change, std::string_view code, std::string message, std::string hint);
void block(Change& change, Diagnostic why);
void park(Change& change, std::string reason);

} // namespace holdfast

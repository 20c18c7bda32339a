#include "plan/select.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace holdfast {

namespace {

bool is_named_by(const std::string& pattern, const Address& address) {
    auto matches = [&](const std::string& name) { return pattern == name || matches_glob(pattern, name); };
    auto names = [&](const ResourceId& id) {
        return matches(to_string(id)) || matches(to_string(Address{address.stack, id})) ||
               matches(short_name(id));
    };
    if (names(address.id)) return true;
    if (address.id.part.empty()) return false;
    return names(address.id.parent()) ||
           (!address.id.provider_part().empty() && names(address.id.resource()));
}

bool is_named_by_any(const std::vector<std::string>& patterns, const Change& change) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return is_named_by(pattern, change.address) ||
               (!change.moved_from.id.empty() && is_named_by(pattern, change.moved_from));
    });
}

} // namespace

std::vector<bool> find_excluded(const Draft& draft) {
    const PlanInput& input = draft.input;
    std::vector<bool> excluded(draft.plan.changes.size());
    if (input.only.empty() && input.exclude.empty()) return excluded;
    for (std::size_t i = 0; i < excluded.size(); ++i) {
        const Change& change = draft.plan.changes[i];
        const bool is_wanted = input.only.empty() || is_named_by_any(input.only, change);
        excluded[i] = !is_wanted || is_named_by_any(input.exclude, change);
    }
    return excluded;
}

bool is_left_out(const PlanInput& input, const Address& address) {
    const auto is_named = [&](const std::string& pattern) { return is_named_by(pattern, address); };
    return (!input.only.empty() && std::none_of(input.only.begin(), input.only.end(), is_named)) ||
           std::any_of(input.exclude.begin(), input.exclude.end(), is_named);
}

} // namespace holdfast

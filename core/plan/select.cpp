#include "plan/select.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace holdfast {

namespace {

bool is_named_by(const std::string& pattern, const Address& address) {
    const ResourceId document = address.id.parent();
    auto matches = [&](const std::string& name) { return pattern == name || matches_glob(pattern, name); };
    return matches(to_string(address.id)) || matches(to_string(address)) || matches(short_name(address.id)) ||
           matches(to_string(document)) || matches(to_string(Address{address.stack, document})) ||
           matches(short_name(document));
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

} // namespace holdfast

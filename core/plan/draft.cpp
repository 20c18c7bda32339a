#include "plan/draft.hpp"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

namespace holdfast {

const ProviderFacts* Draft::provider(std::string_view name) {
    if (last_ && name == last_name_) return last_;
    auto it = input.providers.find(std::string(name));
    if (it == input.providers.end()) return nullptr;
    last_name_ = it->first;
    return last_ = &it->second;
}

const KindInfo* Draft::kind(std::string_view provider_name, std::string_view api_version,
                            std::string_view kind_name) {
    const ProviderFacts* facts = provider(provider_name);
    if (!facts || !facts->description) return nullptr;
    if (const KindInfo* exact = facts->description->find(api_version, kind_name)) return exact;
    // What was recorded in an old version of the API is still of that kind.
    const std::string group = split_api_version(api_version).group;
    const auto& kinds = facts->description->kinds;
    auto it = std::find_if(kinds.begin(), kinds.end(), [&](const KindInfo& k) {
        return k.kind == kind_name && split_api_version(k.api_version).group == group;
    });
    return it == kinds.end() ? nullptr : &*it;
}

Change Draft::change_for_leaf(std::size_t index) {
    const Leaf& leaf = input.leaves[index];
    const ProviderFacts* facts = provider(leaf.provider);
    Change change;
    change.address = leaf.address;
    change.parent = leaf.address.id.parent();
    change.provider = leaf.provider;
    change.api_version = leaf.api_version;
    change.object = target_object(leaf, facts ? facts->target : std::string_view{});
    change.leaf = index;
    change.origin = leaf.origin;
    return change;
}

Change Draft::change_for_entry(std::size_t index) const {
    const LedgerEntry& entry = input.recorded[index];
    Change change;
    change.address = entry.address;
    change.parent = entry.address.id.parent();
    change.provider = entry.provider;
    change.api_version = entry.api_version;
    change.object = entry.object;
    change.recorded = index;
    change.origin.file = entry.file;
    change.origin.line = entry.line;
    return change;
}

bool Draft::is_declared_elsewhere(const TargetObject& object, Address* where) const {
    if (input.declared_elsewhere.empty()) return false;
    auto it = input.declared_elsewhere.find(object.key());
    if (it == input.declared_elsewhere.end()) return false;
    if (where) *where = it->second;
    return true;
}

Diagnostic problem_of(const Change& change, std::string_view code, std::string message, std::string hint) {
    Diagnostic problem = failure(code, std::move(message), std::move(hint));
    problem.subject = to_string(change.address);
    problem.span.file = change.origin.file;
    problem.span.position = {change.origin.line, change.origin.line ? 1U : 0U};
    return problem;
}

void block(Change& change, Diagnostic why) {
    change.readiness = Readiness::blocked;
    change.diagnostics.add(std::move(why));
}

void park(Change& change, std::string reason) {
    if (change.readiness == Readiness::blocked) return;
    change.readiness = Readiness::parked;
    if (std::find(change.reasons.begin(), change.reasons.end(), reason) == change.reasons.end())
        change.reasons.push_back(std::move(reason));
}

} // namespace holdfast

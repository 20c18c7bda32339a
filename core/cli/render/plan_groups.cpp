#include "cli/render/plan_groups.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/core.h>

#include "cli/render/style.hpp"

namespace holdfast {

namespace {

bool comes_before(const Change* a, const Change* b) {
    const auto key = [](const Change& c) {
        return std::tuple(c.origin.file.empty(), std::string_view(c.origin.file), c.origin.line);
    };
    if (const auto left = key(*a), right = key(*b); left != right) return left < right;
    return std::tie(a->parent, a->address.id, a->provider) < std::tie(b->parent, b->address.id, b->provider);
}

// Leaves of one document may have different places (a delete knows where it stood once), so a group stands
// where its first leaf does.
std::vector<PlanGroup> all_groups(const Plan& plan) {
    std::vector<const Change*> changes;
    for (const Change& change : plan.changes) {
        if (change.action != Action::none || change.readiness == Readiness::blocked)
            changes.push_back(&change);
    }
    for (const Change& change : plan.planned_again) changes.push_back(&change);
    std::stable_sort(changes.begin(), changes.end(), comes_before);
    std::vector<PlanGroup> groups;
    std::map<ResourceId, std::size_t> index;
    for (const Change* change : changes) {
        const auto [at, is_new] = index.try_emplace(change->parent, groups.size());
        if (is_new) groups.push_back({change->parent, {}, 0});
        groups[at->second].leaves.push_back(change);
    }
    return groups;
}

} // namespace

PlanGroups group_changes(const Plan& plan, std::size_t limit) {
    PlanGroups out;
    std::map<std::string, std::size_t> plain_shown;
    for (PlanGroup& group : all_groups(plan)) {
        if (group.is_plain() && limit > 0 && plain_shown[group.parent.kind]++ >= limit) {
            ++out.hidden_documents[group.parent.kind];
            continue;
        }
        if (limit > 0 && group.leaves.size() > limit) {
            group.hidden = group.leaves.size() - limit;
            group.leaves.resize(limit);
        }
        out.shown.push_back(std::move(group));
    }
    return out;
}

Names::Names(const Plan& plan) : stack_(plan.stack) {
    for (const auto* changes : {&plan.changes, &plan.planned_again}) {
        for (const Change& change : *changes) {
            const ResourceId& id = change.address.id;
            const auto [at, is_new] = group_of_kind_.try_emplace(id.kind, id.group);
            if (!is_new && at->second != id.group) at->second.clear();
        }
    }
}

std::string Names::of(const ResourceId& id) const {
    const auto known = group_of_kind_.find(id.kind);
    const bool is_clear = known != group_of_kind_.end() && known->second == id.group;
    return printable(is_clear ? short_name(id) : to_string(id));
}

std::string Names::of(const Address& address) const {
    const std::string name = of(address.id);
    return address.stack.empty() || address.stack == stack_ ? name : printable(address.stack) + ":" + name;
}

} // namespace holdfast

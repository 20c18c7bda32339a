#include "reconcile/review.hpp"

#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace holdfast {

namespace {

// As the plugin is told; nothing where the change does not reach the target. A replace ends as an update
// does: with what is declared.
ItemAction action_of(const Change& change) {
    switch (change.action) {
        case Action::create: return ItemAction::create;
        case Action::update:
        case Action::replace: return ItemAction::update;
        case Action::remove: return ItemAction::remove;
        default: return ItemAction::none;
    }
}

Item item_of(const Change& change, const PlanInput& input, const std::string& kind) {
    Item item{.action = action_of(change), .kind = kind, .identity = change.object.identity};
    static const Observed unread; // of a foreign object that goes
    const Observed& observed = change.leaf       ? input.observed_leaves[*change.leaf]
                               : change.recorded ? input.sight_of_recorded(*change.recorded)
                                                 : unread;
    item.observed = observed.document;
    item.version = observed.version;
    item.private_data = observed.private_data;
    if (change.recorded) item.recorded = input.recorded[*change.recorded].declared;
    if (change.leaf) item.declared = input.leaves[*change.leaf].declared.json;
    return item;
}

using ByScope = std::map<std::pair<std::string, std::string>, std::vector<std::size_t>>; // provider, scope

ByScope changes_to_review(Session& session, const Plan& plan) {
    ByScope out;
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const Change& change = plan.changes[i];
        if (change.readiness == Readiness::blocked || action_of(change) == ItemAction::none) continue;
        const Result<Provider*> provider = session.provider(change.provider);
        if (provider && (*provider)->description().has("holdfast.review/1"))
            out[{change.provider, change.object.scope}].push_back(i);
    }
    return out;
}

} // namespace

std::map<std::size_t, Diagnostics> review(Session& session, const Plan& plan, const PlanInput& input,
                                          const std::stop_token& stop) {
    std::map<std::size_t, Diagnostics> out;
    for (const auto& [where, changes] : changes_to_review(session, plan)) {
        std::vector<std::string> kinds(changes.size());
        std::vector<Item> items(changes.size());
        for (std::size_t i = 0; i < changes.size(); ++i) {
            const Change& change = plan.changes[changes[i]];
            kinds[i] = fmt::format("{}/{}", change.api_version, change.object.kind_name());
            items[i] = item_of(change, input, kinds[i]);
        }
        const Call call{.method = Method::canonicalize,
                        .scope = where.second,
                        .options = R"({"call":"review"})",
                        .items = items,
                        .stop = stop};
        (*session.provider(where.first))->call(call, [&](const ItemResult& result) {
            if (result.item < changes.size() && result.outcome == Outcome::failed)
                out[changes[result.item]].append(result.diagnostics);
        });
    }
    return out;
}

} // namespace holdfast

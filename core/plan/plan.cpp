#include "plan/plan.hpp"

#include <cassert>
#include <set>

#include "plan/blast.hpp"
#include "plan/decide.hpp"
#include "plan/dependencies.hpp"
#include "plan/fingerprint.hpp"
#include "plan/match.hpp"
#include "plan/order.hpp"
#include "plan/prune.hpp"
#include "plan/select.hpp"

namespace holdfast {

namespace {

void block_for_its_dependencies(Change& change) {
    change.readiness = Readiness::blocked;
    change.reasons.push_back("its dependencies cannot be put into an order");
}

void decide_leaves(Draft& draft, const Matches& matches, const Dependencies& dependencies,
                   const ChangedTargets& changed_targets) {
    for (std::size_t leaf = 0; leaf < draft.input.leaves.size(); ++leaf)
        decide_leaf(draft, leaf, matches, changed_targets);
    // One that is as declared has no change yet, but is as bad: the prunes of its scope wait for it too.
    std::unordered_set<std::size_t> bad = dependencies.bad;
    for (Change& change : draft.plan.changes) {
        if (!dependencies.is_bad(*change.leaf)) continue;
        bad.erase(*change.leaf);
        block_for_its_dependencies(change);
    }
    for (const std::size_t leaf : std::set<std::size_t>(bad.begin(), bad.end()))
        block_for_its_dependencies(draft.plan.changes.emplace_back(draft.change_for_leaf(leaf)));
}

void block_refused(Draft& draft) {
    for (Change& change : draft.plan.changes) {
        const auto found = draft.input.refused.find(change.address);
        if (found == draft.input.refused.end()) continue;
        change.readiness = Readiness::blocked;
        change.diagnostics.append(found->second);
    }
}

// An approval of the plan does not let it be tried again: it may be the one that was given before.
void park_quarantined(Draft& draft) {
    const PlanInput& input = draft.input;
    for (Change& change : draft.plan.changes) {
        const auto found = input.quarantined.find(change.address);
        if (found == input.quarantined.end()) continue;
        const bool is_written = change.action == Action::create || change.action == Action::update ||
                                change.action == Action::replace || change.action == Action::remove ||
                                change.action == Action::refresh;
        const Hash declared = change.leaf ? input.leaves[*change.leaf].recordable().hash : Hash{};
        if (!is_written || declared != found->second.declared) continue;
        park(change, found->second.reason);
        change.is_quarantined = change.readiness == Readiness::parked;
    }
}

void count(PlanCounts& counts, const Change& change) {
    if (change.is_drift) ++counts.drifted;
    if (change.readiness == Readiness::blocked) ++counts.blocked;
    if (change.readiness == Readiness::parked) ++counts.parked;
    switch (change.action) {
        case Action::none: break;
        case Action::create: ++counts.create; break;
        case Action::update: ++counts.update; break;
        case Action::replace: ++counts.replace; break;
        case Action::remove: ++counts.remove; break;
        case Action::refresh: ++counts.refresh; break;
        case Action::adopt: ++counts.adopt; break;
        case Action::move: ++counts.move; break;
        case Action::forget: ++counts.forget; break;
        case Action::wait: ++counts.wait; break;
    }
}

} // namespace

// Each leaf is matched with what was recorded for its object and decided by what is observed; what is
// recorded and no longer declared is pruned; what --only and --exclude leave out is left out; the rest is
// put into its order, which also tells what a blocked change stops. That is the plan, and its hash; then
// whatever destroys too much is parked, or was taken back before, with all that depends on it.
Plan make_plan(const PlanInput& input) {
    assert(input.observed_leaves.size() == input.leaves.size());
    assert(input.observed_recorded.empty() || input.observed_recorded.size() == input.recorded.size());
    Draft draft(input);
    if (input.stack) draft.plan.stack = input.stack->name;

    const ChangedTargets changed_targets = find_changed_targets(draft);
    // What is wrong with what is declared keeps nobody from removing it.
    const Dependencies dependencies = input.destroy ? Dependencies{} : resolve_dependencies(draft);
    if (input.destroy) {
        plan_destroy(draft, changed_targets);
    } else {
        const Matches matches = match_leaves(draft);
        decide_leaves(draft, matches, dependencies, changed_targets);
        report_duplicates(draft, matches);
        plan_prunes(draft, matches, changed_targets);
        plan_foreign(draft, matches, changed_targets);
    }
    if (!input.refused.empty()) block_refused(draft);
    order_changes(draft, dependencies, find_excluded(draft));
    hash_plan(draft);
    apply_blast_limits(draft);
    park_quarantined(draft);
    spread_parked(draft.plan);

    for (const Change& change : draft.plan.changes) count(draft.plan.counts, change);
    draft.plan.diagnostics.sort_by_place();
    return std::move(draft.plan);
}

} // namespace holdfast

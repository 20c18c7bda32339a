// What a pass deletes last: what stood behind leaves that took new outputs, and what a document no longer
// compiles to since it did. A failure stops the deletes that depend on it and those of its own scope (law 5).

#include <algorithm>
#include <functional>

#include "reconcile/pass.hpp"

namespace holdfast {

// Scopes in which a leaf was not brought to what is declared: nothing is deleted there.
std::set<std::pair<std::string, std::string>> Pass::failed_scopes() const {
    std::set<std::pair<std::string, std::string>> scopes;
    for (const Round& round : outcome_.rounds) {
        const bool is_first = &round == &outcome_.rounds.front();
        for (std::size_t i = 0; i < round.plan.changes.size(); ++i) {
            const Change& change = round.plan.changes[i];
            if (!change.leaf || (is_first && held_changes_[i])) continue;
            const bool was_tried = change.readiness == Readiness::ready && change.action != Action::none;
            const bool has_failed = was_tried && !has_succeeded(round.report->results[i].state);
            if (has_failed || change.readiness == Readiness::blocked)
                scopes.emplace(change.provider, change.object.scope);
        }
    }
    return scopes;
}

Pass::Hold Pass::hold_of(const Address& address, const std::set<std::size_t>& for_approval) const {
    if (parked_.contains(address)) return Hold::approval;
    if (unfinished_.contains(address)) return Hold::failure;
    const std::optional<std::size_t> leaf = leaf_at(address);
    if (!leaf || !held_.contains(*leaf)) return Hold::none;
    return for_approval.contains(*leaf) ? Hold::approval : Hold::failure;
}

// By change of the first plan; what is no held removal counts as not held.
std::vector<Pass::Hold> Pass::holds_of_removals() const {
    const Plan& plan = outcome_.rounds.front().plan;
    const auto failed = failed_scopes();
    const std::set<std::size_t> for_approval = held_.behind(parked_, unfinished_);
    std::vector<std::optional<Hold>> of_change(plan.changes.size()), of_gate(plan.gates.size());
    std::function<Hold(std::size_t)> removal, gate;
    auto before = [&](std::size_t i) {
        const bool is_removal = held_changes_[i] && !plan.changes[i].leaf;
        return is_removal ? removal(i) : hold_of(plan.changes[i].address, for_approval);
    };
    auto worst = [&](const std::vector<std::size_t>& changes, const std::vector<std::size_t>& gates) {
        Hold hold = Hold::none;
        for (std::size_t i : changes) hold = std::max(hold, before(i));
        for (std::size_t g : gates) hold = std::max(hold, gate(g));
        return hold;
    };
    gate = [&](std::size_t g) {
        if (!of_gate[g]) of_gate[g] = worst(plan.gates[g].after, plan.gates[g].after_gates);
        return *of_gate[g];
    };
    removal = [&](std::size_t i) {
        if (of_change[i]) return *of_change[i];
        const Change& change = plan.changes[i];
        const std::pair scope{change.provider, change.object.scope};
        Hold hold = failed.contains(scope) ? Hold::failure : worst(change.after, change.after_gates);
        if (auto held = held_in_scope_.find(scope); is_behind_held_scope(change))
            for (const Address& leaf : held->second) hold = std::max(hold, hold_of(leaf, for_approval));
        of_change[i] = hold;
        return hold;
    };
    std::vector<Hold> holds(plan.changes.size(), Hold::none);
    for (std::size_t i = 0; i < holds.size(); ++i)
        if (held_changes_[i] && !plan.changes[i].leaf) holds[i] = removal(i);
    return holds;
}

void Pass::run_held_removals(const RunEvents& events, std::stop_token stop) {
    if (has_ended()) return;
    Round& first = outcome_.rounds.front();
    const std::vector<Hold> holds = holds_of_removals();
    std::vector<bool> skipped(holds.size(), true);
    bool any = false;
    for (std::size_t i = 0; i < holds.size(); ++i) {
        if (!held_changes_[i] || first.plan.changes[i].leaf) continue;
        if (holds[i] == Hold::approval) removals_behind_approval_.insert(i);
        skipped[i] = holds[i] != Hold::none;
        any |= !skipped[i];
    }
    if (!any) return;
    run_guarded(first.plan, skipped, input_, events, stop, [&](ExecutionReport report) {
        outcome_.rounds.back().report->interrupted |= report.interrupted;
        for (std::size_t i = 0; i < skipped.size(); ++i) {
            if (skipped[i]) continue;
            first.report->results[i] = std::move(report.results[i]);
            const Change& change = first.plan.changes[i];
            const bool was_tried = first.report->results[i].state != StepState::intended;
            if (was_tried && change.action == Action::remove) ++destroyed_of_kind_[change.object.kind];
        }
    });
}

// Whether the object of a dropped leaf may be that of another one by now, or whether its document is not
// done yet. The next pass looks again.
bool Pass::may_be_wanted(const LedgerEntry& entry, std::size_t dropped) const {
    const std::vector<Leaf>& leaves = declaration_->leaves();
    const ResourceId document = leaves[dropped].address.id.resource();
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        const Leaf& leaf = leaves[i];
        if (declaration_->is_dropped(i)) continue;
        const bool is_sibling =
            leaf.address.id.name == document.name && leaf.address.id.resource() == document;
        if (is_sibling && hold_of(leaf.address, {}) != Hold::none) return true;
        if (leaf.provider != entry.provider || leaf.kind_name() != entry.object.kind_name()) continue;
        const bool is_same = leaf.identity == entry.object.identity && leaf.scope == entry.object.scope;
        if (is_same || leaf.identity.empty()) return true;
    }
    return false;
}

void Pass::prune_dropped(const RunEvents& events, std::stop_token stop) {
    if (declaration_->dropped().empty() || has_ended()) return;
    PlanInput input = input_for({});
    input.unloaded = declaration_->unloaded();
    input.unread_scopes = input_.unread_scopes;
    input.all_prunes_blocked = input_.all_prunes_blocked;
    input.declared_elsewhere = input_.declared_elsewhere;
    const auto failed = failed_scopes();
    for (std::size_t i : declaration_->dropped()) {
        std::optional<LedgerEntry> entry = session_.store().entry(declaration_->leaves()[i].address);
        if (!entry || failed.contains({entry->provider, entry->object.scope}) || may_be_wanted(*entry, i))
            continue;
        input.recorded.push_back(*std::move(entry));
    }
    if (input.recorded.empty()) return;
    input.observed_recorded.resize(input.recorded.size());
    std::vector<Probe> probes;
    for (std::size_t i = 0; i < input.recorded.size(); ++i)
        probes.push_back({.entry = &input.recorded[i], .observed = &input.observed_recorded[i]});
    observe(session_, probes, events.progress, stop);

    Round round{.plan = make_plan_with_approval(input, stop)};
    warn_of_parked(round);
    if (Status locked = lock_scopes(round.plan, stop); !locked) {
        outcome_.problems.add(locked.error());
        return;
    }
    std::vector<bool> held(round.plan.changes.size());
    run_later_round(std::move(round), held, input, events, stop);
}

} // namespace holdfast

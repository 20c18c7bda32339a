// The second half of a pass. A leaf that takes outputs of others is planned again, with their new outputs,
// once they are done; so a plan runs in rounds, and each round touches only what the last one made ready.

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/core.h>

#include "base/text.hpp"
#include "reconcile/pass.hpp"

namespace holdfast {

namespace {

// The plan without the changes that are held back; `original` gets each kept change's index in it.
Plan without(const Plan& plan, const std::vector<bool>& held, std::vector<std::size_t>& original) {
    constexpr std::size_t gone = static_cast<std::size_t>(-1);
    std::vector<std::size_t> renumbered(plan.changes.size(), gone);
    Plan kept;
    kept.stack = plan.stack;
    kept.hash = plan.hash;
    kept.settled = plan.settled;
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        if (held[i]) continue;
        renumbered[i] = kept.changes.size();
        original.push_back(i);
        kept.changes.push_back(plan.changes[i]);
    }
    auto renumber = [&](std::vector<std::size_t>& after) {
        std::erase_if(after, [&](std::size_t before) { return renumbered[before] == gone; });
        for (std::size_t& before : after) before = renumbered[before];
    };
    for (Change& change : kept.changes) renumber(change.after);
    kept.gates = plan.gates;
    for (Gate& gate : kept.gates) renumber(gate.after);
    return kept;
}

bool is_ready_work(const Change& change) {
    return change.readiness == Readiness::ready && change.action != Action::none &&
           change.action != Action::wait;
}

} // namespace

void Pass::execute(const RunEvents& events, std::stop_token stop) {
    if (outcome_.rounds.empty()) return;
    leave_moves_to_others();
    const Plan& plan = outcome_.rounds.front().plan;
    // Of a destroy, nothing is done until all of it is approved: not even leaves are forgotten.
    if (options_.mode == Mode::destroy && plan.is_parked()) return;
    const bool has_work = std::any_of(plan.changes.begin(), plan.changes.end(), is_ready_work);
    rewrite_entries(plan);
    if (!quarantined_no_more_.empty()) session_.store().end_quarantine(stack().name, quarantined_no_more_);
    const bool has_open_steps = !session_.store().open_steps(stack().name).empty();
    if (!has_work && !has_open_steps) {
        if (outcome_.result == StackResult::unchanged) {
            remember_stack();
            remember_rest();
        }
        for (const Change& change : plan.changes)
            if (change.readiness != Readiness::ready) unfinished_.insert(change.address);
        report_waits();
        if (outcome_.problems.has_errors() && !session_.files(stack()).is_rewritten)
            outcome_.result = StackResult::failed;
        outcome_.problems.sort_by_place();
        if (plan.is_parked()) record_parked(plan);
        return;
    }
    if (Status locked = lock_scopes(plan, stop); !locked) {
        outcome_.problems.add(locked.error());
        outcome_.result = StackResult::failed;
        return;
    }
    begin_record(plan);
    index_leaves();
    hold_consumers(plan);
    held_changes_ = hold_back(plan, input_);
    // Later rounds may delete, which is measured by what the stack holds now.
    if (part_ && !held_.empty() && input_.recorded_of_kind.empty())
        input_.recorded_of_kind = session_.store().counts_by_kind(stack().name);
    Round& first = outcome_.rounds.front();
    run_guarded(first.plan, held_changes_, input_, events, stop, [&](ExecutionReport report) {
        first.report = std::move(report);
        declaration_->leaves() = std::move(input_.leaves);
        take_in(first, held_changes_);
    });
    PlanInput input;
    while (!has_ended()) {
        std::optional<Round> next = next_round(events, input, stop);
        if (!next) break;
        if (Status locked = lock_scopes(next->plan, stop); !locked) {
            outcome_.problems.add(locked.error());
            for (const Change& change : next->plan.changes) unfinished_.insert(change.address);
            break;
        }
        std::vector<bool> held = hold_back(next->plan, input);
        run_later_round(*std::move(next), held, input, events, stop);
    }
    run_held_removals(events, stop);
    prune_dropped(events, stop);
    close_open_steps();
    if (!has_ended()) report_waits();
    end_record(outcome_.rounds.back().report->interrupted);
    locks_.clear();
}

void Pass::run_later_round(Round next, std::vector<bool>& held, const PlanInput& input,
                           const RunEvents& events, const std::stop_token& stop) {
    Round& round = outcome_.rounds.emplace_back(std::move(next));
    run_guarded(round.plan, held, input, events, stop, [&](ExecutionReport report) {
        round.report = std::move(report);
        take_in(round, held);
    });
}

void Pass::run_guarded(const Plan& plan, std::vector<bool>& held, const PlanInput& input,
                       const RunEvents& events, const std::stop_token& stop,
                       const std::function<void(ExecutionReport)>& take_in) {
    GuardedChanges guarded({session_, stack_, options_, outcome_}, plan, input, held);
    if (guarded.is_needed()) {
        for (std::size_t i : guarded.hold_behind(held)) {
            const Change& change = plan.changes[i];
            if (const auto leaf = change.leaf ? leaf_at(change.address) : std::nullopt) held_.hold(*leaf);
        }
        guarded.arm(++guards_, events);
    }
    ExecutionReport report = run_round(plan, guarded.left_out(held), input, events, stop);
    guarded.tell_refused(report);
    const bool was_written = guarded.was_written(report);
    take_in(std::move(report));
    for (Address& leaf : guarded.settle(was_written, events, stop)) unfinished_.insert(std::move(leaf));
}

// What takes outputs of a leaf that is about to change is not run with the old ones, and neither is anything
// behind it. The changes respect their edges and gates, so one walk over them is enough.
std::vector<bool> Pass::hold_back(const Plan& plan, const PlanInput& input) {
    std::set<Address> pending;
    for (const Change& change : plan.changes)
        if (change.readiness == Readiness::ready &&
            (reaches_the_target(change.action) || change.action == Action::wait))
            pending.insert(change.address);
    std::vector<bool> held(plan.changes.size());
    std::vector<std::optional<bool>> gate_is_held(plan.gates.size());
    std::function<bool(std::size_t)> is_held_by_gate = [&](std::size_t g) {
        if (gate_is_held[g]) return *gate_is_held[g];
        const Gate& gate = plan.gates[g];
        const bool answer =
            std::any_of(gate.after.begin(), gate.after.end(), [&](std::size_t i) { return held[i]; }) ||
            std::any_of(gate.after_gates.begin(), gate.after_gates.end(), is_held_by_gate);
        gate_is_held[g] = answer;
        return answer;
    };
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const Change& change = plan.changes[i];
        bool waits = change.action == Action::wait;
        if (change.leaf)
            for (const Address& producer : input.leaves[*change.leaf].producers)
                waits |= pending.contains(producer);
        waits =
            waits || is_behind_held_scope(change) ||
            std::any_of(change.after.begin(), change.after.end(), [&](std::size_t b) { return held[b]; }) ||
            std::any_of(change.after_gates.begin(), change.after_gates.end(), is_held_by_gate);
        held[i] = waits;
        if (!waits || !change.leaf) continue;
        if (const auto leaf = leaf_at(change.address)) held_.hold(*leaf);
    }
    return held;
}

// Whoever takes outputs of a leaf that is about to change, directly or through others, is planned again
// once that is done, also where it agrees with the old outputs and so is no part of the plan.
void Pass::hold_consumers(const Plan& plan) {
    std::vector<Address> changing;
    for (const Change& change : plan.changes)
        if (change.readiness == Readiness::ready && change.leaf && reaches_the_target(change.action))
            changing.push_back(change.address);
    while (!changing.empty()) {
        const std::vector<std::size_t>* consumers = declaration_->consumers_of(changing.back());
        changing.pop_back();
        if (!consumers) continue;
        for (std::size_t i : *consumers) {
            if (!held_.hold(i)) continue;
            const Leaf& leaf = input_.leaves[i];
            changing.push_back(leaf.address);
            held_in_scope_[{leaf.provider, leaf.scope}].push_back(leaf.address);
        }
    }
}

// A scope's prunes wait for its creates and updates, those that new outputs may lead to included; but for a
// prune that makes room for a leaf of its own name.
bool Pass::is_behind_held_scope(const Change& change) const {
    return !change.leaf && change.action == Action::remove && !leaf_at(change.address) &&
           held_in_scope_.contains({change.provider, change.object.scope});
}

ExecutionReport Pass::run_round(const Plan& plan, const std::vector<bool>& held, const PlanInput& input,
                                const RunEvents& events, std::stop_token stop) {
    // Nearly always nothing is held, and the plan need not be copied.
    const bool is_whole = std::find(held.begin(), held.end(), true) == held.end();
    std::vector<std::size_t> original;
    const Plan reduced = is_whole ? Plan{} : without(plan, held, original);
    const Plan& kept = is_whole ? plan : reduced;
    std::map<std::string, Provider*> providers;
    for (const auto& [name, facts] : input.providers)
        if (Result<Provider*> provider = session_.provider(name)) providers[name] = *provider;
    ExecutionEvents told;
    if (events.started) told.started = [&](std::size_t i) { events.started(outcome_, kept.changes[i]); };
    if (events.ended)
        told.ended = [&](std::size_t i, const StepResult& result) {
            events.ended(outcome_, kept.changes[i], result);
        };

    ExecuteOptions options = options_.execute;
    options.scope_versions = scope_versions_;
    options.mask = [this](std::string_view text) { return session_.masker().mask(text); };
    ExecutionReport report =
        holdfast::execute(kept, input, outcome_.pass, session_.commit(stack()), providers, session_.store(),
                          session_.clock(), options, stop, told);
    for (const StepResult& result : report.results)
        for (const Diagnostic& problem : result.diagnostics)
            outcome_.problems.add(session_.masker().mask(problem));
    if (!is_whole) {
        std::vector<StepResult> results(plan.changes.size());
        for (std::size_t i = 0; i < original.size(); ++i) results[original[i]] = std::move(report.results[i]);
        report.results = std::move(results);
    }
    for (const Diagnostic& problem : report.diagnostics)
        outcome_.problems.add(session_.masker().mask(problem));
    return report;
}

// Brings what was done into this pass's view of the world.
void Pass::take_in(const Round& round, const std::vector<bool>& held) {
    for (std::size_t i = 0; i < round.plan.changes.size(); ++i) {
        const Change& change = round.plan.changes[i];
        const StepResult& result = round.report->results[i];
        const std::optional<std::size_t> leaf = leaf_at(change.address);
        const bool is_held = held[i] || (leaf && held_.contains(*leaf));
        const bool done = has_succeeded(result.state);
        const bool is_due = change.action != Action::none || change.readiness == Readiness::blocked;
        if (!done && !is_held && is_due) unfinished_.insert(change.address);
        if (change.readiness == Readiness::parked) parked_.insert(change.address);
        const bool destroys = change.action == Action::replace || change.action == Action::remove;
        if (destroys && change.readiness == Readiness::ready && !is_held &&
            result.state != StepState::intended)
            ++destroyed_of_kind_[change.object.kind];
        if (!done || !leaf || result.observed.empty()) continue;
        Observed& observed = input_.observed_leaves[*leaf];
        observed = {};
        observed.presence = Presence::present;
        observed.document = result.observed;
    }
}

std::optional<Round> Pass::next_round(const RunEvents& events, PlanInput& input, std::stop_token stop) {
    const std::size_t held_before = held_.size();
    std::set<std::size_t> made; // the leaves of one compiled document bring each other
    for (std::size_t i : held_.ready(unfinished_)) {
        if (made.contains(i) || declaration_->is_dropped(i)) continue;
        if (declaration_->leaves()[i].producers.empty()) {
            declaration_->relink(i);
            made.insert(i);
        } else {
            std::vector<std::size_t> known;
            redeclare(i, known);
            made.insert(known.begin(), known.end());
        }
    }
    std::vector<std::size_t> leaves;
    for (std::size_t i : made) {
        held_.release(i);
        if (!declaration_->awaited_elsewhere().empty()) wait_for_other_stacks(i);
        const Leaf& leaf = declaration_->leaves()[i];
        if (leaf.waits.empty())
            leaves.push_back(i);
        else // for another stack, whose turn is over
            unfinished_.insert(leaf.address);
    }
    for (std::size_t i : declaration_->dropped()) held_.release(i);
    // Where all of them are gone, or are given up, others may be ready that stood behind them.
    if (leaves.empty() && held_.size() < held_before) return next_round(events, input, stop);
    if (leaves.empty()) return std::nullopt;
    observe_leaves(leaves, events, stop);
    canonicalize_unsettled(leaves, stop);
    input = input_for(leaves);
    Round round{.plan = make_plan_with_approval(input, stop)};
    warn_of_parked(round);
    return round;
}

void Pass::warn_of_parked(const Round& round) {
    outcome_.problems.append(round.plan.diagnostics);
    if (!round.plan.is_parked()) return;
    Diagnostic& warning = outcome_.problems.warning(
        "plan.parked-later", fmt::format("new outputs lead to {} that must be approved first",
                                         count_of(round.plan.counts.parked, "change", "changes")));
    warning.hint = "`holdfast plan` shows them, and the hash to approve";
}

// Who else declares or records the leaf's object.
void Pass::copy_owners(const Leaf& leaf, PlanInput& input) const {
    auto facts = input_.providers.find(leaf.provider);
    if (leaf.identity.empty() || facts == input_.providers.end()) return;
    const Hash key = target_object(leaf, facts->second.target).key();
    if (auto it = input_.declared_elsewhere.find(key); it != input_.declared_elsewhere.end())
        input.declared_elsewhere.insert(*it);
    if (auto it = input_.recorded_elsewhere.find(key); it != input_.recorded_elsewhere.end())
        input.recorded_elsewhere.insert(*it);
}

// What waits for an output that will not come by itself: a wrong path, or a stack that was not applied.
void Pass::report_waits() {
    for (const Leaf& leaf : declaration_->leaves().empty() ? input_.leaves : declaration_->leaves()) {
        for (const Wait& wait : leaf.waits) {
            const bool is_ours = wait.producer.stack == stack().name;
            if (unfinished_.contains(wait.producer)) continue; // that has been told already
            const std::string what = wait.path.empty() ? "" : wait.path + " of ";
            Diagnostic& problem = outcome_.problems.error(
                "reference.still-unknown",
                fmt::format("{} waits for {}{}, which is not {}", short_name(leaf.address.id), what,
                            is_ours ? short_name(wait.producer.id) : to_string(wait.producer),
                            wait.path.empty() ? "applied" : "known"));
            problem.subject = to_string(leaf.address);
            problem.span = {leaf.origin.file, {leaf.origin.line, 1}, 0};
            problem.hint = is_ours ? "`holdfast output` shows what it has; correct the path"
                           : wait.path.empty()
                               ? "apply that stack first, or mend what keeps it from being applied"
                               : "apply that stack first; if it was, `holdfast output` shows what it has";
        }
    }
}

// The planner's input for some leaves alone; what they depend on is done.
PlanInput Pass::input_for(const std::vector<std::size_t>& leaves) {
    PlanInput input;
    input.stack = &stack();
    input.providers = input_.providers;
    input.inputs = input_.inputs;
    input.masking_key = input_.masking_key;
    input.quarantined = input_.quarantined;
    input.only = input_.only;
    input.exclude = input_.exclude;
    input.replace = input_.replace;
    input.destroyed_of_kind = destroyed_of_kind_;
    input.recorded_of_kind = input_.recorded_of_kind; // of a part: counted in the ledger
    if (!part_)
        for (const LedgerEntry& entry : input_.recorded)
            if (entry.state != EntryState::deposed) ++input.recorded_of_kind[entry.object.kind];
    input.is_later_round = true;
    for (std::size_t i : leaves) {
        Leaf leaf = declaration_->leaves()[i];
        std::set<std::size_t> entries;
        if (const std::optional<std::size_t> entry = entry_of(i)) entries.insert(*entry);
        // Of another object, if the leaf names another one now.
        if (const auto entry = entry_at(leaf.address)) entries.insert(*entry);
        for (const Address& former : leaf.moved_from)
            if (const auto entry = entry_at(former); entry && !leaf_at(former)) entries.insert(*entry);
        for (std::size_t entry : entries) {
            input.recorded.push_back(input_.recorded[entry]);
            input.observed_recorded.push_back(input_.sight_of_recorded(entry));
        }
        copy_owners(leaf, input);
        if (auto invalid = input_.invalid.find(i); invalid != input_.invalid.end())
            input.invalid.emplace(input.leaves.size(), invalid->second);
        input.leaves.push_back(std::move(leaf));
        input.observed_leaves.push_back(input_.observed_leaves[i]);
        input.canonical.push_back(input_.canonical.empty() ? Canonical{} : input_.canonical[i]);
    }
    return input;
}

} // namespace holdfast

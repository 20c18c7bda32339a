// What a pass leaves behind besides the steps of its changes: its own record, and what it found out of
// others'.

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "reconcile/pass.hpp"
#include "reconcile/query.hpp"
#include "reconcile/taking_back.hpp"

namespace holdfast {

bool reaches_the_target(Action action) {
    return action == Action::create || action == Action::update || action == Action::replace ||
           action == Action::remove || action == Action::refresh;
}

// Nothing was done, but somebody is waited for, and `history` is where people look for that.
void Pass::record_parked(const Plan& plan) {
    begin_record(plan);
    PassRecord& pass = outcome_.pass;
    pass.summary =
        to_json(Value::map({{to_string(Readiness::parked), static_cast<std::int64_t>(plan.counts.parked)}}));
    pass.state = outcome_.result == StackResult::failed ? PassState::failed : PassState::parked;
    pass.ended_ms = session_.clock().now_ms();
    session_.store().end_pass(pass);
}

// The declared document changed in a way that no target can see (a label, another provider name): the ledger
// follows, so that `why` and the next comparison speak of what is declared now.
void Pass::rewrite_entries(const Plan& plan) {
    StoreBatch batch;
    for (const SettledLeaf& settled : plan.settled) {
        if (!settled.rewrite_entry) continue;
        const Leaf& leaf = input_.leaves[settled.leaf];
        std::optional<LedgerEntry> entry = session_.store().entry(input_.recorded[settled.recorded].address);
        if (!entry) continue;
        entry->provider = leaf.provider;
        entry->api_version = leaf.api_version;
        entry->declared = leaf.recordable().json;
        entry->declared_hash = leaf.recordable().hash;
        entry->settled = settled.hash;
        entry->protect = leaf.policy.protect;
        entry->deletion = leaf.policy.deletion;
        entry->after = leaf.comes_after();
        entry->wave = leaf.policy.wave;
        entry->commit = session_.commit(stack()).id;
        entry->author = session_.commit(stack()).author;
        entry->file = leaf.origin.file;
        entry->line = leaf.origin.line;
        batch.upserts.push_back(*std::move(entry));
    }
    if (!batch.empty()) session_.store().commit(batch);
}

// Steps that an interrupted pass intended and that turned out to need nothing more: found out and closed.
void Pass::close_open_steps() {
    StoreBatch batch;
    for (JournalStep step : session_.store().open_steps(stack().name)) {
        const bool is_ours = step.pass == outcome_.pass.id;
        if (is_ours || unfinished_.contains(step.address)) continue;
        step.pass = outcome_.pass.id;
        step.state = StepState::unchanged;
        step.message = "found as it should be after an interrupted pass";
        step.at_ms = session_.clock().now_ms();
        batch.steps.push_back(std::move(step));
    }
    if (!batch.empty()) session_.store().commit(batch);
}

Status Pass::lock_scopes(const Plan& plan, const std::stop_token& stop) {
    std::set<std::string> names;
    std::set<std::pair<std::string, std::string>> scopes; // target, scope
    for (const Change& change : plan.changes) {
        if (change.readiness != Readiness::ready || !reaches_the_target(change.action)) continue;
        names.insert("scope:" + change.object.target + ":" + change.object.scope);
        scopes.emplace(change.object.target, change.object.scope);
    }
    if (Status free = check_scopes_are_free(session_, stack().name, scopes); !free) return free;
    for (const std::string& name : names) { // in order, so that two of us never wait for each other
        if (locks_.contains(name)) continue;
        Result<std::unique_ptr<ScopeLock>> lock = session_.store().lock(name, session_.actor());
        const auto until = session_.clock().steady() + options_.lock_wait;
        while (!lock && lock.error().code == "store.locked" && session_.clock().steady() < until &&
               session_.clock().sleep_for(std::chrono::milliseconds(10), stop))
            lock = session_.store().lock(name, session_.actor());
        if (!lock) return lock.error();
        locks_.emplace(name, *std::move(lock));
    }
    return Ok{};
}

void Pass::begin_record(const Plan& plan) {
    PassRecord& pass = outcome_.pass;
    const std::int64_t now = session_.clock().now_ms();
    pass.id = options_.pass_id.empty() ? new_pass_id(now) : options_.pass_id;
    pass.stack = stack().name;
    pass.command = outcome_.is_removed ? "remove" : options_.mode == Mode::destroy ? "destroy" : "apply";
    pass.actor = session_.actor();
    pass.commit = session_.commit(stack()).id;
    pass.commit_subject = session_.commit(stack()).subject;
    pass.commit_author = session_.commit(stack()).author;
    pass.plan_hash = to_hex(plan.hash);
    pass.started_ms = now;
    session_.store().begin_pass(pass);
    session_.store().audit(
        now, pass.actor, pass.command, pass.stack,
        fmt::format("pass {} plan {} commit {}", pass.id, short_hex(plan.hash), pass.commit));
}

void Pass::end_record(bool interrupted) {
    std::map<std::string_view, std::size_t> counts;
    bool all_done = held_.behind(parked_, unfinished_).size() == held_.size();
    bool parked = false;
    for (const Round& round : outcome_.rounds) {
        for (std::size_t i = 0; i < round.plan.changes.size(); ++i) {
            const Change& change = round.plan.changes[i];
            const StepResult& result = round.report->results[i];
            const bool done = has_succeeded(result.state);
            if (done)
                ++counts[to_string(change.action)];
            else if (result.state != StepState::intended)
                ++counts[to_string(result.state)];
            parked |= change.readiness == Readiness::parked;
            const bool is_of_first = &round == &outcome_.rounds.front();
            const bool is_resolved_later = is_of_first && i < held_changes_.size() && held_changes_[i] &&
                                           (change.leaf || removals_behind_approval_.contains(i));
            const bool needs_nothing =
                change.action == Action::none && change.readiness != Readiness::blocked;
            all_done &= done || needs_nothing || change.readiness == Readiness::parked || is_resolved_later;
        }
    }
    const bool failed = !all_done || outcome_.problems.has_errors();
    outcome_.result = failed || interrupted ? StackResult::failed
                      : parked              ? StackResult::parked
                                            : StackResult::applied;
    if (outcome_.reverted) {
        outcome_.result = outcome_.reverted->is_complete ? StackResult::reverted : StackResult::failed;
        counts["reverted"] = outcome_.reverted->changes;
    }
    Value summary;
    for (const auto& [word, count] : counts) summary.as_map().set(word, static_cast<std::int64_t>(count));
    PassRecord& pass = outcome_.pass;
    pass.summary = summary.is_null() ? "{}" : to_json(summary);
    pass.state = outcome_.result == StackResult::reverted ? PassState::reverted
                 : interrupted                            ? PassState::interrupted
                 : failed                                 ? PassState::failed
                 : parked                                 ? PassState::parked
                                                          : PassState::done;
    pass.ended_ms = session_.clock().now_ms();
    session_.store().end_pass(pass);
    session_.store().trim_cache(pass.ended_ms, cache_kept_ms);
    if (outcome_.result == StackResult::applied) {
        remember_stack();
        remember_rest();
    }
    outcome_.problems.sort_by_place();
}

void Pass::remember_stack() {
    if (session_.options().read_only || options_.mode == Mode::plan) return;
    if (outcome_.is_removed || options_.mode == Mode::destroy) {
        if (session_.store().entries(stack().name, Detail::brief).empty())
            session_.store().forget_stack(stack().name);
        return;
    }
    Value providers;
    for (const auto& [name, target] : facts_.targets) providers.as_map().set(name, target);
    session_.store().remember_stack({.name = stack().name,
                                     .deletion = stack().deletion,
                                     .last_commit = session_.commit(stack()).id,
                                     .providers = providers.is_null() ? "{}" : to_json(providers),
                                     .applied_at_ms = session_.clock().now_ms()});
}

} // namespace holdfast

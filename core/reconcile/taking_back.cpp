#include "reconcile/taking_back.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include <fmt/core.h>

#include "base/text.hpp"
#include "confirm/start.hpp"

namespace holdfast {

std::string reason_of(const GivenVerdict& verdict) {
    if (!verdict.why.empty()) return verdict.why;
    if (!verdict.by.empty()) return verdict.by + " took it back";
    return verdict.verdict == Verdict::expired ? "nobody confirmed in time" : "it was taken back";
}

namespace {

// Replaced objects that wait for their removal belong to the entry that came instead of them.
bool is_deposed_of(const LedgerEntry& entry, const std::set<Address>& addresses) {
    if (entry.state != EntryState::deposed) return false;
    for (const Address& address : addresses) {
        if (entry.address.stack != address.stack || entry.address.id.parent() != address.id.parent())
            continue;
        for (std::size_t number = 1; number < 10; ++number)
            if (deposed_address(address, number) == entry.address) return true;
    }
    return false;
}

std::set<Address> addresses_of(const Checkpoint& checkpoint) {
    std::set<Address> addresses;
    for (const GuardedChange& change : checkpoint.changes) addresses.insert(change.address);
    return addresses;
}

// Ledger entries as the checkpoint has them; whatever else stands at these addresses came with the change.
void put_entries_back(Store& store, const Checkpoint& checkpoint, StoreBatch& batch) {
    const std::set<Address> addresses = addresses_of(checkpoint);
    std::set<Address> before;
    for (const std::string& json : checkpoint.entries) {
        Result<LedgerEntry> entry = import_entry(json);
        if (!entry) continue;
        before.insert(entry->address);
        batch.upserts.push_back(*std::move(entry));
    }
    for (const Address& address : addresses)
        if (!before.contains(address) && store.entry(address)) batch.erased.push_back(address);
    for (const LedgerEntry& entry : store.entries(checkpoint.stack, Detail::match))
        if (!before.contains(entry.address) && is_deposed_of(entry, addresses))
            batch.erased.push_back(entry.address);
}

// One for each change that this pass has begun; its open step is closed by it as well.
void add_steps(Store& store, const Checkpoint& checkpoint, const std::string& message, std::int64_t now_ms,
               StoreBatch& batch) {
    std::set<std::pair<Address, Action>> seen;
    for (const JournalStep& step : store.steps_of_pass(checkpoint.pass))
        seen.emplace(step.address, step.action);
    const std::set<Address> addresses = addresses_of(checkpoint);
    for (const auto& [address, action] : seen) {
        if (!addresses.contains(address)) continue;
        batch.steps.push_back({.pass = checkpoint.pass,
                               .address = address,
                               .action = action,
                               .state = StepState::failed,
                               .commit = checkpoint.commit,
                               .changes = "[]",
                               .message = message,
                               .at_ms = now_ms});
    }
}

void quarantine(Store& store, const Checkpoint& checkpoint, const std::string& why, std::int64_t at_ms) {
    std::vector<Store::Quarantined> changes;
    for (const GuardedChange& change : checkpoint.changes)
        changes.push_back({change.address, change.declared, checkpoint.pass, why, at_ms});
    store.quarantine(changes);
}

void end_pass_as_reverted(Store& store, const Checkpoint& checkpoint, std::int64_t at_ms) {
    for (PassRecord& pass : store.passes(checkpoint.stack, 100)) {
        if (pass.id != checkpoint.pass) continue;
        pass.state = PassState::reverted;
        pass.ended_ms = std::max(pass.ended_ms, at_ms);
        store.end_pass(pass);
    }
}

} // namespace

void record_taken_back(Session& session, const Checkpoint& checkpoint, const Reverted& reverted) {
    Store& store = session.store();
    const std::string why = session.masker().mask(reason_of(reverted.verdict));
    if (!reverted.verdict.is_calm) quarantine(store, checkpoint, why, reverted.at_ms);
    if (!reverted.is_complete) return;
    StoreBatch batch;
    add_steps(store, checkpoint, "taken back: " + why, reverted.at_ms, batch);
    put_entries_back(store, checkpoint, batch);
    // Said once: a pass that died after this and before the folder was gone has journalled it.
    const auto steps = store.steps_of_pass(checkpoint.pass);
    const bool is_said = std::any_of(steps.begin(), steps.end(), [&](const JournalStep& step) {
        return step.message == "taken back: " + why && step.at_ms == reverted.at_ms;
    });
    if (is_said) batch.steps.clear();
    store.commit(batch);
    store.audit(session.clock().now_ms(), session.actor(), "revert", checkpoint.stack,
                fmt::format("pass {}: {}", checkpoint.pass, why));
}

std::optional<Reverted> wait_for_restore(Session& session, const Checkpoint& checkpoint,
                                         const std::stop_token& stop) {
    using std::chrono::milliseconds;
    constexpr milliseconds look{50}, after_stop{3'000}, beyond_limit{60'000};
    Clock& clock = session.clock();
    const auto until = clock.uptime() + milliseconds(checkpoint.restore_limit_ms) + beyond_limit;
    std::optional<milliseconds> stopped_at;
    bool is_ours = false;
    while (clock.uptime() < until) {
        if (auto reverted = read_reverted(checkpoint.directory)) {
            if (reverted->is_complete || is_ours || is_supervised(checkpoint.directory)) return reverted;
        }
        if (read_verdict(checkpoint.directory).verdict == Verdict::confirmed) return std::nullopt;
        if (stop.stop_requested() && !stopped_at) stopped_at = clock.uptime();
        if (stopped_at && clock.uptime() - *stopped_at > after_stop) return std::nullopt;
        if (!is_supervised(checkpoint.directory)) {
            if (is_ours) return read_reverted(checkpoint.directory); // it gave up, or could not begin
            is_ours = true;
            if (!start_restore(supervisor_program(), checkpoint.directory)) return std::nullopt;
        }
        std::this_thread::sleep_for(look); // not the clock's: a stop must not make this spin
    }
    return read_reverted(checkpoint.directory);
}

namespace {

Diagnostic pending_problem(const Checkpoint& checkpoint, const std::string& stack) {
    const auto applied = applied_at_ms(checkpoint.directory);
    return failure(
        "confirm.pending",
        fmt::format("a change of stack {} (pass {}) {}{}", checkpoint.stack, checkpoint.pass,
                    applied ? fmt::format("waits for its confirmation until {}",
                                          utc_time(*applied + checkpoint.timeout_ms))
                            : std::string("is being applied, or was when its process died"),
                    checkpoint.stack == stack ? "" : ", in a scope that this pass has to write"),
        fmt::format("`holdfast confirm {}` keeps it; otherwise it is taken back, and a pass can run "
                    "after that",
                    checkpoint.stack));
}

Diagnostic restore_problem(const Checkpoint& checkpoint, const std::vector<std::string>& problems) {
    Diagnostic problem = failure(
        "confirm.restore-failed",
        fmt::format("the change of stack {} (pass {}) was to be taken back, and that failed: {}",
                    checkpoint.stack, checkpoint.pass,
                    problems.empty() ? "nobody says why" : join(problems, "; ")),
        fmt::format(
            "mend what it says and run again, or put the target right by hand and then `holdfast resume "
            "{}`",
            checkpoint.stack));
    problem.subject = checkpoint.directory;
    return problem;
}

} // namespace

Diagnostics take_in_leftovers(Session& session, const std::string& stack, const std::stop_token& stop) {
    Diagnostics problems;
    for (const std::string& directory : checkpoints_in(session.store_directory())) {
        const Result<Checkpoint> checkpoint = read_checkpoint(directory);
        if (!checkpoint) {
            problems.add(checkpoint.error()).severity = Severity::warning;
            continue;
        }
        if (checkpoint->stack != stack) continue;
        const Verdict verdict = read_verdict(directory).verdict;
        if (verdict == Verdict::confirmed) {
            if (!is_supervised(directory)) remove_checkpoint(directory);
            continue;
        }
        if (verdict == Verdict::none && is_supervised(directory)) {
            problems.add(pending_problem(*checkpoint, stack));
            continue;
        }
        const std::optional<Reverted> reverted = wait_for_restore(session, *checkpoint, stop);
        if (reverted) record_taken_back(session, *checkpoint, *reverted);
        if (!reverted || !reverted->is_complete) {
            problems.add(session.masker().mask(
                restore_problem(*checkpoint, reverted ? reverted->problems : std::vector<std::string>{})));
            continue;
        }
        end_pass_as_reverted(session.store(), *checkpoint, reverted->at_ms);
        remove_checkpoint(directory);
        Diagnostic& warning = problems.warning(
            "confirm.reverted", fmt::format("what pass {} of stack {} had applied was taken back at {}: {}",
                                            checkpoint->pass, stack, utc_time(reverted->at_ms),
                                            session.masker().mask(reason_of(reverted->verdict))));
        if (!reverted->verdict.is_calm)
            warning.hint = fmt::format(
                "it stays so until its declaration changes, or until `holdfast resume {}`", stack);
    }
    return problems;
}

Status check_scopes_are_free(Session& session, const std::string& stack,
                             const std::set<std::pair<std::string, std::string>>& scopes) {
    for (const std::string& directory : checkpoints_in(session.store_directory())) {
        const Result<Checkpoint> checkpoint = read_checkpoint(directory);
        if (!checkpoint || checkpoint->stack == stack) continue;
        const bool is_same = std::any_of(checkpoint->scopes.begin(), checkpoint->scopes.end(),
                                         [&](const GuardedScope& guarded) {
                                             return scopes.contains({guarded.target, guarded.scope});
                                         });
        if (!is_same || read_verdict(directory).verdict == Verdict::confirmed) continue;
        if (const auto reverted = read_reverted(directory); reverted && reverted->is_complete) continue;
        return pending_problem(*checkpoint, stack);
    }
    return Ok{};
}

std::size_t let_go_of_taken_back(Store& store, const std::string& store_directory, const std::string& stack) {
    for (const std::string& directory : checkpoints_in(store_directory)) {
        const Result<Checkpoint> checkpoint = read_checkpoint(directory);
        if (!checkpoint || checkpoint->stack != stack || is_supervised(directory)) continue;
        if (const auto reverted = read_reverted(directory); reverted && !reverted->is_complete)
            remove_checkpoint(directory);
    }
    return store.end_quarantine(stack, {});
}

} // namespace holdfast

// Law 10 in a pass. The scopes of changes that may cut people off are guarded: snapshots of them are on disk
// and a supervisor waits before the first write, and after the last one either something confirms that the
// world can still be reached, or the snapshots come back. Whatever depends on a guarded change waits for
// that.

#include <algorithm>
#include <functional>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "confirm/probe.hpp"
#include "confirm/start.hpp"
#include "reconcile/pass.hpp"
#include "reconcile/taking_back.hpp"
#include "sys/environment.hpp"
#include "sys/process.hpp"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds usual_timeout{60'000}, probe_limit{3'000}, turn{100}, probe_pause{500};

// How the changes of one provider are confirmed: what the command says, the Provider document, the Stack.
const ConfirmPolicy* policy_of(const ProviderDocument* provider, const StackDocument& stack) {
    if (provider && provider->confirm) return &*provider->confirm;
    return stack.confirm ? &*stack.confirm : nullptr;
}

bool is_written(StepState state) {
    return state == StepState::done || state == StepState::partial || state == StepState::unknown;
}

// Whether a parse is worth its while: nearly all documents of a large plan fit none of the rules.
bool may_need_confirmation(const KindInfo& kind, std::string_view json) {
    return std::any_of(kind.confirm.begin(), kind.confirm.end(), [&](const ConfirmRule& rule) {
        return std::all_of(rule.begin(), rule.end(), [&](const auto& condition) {
            const std::string* text = condition.second.if_string();
            return !text || json.find(*text) != json.npos || text->find_first_of("\"\\/") != text->npos;
        });
    });
}

} // namespace

// Whether this change must be confirmed: because somebody asked for it, or because its plugin says that such
// an object can cut people off.
bool Pass::asks_for_confirmation(const Change& change, const PlanInput& input) const {
    if (change.readiness != Readiness::ready || !reaches_the_target(change.action)) return false;
    const auto facts = input.providers.find(change.provider);
    if (facts == input.providers.end() || !facts->second.description) return false;
    const Description& plugin = *facts->second.description;
    if (options_.confirm_within) return true;
    const ProviderDocument* document = session_.project().provider(change.provider);
    if (const ConfirmPolicy* policy = policy_of(document, stack())) {
        if (!policy->is_enabled) return false;
        // Of a stack, what can be: its other providers may well be unable to.
        const bool is_of_provider = document && document->confirm;
        if (policy->is_for_all && (is_of_provider || plugin.has("holdfast.checkpoint/1"))) return true;
    }
    const KindInfo* kind = plugin.find(change.api_version, change.object.kind_name());
    if (!kind || kind->confirm.empty()) return false;
    if (change.leaf) {
        const auto asks = [&](const Document& side) {
            return !side.empty() && may_need_confirmation(*kind, side.json) &&
                   needs_confirmation(*kind, tree_of(side));
        };
        if (asks(input.leaves[*change.leaf].declared)) return true;
        if (!input.canonical.empty() && asks(input.canonical[*change.leaf].document)) return true;
    }
    const bool destroys = change.action == Action::remove || change.action == Action::replace;
    if (!destroys || !change.recorded) return false;
    const std::optional<LedgerEntry> entry = session_.store().entry(input.recorded[*change.recorded].address);
    const Result<Value> recorded = entry ? parse_json(entry->declared) : Result<Value>(Value());
    return recorded && needs_confirmation(*kind, *recorded);
}

// The guarded changes of a plan, armed; the plan may be executed but for what `left_out` says. Changes that
// come after guarded ones in other scopes are held.
std::unique_ptr<GuardedSet> Pass::guard(const Plan& plan, std::vector<bool>& held, const PlanInput& input,
                                        const RunEvents& events) {
    auto guard = std::make_unique<GuardedSet>();
    for (std::size_t i = 0; i < plan.changes.size(); ++i)
        if (const Change& change = plan.changes[i];
            !held[i] && !guard->scopes.contains({change.provider, change.object.scope}) &&
            asks_for_confirmation(change, input))
            guard->scopes.emplace(change.provider, change.object.scope);
    if (guard->scopes.empty()) return nullptr;
    guard->refused.resize(plan.changes.size());
    guard->changes.resize(plan.changes.size());
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const Change& change = plan.changes[i];
        guard->changes[i] = !held[i] && change.readiness == Readiness::ready &&
                            reaches_the_target(change.action) &&
                            guard->scopes.contains({change.provider, change.object.scope});
    }
    hold_behind(plan, *guard, held);
    if (Status armed = arm(*guard, plan, input, events); !armed) {
        const Diagnostic why = session_.masker().mask(armed.error());
        for (std::size_t i = 0; i < plan.changes.size(); ++i)
            if (guard->changes[i]) guard->refused[i] = why;
    }
    return guard;
}

// As hold_back: the changes respect their edges and gates, so one walk is enough. What is guarded and comes
// after something that is held now has to wait with it.
void Pass::hold_behind(const Plan& plan, GuardedSet& guard, std::vector<bool>& held) {
    std::vector<bool> newly(plan.changes.size());
    struct Behind {
        bool guarded = false, held = false; // something that comes first is
        void add(const Behind& other) { guarded |= other.guarded, held |= other.held; }
    };
    std::vector<std::optional<Behind>> of_gate(plan.gates.size());
    const auto of_change = [&](std::size_t i) { return Behind{guard.changes[i], newly[i]}; };
    // Once asked, all that opens the gate has been passed.
    const std::function<Behind(std::size_t)> gate = [&](std::size_t g) {
        if (of_gate[g]) return *of_gate[g];
        Behind behind;
        for (std::size_t before : plan.gates[g].after) behind.add(of_change(before));
        for (std::size_t before : plan.gates[g].after_gates) behind.add(gate(before));
        of_gate[g] = behind;
        return behind;
    };
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const Change& change = plan.changes[i];
        if (held[i]) continue;
        Behind behind;
        for (std::size_t before : change.after) behind.add(of_change(before));
        for (std::size_t g : change.after_gates) behind.add(gate(g));
        if (!behind.held && (guard.changes[i] || !behind.guarded)) continue;
        newly[i] = held[i] = true;
        guard.changes[i] = false;
        if (!change.leaf) continue;
        if (const auto leaf = leaf_at(change.address)) hold(*leaf);
    }
}

Status Pass::arm(GuardedSet& guard, const Plan& plan, const PlanInput& input, const RunEvents& events) {
    if (events.progress) events.progress("guarding", 0, guard.scopes.size());
    Checkpoint& checkpoint = guard.checkpoint;
    checkpoint.directory = fmt::format("{}/{}-{}", confirm_directory(session_.store_directory()),
                                       outcome_.pass.id, ++checkpoints_);
    checkpoint.pass = outcome_.pass.id;
    checkpoint.stack = stack().name;
    checkpoint.plan = outcome_.pass.plan_hash;
    checkpoint.commit = outcome_.pass.commit;
    checkpoint.actor = session_.actor();
    checkpoint.boot_id = this_process().boot_id;
    checkpoint.at_ms = session_.clock().now_ms();
    checkpoint.blob_directory = session_.store_directory() + "/blobs";
    if (Status set = set_policy(guard); !set) return set;
    std::vector<std::string> snapshots;
    std::map<std::string, std::string> plugin_files;
    for (const auto& [provider, scope] : guard.scopes)
        if (Status taken = take_snapshot(guard, provider, scope, snapshots, plugin_files); !taken)
            return taken;
    remember_changes(guard, plan, input);
    if (Status written = write_checkpoint(checkpoint, snapshots, {plugin_files.begin(), plugin_files.end()});
        !written)
        return not_armed(written.error());
    Result<Fd> lifeline = start_supervisor(supervisor_program(), checkpoint.directory);
    if (!lifeline) {
        remove_checkpoint(checkpoint.directory);
        return lifeline.error();
    }
    guard.lifeline = *std::move(lifeline);
    guard.is_armed = true;
    return Ok{};
}

Diagnostic Pass::not_armed(const Diagnostic& why) {
    Diagnostic problem = failure(
        "confirm.not-armed",
        fmt::format("the change could not be taken back, so it was not made: {}", why.message), why.hint);
    problem.context = why.context;
    return problem;
}

// Of several providers in one set, the longest time counts, and all that any of them wants reached.
Status Pass::set_policy(GuardedSet& guard) {
    std::vector<ReachProbe> wanted;
    milliseconds timeout{0};
    bool is_default = false;
    for (const auto& [provider, scope] : guard.scopes) {
        const ConfirmPolicy* policy = policy_of(session_.project().provider(provider), stack());
        timeout = std::max(timeout, policy ? policy->timeout.value_or(usual_timeout) : usual_timeout);
        guard.checkpoint.is_manual |= policy && policy->is_manual;
        is_default |= !policy || policy->probes.empty();
        for (const ReachProbe& probe : policy ? policy->probes : std::vector<ReachProbe>{})
            if (std::find(wanted.begin(), wanted.end(), probe) == wanted.end()) wanted.push_back(probe);
    }
    if (options_.confirm_within) {
        timeout = *options_.confirm_within;
        guard.checkpoint.is_manual = true;
    }
    guard.checkpoint.timeout_ms = timeout.count();
    guard.checkpoint.apply_limit_ms = timeout.count() + milliseconds(std::chrono::minutes(15)).count();
    if (guard.checkpoint.is_manual) return Ok{};
    for (const ReachProbe& probe : wanted) {
        Result<PreparedProbe> prepared = prepare_probe(probe, session_.operator_config(), stack().name);
        if (!prepared) return not_armed(prepared.error());
        guard.probes.push_back(*std::move(prepared));
    }
    if (is_default) add_default_probes(guard);
    guard.checkpoint.is_manual = guard.probes.empty();
    if (!guard.checkpoint.is_manual) return Ok{};
    Diagnostic& note = outcome_.problems.warning(
        "confirm.by-hand",
        fmt::format("nothing is known that this change must leave reachable, so a person has "
                    "to confirm it within {} s",
                    guard.checkpoint.timeout_ms / 1000));
    note.severity = Severity::note;
    note.hint = "name what must be reached under spec.confirm.probes of the Provider or the Stack";
    return Ok{};
}

// What cannot be reached before the change says nothing about the change.
void Pass::add_default_probes(GuardedSet& guard) {
    const SourceDocument* source = session_.project().source(stack().source);
    for (const ReachProbe& probe :
         default_probes(source ? source->url : "", environment("SSH_CONNECTION").value_or(""))) {
        Result<PreparedProbe> prepared = prepare_probe(probe, session_.operator_config(), stack().name);
        if (!prepared) continue;
        const std::string why = run_probe(*prepared, probe_limit);
        if (why.empty()) {
            guard.probes.push_back(*std::move(prepared));
            continue;
        }
        outcome_.problems
            .warning(
                "confirm.probe-left-out",
                fmt::format("{} is not asked whether the change is good: it did not answer before either "
                            "({})",
                            to_string(probe), why))
            .severity = Severity::note;
    }
}

Status Pass::take_snapshot(GuardedSet& guard, const std::string& name, const std::string& scope,
                           std::vector<std::string>& snapshots,
                           std::map<std::string, std::string>& plugin_files) {
    const ProviderDocument* document = session_.project().provider(name);
    Result<Provider*> provider = session_.provider(name);
    if (!provider) return not_armed(provider.error());
    if (!document)
        return not_armed(failure("provider.removed", fmt::format("no Provider is named {}", name)));
    if (!(*provider)->description().has("holdfast.checkpoint/1"))
        return failure("confirm.no-checkpoint",
                       fmt::format("the change was to be made so that it can be taken back, and plugin {} of "
                                   "provider {} cannot do that; it was not made",
                                   document->plugin, name),
                       options_.confirm_within
                           ? "apply without --confirm-within, or leave it out with --exclude"
                           : "take `confirm` out of the Provider document");
    Result<std::string> config = session_.provider_config(name);
    if (!config) return not_armed(config.error());
    const Result<PluginFile> file = session_.host().find(document->plugin);
    if (!file) return not_armed(file.error());
    std::string bytes;
    bool is_there = false;
    const auto deadline = session_.clock().steady() + options_.execute.call_timeout;
    const CallEnd end = (*provider)->call({.method = Method::snapshot, .scope = scope, .deadline = deadline},
                                          [&](const ItemResult& result) {
                                              if (result.item != scope_item) return;
                                              bytes = result.private_data;
                                              is_there = true;
                                          });
    if (!end.ok || !is_there)
        return not_armed(end.why.empty() ? failure("confirm.no-snapshot", "the plugin gave no snapshot")
                                         : end.why.list().front());
    guard.checkpoint.scopes.push_back({.provider = name,
                                       .plugin = document->plugin,
                                       .plugin_hash = (*provider)->plugin_hash(),
                                       .config = *std::move(config),
                                       .target = (*provider)->target(),
                                       .scope = scope,
                                       .snapshot = fmt::format("snapshot-{}", snapshots.size())});
    snapshots.push_back(std::move(bytes));
    plugin_files.emplace(document->plugin, file->path);
    return Ok{};
}

void Pass::remember_changes(GuardedSet& guard, const Plan& plan, const PlanInput& input) {
    std::set<Address> addresses;
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        if (!guard.changes[i]) continue;
        const Change& change = plan.changes[i];
        if (change.recorded || change.action != Action::create) addresses.insert(change.address);
        if (!change.moved_from.id.empty()) addresses.insert(change.moved_from);
        if (change.recorded) addresses.insert(input.recorded[*change.recorded].address);
        guard.checkpoint.changes.push_back(
            {change.address, std::string(to_string(change.action)),
             change.leaf ? input.leaves[*change.leaf].recordable().hash : Hash{}});
    }
    for (const Address& address : addresses)
        if (const auto entry = session_.store().entry(address))
            guard.checkpoint.entries.push_back(export_entry(*entry));
}

// What is to be left out of the execution.
std::vector<bool> Pass::without_refused(const GuardedSet* guard, std::vector<bool> held) {
    for (std::size_t i = 0; guard && i < held.size(); ++i)
        if (guard->refused[i]) held[i] = true;
    return held;
}

void Pass::tell_refused(const GuardedSet* guard, const Plan& plan, ExecutionReport& report) {
    if (!guard) return;
    bool is_told = false;
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        if (!guard->refused[i]) continue;
        StepResult& result = report.results[i];
        result.action = plan.changes[i].action;
        result.state = StepState::skipped;
        Diagnostic why = *guard->refused[i];
        why.subject = to_string(plan.changes[i].address);
        why.span = {plan.changes[i].origin.file, {plan.changes[i].origin.line, 1}, 0};
        if (!is_told) outcome_.problems.add(why);
        is_told = true; // the same of all of them
        result.diagnostics.add(std::move(why));
    }
}

// From the last write to the verdict.
void Pass::settle(GuardedSet* guard, const Plan& plan, const ExecutionReport& report, const RunEvents& events,
                  const std::stop_token& stop) {
    if (!guard || !guard->is_armed) return;
    const std::string& directory = guard->checkpoint.directory;
    bool was_written = report.interrupted;
    for (std::size_t i = 0; i < plan.changes.size(); ++i)
        was_written |= guard->changes[i] && is_written(report.results[i].state);
    if (!was_written) {
        give_verdict(directory, {.verdict = Verdict::confirmed, .by = "nothing was written"});
        remove_checkpoint(directory);
        return;
    }
    mark_applied(directory);
    guard->lifeline = Fd();
    const GivenVerdict verdict = await_verdict(*guard, events, stop);
    if (verdict.verdict == Verdict::confirmed) {
        outcome_.confirmed_by = verdict.by;
        std::vector<Address> leaves;
        for (const GuardedChange& change : guard->checkpoint.changes) leaves.push_back(change.address);
        session_.store().end_quarantine(stack().name, leaves);
        session_.store().audit(session_.clock().now_ms(), session_.actor(), "confirm", stack().name,
                               fmt::format("pass {} by {}", outcome_.pass.id, verdict.by));
        if (!is_supervised(directory)) remove_checkpoint(directory);
        return;
    }
    take_back(*guard, events, stop);
}

// Asks probe after probe until each has answered once, and whoever watches what a person says.
GivenVerdict Pass::await_verdict(GuardedSet& guard, const RunEvents& events, const std::stop_token& stop) {
    Clock& clock = session_.clock();
    const std::string& directory = guard.checkpoint.directory;
    const auto until = clock.uptime() + milliseconds(guard.checkpoint.timeout_ms);
    AwaitedConfirmation awaited{.stack = stack().name, .is_manual = guard.checkpoint.is_manual};
    for (const GuardedChange& change : guard.checkpoint.changes)
        awaited.changes.push_back(fmt::format("{} {}", change.action, short_name(change.address.id)));
    const auto give = [&](Verdict verdict, std::string by, std::string why, bool is_calm = false) {
        give_verdict(directory, {verdict, std::move(by), std::move(why), is_calm, clock.now_ms()});
    };
    std::size_t reached = 0;
    milliseconds next_probe = clock.uptime();
    std::string confirmed_by;
    for (;;) {
        if (const GivenVerdict given = read_verdict(directory); given.verdict != Verdict::none) {
            // Removed by its supervisor before we looked: a person elsewhere, or our own probes.
            if (given.verdict == Verdict::confirmed && given.by.empty())
                return {.verdict = Verdict::confirmed,
                        .by = confirmed_by.empty() ? "a person" : confirmed_by};
            return given;
        }
        awaited.left = std::max(milliseconds(0), until - clock.uptime());
        if (stop.stop_requested()) {
            give(Verdict::revert, session_.actor(), "the pass was stopped before anybody confirmed", true);
            continue;
        }
        // The supervisor is killed, or cannot make the verdict's name: ours has to do.
        if (awaited.left.count() == 0 &&
            (!is_supervised(directory) || until + milliseconds(5'000) < clock.uptime())) {
            give(Verdict::expired, "", "nobody confirmed in time");
            if (read_verdict(directory).verdict == Verdict::none) return {.verdict = Verdict::expired};
            continue;
        }
        if (!guard.checkpoint.is_manual && awaited.left.count() > 0 && clock.uptime() >= next_probe) {
            const PreparedProbe& probe = guard.probes[reached];
            const std::string why = run_probe(probe, std::min(probe_limit, awaited.left));
            awaited.waits_for = why.empty() ? "" : fmt::format("{}: {}", to_string(probe.probe), why);
            next_probe = clock.uptime() + (why.empty() ? milliseconds(0) : probe_pause);
            if (why.empty() && ++reached == guard.probes.size()) {
                confirmed_by = "probes";
                give(Verdict::confirmed, confirmed_by, "");
            }
            last_unreached_ = awaited.waits_for;
            continue;
        }
        if (events.awaiting) {
            const Answer answer = events.awaiting(outcome_, awaited);
            if (answer == Answer::keep) {
                confirmed_by = session_.actor();
                give(Verdict::confirmed, confirmed_by, "");
            }
            if (answer == Answer::take_back)
                give(Verdict::revert, session_.actor(), session_.actor() + " took it back");
            if (answer != Answer::none) continue;
        }
        clock.sleep_for(turn, stop);
    }
}

void Pass::take_back(GuardedSet& guard, const RunEvents& events, const std::stop_token& stop) {
    if (events.progress) events.progress("taking back", 0, guard.checkpoint.scopes.size());
    const Checkpoint& checkpoint = guard.checkpoint;
    std::optional<Reverted> reverted = wait_for_restore(session_, checkpoint, stop);
    for (const GuardedChange& change : checkpoint.changes) unfinished_.insert(change.address);
    TakenBack& taken = outcome_.reverted.emplace();
    taken.changes = checkpoint.changes.size();
    taken.at_ms = reverted ? reverted->at_ms : session_.clock().now_ms();
    GivenVerdict verdict = read_verdict(checkpoint.directory);
    // The supervisor knows only that nobody said anything; we know what did not answer.
    if (verdict.verdict == Verdict::expired && !checkpoint.is_manual && !last_unreached_.empty())
        verdict.why = fmt::format("it left unreachable what must be reached ({})", last_unreached_);
    taken.why = session_.masker().mask(reason_of(verdict));
    taken.is_complete = reverted && reverted->is_complete;
    if (reverted) {
        reverted->verdict = verdict;
        record_taken_back(session_, checkpoint, *reverted);
        for (const std::string& problem : reverted->problems)
            taken.problems.push_back(session_.masker().mask(problem));
    }
    if (!taken.is_complete) {
        Diagnostic& problem = outcome_.problems.error(
            "confirm.restore-failed",
            fmt::format("the change of stack {} was to be taken back ({}), and that {}", stack().name,
                        taken.why, reverted ? "failed: " + join(taken.problems, "; ") : "has not ended yet"));
        problem.hint = reverted ? "mend what it says and run again, or put the target right by hand and then "
                                  "`holdfast resume " +
                                      stack().name + "`"
                                : "its supervisor goes on; the next pass says what came of it";
        problem.subject = checkpoint.directory;
        return;
    }
    remove_checkpoint(checkpoint.directory);
    Diagnostic& problem = outcome_.problems.error(
        "confirm.reverted",
        fmt::format("{} of stack {} {} taken back: {}", count_of(taken.changes, "change", "changes"),
                    stack().name, taken.changes == 1 ? "was" : "were", taken.why));
    problem.hint = verdict.is_calm
                       ? "apply again when it suits"
                       : fmt::format("correct the declaration, or let it be tried again with `holdfast "
                                     "resume {}`",
                                     stack().name);
}

} // namespace holdfast

#include "reconcile/guarded_changes.hpp"

#include <algorithm>
#include <functional>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "confirm/start.hpp"
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

Diagnostic not_armed(const Diagnostic& why) {
    Diagnostic problem = failure(
        "confirm.not-armed",
        fmt::format("the change could not be taken back, so it was not made: {}", why.message), why.hint);
    problem.context = why.context;
    return problem;
}

} // namespace

GuardedChanges::GuardedChanges(OfPass pass, const Plan& plan, const PlanInput& input,
                               const std::vector<bool>& held)
    : pass_(pass), plan_(plan), input_(input) {
    for (std::size_t i = 0; i < plan.changes.size(); ++i)
        if (const Change& change = plan.changes[i];
            !held[i] && !scopes_.contains({change.provider, change.object.scope}) &&
            asks_for_confirmation(change))
            scopes_.emplace(change.provider, change.object.scope);
    if (scopes_.empty()) return;
    changes_.resize(plan.changes.size());
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const Change& change = plan.changes[i];
        changes_[i] = !held[i] && change.readiness == Readiness::ready && reaches_the_target(change.action) &&
                      scopes_.contains({change.provider, change.object.scope});
    }
}

// Because somebody asked for it, or because the change's plugin says that such an object can cut people off.
bool GuardedChanges::asks_for_confirmation(const Change& change) const {
    if (change.readiness != Readiness::ready || !reaches_the_target(change.action)) return false;
    const auto facts = input_.providers.find(change.provider);
    if (facts == input_.providers.end() || !facts->second.description) return false;
    const Description& plugin = *facts->second.description;
    if (pass_.options.confirm_within) return true;
    const ProviderDocument* document = pass_.session.project().provider(change.provider);
    if (const ConfirmPolicy* policy = policy_of(document, pass_.stack)) {
        if (!policy->is_enabled) return false;
        // Of a stack, what can be: its other providers may well be unable to.
        const bool is_of_provider = document && document->confirm;
        if (policy->is_for_all && (is_of_provider || plugin.has("holdfast.checkpoint/1")))
            return !went_with_the_boot(change);
    }
    const KindInfo* kind = plugin.find(change.api_version, change.object.kind_name());
    return kind && !kind->confirm.empty() && asks_by_its_kind(change, *kind) && !went_with_the_boot(change);
}

// Rules and routes are the kernel's, and gone once the machine is started anew. What is recorded of them was
// confirmed, and comes back as it was without asking: at that hour there is often nobody and nothing to
// confirm it, and taking it back would leave the machine open.
bool GuardedChanges::went_with_the_boot(const Change& change) const {
    if (change.action != Action::create || !change.leaf || !change.recorded) return false;
    const LedgerEntry& brief = input_.recorded[*change.recorded];
    if (brief.state != EntryState::applied ||
        brief.declared_hash != input_.leaves[*change.leaf].recordable().hash)
        return false;
    const std::optional<LedgerEntry> entry = pass_.session.store().entry(brief.address);
    return entry && entry->applied_at_ms > 0 && entry->applied_at_ms < boot_time_ms();
}

bool GuardedChanges::asks_by_its_kind(const Change& change, const KindInfo& kind) const {
    if (change.leaf) {
        const auto asks = [&](const Document& side) {
            return !side.empty() && may_need_confirmation(kind, side.json) &&
                   needs_confirmation(kind, tree_of(side));
        };
        if (asks(input_.leaves[*change.leaf].declared)) return true;
        if (!input_.canonical.empty() && asks(input_.canonical[*change.leaf].document)) return true;
    }
    const bool destroys = change.action == Action::remove || change.action == Action::replace;
    if (!destroys || !change.recorded) return false;
    const std::optional<LedgerEntry> entry =
        pass_.session.store().entry(input_.recorded[*change.recorded].address);
    const Result<Value> recorded = entry ? parse_json(entry->declared) : Result<Value>(Value());
    return recorded && needs_confirmation(kind, *recorded);
}

// The changes respect their edges and gates, so one walk is enough. What is guarded and comes after something
// that is held now has to wait with it.
std::vector<std::size_t> GuardedChanges::hold_behind(std::vector<bool>& held) {
    std::vector<std::size_t> newly_held;
    std::vector<bool> newly(plan_.changes.size());
    struct Behind {
        bool guarded = false, held = false; // something that comes first is
        void add(const Behind& other) { guarded |= other.guarded, held |= other.held; }
    };
    std::vector<std::optional<Behind>> of_gate(plan_.gates.size());
    const auto of_change = [&](std::size_t i) { return Behind{changes_[i], newly[i]}; };
    // Once asked, all that opens the gate has been passed.
    const std::function<Behind(std::size_t)> gate = [&](std::size_t g) {
        if (of_gate[g]) return *of_gate[g];
        Behind behind;
        for (std::size_t before : plan_.gates[g].after) behind.add(of_change(before));
        for (std::size_t before : plan_.gates[g].after_gates) behind.add(gate(before));
        of_gate[g] = behind;
        return behind;
    };
    for (std::size_t i = 0; i < plan_.changes.size(); ++i) {
        const Change& change = plan_.changes[i];
        if (held[i]) continue;
        Behind behind;
        for (std::size_t before : change.after) behind.add(of_change(before));
        for (std::size_t g : change.after_gates) behind.add(gate(g));
        if (!behind.held && (changes_[i] || !behind.guarded)) continue;
        newly[i] = held[i] = true;
        changes_[i] = false;
        newly_held.push_back(i);
    }
    return newly_held;
}

// ---- before the first write ----

void GuardedChanges::arm(std::size_t number, const RunEvents& events) {
    if (events.progress) events.progress("guarding", 0, scopes_.size());
    if (Status made = make_checkpoint(number); !made) {
        refused_ = pass_.session.masker().mask(made.error());
        return;
    }
    Result<Fd> lifeline = start_supervisor(supervisor_program(), checkpoint_.directory);
    if (!lifeline) {
        remove_checkpoint(checkpoint_.directory);
        refused_ = pass_.session.masker().mask(lifeline.error());
        return;
    }
    lifeline_ = *std::move(lifeline);
    is_armed_ = true;
}

Status GuardedChanges::make_checkpoint(std::size_t number) {
    Session& session = pass_.session;
    const PassRecord& pass = pass_.outcome.pass;
    checkpoint_.directory =
        fmt::format("{}/{}-{}", confirm_directory(session.store_directory()), pass.id, number);
    checkpoint_.pass = pass.id;
    checkpoint_.stack = pass_.stack.name;
    checkpoint_.plan = pass.plan_hash;
    checkpoint_.commit = pass.commit;
    checkpoint_.actor = session.actor();
    checkpoint_.boot_id = this_process().boot_id;
    checkpoint_.at_ms = session.clock().now_ms();
    checkpoint_.blob_directory = session.store_directory() + "/blobs";
    if (Status set = set_policy(); !set) return set;
    for (const auto& [provider, scope] : scopes_)
        if (Status taken = take_snapshot(provider, scope); !taken) return taken;
    remember_changes();
    if (Status written =
            write_checkpoint(checkpoint_, snapshots_, {plugin_files_.begin(), plugin_files_.end()});
        !written)
        return not_armed(written.error());
    return Ok{};
}

// Of several providers in one set, the longest time counts, and all that any of them wants reached.
Status GuardedChanges::set_policy() {
    std::vector<ReachProbe> wanted;
    milliseconds timeout{0};
    bool is_default = false;
    for (const auto& [provider, scope] : scopes_) {
        const ConfirmPolicy* policy = policy_of(pass_.session.project().provider(provider), pass_.stack);
        timeout = std::max(timeout, policy ? policy->timeout.value_or(usual_timeout) : usual_timeout);
        checkpoint_.is_manual |= policy && policy->is_manual;
        is_default |= !policy || policy->probes.empty();
        for (const ReachProbe& probe : policy ? policy->probes : std::vector<ReachProbe>{})
            if (std::find(wanted.begin(), wanted.end(), probe) == wanted.end()) wanted.push_back(probe);
    }
    if (pass_.options.confirm_within) {
        timeout = *pass_.options.confirm_within;
        checkpoint_.is_manual = true;
    }
    checkpoint_.timeout_ms = timeout.count();
    checkpoint_.apply_limit_ms = timeout.count() + milliseconds(std::chrono::minutes(15)).count();
    if (checkpoint_.is_manual) return Ok{};
    for (const ReachProbe& probe : wanted) {
        Result<PreparedProbe> prepared =
            prepare_probe(probe, pass_.session.operator_config(), pass_.stack.name);
        if (!prepared) return not_armed(prepared.error());
        probes_.push_back(*std::move(prepared));
    }
    if (is_default) add_default_probes();
    checkpoint_.is_manual = probes_.empty();
    if (!checkpoint_.is_manual) return Ok{};
    Diagnostic& note = pass_.outcome.problems.warning(
        "confirm.by-hand",
        fmt::format("nothing is known that this change must leave reachable, so a person has "
                    "to confirm it within {} s",
                    checkpoint_.timeout_ms / 1000));
    note.severity = Severity::note;
    note.hint = "name what must be reached under spec.confirm.probes of the Provider or the Stack";
    return Ok{};
}

// What cannot be reached before the change says nothing about the change.
void GuardedChanges::add_default_probes() {
    const SourceDocument* source = pass_.session.project().source(pass_.stack.source);
    for (const ReachProbe& probe :
         default_probes(source ? source->url : "", environment("SSH_CONNECTION").value_or(""))) {
        Result<PreparedProbe> prepared =
            prepare_probe(probe, pass_.session.operator_config(), pass_.stack.name);
        if (!prepared) continue;
        const std::string why = run_probe(*prepared, probe_limit);
        if (why.empty()) {
            probes_.push_back(*std::move(prepared));
            continue;
        }
        pass_.outcome.problems
            .warning(
                "confirm.probe-left-out",
                fmt::format("{} is not asked whether the change is good: it did not answer before either "
                            "({})",
                            to_string(probe), why))
            .severity = Severity::note;
    }
}

Status GuardedChanges::take_snapshot(const std::string& name, const std::string& scope) {
    const ProviderDocument* document = pass_.session.project().provider(name);
    Result<Provider*> provider = pass_.session.provider(name);
    if (!provider) return not_armed(provider.error());
    if (!document)
        return not_armed(failure("provider.removed", fmt::format("no Provider is named {}", name)));
    if (!(*provider)->description().has("holdfast.checkpoint/1"))
        return failure("confirm.no-checkpoint",
                       fmt::format("the change was to be made so that it can be taken back, and plugin {} of "
                                   "provider {} cannot do that; it was not made",
                                   document->plugin, name),
                       pass_.options.confirm_within
                           ? "apply without --confirm-within, or leave it out with --exclude"
                           : "take `confirm` out of the Provider document");
    Result<std::string> config = pass_.session.provider_config(name);
    if (!config) return not_armed(config.error());
    const Result<PluginFile> file = pass_.session.host().find(document->plugin);
    if (!file) return not_armed(file.error());
    std::string bytes;
    bool is_there = false;
    const auto deadline = pass_.session.clock().steady() + pass_.options.execute.call_timeout;
    const CallEnd end = (*provider)->call({.method = Method::snapshot, .scope = scope, .deadline = deadline},
                                          [&](const ItemResult& result) {
                                              if (result.item != scope_item) return;
                                              bytes = result.private_data;
                                              is_there = true;
                                          });
    if (!end.ok || !is_there)
        return not_armed(end.why.empty() ? failure("confirm.no-snapshot", "the plugin gave no snapshot")
                                         : end.why.list().front());
    checkpoint_.scopes.push_back({.provider = name,
                                  .plugin = document->plugin,
                                  .plugin_hash = (*provider)->plugin_hash(),
                                  .config = *std::move(config),
                                  .target = (*provider)->target(),
                                  .scope = scope,
                                  .snapshot = fmt::format("snapshot-{}", snapshots_.size())});
    snapshots_.push_back(std::move(bytes));
    plugin_files_.emplace(document->plugin, file->path);
    return Ok{};
}

void GuardedChanges::remember_changes() {
    std::set<Address> addresses;
    for (std::size_t i = 0; i < plan_.changes.size(); ++i) {
        if (!changes_[i]) continue;
        const Change& change = plan_.changes[i];
        if (change.recorded || change.action != Action::create) addresses.insert(change.address);
        if (!change.moved_from.id.empty()) addresses.insert(change.moved_from);
        if (change.recorded) addresses.insert(input_.recorded[*change.recorded].address);
        checkpoint_.changes.push_back({change.address, std::string(to_string(change.action)),
                                       change.leaf ? input_.leaves[*change.leaf].recordable().hash : Hash{}});
    }
    for (const Address& address : addresses)
        if (const auto entry = pass_.session.store().entry(address))
            checkpoint_.entries.push_back(export_entry(*entry));
}

// ---- executed ----

std::vector<bool> GuardedChanges::left_out(std::vector<bool> held) const {
    for (std::size_t i = 0; refused_ && i < held.size(); ++i)
        if (changes_[i]) held[i] = true;
    return held;
}

void GuardedChanges::tell_refused(ExecutionReport& report) {
    if (!refused_) return;
    bool is_told = false;
    for (std::size_t i = 0; i < plan_.changes.size(); ++i) {
        if (!changes_[i]) continue;
        const Change& change = plan_.changes[i];
        StepResult& result = report.results[i];
        result.action = change.action;
        result.state = StepState::skipped;
        Diagnostic why = *refused_;
        why.subject = to_string(change.address);
        why.span = {change.origin.file, {change.origin.line, 1}, 0};
        if (!is_told) pass_.outcome.problems.add(why);
        is_told = true; // the same of all of them
        result.diagnostics.add(std::move(why));
    }
}

bool GuardedChanges::was_written(const ExecutionReport& report) const {
    if (report.interrupted) return true;
    for (std::size_t i = 0; i < changes_.size(); ++i)
        if (changes_[i] && is_written(report.results[i].state)) return true;
    return false;
}

// ---- after the last write ----

std::vector<Address> GuardedChanges::settle(bool was_written, const RunEvents& events,
                                            const std::stop_token& stop) {
    if (!is_armed_) return {};
    const std::string& directory = checkpoint_.directory;
    if (!was_written) {
        give_verdict(directory, {.verdict = Verdict::confirmed, .by = "nothing was written"});
        remove_checkpoint(directory);
        return {};
    }
    mark_applied(directory);
    lifeline_ = Fd();
    const GivenVerdict verdict = await_verdict(events, stop);
    if (verdict.verdict != Verdict::confirmed) return take_back(events, stop);
    end_confirmed(verdict);
    return {};
}

void GuardedChanges::end_confirmed(const GivenVerdict& verdict) {
    Session& session = pass_.session;
    pass_.outcome.confirmed_by = verdict.by;
    std::vector<Address> leaves;
    for (const GuardedChange& change : checkpoint_.changes) leaves.push_back(change.address);
    session.store().end_quarantine(pass_.stack.name, leaves);
    session.store().audit(session.clock().now_ms(), session.actor(), "confirm", pass_.stack.name,
                          fmt::format("pass {} by {}", pass_.outcome.pass.id, verdict.by));
    if (!is_supervised(checkpoint_.directory)) remove_checkpoint(checkpoint_.directory);
}

void GuardedChanges::give(Verdict verdict, std::string by, std::string why, bool is_calm) {
    if (verdict == Verdict::confirmed) confirmed_by_ = by;
    give_verdict(checkpoint_.directory,
                 {verdict, std::move(by), std::move(why), is_calm, pass_.session.clock().now_ms()});
}

// Asks probe after probe until each has answered once, and whoever watches what a person says.
GivenVerdict GuardedChanges::await_verdict(const RunEvents& events, const std::stop_token& stop) {
    Clock& clock = pass_.session.clock();
    const std::string& actor = pass_.session.actor();
    const std::string& directory = checkpoint_.directory;
    const auto until = clock.uptime() + milliseconds(checkpoint_.timeout_ms);
    AwaitedConfirmation awaited{.stack = pass_.stack.name, .is_manual = checkpoint_.is_manual};
    for (const GuardedChange& change : checkpoint_.changes)
        awaited.changes.push_back(fmt::format("{} {}", change.action, short_name(change.address.id)));
    next_probe_ = clock.uptime();
    for (;;) {
        if (const GivenVerdict given = read_verdict(directory); given.verdict != Verdict::none) {
            // Removed by its supervisor before we looked: a person elsewhere, or our own probes.
            if (given.verdict == Verdict::confirmed && given.by.empty())
                return {.verdict = Verdict::confirmed,
                        .by = confirmed_by_.empty() ? "a person" : confirmed_by_};
            return given;
        }
        awaited.left = std::max(milliseconds(0), until - clock.uptime());
        if (stop.stop_requested()) {
            give(Verdict::revert, actor, "the pass was stopped before anybody confirmed", true);
            continue;
        }
        // The supervisor is killed, or cannot make the verdict's name: ours has to do.
        if (awaited.left.count() == 0 &&
            (!is_supervised(directory) || until + milliseconds(5'000) < clock.uptime())) {
            give(Verdict::expired, "", "nobody confirmed in time");
            if (read_verdict(directory).verdict == Verdict::none) return {.verdict = Verdict::expired};
            continue;
        }
        if (!checkpoint_.is_manual && awaited.left.count() > 0 && clock.uptime() >= next_probe_) {
            ask_next_probe(awaited.left);
            awaited.waits_for = unreached_;
            continue;
        }
        const Answer answer = events.awaiting ? events.awaiting(pass_.outcome, awaited) : Answer::none;
        if (answer == Answer::keep) give(Verdict::confirmed, actor, "");
        if (answer == Answer::take_back) give(Verdict::revert, actor, actor + " took it back");
        if (answer == Answer::none) clock.sleep_for(turn, stop);
    }
}

void GuardedChanges::ask_next_probe(milliseconds left) {
    const PreparedProbe& probe = probes_[reached_];
    const std::string why = run_probe(probe, std::min(probe_limit, left));
    unreached_ = why.empty() ? "" : fmt::format("{}: {}", to_string(probe.probe), why);
    next_probe_ = pass_.session.clock().uptime() + (why.empty() ? milliseconds(0) : probe_pause);
    if (why.empty() && ++reached_ == probes_.size()) give(Verdict::confirmed, "probes", "");
}

std::vector<Address> GuardedChanges::take_back(const RunEvents& events, const std::stop_token& stop) {
    Session& session = pass_.session;
    if (events.progress) events.progress("taking back", 0, checkpoint_.scopes.size());
    std::optional<Reverted> reverted = wait_for_restore(session, checkpoint_, stop);
    std::vector<Address> leaves;
    for (const GuardedChange& change : checkpoint_.changes) leaves.push_back(change.address);
    TakenBack& taken = pass_.outcome.reverted.emplace();
    taken.changes = checkpoint_.changes.size();
    taken.at_ms = reverted ? reverted->at_ms : session.clock().now_ms();
    GivenVerdict verdict = read_verdict(checkpoint_.directory);
    // The supervisor knows only that nobody said anything; we know what did not answer.
    if (verdict.verdict == Verdict::expired && !checkpoint_.is_manual && !unreached_.empty())
        verdict.why = fmt::format("it left unreachable what must be reached ({})", unreached_);
    taken.why = session.masker().mask(reason_of(verdict));
    taken.is_complete = reverted && reverted->is_complete;
    if (reverted) {
        reverted->verdict = verdict;
        record_taken_back(session, checkpoint_, *reverted);
        for (const std::string& problem : reverted->problems)
            taken.problems.push_back(session.masker().mask(problem));
    }
    if (!taken.is_complete) {
        tell_restore_failed(taken, reverted.has_value());
        return leaves;
    }
    remove_checkpoint(checkpoint_.directory);
    Diagnostic& problem = pass_.outcome.problems.error(
        "confirm.reverted",
        fmt::format("{} of stack {} {} taken back: {}", count_of(taken.changes, "change", "changes"),
                    pass_.stack.name, taken.changes == 1 ? "was" : "were", taken.why));
    problem.hint = verdict.is_calm
                       ? "apply again when it suits"
                       : fmt::format("correct the declaration, or let it be tried again with `holdfast "
                                     "resume {}`",
                                     pass_.stack.name);
    return leaves;
}

void GuardedChanges::tell_restore_failed(const TakenBack& taken, bool has_ended) {
    Diagnostic& problem = pass_.outcome.problems.error(
        "confirm.restore-failed",
        fmt::format("the change of stack {} was to be taken back ({}), and that {}", pass_.stack.name,
                    taken.why, has_ended ? "failed: " + join(taken.problems, "; ") : "has not ended yet"));
    problem.hint = has_ended ? "mend what it says and run again, or put the target right by hand and then "
                               "`holdfast resume " +
                                   pass_.stack.name + "`"
                             : "its supervisor goes on; the next pass says what came of it";
    problem.subject = checkpoint_.directory;
}

} // namespace holdfast

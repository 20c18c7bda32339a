#pragma once
// Law 10 for the changes of one plan. The scopes of changes that may cut people off are guarded: snapshots of
// them are on disk and a supervisor waits before the first write; after the last one either something
// confirms that the world can still be reached, or the snapshots come back.

#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "confirm/checkpoint.hpp"
#include "confirm/probe.hpp"
#include "plan/plan.hpp"
#include "reconcile/run.hpp"
#include "sys/file.hpp"

namespace holdfast {

// Whether executing it calls the provider.
bool reaches_the_target(Action action);

class GuardedChanges {
public:
    // The pass that it is part of; all of it outlives the guard.
    struct OfPass {
        Session& session;
        const StackDocument& stack;
        const RunOptions& options;
        StackOutcome& outcome;
    };

    // Looks for what must be confirmed among the changes that are not `held`.
    GuardedChanges(OfPass pass, const Plan& plan, const PlanInput& input, const std::vector<bool>& held);

    bool is_needed() const { return !scopes_.empty(); }
    // Whatever comes after a guarded change in another scope waits for the verdict. The changes that are held
    // now and were not before.
    std::vector<std::size_t> hold_behind(std::vector<bool>& held);
    // Before the first write. `number` tells the guards of one pass apart. Where it cannot be armed, what is
    // guarded is refused.
    void arm(std::size_t number, const RunEvents& events);
    // What is to be left out of the execution: what is held, and what is refused.
    std::vector<bool> left_out(std::vector<bool> held) const;
    void tell_refused(ExecutionReport& report);

    bool was_written(const ExecutionReport& report) const;
    // From the last write to the verdict. The leaves whose changes were taken back.
    std::vector<Address> settle(bool was_written, const RunEvents& events, const std::stop_token& stop);

private:
    bool asks_for_confirmation(const Change& change) const;
    bool went_with_the_boot(const Change& change) const;
    bool asks_by_its_kind(const Change& change, const KindInfo& kind) const;
    Status make_checkpoint(std::size_t number);
    Status set_policy();
    void add_default_probes();
    Status take_snapshot(const std::string& provider, const std::string& scope);
    void remember_changes();
    void end_confirmed(const GivenVerdict& verdict);
    GivenVerdict await_verdict(const RunEvents& events, const std::stop_token& stop);
    void give(Verdict verdict, std::string by, std::string why, bool is_calm = false);
    void ask_next_probe(std::chrono::milliseconds left);
    std::vector<Address> take_back(const RunEvents& events, const std::stop_token& stop);
    void tell_restore_failed(const TakenBack& taken, bool has_ended);

    OfPass pass_;
    const Plan& plan_;
    const PlanInput& input_;
    std::vector<bool> changes_;                            // by change of the plan: in a guarded scope
    std::set<std::pair<std::string, std::string>> scopes_; // provider, scope
    std::optional<Diagnostic> refused_;                    // why the guarded changes are not written at all
    Checkpoint checkpoint_;
    std::vector<std::string> snapshots_;
    std::map<std::string, std::string> plugin_files_; // name -> path
    std::vector<PreparedProbe> probes_;               // none: a person confirms
    std::size_t reached_ = 0;                         // of them
    std::chrono::milliseconds next_probe_{0};         // uptime
    std::string unreached_;                           // the probe that did not answer last, and why
    std::string confirmed_by_;                        // by whom we gave the verdict ourselves
    Fd lifeline_;                                     // of the supervisor; held while we write
    bool is_armed_ = false;
};

} // namespace holdfast

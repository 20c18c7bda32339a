#pragma once
// One pass of one stack: declare, observe, plan, execute, record. `run` (run.hpp) drives the passes of a
// command; the daemon will drive them one by one.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash_index.hpp"
#include "plan/entry_finder.hpp"
#include "reconcile/declare.hpp"
#include "reconcile/guarded_changes.hpp"
#include "reconcile/held_leaves.hpp"
#include "reconcile/observe.hpp"
#include "reconcile/rest.hpp"
#include "reconcile/run.hpp"

namespace holdfast {

// What the stacks of a run know of each other. What others declare is not pruned (law 7).
struct Neighbours {
    // What a document of one stack names of another (depends-on, refresh-on, moved-from).
    struct Named {
        bool is_declared = false;
        std::vector<Address> leaves; // that are to be recorded once they are applied
    };
    std::map<Address, Named> named;
    std::map<Address, Address> taken_over; // recorded -> the leaf of another stack that moves it to itself
    std::map<Address, std::string> moving; // recorded -> the stack of this run whose plan moves it to itself
    std::set<Address> unfinished;          // named leaves that this run could not bring to what is declared
    std::map<std::string, std::string> rings;   // "app -> base" -> the stacks that wait for each other
    std::unordered_map<Hash, Address> declared; // by key of the target object
    std::set<Address> documents;                // of all stacks; compiled ones by their parent
    std::vector<std::string> broken;            // stacks that could not be loaded
};

class Pass {
public:
    // A removed stack (law 16) has no document in holdfast.yaml; `stack` is made up by `run` then.
    Pass(Session& session, const StackDocument& stack, const RunOptions& options, bool is_removed);

    // Whether anything differs from when the stack came to rest; nothing is declared yet.
    const Difference& compare_with_rest();
    // Of a difference that is a part: declares that part alone, with whatever hangs on it. False where that
    // is not enough to go by; the outcome says why, and `start_over` makes this a pass over everything.
    bool declare_part();
    // Plans the part. False as above.
    bool plan_part(const RunEvents& events, std::stop_token stop);
    // There is nothing to look at.
    void rest();
    void start_over(std::string why);
    // Whether the ledger is now what is declared, as far as this pass looked.
    bool has_converged() const;

    // Reads, checks and compiles the documents.
    void declare();
    bool is_broken() const { return declaration_->problems().has_errors(); }
    // What it names of other stacks; before anybody tells.
    void ask(Neighbours& neighbours) const;
    // The objects of the leaves that are known by now, and what others have asked for.
    void tell(Neighbours& neighbours);
    // The leaves that others asked for, as they stand after a plan or its execution.
    void tell_unfinished(Neighbours& neighbours) const;

    // What its plan takes over from the stacks that have recorded it.
    void tell_moves(Neighbours& neighbours) const;

    // Resolves references and observes, by turns, until nothing more can be known; then plans.
    void plan(const Neighbours& neighbours, const RunEvents& events, std::stop_token stop);
    // From the start, because a stack that this one depends on has just changed.
    void plan_again(const Neighbours& neighbours, const RunEvents& events, std::stop_token stop);
    // Asks the plugins about every document; nothing is observed.
    void validate(std::stop_token stop);
    // Runs the plan, and plans and runs again what waited for its outputs.
    void execute(const RunEvents& events, std::stop_token stop);

    // The stacks that must have been applied before: by dependsOn, by references and by annotations. Of a
    // stack that is torn down: those that it needed when it was applied, which outlive it.
    const std::set<std::string>& stacks_before() const { return stacks_before_; }
    // Nothing of it is declared any more: all that is recorded goes.
    bool is_torn_down() const { return outcome_.is_removed || options_.mode == Mode::destroy; }
    // Instead of `execute`: `dependent`, which stands on this stack, is not gone.
    void leave_for(const Pass& dependent);
    // Of these, the ones that depends-on and refresh-on name.
    std::set<std::string> stacks_named() const;

    // Whether anything was, or some of it: not where all was equal, or parked.
    bool was_executed() const { return !outcome_.rounds.empty() && outcome_.rounds.front().report; }

    StackOutcome& outcome() { return outcome_; }
    const StackOutcome& outcome() const { return outcome_; }
    const StackDocument& stack() const { return stack_; }

private:
    // What a pass over a part of a stack looks at, and how much there is besides.
    struct Part {
        std::set<std::string> files;            // to be loaded
        std::set<std::string> changed;          // of these, the ones that differ from the commit of the rest
        std::set<ResourceId> before;            // documents that these held then
        std::set<std::string> may_change_files; // whose leaves may change on the target
        std::vector<LedgerEntry> entries;       // of all documents that are, or were, in these files
        std::set<Address> gone;                 // entries without a leaf
        bool was_together = false;              // of the documents before, some are compiled together
    };
    std::string gather_part();
    bool read_files_before();
    std::string why_not_apart();
    void read_part_of_ledger();
    std::string why_entries_do_not_fit() const;
    std::string find_what_hangs_on_it(std::set<std::string>& more);
    std::string find_needed(const Leaf& leaf, const Resource* resource, std::set<std::string>& more);
    std::string find_followers(std::set<std::string>& more);
    bool is_declared_in_part(const Address& address) const;
    std::string file_of(const Address& address, std::set<std::string>& more) const;
    std::string why_objects_are_not_ours();
    std::string why_to_turn_back() const;
    std::size_t leaves_of_stack(std::size_t looked_at) const;
    void count_what_is_left(Plan& plan);
    RestFacts facts_of_everything() const;
    void remember_rest();
    void take_in_secrets();
    void correct_origins(bool is_known);

    void tell_named(Neighbours& neighbours) const;
    void leave_moves_to_others();
    void tell_taken_over(Neighbours& neighbours) const;
    void take_in_moved();
    void wait_for_other_stacks();
    void wait_for_other_stacks(std::size_t leaf);
    std::optional<Diagnostic> why_never(const Address& awaited) const;
    bool is_applied(const Address& awaited);
    bool open_providers();
    void read_ledger();
    void check_targets(Diagnostics& problems);
    bool is_orphaned() const;
    Diagnostics placed(const Leaf& leaf, const Diagnostics& problems) const;
    void look(const RunEvents& events, std::stop_token stop);
    bool was_cut_short(const std::stop_token& stop) const;
    void give_up();
    void order(std::stop_token stop);
    void forget_all();
    void resolve_and_observe(const RunEvents& events, std::stop_token stop);
    void observe_leaves(const std::vector<std::size_t>& leaves, const RunEvents& events,
                        std::stop_token stop);
    void observe_orphans(const RunEvents& events, std::stop_token stop);
    void list_exclusive_scopes(std::stop_token stop);
    bool was_applied_by_this_version(const LedgerEntry& entry) const;
    void canonicalize_unsettled(const std::vector<std::size_t>& leaves, std::stop_token stop);
    Resolution output(const Reference& reference);
    std::optional<std::size_t> entry_of(std::size_t leaf);
    std::optional<std::size_t> find_entry_of(std::size_t leaf);
    const std::vector<Leaf>& leaves() const;
    std::optional<std::size_t> entry_at(const Address& address) const;
    std::optional<std::size_t> leaf_at(const Address& address) const;
    void index_leaves();
    std::vector<std::size_t> consumers(const std::vector<std::size_t>& producers) const;
    void finish_input(const Neighbours& neighbours);
    void take_in_quarantined();
    void give_result();
    Plan make_plan_with_approval(PlanInput& input, const std::stop_token& stop);
    void take_in_refused(PlanInput& input, const Plan& plan, const std::stop_token& stop) const;
    void remember_settled(const PlanInput& input, const Plan& plan);
    void foretell(Plan& plan) const;
    void tell_planned_again(Plan& plan) const;
    void tell_undeclared(Plan& plan) const;

    Status lock_scopes(const Plan& plan, const std::stop_token& stop);
    void begin_record(const Plan& plan);
    void record_parked(const Plan& plan);
    void rewrite_entries(const Plan& plan);
    void close_open_steps();
    void end_record(bool interrupted);
    void remember_stack();
    // Executes `plan` less what is `held`; the results go with the changes of `plan`.
    ExecutionReport run_round(const Plan& plan, const std::vector<bool>& held, const PlanInput& input,
                              const RunEvents& events, std::stop_token stop);
    void hold_consumers(const Plan& plan);
    // Executes what is not `held` of a plan. What may cut people off is guarded (law 10); `take_in` gets the
    // report before anybody is asked whether the world can still be reached.
    void run_guarded(const Plan& plan, std::vector<bool>& held, const PlanInput& input,
                     const RunEvents& events, const std::stop_token& stop,
                     const std::function<void(ExecutionReport)>& take_in);
    void run_later_round(Round next, std::vector<bool>& held, const PlanInput& input, const RunEvents& events,
                         const std::stop_token& stop);
    // Nothing more is to be executed after the last round.
    bool has_ended() const { return outcome_.rounds.back().report->interrupted || outcome_.reverted; }
    bool is_behind_held_scope(const Change& change) const;
    void report_waits();
    void redeclare(std::size_t leaf, std::vector<std::size_t>& known);
    void remove_dropped();
    std::vector<bool> hold_back(const Plan& plan, const PlanInput& input);
    void take_in(const Round& round, const std::vector<bool>& held);
    std::optional<Round> next_round(const RunEvents& events, PlanInput& input, std::stop_token stop);
    PlanInput input_for(const std::vector<std::size_t>& leaves);
    void copy_owners(const Leaf& leaf, PlanInput& input) const;
    void warn_of_parked(const Round& round);
    // Why something cannot go on after the rounds; the worst of several counts.
    enum class Hold { none, approval, failure };
    Hold hold_of(const Address& leaf, const std::set<std::size_t>& for_approval) const;
    std::vector<Hold> holds_of_removals() const;
    std::set<std::pair<std::string, std::string>> failed_scopes() const;
    void run_held_removals(const RunEvents& events, std::stop_token stop);
    bool may_be_wanted(const LedgerEntry& entry, std::size_t dropped) const;
    void prune_dropped(const RunEvents& events, std::stop_token stop);

    Session& session_;
    const StackDocument& stack_;
    const RunOptions& options_;
    std::optional<Declaration> declaration_;
    StackOutcome outcome_;
    PlanInput input_;
    std::optional<EntryFinder> entry_finder_;  // in input_.recorded
    std::vector<Address> quarantined_no_more_; // is forgotten once it is applied
    HashIndex entry_by_address_, leaf_by_address_;
    std::set<std::string> stacks_before_;
    const Neighbours* neighbours_ = nullptr; // while `plan` runs
    Neighbours nobody_;                      // of a part: whoever matters was asked through the ledger
    std::optional<Difference> difference_;   // of a pass that was to look only at what changed
    std::optional<Part> part_;               // of one that does
    RestFacts facts_;                        // for the next rest
    ScopeVersions scope_versions_;
    std::map<std::string, std::unique_ptr<ScopeLock>> locks_;
    std::set<Address> parked_;     // leaves whose change waits for an approval
    std::set<Address> unfinished_; // leaves whose change did not succeed: nothing that depends on them runs
    HeldLeaves held_{
        {.leaf = [this](std::size_t leaf) -> const Leaf& { return declaration_->leaves()[leaf]; },
         .find = [this](const Address& address) { return leaf_at(address); }}};
    std::map<std::pair<std::string, std::string>, std::vector<Address>> held_in_scope_; // at the beginning
    std::vector<bool> held_changes_;                                                    // of the first plan
    std::set<std::size_t> removals_behind_approval_;                    // changes of the first plan
    std::map<std::string, std::size_t, std::less<>> destroyed_of_kind_; // by what was executed so far
    std::size_t guards_ = 0;                                            // armed so far
};

} // namespace holdfast

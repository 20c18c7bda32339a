#pragma once
// One run of execute(): what it knows between two turns of its loop. execute.cpp holds the loop,
// calls.cpp what is sent, outcomes.cpp what is made of the answers.

#include <map>
#include <memory>
#include <random>
#include <set>
#include <unordered_map>

#include "execute/execute.hpp"
#include "execute/journal.hpp"
#include "execute/lanes.hpp"
#include "execute/schedule.hpp"
#include "execute/verdict.hpp"

namespace holdfast {

using ScopeKey = std::pair<std::string, std::string>; // provider, scope

// A change that has started.
struct Task {
    std::size_t change = 0;
    std::vector<StepKind> steps;
    std::size_t at = 0;                     // which of them
    std::shared_ptr<const LedgerEntry> old; // in full, as it was when the change started; null without one
    std::optional<Address> deposed;         // create-first: where the old entry waits
    std::string kind_id, refresh;           // as sent
    std::string declared;                   // as sent, where it is not the leaf's own document
    ScopeKey scope;                         // of the step

    // Of the step. `known` is what the next attempt compares and swaps against.
    Observed known;
    bool intended = false; // journalled
    int attempts = 0, looks = 0, polls = 0;
    bool may_have_written = false; // an attempt ended without an answer
    bool is_unresolved = false;    // and nobody has looked since
    Doubt doubt = Doubt::unknown;
    Diagnostics problems; // of the last attempt
    enum class Next { apply, look, look_for_health, health } next = Next::apply;
    // What it comes after was to be done by the same call, and was not: it waits until that is done.
    bool is_left_behind = false;
    // What it comes after has failed for good while the task itself was under way: not to be sent again.
    std::optional<Diagnostic> held;
    bool is_told_healthy = false; // with the result of its write
    std::chrono::steady_clock::time_point health_deadline;

    StepKind step() const { return steps[at]; }
    // A replace that has begun is finished.
    bool is_called_off() const { return held && at == 0 && next == Next::apply; }
    bool is_last_step() const { return at + 1 == steps.size(); }
    StepRecord record() const {
        return {.change = change, .kind = step(), .old = old.get(), .deposed = deposed};
    }
};

class Execution {
public:
    Execution(const Plan& plan, const PlanInput& input, const PassRecord& pass, const CommitInfo& commit,
              const std::map<std::string, Provider*>& providers, Store& store, Clock& clock,
              const ExecuteOptions& options, std::stop_token stop, const ExecutionEvents& events);
    ExecutionReport run();

private:
    struct ScopeQueue {
        std::set<std::size_t> apply, look, health; // changes, in plan order
        bool is_busy = false;                      // one call at a time
        bool is_idle() const { return !is_busy && apply.empty() && look.empty() && health.empty(); }
    };
    struct InFlight {
        ScopeKey scope;
        Method method = Method::apply;
        std::vector<std::size_t> tasks;                // by item
        std::vector<std::vector<std::uint32_t>> after; // by item: items of this call that come first
        std::vector<bool> answered, succeeded;         // by item
        // What the items point at stays as it is until the call has ended; what follows from an answer, other
        // than its journal line, therefore waits until then. It also has to: only then is it known whether
        // the culprit of an atomic scope may be tried again, and all that may be are tried again together.
        std::vector<std::size_t> done;
        std::vector<std::pair<std::size_t, Reply>> later;
    };

    // execute.cpp: the loop
    void open();
    void move_entries();
    void start_ready();
    void start(std::size_t change);
    Task make_task(std::size_t change);
    std::shared_ptr<const LedgerEntry> entry_of(const Change& change);
    void do_bookkeeping(Task& task);
    void wake_due();
    void commit();
    void take_in();
    void wind_up();
    void wind_up(Task& task);
    bool has_stopped() const { return stop_.stop_requested(); }
    std::chrono::milliseconds until_next_timer() const;

    // calls.cpp
    void prepare_calls();
    void prepare_call(const ScopeKey& key, ScopeQueue& queue);
    struct Batch {
        std::vector<std::size_t> tasks; // in plan order
        std::size_t bytes = 0;
        bool is_full = false;
    };
    Batch choose(const ScopeKey& key, std::set<std::size_t>& waiting, Method method);
    bool fits(const Description& plugin, Batch& batch, const Task& task, Method method) const;
    bool is_prune(const Task& task) const;
    void join_dependents(const ScopeKey& key, Batch& batch);
    bool join(const ScopeKey& key, Batch& batch, std::set<Address>& entries, std::size_t change);
    bool satisfies_edges(const Task& task) const;
    bool is_asked_for_health(const Task& task) const;
    bool tells_health_at_once(const Task& task) const;
    std::vector<std::uint32_t> items_before(const InFlight& call, const Task& task) const;
    std::string without_ignored(const Task& task) const;
    Item item_for(const Task& task, Method method) const;
    void send();
    void enter_step(Task& task);
    void enqueue(Task& task);
    void enqueue_after(Task& task, std::chrono::milliseconds delay);
    std::chrono::milliseconds backoff(int attempts);
    std::chrono::milliseconds asked_pause(const Diagnostics& problems) const;

    // outcomes.cpp
    void receive(Delivery& delivery);
    void receive(InFlight& call, Reply& reply);
    void end_call(InFlight& call, const CallEnd& end);
    void settle_applied(InFlight& call);
    void leave_behind(InFlight& call);
    void trouble(Task& task, const Reply& reply, std::chrono::milliseconds delay, const Task* culprit);
    void receive_look(Task& task, const Reply& reply);
    void receive_health_look(Task& task, const Reply& reply);
    void receive_health(Task& task, const Reply& reply);
    void keep_private_data(const Task& task, const std::string& private_data);
    void poll_later(Task& task, const std::string& health);
    void act_on(Task& task, Verdict verdict, const Reply& seen);
    void try_again(Task& task, std::chrono::milliseconds delay);
    void give_up(Task& task);
    void end_step(Task& task, StepState state, const Reply& reply);
    void fail_step(Task& task, StepState state, const Standing& standing = {});
    void advance(Task& task);
    void next_step(Task& task);
    void pass_gate(Task& task);
    void fail_gate(Task& task, const std::string& why);
    void skip(const std::vector<Schedule::Held>& held, std::string_view code, const std::string& why);
    void end_held(std::size_t change, Diagnostic reason);
    void report_end(std::size_t change) { ended_.push_back(change); }
    void note_problems(Task& task, const Diagnostics& diagnostics);
    Diagnostic placed(std::size_t change, Diagnostic diagnostic) const;
    void add_problem(Task& task, std::string_view code, std::string message, std::string hint = {});
    // `document`, where given, becomes that of the answer, masked; null where it has none.
    Standing standing_of(Task& task, const Reply& reply, Value* document = nullptr);

    const Plan& plan_;
    const PlanInput& input_;
    const std::map<std::string, Provider*>& providers_;
    Store& store_;
    Clock& clock_;
    const ExecuteOptions& options_;
    std::stop_token stop_;
    const ExecutionEvents& events_;
    std::string masking_key_;

    Schedule schedule_;
    Journal journal_;
    std::mt19937_64 random_;
    ExecutionReport report_;
    std::unordered_map<Address, Address> now_at_; // entries that were moved: old address -> new
    std::map<std::size_t, Task> tasks_;           // by change; in plan order
    std::map<ScopeKey, ScopeQueue> scopes_;       // those with something to do
    std::map<ScopeKey, std::string> scope_versions_;
    std::multimap<std::chrono::steady_clock::time_point, std::size_t> timers_; // -> change
    std::map<std::size_t, InFlight> in_flight_;                                // by number of the request
    std::vector<std::pair<Provider*, Request>> outbox_;                        // journalled, not sent yet
    std::vector<std::size_t> started_, ended_; // to be told once it is durable
    std::size_t next_request_ = 1;
    Lanes lanes_; // last: its threads end before what they work on goes
};

} // namespace holdfast

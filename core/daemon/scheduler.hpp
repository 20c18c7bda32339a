#pragma once
// Decides which stack has a pass when: events go in, passes that are due come out. It has no clock, no
// threads and does no I/O; the caller says what time it is, so a test runs a week in a millisecond.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model/stack.hpp"

namespace holdfast {

// Of Clock::uptime(): nobody sets it, and it goes on while the machine sleeps.
using Moment = std::chrono::milliseconds;

struct SchedulerOptions {
    std::chrono::milliseconds poll{15'000};
    std::chrono::milliseconds interval{300'000};
    std::chrono::milliseconds resync{3'600'000};
    std::chrono::milliseconds retry_interval{10'000};
    std::chrono::milliseconds max_retry{600'000};
    std::chrono::milliseconds timeout{1'800'000};
    double jitter = 0.1;
    std::size_t concurrency = 4;
    // A pass that runs longer gives its place to another: a stack that hangs holds up no others, until
    // `most_running` of them do.
    std::chrono::milliseconds slow_after{20'000};
    std::size_t most_running = 64;
    // Hints come in swarms; a pass begins this long after the first of them.
    std::chrono::milliseconds hint_delay{20};
    // After so many passes of a stack in a row were cut short by newer commits, one may run to its end.
    int most_supersedes = 3;
};

// A stack as its source declares it now.
struct ScheduledStack {
    std::string name;
    std::string source; // the Source that it is read from; empty: the repository of holdfast.yaml
    std::string
        revision;        // full commit id, there, that it is to be brought to; empty: nothing was fetched yet
    std::string project; // of a stack with a source: the commit of holdfast.yaml that declares it so
    std::vector<std::string> depends_on;
    StackDocument::Schedule schedule;
    bool is_removed = false; // its document is gone (law 16)
};

// Sources that lie at one remote and are read with one credential are fetched together.
struct ScheduledRemote {
    std::string name;
    std::vector<std::string> sources;
    std::chrono::milliseconds interval{60'000};
};

// What a stack is brought to.
struct Goal {
    std::string revision;
    std::string project; // empty where `revision` says that as well
    bool operator==(const Goal&) const = default;
};

enum class Cause { start, commit, interval, resync, hint, retry, dependency, request, resumed, pinned };
std::string_view to_string(Cause cause);

struct DuePass {
    std::string stack, revision, project; // as in ScheduledStack
    bool is_pinned = false;               // `revision` is what a person chose
    Cause cause = Cause::interval;
    bool everything = true;    // else only what changed and what was touched
    bool targets = false;      // and what is recorded, on its targets: nobody tells what changes there
    bool is_requested = false; // somebody waits for this one
    std::chrono::milliseconds timeout{};
};

enum class PassEnd {
    unchanged,
    applied,
    parked,   // the rest was applied
    reverted, // what it applied was taken back, and is left alone until somebody does something about it
    failed,   // tried again with backoff
    invalid,  // the declaration is wrong: tried again at the interval
    busy,     // another writer holds a scope: tried again soon
    stopped,  // by `cancel`
};
std::string_view to_string(PassEnd end);

enum class CancelReason { superseded, timeout, suspended };
std::string_view to_string(CancelReason reason);

class Scheduler {
public:
    Scheduler(SchedulerOptions options, std::uint64_t seed) : options_(options), random_(seed) {}

    // ---- events ----
    void set_options(const SchedulerOptions& options) { options_ = options; }
    // After a look at the sources: all stacks that there are now.
    void set_stacks(std::vector<ScheduledStack> stacks, Moment now);
    void look_ended(bool ok, Moment now);
    // All remotes that there are now; a new one is fetched at once.
    void set_remotes(std::vector<ScheduledRemote> remotes, Moment now);
    // `has_news`: another look finds something else than before.
    void fetch_ended(const std::string& remote, bool ok, bool has_news, Moment now);
    // What people asked for. An empty pin is none. Stacks may be named before they are known.
    void set_hold(const std::string& stack, bool is_suspended, const std::string& pin, Moment now);
    // Fetches its source and looks first. False for a stack that is not there or is suspended.
    bool request(const std::string& stack, Moment now);
    // Something may have changed on a target of the stack.
    void hint(const std::string& stack, Moment now);
    // Whether hints tell of every change on its targets; else its interval looks at everything.
    void set_watched(const std::string& stack, bool is_watched);
    // Until then, hints do not make the stack due.
    void calm(const std::string& stack, Moment until);
    // A pass is due by then at the latest: what is declared becomes something else by itself. Said after each
    // `ended`.
    void wake(const std::string& stack, Moment at);
    void ended(const std::string& stack, PassEnd end, Moment now);

    // ---- what is due ----
    struct Cancel {
        std::string stack;
        CancelReason reason = CancelReason::superseded;
    };
    struct Step {
        bool look = false; // at what is there; answered by set_remotes, set_stacks and look_ended
        std::vector<std::string> fetch; // remotes; each is answered by fetch_ended
        std::vector<Cancel> cancel;
        std::vector<DuePass> start; // counted as running from now on
        std::optional<Moment> wake; // when to ask again if nothing happens before
    };
    Step step(Moment now);

    // ---- for people ----
    struct View {
        std::string name, source, revision, ready_revision, pin;
        enum class State { idle, due, running, waiting, retrying, suspended } state = State::idle;
        std::string waits_for; // a stack, or "source NAME" that has not been fetched yet
        Moment next{};         // when it is due; for state running: since when it runs
        int failures = 0;
        bool is_removed = false, is_suspended_in_git = false;
        std::optional<PassEnd> last;
    };
    std::vector<View> view() const;
    std::optional<View> view(const std::string& stack) const;
    bool is_running(const std::string& stack) const;
    std::size_t running() const;

private:
    struct Hold {
        bool is_suspended = false;
        std::string pin;
    };
    struct Running {
        Goal goal;
        Moment since{};
        Moment deadline{};
        bool everything = true, is_requested = false;
        std::optional<CancelReason> cancelled;
    };
    struct Stack {
        ScheduledStack declared;
        Hold hold;
        Moment due{}, resync_due{}, calm_until{};
        Cause cause = Cause::start;
        bool is_requested = false, waits_for_look = false, waits_for_fetch = false;
        bool is_gone = false; // no longer listed, but its pass still runs
        bool is_watched = false;
        std::optional<Running> running;
        std::optional<Cause> again; // after the pass that runs
        bool again_requested = false;
        std::optional<Goal> ready; // what its last pass brought it to, if that converged
        int failures = 0, supersedes = 0, busy = 0;
        std::optional<PassEnd> last;

        Goal goal() const { return {hold.pin.empty() ? declared.revision : hold.pin, declared.project}; }
        bool is_suspended() const { return hold.is_suspended || declared.schedule.is_suspended; }
    };

    struct Remote {
        ScheduledRemote declared;
        Moment due{};
        int failures = 0;
        bool is_fetching = false, again = false, is_gone = false;
        bool was_fetched = false; // since the start, or tried to
        bool was_tried = false;   // and a look has seen what came of it
    };

    void keep_time(Moment now);
    void look_soon(Moment now);
    void fetch_what_is_due(Step& step, Moment now);
    Remote* remote_of(const Stack& stack);
    const Remote* remote_of(const Stack& stack) const;
    void shift(Moment by);
    void make_due(Stack& stack, Moment at, Cause cause);
    void take_new_declaration(Stack& stack, ScheduledStack declared, Moment now);
    void cancel_what_is_late(Step& step, Moment now);
    void start_what_is_due(Step& step, Moment now);
    DuePass start(Stack& stack, Moment now);
    void wake_dependents(const std::string& name, Moment now);
    void plan_next(Stack& stack, PassEnd end, bool was_everything, Moment now);
    std::string blocked_by(const Stack& stack) const;
    bool is_startable(const Stack& stack) const;
    std::size_t places_taken(Moment now) const;
    std::size_t fetches() const;
    std::optional<Moment> next_wake(Moment now) const;
    View view_of(const Stack& stack) const;
    Moment varied(Moment duration, double share);
    static Moment doubled(Moment first, int times, Moment most);
    Moment interval_of(const Stack& stack) const;
    Moment backoff(const Stack& stack) const;

    SchedulerOptions options_;
    std::mt19937_64 random_;
    std::map<std::string, Stack> stacks_;
    std::map<std::string, Hold> holds_; // also of stacks that are not known
    std::map<std::string, Remote> remotes_;
    std::map<std::string, std::string> remote_names_; // by source
    Moment look_due_{};
    bool is_looking_ = false, look_again_ = false;
    int look_failures_ = 0;
    std::optional<Moment> last_step_, last_wake_;
};

} // namespace holdfast

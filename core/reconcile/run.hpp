#pragma once
// What the commands ask of the engine: validate, plan, apply or destroy some stacks, once.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "execute/execute.hpp"
#include "model/plan.hpp"
#include "reconcile/session.hpp"
#include "reconcile/touched.hpp"

namespace holdfast {

enum class Mode {
    validate, // load and check everything; nothing is observed
    plan,
    apply,
    destroy, // plan and remove what is recorded; only with the plan's hash approved
};

// A plan somebody looked at: `plan --out`, `apply --plan`. Holds no secrets.
struct SavedPlan {
    struct Stack {
        std::string name;
        Hash plan;
    };
    std::string commit;
    bool destroy = false;
    std::vector<Stack> stacks;
    std::string text; // the plan as JSON, for people and programs
};
std::string to_json(const SavedPlan& plan);
Result<SavedPlan> parse_saved_plan(std::string_view json); // `plan.invalid-file`

// How much of a stack a pass looks at. `changed`: of a stack that is at rest (its last pass converged, and
// nobody wrote to its ledger since) only what differs from then, and what was touched. A change on the target
// that nobody tells of is not seen by that; a pass over everything sees it. Whatever makes a partial pass
// unsafe turns it into one over everything, and the outcome says why.
enum class Reach { everything, changed };

struct RunOptions {
    Mode mode = Mode::plan;
    Reach reach = Reach::everything;
    std::vector<Touched> touched;           // hints since the last pass; with `changed` only
    std::vector<std::string> stacks;        // empty: all
    std::vector<std::string> only, exclude; // ids, addresses or globs of them
    std::vector<std::string> replace;       // addresses
    std::optional<SavedPlan> saved;         // apply exactly this (law 4)
    std::string pass_id;                    // of the one stack's pass; empty: a new one
    std::chrono::milliseconds lock_wait{
        0}; // for scopes that another writer holds; 0: that is an error at once
    // Law 10: all changes are held, and a person has to confirm them within this time.
    std::optional<std::chrono::milliseconds> confirm_within;
    ExecuteOptions execute;
};

// One round of a pass: a plan and, when it was executed, what came of it. Later rounds hold the leaves that
// had to wait for outputs of earlier ones.
struct Round {
    Plan plan;
    std::optional<ExecutionReport> report; // its results go with plan.changes
};

enum class StackResult { unchanged, changes, applied, failed, parked, invalid, reverted };

// Law 10: what a pass wrote was put back as it had been.
struct TakenBack {
    std::int64_t at_ms = 0; // Unix time
    std::string why;        // a sentence without its end
    std::size_t changes = 0;
    bool is_complete = false; // false: the restore failed, or has not ended; `problems` say why
    std::vector<std::string> problems;
};

struct StackOutcome {
    std::string stack;
    StackResult result = StackResult::unchanged;
    bool is_removed = false;   // the Stack document is gone (law 16)
    PassRecord pass;           // id is empty where nothing was executed
    std::vector<Round> rounds; // at least one, unless invalid
    Diagnostics problems;      // sorted by place
    std::size_t files = 0, documents = 0, leaves = 0;
    // What the pass did look at. `nothing`: its inputs are those of the last one (law 13); then no provider
    // was called. `part`: `leaves` and `plan()->counts.unchanged` count what was not looked at as well.
    enum class Looked { at_everything, at_part, at_nothing } looked = Looked::at_everything;
    // Where only what changed was asked for and everything was looked at: why. A sentence.
    std::string why_everything;
    std::optional<TakenBack> reverted;
    // When what is declared becomes something else by itself (holdfast.compile-all/1, "until"): milliseconds
    // since 1970. 0: never.
    std::int64_t until_ms = 0;
    std::string confirmed_by; // "ana@edge-1", "probes"; empty: nothing had to be confirmed

    const Plan* plan() const { return rounds.empty() ? nullptr : &rounds.front().plan; }
};

struct RunOutcome {
    std::vector<StackOutcome> stacks; // in the order in which they run
    Diagnostics problems;             // of the run as a whole
    // What the run held, if it wrote nothing. To free 100,000 leaves one by one takes a tenth of the time of
    // a plan: a program that ends anyway may leave that to the kernel.
    std::shared_ptr<const void> remains;

    int exit_code(bool changes_are_2) const; // DESIGN section 6
};

// What waits for its confirmation right now.
struct AwaitedConfirmation {
    std::string stack;
    bool is_manual = false;         // a person confirms; else probes do
    std::chrono::milliseconds left; // until it is taken back
    std::string waits_for;          // the probe that was not answered last, and why
    std::vector<std::string> changes;
};
enum class Answer { none, keep, take_back };

struct RunEvents {
    // Before anything is written, with every stack's plan. False: stop here. Not set: go on.
    std::function<bool(const RunOutcome& planned)> confirm;
    std::function<void(const StackOutcome& stack, const Change& change)> started;
    std::function<void(const StackOutcome& stack, const Change& change, const StepResult& result)> ended;
    // Asked about ten times a second while something waits for its confirmation; must not block. Not set:
    // nobody is there to say anything.
    std::function<Answer(const StackOutcome& stack, const AwaitedConfirmation& awaited)> awaiting;
    // Long work: "observing", 1200 of 40000.
    std::function<void(std::string_view doing, std::size_t done, std::size_t of)> progress;
};

// Never throws: what ends a pass is in the outcome.
RunOutcome run(Session& session, const RunOptions& options, const RunEvents& events = {},
               std::stop_token stop = {});

std::string_view to_string(StackResult result);

} // namespace holdfast

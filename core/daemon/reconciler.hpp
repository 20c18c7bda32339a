#pragma once
// What the daemon asks of the engine: what is there to do, and do this one pass. Everything that knows
// repositories, sessions and providers is behind this; tests put a fake there.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/fights.hpp"
#include "daemon/scheduler.hpp"
#include "manifest/operator_config.hpp"
#include "model/plan.hpp"
#include "reconcile/query.hpp"
#include "store/store.hpp"

namespace holdfast {

// Of a Source, as it was fetched last.
struct SourceState {
    std::string name, url, ref; // `ref` for people: "branch main"
    CommitInfo commit;          // id is empty where nothing was fetched yet
    std::int64_t fetched_at_ms = 0;
    std::optional<Diagnostic> problem; // of the last try
};

// What the sources hold now.
struct SourceView {
    CommitInfo commit; // of the repository that holds holdfast.yaml
    std::vector<ScheduledStack> stacks;
    std::vector<ScheduledRemote> remotes;
    std::vector<SourceState> sources;
    Diagnostics problems; // warnings only: with an error there is no view
};

struct PassRequest {
    std::string id;                       // of the pass: in the log, and in the store where it is recorded
    std::string stack, revision, project; // as in ScheduledStack
    bool is_pinned = false;               // a person chose `revision`
    std::stop_token stop_calls; // what ends calls of providers; the other one lets them come to their end
    bool everything = true;     // else only what changed since the last pass that converged
    bool targets = false;       // and all that it has recorded is looked at on its targets
    std::vector<Address> leave_alone; // law 9: fights
};

struct ChangedLeaf {
    Address address;
    Action action = Action::none;
    StepState state = StepState::done;
    bool by_drift = false;
    std::string message; // why it did not succeed
};

struct PassReport {
    PassEnd end = PassEnd::failed;
    CommitInfo commit;
    std::vector<ChangedLeaf> changed; // what was tried, in order; of what is kept, the first of them
    std::size_t changes = 0;          // how many those are in all
    std::vector<Correction> corrections;
    Diagnostics problems;
    std::string plan; // hash, where something is parked
    std::size_t leaves = 0, parked = 0, drifted = 0;
    // When what is declared becomes something else by itself; milliseconds since 1970, 0: never.
    std::int64_t until_ms = 0;
    // Whether hints tell of every change on the stack's targets since they were looked at. Not set: as
    // before.
    std::optional<bool> is_watched;
};

// All functions may be called from several threads at the same time, and none throws.
class Reconciler {
public:
    virtual ~Reconciler() = default;

    // The stacks at the newest commit, removed ones included, and their sources as they were fetched last. An
    // error: what was known stays good.
    virtual Result<SourceView> look(std::stop_token stop) = 0;
    // Fetches the sources of one remote, as the last look told of them.
    struct Fetched {
        bool ok = true;        // all of them
        bool has_news = false; // the next look finds something else than the last one
    };
    virtual Fetched fetch(const std::string& remote, std::stop_token stop) = 0;
    virtual PassReport reconcile(const PassRequest& request, std::stop_token stop) = 0;

    // The commit that `rollback` pins: `to` resolved, or where it is empty, the newest one that was applied
    // in full and declared the stack otherwise than `from`. Errors: `rollback.nothing`, `rollback.no-stack`,
    // git's.
    virtual Result<CommitInfo> rollback_target(const std::string& stack, const std::string& from,
                                               const std::string& to) = 0;
    virtual Result<Approved> approve(const std::string& plan, const std::string& actor) = 0;
    virtual Result<Why> why(const std::string& leaf, std::size_t limit) = 0;
    virtual Result<LeafHistory> history_of(const std::string& leaf, std::size_t limit) = 0;

    // From now on; what runs goes on with what it began with.
    virtual void set_config(std::shared_ptr<const OperatorConfig> config) = 0;
    // Something of that stack may have changed on its target. From any thread.
    virtual void set_on_hint(std::function<void(const std::string& stack)> on_hint) = 0;
};

} // namespace holdfast

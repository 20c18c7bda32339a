#pragma once
// The executor: runs a Plan against providers, journalling every step. Intent is durable before effect;
// results are durable before dependents start (law 3).

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "model/plan.hpp"
#include "plan/plan.hpp"
#include "provider/provider.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"

namespace holdfast {

struct ExecuteOptions {
    std::chrono::milliseconds call_timeout{120'000};   // of one apply
    std::chrono::milliseconds health_timeout{300'000}; // from applied to healthy
    int attempts = 5;                                  // per item, for retry class `after` and `conflict`
    std::chrono::milliseconds first_backoff{200};      // doubles, with jitter, up to max_backoff
    std::chrono::milliseconds max_backoff{30'000};
    std::chrono::milliseconds max_retry_after{300'000}; // what a plugin may ask for ("retryAfterMs")
    std::uint64_t random_seed = 0;                      // of the jitter
    // What ends calls that are under way. Not set: `stop` does as well, which else lets them come to their
    // end and only keeps new ones from being begun (law 8).
    std::optional<std::stop_token> stop_calls;
    // (provider, scope) -> version that `observe` returned for the scope as a whole; may lack any.
    std::map<std::pair<std::string, std::string>, std::string> scope_versions;
    // Masks known secrets in the texts of plugins before they are journalled or reported; may be empty.
    std::function<std::string(std::string_view text)> mask;
};

struct StepResult {
    Action action = Action::none;
    StepState state = StepState::intended;
    Diagnostics diagnostics;
    std::string observed;        // document after the step, as the plugin sent it
    bool output_changed = false; // the observed-only fields differ from what was recorded
};

struct ExecutionReport {
    std::vector<StepResult> results; // by index of Plan::changes; `intended` means never tried
    Diagnostics diagnostics;
    bool interrupted = false; // stopped or superseded

    // Whatever was begun is done or unchanged, nothing was skipped because of a failure, nobody stopped it.
    bool ok() const;
};

// Told as it happens, on the calling thread.
struct ExecutionEvents {
    std::function<void(std::size_t change)> started;
    std::function<void(std::size_t change, const StepResult&)> ended;
};

// `plan` must have been made from `input`; `pass` has begun in `store`. Calls different providers at the
// same time, one thread each; the store is used from the calling thread only. Throws `Error` only where
// the store fails: what was sent by then is in the journal. The caller holds the locks of the plan's
// scopes since it observed them (law 15). `clock` is used from all threads.
ExecutionReport execute(const Plan& plan, const PlanInput& input, const PassRecord& pass,
                        const CommitInfo& commit, const std::map<std::string, Provider*>& providers,
                        Store& store, Clock& clock, const ExecuteOptions& options, std::stop_token stop,
                        const ExecutionEvents& events = {});

} // namespace holdfast

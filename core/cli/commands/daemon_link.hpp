#pragma once
// How commands reach the daemon that keeps a store, and what they do with its answers.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "control/client.hpp"

namespace holdfast {

enum class DaemonNeed {
    if_there, // no daemon is no problem, and neither is a repository that is missing
    must,     // without one the command fails with `control.no-daemon`
};

// The daemon of the store that the global options and the surroundings name; a repository is looked for only
// where nothing else says which store. Null where there is none and that is no problem. An error has been
// reported and `failed` is set.
struct DaemonLink {
    std::unique_ptr<ControlClient> client;
    bool failed = false;
};
DaemonLink link_to_daemon(Context& context, DaemonNeed need);
// Of a context that is open already.
DaemonLink link_to_daemon_of_session(Context& context);

// For what the store could answer as well: the daemon that keeps it, or none and a session that is open.
// Where a daemon is there but cannot be talked to, the store is read.
struct Answerer {
    std::unique_ptr<ControlClient> daemon;
    bool failed = false; // that has been reported
};
Answerer daemon_or_store(Context& context);

// "Asking holdfastd (pid 4711) on box, which keeps /var/lib/holdfast." on standard error.
void say_whom(Context& context, const ControlClient& client);
// {"request": what, "stacks": [stack]}
Map request_about(std::string_view what, const std::string& stack);
// How long a daemon may think about what it is asked; passes that are waited for take longer.
constexpr std::chrono::milliseconds answer_timeout{30'000};

// "why" or "history" of one leaf.
Result<Value> ask_about_leaf(ControlClient& client, Context& context, std::string_view what,
                             const std::string& leaf, std::size_t limit);
// Sends a request without a long answer; its error has been reported.
std::optional<Value> ask_daemon(Context& context, ControlClient& client, Map request);

// `sync` of these stacks (all, where empty), waited for and shown as it comes. The exit code.
struct Syncing {
    std::vector<std::string> stacks;
    bool wait = true;
    std::chrono::milliseconds timeout{900'000};
};
int sync_through(Context& context, ControlClient& client, const Syncing& syncing);
// Shows the results of passes that a request waited for.
int show_synced(Context& context, const Value& result);

// The stacks of `wanted` (all, where empty) that the daemon works on: those that are not suspended. Nothing
// where it cannot be asked; that has been reported.
std::optional<std::vector<std::string>> stacks_kept_by(Context& context, ControlClient& client,
                                                       const std::vector<std::string>& wanted);

} // namespace holdfast

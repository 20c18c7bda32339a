#pragma once
// Law 10, the engine's side: a pass that made a change which may cut people off waits here until somebody, or
// a probe, confirms that it did not. Nobody does in time: the pass takes the change back.

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace holdfast {

enum class Confirmation { confirmed, timed_out, stopped };

// Thread-safe: passes wait on their own threads, the daemon's loop confirms.
class Confirmations {
public:
    // Waits at most `timeout` for `confirm(stack)`. One at a time for a stack.
    Confirmation await(const std::string& stack, const std::string& what, std::chrono::milliseconds timeout,
                       std::stop_token stop);
    // False where nothing of the stack waits.
    bool confirm(const std::string& stack);

    struct Waiting {
        std::string stack, what;
    };
    std::vector<Waiting> waiting() const;

private:
    struct Entry {
        std::string what;
        bool is_confirmed = false;
    };
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::map<std::string, Entry> entries_; // under mutex_
};

} // namespace holdfast

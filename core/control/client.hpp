#pragma once
// The other end: asks the daemon that keeps a store, and waits for its answer.

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "sys/file.hpp"

namespace holdfast {

class ControlClient {
public:
    // Errors: `control.no-daemon` (nobody serves the socket), `control.forbidden`, `control.version`,
    // `control.lost`, `control.timeout`.
    static Result<std::unique_ptr<ControlClient>> connect(const std::string& socket,
                                                          std::chrono::milliseconds timeout);

    // What the daemon said of itself: version, pid, host, store.
    const Value& hello() const { return hello_; }

    // Sends a request and waits for its answer. What comes before it goes to `on_event`, which may be empty.
    // Errors: the daemon's own, `control.lost`, `control.timeout`, `control.interrupted`.
    Result<Value> ask(Map request, std::chrono::milliseconds timeout, std::stop_token stop = {},
                      const std::function<void(const Value& event)>& on_event = {});

private:
    using Until = std::chrono::steady_clock::time_point;
    Status open(const std::string& socket, Until until);
    Result<Value> next_message(Until until, const std::stop_token& stop);
    Status send(std::string_view text, Until until);

    Fd fd_;
    std::string in_;
    Value hello_;
    std::int64_t last_id_ = 0;
};

// Connects to the daemon that keeps the store in this folder. The error `control.no-daemon` says that there
// is none; any other that there is one, but it cannot be talked to.
Result<std::unique_ptr<ControlClient>> connect_to_daemon_of(const std::string& store,
                                                            const std::string& configured_socket = {});

} // namespace holdfast

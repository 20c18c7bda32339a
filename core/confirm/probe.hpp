#pragma once
// Whether the world can still be reached after a change, over connections that are all new.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/stack.hpp"

namespace holdfast {

struct OperatorConfig;

// A numeric address and port, as the socket calls take it.
struct SocketAddress {
    std::string bytes; // a sockaddr
    int family = 0;
};

// A probe with all that has to be looked up before the change: a change that cuts off the name server would
// else make everything look unreachable, or hang for half a minute.
struct PreparedProbe {
    ReachProbe probe;
    std::vector<SocketAddress> addresses; // tcp, ping
    std::vector<std::string> run;         // command
    std::chrono::milliseconds timeout{3'000};
    std::string problem; // where something could not be looked up: the probe fails with it
};

// "tcp 192.0.2.1:22", "GET http://...", "ping gw.example.org", "command bird-is-up"
std::string to_string(const ReachProbe& probe);

// Error: `confirm.unknown-command`, for a command that the operator's configuration does not let this stack
// name.
Result<PreparedProbe> prepare_probe(const ReachProbe& probe, const OperatorConfig& config,
                                    const std::string& stack);
// Empty: reached. Else why not, as a sentence without its end. Takes at most the probe's timeout or `limit`.
std::string run_probe(const PreparedProbe& probe, std::chrono::milliseconds limit);
std::string ping(const SocketAddress& address, std::chrono::milliseconds limit);

// Where nothing is said: the host of the stack's repository, as its URL says, and the peer of the ssh session
// that the person works in, as $SSH_CONNECTION says. A refused connection counts: somebody answered.
std::vector<ReachProbe> default_probes(const std::string& git_url, const std::string& ssh_connection);

} // namespace holdfast

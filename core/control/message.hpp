#pragma once
// The words that a daemon and those who talk to it share (docs/daemon.md): lines of JSON over a local socket,
// and the file in the store's folder that says where the socket is.

#include <cstdint>
#include <optional>
#include <string>

#include "base/diagnostic.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace holdfast {

// A daemon that speaks another version is refused with a sentence, not misunderstood.
constexpr std::int64_t control_version = 1;
// Of one line from a client, without its end; answers may be longer.
constexpr std::size_t control_max_request = 64U << 10;
constexpr std::size_t control_max_answer = 16U << 20;

Value diagnostic_to_message(const Diagnostic& problem);
Diagnostic diagnostic_from_message(const Value& message);
Value diagnostics_to_message(const Diagnostics& problems);
Diagnostics diagnostics_from_message(const Value* messages); // null counts as none

// Which daemon keeps a store: STORE/daemon.json. It stays when a daemon is killed, so what counts is whether
// the socket answers.
struct DaemonAddress {
    std::string socket; // absolute path
    std::string host, version;
    std::int64_t pid = 0;
};
Status write_daemon_address(const std::string& store, const DaemonAddress& address);
void remove_daemon_address(const std::string& store);
std::optional<DaemonAddress> read_daemon_address(const std::string& store);

} // namespace holdfast

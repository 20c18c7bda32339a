#pragma once
// How a remote is reached and what one transfer may cost: filled in by who knows the operator's
// configuration, used by Mirror.

#include <chrono>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "git/remote_url.hpp"

namespace holdfast {

// A credential with its secrets resolved. Whatever is empty is not used.
struct RemoteAccess {
    std::string name;              // for messages
    std::vector<std::string> urls; // what it is bound to; see covers()
    std::string user, password;    // https: basic
    std::string token;             // https: bearer
    std::string ca_file;           // https: instead of the system's certificates
    std::string proxy;             // https: instead of the environment's; "-": none
    std::string key_file;          // ssh
    std::string passphrase;        // of key_file
    bool use_agent = false;        // ssh: the agent at $SSH_AUTH_SOCK
    std::string known_hosts_file;  // ssh: instead of the user's and the system's
    std::string ssh_config_file;   // ssh: nothing is read from others

    bool holds_secret() const {
        return !user.empty() || !password.empty() || !token.empty() || !key_file.empty() || use_agent;
    }
};

struct TransferLimits {
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    std::chrono::milliseconds stall{30'000}; // without a single byte
    std::size_t max_bytes = 1U << 30;        // of one transfer
    std::stop_token stop;
    // May be called often; no more than a count is to be made of it.
    std::function<void(std::size_t bytes, std::size_t objects, std::size_t of_objects)> progress;
};

} // namespace holdfast

#pragma once
// Tells when the kernel's routes, rules, nexthops or links changed, by its own notifications.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_set>

#include <holdfast/parts.hpp>

#include "kernel.hpp"

namespace holdfast::routing {

// Owns the thread "routing watch". A hint names the item where the notification does. Any event of a link or
// an address is a hint of the whole scope: the kernel removes IPv4 routes and nexthop objects over a link
// that goes down, and those from an address that goes, without a word of them (Linux 6.18 and before).
class Watcher {
public:
    // Room for what comes while the thread does not get to run; beyond it everything is hinted (ENOBUFS).
    static constexpr int default_receive_bytes = 64 << 20;

    Watcher(const Kernel& kernel, const Settings& settings, const sdk::Host& host,
            int receive_bytes = default_receive_bytes);
    ~Watcher(); // no hint after it
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // `identities` of what is watched in the kernel's own scope: "<kind> <identity>". Empty: nothing.
    void watch(std::unordered_set<std::string> identities, sdk::Hints hints);
    // Of a set, by its scope.
    void watch_set(const std::string& scope, bool is_wanted, sdk::Hints hints);
    // Notifications that this socket caused are ours; the engine knows of them.
    void own_port(std::uint32_t port);
    // Leaves the old namespace, and says that anything may have changed.
    void listen_again(const Kernel& kernel);

private:
    struct Told {
        bool is_everything = false;
        std::set<std::string> scopes;
        std::vector<std::pair<std::string, std::uint32_t>> items; // "<kind> <identity>", who
    };
    void keep(sdk::Hints hints); // while anything is watched
    void run();
    void receive();
    void take(const nlmsghdr* message, Told& told) const;
    void take_route(const nlmsghdr* message, Told& told) const;
    void take_item(std::string key, std::uint8_t protocol, std::uint32_t port, Told& told) const;
    void tell(const Told& told);

    const Settings& settings_;
    sdk::Host host_;
    int receive_bytes_;
    sdk::Wake wake_;
    mutable std::mutex mutex_; // of all below
    std::unique_ptr<NetlinkSocket> socket_;
    std::unordered_set<std::string> identities_;
    std::set<std::string> sets_; // scopes
    std::optional<sdk::Hints> hints_;
    std::uint32_t own_port_ = 0;
    std::stop_source stop_;
    std::jthread thread_;
};

} // namespace holdfast::routing

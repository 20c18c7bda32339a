#include "watcher.hpp"

#include <array>
#include <cerrno>
#include <fstream>

#include <linux/nexthop.h>
#include <poll.h>
#include <unistd.h>

#include "documents.hpp"

namespace holdfast::routing {

namespace {

const std::vector<unsigned> groups{RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                   RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,
                                   RTNLGRP_IPV6_RULE,  RTNLGRP_NEXTHOP};

std::string watched(std::string_view kind, const std::string& identity) {
    return std::string(kind) + " " + identity;
}

// The name of the process, where the port of its socket is its number, as it is for the first one of each.
std::string process_name(std::uint32_t port) {
    std::ifstream file("/proc/" + std::to_string(port) + "/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

} // namespace

Watcher::Watcher(const Kernel& kernel, const Settings& settings, const sdk::Host& host, int receive_bytes)
    : settings_(settings),
      host_(host),
      receive_bytes_(receive_bytes),
      socket_(kernel.listen(groups, receive_bytes)),
      own_port_(kernel.port()) {
    thread_ = std::jthread([this] { run(); }); // stopped by stop_, which it may ask for from its start
}

Watcher::~Watcher() {
    stop_.request_stop();
    wake_.wake();
    thread_.join();
}

void Watcher::watch(std::unordered_set<std::string> identities, sdk::Hints hints) {
    const std::lock_guard lock(mutex_);
    identities_ = std::move(identities);
    keep(hints);
}

void Watcher::watch_set(const std::string& scope, bool is_wanted, sdk::Hints hints) {
    const std::lock_guard lock(mutex_);
    sets_.erase(scope);
    if (is_wanted) sets_.insert(scope);
    keep(hints);
}

void Watcher::keep(sdk::Hints hints) {
    hints_.reset();
    if (!identities_.empty() || !sets_.empty()) hints_.emplace(hints);
}

void Watcher::own_port(std::uint32_t port) {
    const std::lock_guard lock(mutex_);
    own_port_ = port;
}

void Watcher::listen_again(const Kernel& kernel) {
    std::optional<sdk::Hints> hints;
    {
        const std::lock_guard lock(mutex_);
        socket_ = kernel.listen(groups, receive_bytes_);
        own_port_ = kernel.port();
        hints = hints_;
    }
    wake_.wake();
    if (hints) hints->all();
}

void Watcher::run() {
    const std::stop_token stop = stop_.get_token();
    while (!stop.stop_requested()) {
        int fd = -1;
        {
            const std::lock_guard lock(mutex_);
            fd = socket_->fd();
        }
        std::array<pollfd, 2> descriptors{pollfd{wake_.fd(), POLLIN, 0}, pollfd{fd, POLLIN, 0}};
        poll(descriptors.data(), descriptors.size(), -1);
        if (stop.stop_requested()) return;
        wake_.clear();
        if ((descriptors[1].revents & (POLLIN | POLLERR)) != 0) receive();
    }
}

void Watcher::receive() {
    thread_local std::vector<char> buffer(64U << 10);
    Told told;
    {
        const std::lock_guard lock(mutex_);
        for (;;) {
            const ssize_t got = recv(socket_->fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 && errno == ENOBUFS) {
                told.is_everything = true; // some were dropped, and nobody knows which
                continue;
            }
            if (got <= 0) break;
            int left = static_cast<int>(got);
            for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
                 mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
                if (message->nlmsg_pid != own_port_ || message->nlmsg_pid == 0) take(message, told);
        }
    }
    tell(told);
}

void Watcher::take_item(std::string key, std::uint8_t protocol, std::uint32_t port, Told& told) const {
    if (identities_.count(key) != 0)
        told.items.emplace_back(std::move(key), port);
    else if (settings_.is_visible(protocol)) // of interest where a scope is exclusive
        told.scopes.insert("");
}

void Watcher::take_route(const nlmsghdr* message, Told& told) const {
    const Devices no_names;
    const auto route = parse_route(message, no_names);
    if (!route || !settings_.tables.is_owned(route->key.table)) return;
    const std::string* const set = sets_.empty() ? nullptr : settings_.set_of(route->protocol);
    if (!set)
        return take_item(watched(route_kind, identity_of(route->key, settings_.tables)), route->protocol,
                         message->nlmsg_pid, told);
    const RouteSetKey key{*set, route->key.table, static_cast<std::uint8_t>(route->family())};
    const std::string scope = identity_of(key, settings_.tables);
    if (sets_.count(scope) != 0) told.scopes.insert(scope);
}

void Watcher::take(const nlmsghdr* message, Told& told) const {
    switch (message->nlmsg_type) {
        case RTM_NEWROUTE:
        case RTM_DELROUTE: take_route(message, told); break;
        case RTM_NEWRULE:
        case RTM_DELRULE:
            if (const auto rule = parse_rule(message))
                take_item(watched(rule_kind, identity_of(rule->key)), rule->protocol, message->nlmsg_pid,
                          told);
            break;
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
            // A member says nothing of the groups it is in, and a group takes its routes with it.
        case RTM_NEWLINK:
        case RTM_DELLINK:
        case RTM_NEWADDR:
        case RTM_DELADDR:
            told.scopes.insert("");
            told.scopes.insert(sets_.begin(), sets_.end());
            break;
        default: break;
    }
}

// Without the lock: a hint may take its time.
void Watcher::tell(const Told& told) {
    std::optional<sdk::Hints> hints;
    {
        const std::lock_guard lock(mutex_);
        hints = hints_;
    }
    if (!hints || stop_.stop_requested()) return;
    if (told.is_everything) {
        host_.warning(
            "the kernel told more of routes than there was room for: everything is looked at again");
        return hints->all();
    }
    for (const std::string& scope : told.scopes) hints->scope(scope);
    for (const auto& [key, port] : told.items) {
        const std::size_t blank = key.find(' ');
        const std::string actor = process_name(port);
        holdfast_hint hint = sdk::Hints::blank(HOLDFAST_HINT_ITEM);
        const std::string_view text(key);
        hint.kind = sdk::bytes(text.substr(0, blank));
        hint.identity = sdk::bytes(text.substr(blank + 1));
        hint.actor = sdk::bytes(actor);
        hint.pid = actor.empty() ? 0 : port;
        hints->send(hint);
    }
}

} // namespace holdfast::routing

#pragma once
// What one network namespace holds at a moment, and the socket by which it is read and changed.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "messages.hpp"
#include "netlink.hpp"
#include "objects.hpp"
#include "settings.hpp"

namespace holdfast::routing {

struct RouteKeyHash {
    std::size_t operator()(const RouteKey& key) const;
};

// Routes by key, a hundred thousand and more of them. Those that share a key stay in the kernel's order, of
// which the first is the one that packets take.
class RouteIndex {
public:
    void reserve(std::size_t count);
    void add(Route route);
    void clear();
    std::size_t size() const { return routes_.size(); }
    const std::vector<Route>& all() const { return routes_; }
    std::vector<const Route*> of(const RouteKey& key) const;
    // The one that documents are about: ours, else one that people made; null where there is none.
    const Route* visible(const RouteKey& key, const Settings& settings) const;

private:
    static constexpr std::uint32_t none = 0xFFFFFFFF;
    std::vector<Route> routes_;
    std::vector<std::uint32_t> next_; // of the same key
    std::unordered_map<RouteKey, std::uint32_t, RouteKeyHash> first_;
};

// What to read: each costs a dump.
struct Wanted {
    bool links = false, addresses = false, rules = false, nexthops = false;
    bool all_routes = false;                  // of all tables
    std::map<std::uint32_t, unsigned> tables; // table -> bits of families: 1 IPv4, 2 IPv6

    void table(std::uint32_t id, unsigned family) { tables[id] |= family_bit(family); }
    static unsigned family_bit(unsigned family);
};

struct Picture {
    Links links;
    Devices devices;
    RouteIndex routes;
    std::vector<Rule> rules; // in the kernel's order
    std::map<std::uint32_t, NexthopObject> nexthops;

    const Link* link(std::string_view name) const;
    // Of the key: ours, else those that people made; in the kernel's order.
    std::vector<const Rule*> visible(const RuleKey& key, const Settings& settings) const;
    // A group by what its members say; nothing where it has none, is not ours to see, or cannot be said.
    std::optional<Group> group(std::uint32_t id, const Settings& settings) const;
};

class Kernel {
public:
    // Throws `routing.netns`, `routing.kernel`.
    explicit Kernel(const Settings& settings);

    // To be called as a call begins: true where the namespace was made anew since, and is entered again.
    bool refresh();
    Picture read(const Wanted& wanted);
    Batch batch() { return Batch(*socket_); }
    // A socket in the same namespace that listens to what the kernel tells.
    std::unique_ptr<NetlinkSocket> listen(const std::vector<unsigned>& groups, int receive_bytes) const;
    std::uint32_t port() const { return socket_->port(); }

private:
    void open();
    void read_links(Picture& picture, bool with_addresses);
    void read_routes(Picture& picture, unsigned family, std::uint32_t table);
    void read_rules(Picture& picture);
    void read_nexthops(Picture& picture);

    NetworkNamespace netns_;
    std::string identity_;
    std::unique_ptr<NetlinkSocket> socket_;
};

} // namespace holdfast::routing

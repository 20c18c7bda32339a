#pragma once
// What the kernel holds, as far as this plugin knows it: routes, rules, nexthop groups, links. Devices are
// names here; only messages have their numbers.

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "address.hpp"

namespace holdfast::routing {

struct Nexthop {
    Address via;              // may be empty: on the link itself
    std::string dev;          // may be empty in what is wanted: the kernel finds it by the gateway
    std::uint32_t weight = 1; // 1 to 256
    bool onlink = false;

    auto operator<=>(const Nexthop&) const = default;
};

// What the kernel tells routes apart by. Its twins (`ip route append`) share one.
struct RouteKey {
    Prefix to;
    std::uint32_t table = RT_TABLE_MAIN;
    std::uint32_t metric = 0;

    auto operator<=>(const RouteKey&) const = default;
};

struct Route {
    RouteKey key;
    std::uint8_t type = RTN_UNICAST;
    std::uint8_t protocol = RTPROT_UNSPEC;
    std::vector<Nexthop> hops;         // sorted; none where the type drops packets, or `group` names them
    std::uint32_t group = 0;           // id of a nexthop object
    Address src;                       // preferred source; may be empty
    std::uint32_t mtu = 0, advmss = 0; // 0: not set
    std::string more_metrics; // raw attributes of RTA_METRICS that documents do not have: kept in a replace
    bool is_strange = false;  // has something that documents cannot say (encapsulation)

    unsigned family() const { return key.to.address.family; }
    // Whether both say the same; who made them, and what documents do not have, is not looked at.
    bool says_same(const Route& other) const {
        return std::tie(key, type, hops, group, src, mtu, advmss) ==
               std::tie(other.key, other.type, other.hops, other.group, other.src, other.mtu, other.advmss);
    }
};

// Many routes that go one way, told from all others by the protocol that is the set's.
struct RouteSetKey {
    std::string name; // in the provider's config
    std::uint32_t table = RT_TABLE_MAIN;
    std::uint8_t family = 0;

    auto operator<=>(const RouteSetKey&) const = default;
};

struct RouteSet {
    RouteSetKey key;
    Route way;              // what all of them say, but for the destination
    std::vector<Prefix> to; // sorted, none twice
    // Of what is live: its routes that say something else, or are twins, as text_of() has them; sorted.
    std::vector<std::string> strays;

    // The route to one of them.
    Route route(const Prefix& destination) const {
        Route out = way;
        out.key.to = destination;
        return out;
    }
};

struct RuleKey {
    std::uint8_t family = 0;
    std::uint32_t priority = 0;

    auto operator<=>(const RuleKey&) const = default;
};

struct PortRange {
    std::uint16_t first = 0, last = 0; // 0: any

    auto operator<=>(const PortRange&) const = default;
};

struct Rule {
    RuleKey key;
    std::uint8_t protocol = RTPROT_UNSPEC;
    bool is_inverted = false;
    Prefix from, to;                  // empty: all
    std::string iif, oif;             // empty: all
    std::uint32_t mark = 0, mask = 0; // mask 0: any mark
    std::uint8_t tos = 0, ip_protocol = 0;
    PortRange sport, dport;
    std::uint8_t action = FR_ACT_TO_TBL;
    std::uint32_t table = 0;  // with FR_ACT_TO_TBL
    std::uint32_t target = 0; // with FR_ACT_GOTO: a priority
    std::int32_t suppress_length = -1;
    bool is_l3mdev = false;
    bool is_strange = false;

    bool says_same(const Rule& other) const {
        const auto fields = [](const Rule& rule) {
            return std::tie(rule.key, rule.is_inverted, rule.from, rule.to, rule.iif, rule.oif, rule.mark,
                            rule.mask, rule.tos, rule.ip_protocol, rule.sport, rule.dport, rule.action,
                            rule.table, rule.target, rule.suppress_length, rule.is_l3mdev, rule.is_strange);
        };
        return fields(*this) == fields(other);
    }
};

// A nexthop object of the kernel: one hop, or a group of others by id with their weights.
struct NexthopObject {
    std::uint32_t id = 0;
    std::uint8_t protocol = RTPROT_UNSPEC;
    std::uint8_t family = 0;
    Nexthop hop;                                                  // weight unused
    std::vector<std::pair<std::uint32_t, std::uint32_t>> members; // id, weight
    bool is_group = false;
    bool is_strange = false; // blackhole, fdb, resilient, encapsulated
};

// A group as documents have it: its members by what they say.
struct Group {
    std::uint32_t id = 0;
    std::uint8_t protocol = RTPROT_UNSPEC;
    std::vector<Nexthop> hops; // sorted

    bool says_same(const Group& other) const { return id == other.id && hops == other.hops; }
};

struct LinkAddress {
    Prefix prefix;            // with its host bits
    bool is_permanent = true; // false: by DHCP or router advertisements, it expires

    auto operator<=>(const LinkAddress&) const = default;
};

struct Link {
    int index = 0;
    std::string name, kind; // kind: "veth", "vrf", ...; may be empty
    bool is_up = false, has_carrier = false;
    std::uint32_t mtu = 0, vrf_table = 0; // vrf_table: of a VRF device
    std::vector<LinkAddress> addresses;   // sorted
    std::string mac;
};

using Links = std::map<int, Link>; // by index

} // namespace holdfast::routing

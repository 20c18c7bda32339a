#include "kernel.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <sys/socket.h>

namespace holdfast::routing {

namespace {

// Room for a dump's request: a header, the family's header and one attribute.
struct Request {
    alignas(nlmsghdr) std::array<char, 256> bytes{};
    nlmsghdr* message;

    Request(std::uint16_t type, std::size_t header, unsigned family)
        : message(mnl_nlmsg_put_header(bytes.data())) {
        message->nlmsg_type = type;
        auto* const extra = static_cast<char*>(mnl_nlmsg_put_extra_header(message, header));
        extra[0] = static_cast<char>(family); // the first byte of each of these headers
    }
};

} // namespace

// ---- routes by key ----

std::size_t RouteKeyHash::operator()(const RouteKey& key) const {
    std::uint64_t high = 0, low = 0;
    std::memcpy(&high, key.to.address.bytes.data(), 8);
    std::memcpy(&low, key.to.address.bytes.data() + 8, 8);
    std::uint64_t hash = high * 0x9E3779B97F4A7C15U;
    hash = (hash ^ (hash >> 32U) ^ low) * 0xC2B2AE3D27D4EB4FU;
    const std::uint64_t rest = (std::uint64_t{key.table} << 32U) ^ (std::uint64_t{key.metric} << 8U) ^
                               (std::uint64_t{key.to.length} << 1U) ^ key.to.address.family;
    hash = (hash ^ (hash >> 29U) ^ rest) * 0x165667B19E3779F9U;
    return static_cast<std::size_t>(hash ^ (hash >> 32U));
}

void RouteIndex::reserve(std::size_t count) {
    routes_.reserve(count);
    next_.reserve(count);
    first_.reserve(count);
}

void RouteIndex::clear() {
    routes_.clear();
    next_.clear();
    first_.clear();
}

// An interrupted walk over the IPv6 table may show a route twice.
void RouteIndex::add(Route route) {
    const auto number = static_cast<std::uint32_t>(routes_.size());
    const auto [found, is_new] = first_.try_emplace(route.key, number);
    if (!is_new) {
        std::uint32_t last = found->second;
        for (;; last = next_[last]) {
            const Route& there = routes_[last];
            if (route.family() == AF_INET6 && there.protocol == route.protocol && there.says_same(route))
                return;
            if (next_[last] == none) break;
        }
        next_[last] = number;
    }
    routes_.push_back(std::move(route));
    next_.push_back(none);
}

std::vector<const Route*> RouteIndex::of(const RouteKey& key) const {
    std::vector<const Route*> out;
    const auto found = first_.find(key);
    if (found == first_.end()) return out;
    for (std::uint32_t at = found->second; at != none; at = next_[at]) out.push_back(&routes_[at]);
    return out;
}

const Route* RouteIndex::visible(const RouteKey& key, const Settings& settings) const {
    const auto found = first_.find(key);
    const Route* by_people = nullptr;
    if (found == first_.end()) return nullptr;
    for (std::uint32_t at = found->second; at != none; at = next_[at]) {
        const Route& route = routes_[at];
        if (route.is_strange) continue;
        if (route.protocol == settings.protocol) return &route;
        if (!by_people && settings.adopts[route.protocol]) by_people = &route;
    }
    return by_people;
}

unsigned Wanted::family_bit(unsigned family) { return family == AF_INET6 ? 2 : 1; }

// ---- what there is ----

const Link* Picture::link(std::string_view name) const {
    const auto found = links.find(devices.index_of(name));
    return found == links.end() ? nullptr : &found->second;
}

std::vector<const Rule*> Picture::visible(const RuleKey& key, const Settings& settings) const {
    std::vector<const Rule*> ours, by_people;
    for (const Rule& rule : rules) {
        if (rule.key != key || rule.is_strange) continue;
        if (rule.protocol == settings.protocol)
            ours.push_back(&rule);
        else if (settings.adopts[rule.protocol])
            by_people.push_back(&rule);
    }
    return ours.empty() ? by_people : ours;
}

std::optional<Group> Picture::group(std::uint32_t id, const Settings& settings) const {
    const auto found = nexthops.find(id);
    if (found == nexthops.end() || !found->second.is_group || found->second.is_strange) return std::nullopt;
    if (!settings.is_visible(found->second.protocol)) return std::nullopt;
    Group out{id, found->second.protocol, {}};
    for (const auto& [member, weight] : found->second.members) {
        const auto object = nexthops.find(member);
        if (object == nexthops.end() || object->second.is_strange) return std::nullopt;
        out.hops.push_back(object->second.hop);
        out.hops.back().weight = weight;
    }
    if (out.hops.size() == 1) out.hops.front().weight = 1;
    std::sort(out.hops.begin(), out.hops.end());
    return out;
}

// ---- reading ----

Kernel::Kernel(const Settings& settings) : netns_(settings.netns) { open(); }

void Kernel::open() {
    identity_ = netns_.identity();
    netns_.run([&] { socket_ = std::make_unique<NetlinkSocket>(); });
}

bool Kernel::refresh() {
    if (netns_.path().empty() || netns_.identity() == identity_) return false;
    open();
    return true;
}

std::unique_ptr<NetlinkSocket> Kernel::listen(const std::vector<unsigned>& groups, int receive_bytes) const {
    std::unique_ptr<NetlinkSocket> out;
    netns_.run([&] { out = std::make_unique<NetlinkSocket>(groups, receive_bytes); });
    return out;
}

Picture Kernel::read(const Wanted& wanted) {
    Picture out;
    if (wanted.links || wanted.addresses || wanted.nexthops || wanted.all_routes || !wanted.tables.empty())
        read_links(out, wanted.addresses);
    if (wanted.nexthops) read_nexthops(out);
    if (wanted.rules) read_rules(out);
    if (wanted.all_routes)
        for (unsigned family : {AF_INET, AF_INET6}) read_routes(out, family, RT_TABLE_UNSPEC);
    else
        for (const auto& [table, families] : wanted.tables)
            for (unsigned family : {AF_INET, AF_INET6})
                if ((families & Wanted::family_bit(family)) != 0) read_routes(out, family, table);
    return out;
}

void Kernel::read_links(Picture& picture, bool with_addresses) {
    Request request(RTM_GETLINK, sizeof(ifinfomsg), AF_UNSPEC);
    // Without counters of each address family and port, which are most of the answer.
    mnl_attr_put_u32(request.message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    socket_->dump(
        request.message, [&] { picture.links.clear(); },
        [&](const nlmsghdr* message) {
            if (message->nlmsg_type != RTM_NEWLINK) return;
            if (auto link = parse_link(message)) picture.links[link->index] = *std::move(link);
        });
    picture.devices.read(picture.links);
    if (!with_addresses) return;
    Request addresses(RTM_GETADDR, sizeof(ifaddrmsg), AF_UNSPEC);
    socket_->dump(
        addresses.message,
        [&] {
            for (auto& [index, link] : picture.links) link.addresses.clear();
        },
        [&](const nlmsghdr* message) {
            if (message->nlmsg_type != RTM_NEWADDR) return;
            const auto address = parse_address_of_link(message);
            const auto link = address ? picture.links.find(address->index) : picture.links.end();
            if (link != picture.links.end()) link->second.addresses.push_back(address->address);
        });
    for (auto& [index, link] : picture.links) std::sort(link.addresses.begin(), link.addresses.end());
}

void Kernel::read_routes(Picture& picture, unsigned family, std::uint32_t table) {
    Request request(RTM_GETROUTE, sizeof(rtmsg), family);
    if (table != RT_TABLE_UNSPEC) mnl_attr_put_u32(request.message, RTA_TABLE, table);
    std::vector<Route> found;
    const bool is_whole = socket_->dump(
        request.message, [&] { found.clear(); },
        [&](const nlmsghdr* message) {
            if (message->nlmsg_type != RTM_NEWROUTE) return;
            auto route = parse_route(message, picture.devices);
            // A kernel that does not filter sends everything.
            if (route && (table == RT_TABLE_UNSPEC || route->key.table == table))
                found.push_back(*std::move(route));
        });
    if (!is_whole) return;
    picture.routes.reserve(picture.routes.size() + found.size());
    for (Route& route : found) picture.routes.add(std::move(route));
}

void Kernel::read_rules(Picture& picture) {
    for (unsigned family : {AF_INET, AF_INET6}) {
        std::vector<Rule> found;
        Request request(RTM_GETRULE, sizeof(fib_rule_hdr), family);
        socket_->dump(
            request.message, [&] { found.clear(); },
            [&](const nlmsghdr* message) {
                if (message->nlmsg_type != RTM_NEWRULE) return;
                if (auto rule = parse_rule(message)) found.push_back(*std::move(rule));
            });
        picture.rules.insert(picture.rules.end(), found.begin(), found.end());
    }
}

void Kernel::read_nexthops(Picture& picture) {
    Request request(RTM_GETNEXTHOP, sizeof(nhmsg), AF_UNSPEC);
    socket_->dump(
        request.message, [&] { picture.nexthops.clear(); },
        [&](const nlmsghdr* message) {
            if (message->nlmsg_type != RTM_NEWNEXTHOP) return;
            if (auto object = parse_nexthop(message, picture.devices))
                picture.nexthops[object->id] = *std::move(object);
        });
}

} // namespace holdfast::routing

#include "messages.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <net/if.h>
#include <sys/socket.h>

#include <holdfast/provider.hpp>

namespace holdfast::routing {

namespace {

// Attributes of one message, by type. A later one of a type wins.
template <std::size_t Count>
class Attributes {
public:
    Attributes(const nlmsghdr* message, std::size_t header) {
        const auto* first = static_cast<const char*>(mnl_nlmsg_get_payload_offset(message, header));
        fill(first, static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)));
    }
    Attributes(const void* payload, std::size_t size) {
        fill(static_cast<const char*>(payload), static_cast<const char*>(payload) + size);
    }
    explicit Attributes(const nlattr* nest)
        : Attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)) {}

    const nlattr* operator[](std::size_t type) const { return type < Count ? found_[type] : nullptr; }
    std::uint32_t number(std::size_t type, std::uint32_t otherwise = 0) const {
        const nlattr* const found = (*this)[type];
        return found && mnl_attr_get_payload_len(found) >= 4 ? mnl_attr_get_u32(found) : otherwise;
    }
    std::string text(std::size_t type) const {
        const nlattr* const found = (*this)[type];
        if (!found) return {};
        const auto* const text = static_cast<const char*>(mnl_attr_get_payload(found));
        return {text, strnlen(text, mnl_attr_get_payload_len(found))};
    }
    Address address(std::size_t type, unsigned family) const {
        const nlattr* const found = (*this)[type];
        return found ? address_from(family, mnl_attr_get_payload(found), mnl_attr_get_payload_len(found))
                     : Address{};
    }

private:
    void fill(const char* at, const char* end) {
        while (end - at >= static_cast<std::ptrdiff_t>(sizeof(nlattr))) {
            const auto* attribute = reinterpret_cast<const nlattr*>(at);
            if (!mnl_attr_ok(attribute, static_cast<int>(end - at))) return;
            if (mnl_attr_get_type(attribute) < Count) found_[mnl_attr_get_type(attribute)] = attribute;
            at += MNL_ALIGN(attribute->nla_len);
        }
    }
    std::array<const nlattr*, Count> found_{};
};

using RouteAttributes = Attributes<RTA_MAX + 1>;

bool drops_packets(std::uint8_t type) {
    return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

void put_address(nlmsghdr* message, std::uint16_t type, const Address& address) {
    mnl_attr_put(message, type, address.size(), address.bytes.data());
}

// RTA_GATEWAY, or RTA_VIA where the gateway is of the other family (IPv4 by way of IPv6, RFC 5549).
Address gateway_of(const RouteAttributes& attributes, unsigned family) {
    if (attributes[RTA_GATEWAY]) return attributes.address(RTA_GATEWAY, family);
    const nlattr* const via = attributes[RTA_VIA];
    if (!via || mnl_attr_get_payload_len(via) < sizeof(rtvia)) return {};
    const auto* const value = static_cast<const rtvia*>(mnl_attr_get_payload(via));
    return address_from(value->rtvia_family, value->rtvia_addr,
                        mnl_attr_get_payload_len(via) - sizeof(rtvia));
}

void put_gateway(nlmsghdr* message, const Address& via, unsigned family) {
    if (via.empty()) return;
    if (via.family == family) return put_address(message, RTA_GATEWAY, via);
    std::array<char, sizeof(rtvia) + 16> value{};
    const auto word = static_cast<std::uint16_t>(via.family);
    std::memcpy(value.data(), &word, sizeof word);
    std::memcpy(value.data() + sizeof word, via.bytes.data(), via.size());
    mnl_attr_put(message, RTA_VIA, sizeof word + via.size(), value.data());
}

void read_multipath(const nlattr* multipath, const Devices& devices, Route& route) {
    const auto* at = static_cast<const char*>(mnl_attr_get_payload(multipath));
    const char* const end = at + mnl_attr_get_payload_len(multipath);
    while (end - at >= static_cast<std::ptrdiff_t>(sizeof(rtnexthop))) {
        const auto* const hop = reinterpret_cast<const rtnexthop*>(at);
        if (hop->rtnh_len < sizeof(rtnexthop) || at + hop->rtnh_len > end) return;
        const RouteAttributes attributes(at + sizeof(rtnexthop), hop->rtnh_len - sizeof(rtnexthop));
        if (attributes[RTA_ENCAP]) route.is_strange = true;
        route.hops.push_back({gateway_of(attributes, route.family()), devices.name_of(hop->rtnh_ifindex),
                              hop->rtnh_hops + 1U, (hop->rtnh_flags & RTNH_F_ONLINK) != 0});
        at += RTNH_ALIGN(hop->rtnh_len);
    }
}

void read_metrics(const nlattr* metrics, Route& route) {
    const auto* at = static_cast<const char*>(mnl_attr_get_payload(metrics));
    const char* const end = at + mnl_attr_get_payload_len(metrics);
    while (end - at >= static_cast<std::ptrdiff_t>(sizeof(nlattr))) {
        const auto* const attribute = reinterpret_cast<const nlattr*>(at);
        if (!mnl_attr_ok(attribute, static_cast<int>(end - at))) return;
        const std::size_t size =
            std::min<std::size_t>(MNL_ALIGN(attribute->nla_len), static_cast<std::size_t>(end - at));
        const std::uint16_t type = mnl_attr_get_type(attribute);
        if (type == RTAX_MTU)
            route.mtu = mnl_attr_get_u32(attribute);
        else if (type == RTAX_ADVMSS)
            route.advmss = mnl_attr_get_u32(attribute);
        else
            route.more_metrics.append(at, size);
        at += size;
    }
}

} // namespace

void Devices::read(const Links& links) {
    by_name_.clear();
    by_index_.clear();
    for (const auto& [index, link] : links) {
        by_name_[link.name] = index;
        by_index_[index] = link.name;
    }
}

int Devices::index_of(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? 0 : found->second;
}

const std::string& Devices::name_of(int index) const {
    const auto [found, is_new] = by_index_.try_emplace(index);
    if (is_new) found->second = "#" + std::to_string(index);
    return found->second;
}

// ---- from the kernel ----

std::optional<Route> parse_route(const nlmsghdr* message, const Devices& devices) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg)) return std::nullopt;
    const auto* const head = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    const bool is_ip = head->rtm_family == AF_INET || head->rtm_family == AF_INET6;
    // Cached clones, multicast and the kernel's own broadcast entries are nobody's declaration.
    const bool is_kind =
        head->rtm_type == RTN_UNICAST || head->rtm_type == RTN_LOCAL || drops_packets(head->rtm_type);
    if (!is_ip || !is_kind || (head->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
    const RouteAttributes attributes(message, sizeof(rtmsg));
    Route out;
    out.key.to = default_of(head->rtm_family);
    if (attributes[RTA_DST]) out.key.to.address = attributes.address(RTA_DST, head->rtm_family);
    if (out.key.to.empty()) return std::nullopt;
    out.key.to.length = head->rtm_dst_len;
    out.key.table = attributes.number(RTA_TABLE, head->rtm_table);
    out.key.metric = attributes.number(RTA_PRIORITY);
    out.type = head->rtm_type;
    out.protocol = head->rtm_protocol;
    out.group = attributes.number(RTA_NH_ID);
    out.src = attributes.address(RTA_PREFSRC, head->rtm_family);
    out.is_strange = head->rtm_tos != 0 || head->rtm_src_len != 0 || attributes[RTA_ENCAP] != nullptr;
    if (attributes[RTA_METRICS]) read_metrics(attributes[RTA_METRICS], out);
    // IPv6 shows the loopback for what drops packets, and hops as well where a nexthop object has them.
    if (drops_packets(out.type) || out.group != 0) return out;
    if (attributes[RTA_MULTIPATH]) {
        read_multipath(attributes[RTA_MULTIPATH], devices, out);
        std::sort(out.hops.begin(), out.hops.end());
        return out;
    }
    const std::uint32_t index = attributes.number(RTA_OIF);
    const Address via = gateway_of(attributes, head->rtm_family);
    if (index != 0 || !via.empty())
        out.hops.push_back({via, index ? devices.name_of(static_cast<int>(index)) : std::string(), 1,
                            (head->rtm_flags & RTNH_F_ONLINK) != 0});
    return out;
}

std::optional<Rule> parse_rule(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(fib_rule_hdr)) return std::nullopt;
    const auto* const head = static_cast<const fib_rule_hdr*>(mnl_nlmsg_get_payload(message));
    if (head->family != AF_INET && head->family != AF_INET6) return std::nullopt;
    const Attributes<FRA_MAX + 1> attributes(message, sizeof(fib_rule_hdr));
    Rule out;
    out.key = {head->family, attributes.number(FRA_PRIORITY)};
    if (const nlattr* protocol = attributes[FRA_PROTOCOL]) out.protocol = mnl_attr_get_u8(protocol);
    out.is_inverted = (head->flags & FIB_RULE_INVERT) != 0;
    if (head->src_len != 0) out.from = {attributes.address(FRA_SRC, head->family), head->src_len};
    if (head->dst_len != 0) out.to = {attributes.address(FRA_DST, head->family), head->dst_len};
    out.iif = attributes.text(FRA_IIFNAME);
    out.oif = attributes.text(FRA_OIFNAME);
    out.mark = attributes.number(FRA_FWMARK);
    out.mask = attributes.number(FRA_FWMASK, out.mark != 0 ? 0xFFFFFFFFU : 0);
    out.tos = head->tos;
    if (const nlattr* protocol = attributes[FRA_IP_PROTO]) out.ip_protocol = mnl_attr_get_u8(protocol);
    const auto range = [&](std::size_t type) {
        const nlattr* const found = attributes[type];
        if (!found || mnl_attr_get_payload_len(found) < sizeof(fib_rule_port_range)) return PortRange{};
        const auto* const value = static_cast<const fib_rule_port_range*>(mnl_attr_get_payload(found));
        return PortRange{value->start, value->end};
    };
    out.sport = range(FRA_SPORT_RANGE);
    out.dport = range(FRA_DPORT_RANGE);
    out.action = head->action;
    if (out.action == FR_ACT_TO_TBL) out.table = attributes.number(FRA_TABLE, head->table);
    if (out.action == FR_ACT_GOTO) out.target = attributes.number(FRA_GOTO);
    out.suppress_length = static_cast<std::int32_t>(attributes.number(FRA_SUPPRESS_PREFIXLEN, 0xFFFFFFFFU));
    if (const nlattr* l3mdev = attributes[FRA_L3MDEV]) out.is_l3mdev = mnl_attr_get_u8(l3mdev) != 0;
    if (out.is_l3mdev) out.table = 0;
    out.is_strange = attributes[FRA_UID_RANGE] || attributes[FRA_TUN_ID] || attributes[FRA_FLOW] ||
                     attributes[FRA_SUPPRESS_IFGROUP];
    return out;
}

std::optional<NexthopObject> parse_nexthop(const nlmsghdr* message, const Devices& devices) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(nhmsg)) return std::nullopt;
    const auto* const head = static_cast<const nhmsg*>(mnl_nlmsg_get_payload(message));
    const Attributes<NHA_MAX + 1> attributes(message, sizeof(nhmsg));
    NexthopObject out;
    out.id = attributes.number(NHA_ID);
    out.protocol = head->nh_protocol;
    out.family = head->nh_family;
    out.is_strange = attributes[NHA_BLACKHOLE] || attributes[NHA_FDB] || attributes[NHA_ENCAP] ||
                     (attributes[NHA_GROUP_TYPE] &&
                      mnl_attr_get_u16(attributes[NHA_GROUP_TYPE]) != NEXTHOP_GRP_TYPE_MPATH);
    if (const nlattr* group = attributes[NHA_GROUP]) {
        out.is_group = true;
        const auto* const first = static_cast<const nexthop_grp*>(mnl_attr_get_payload(group));
        const std::size_t count = mnl_attr_get_payload_len(group) / sizeof(nexthop_grp);
        for (const nexthop_grp* member = first; member != first + count; ++member)
            out.members.emplace_back(member->id, member->weight + 1U);
        return out;
    }
    out.hop.via = attributes.address(NHA_GATEWAY, head->nh_family);
    if (const std::uint32_t index = attributes.number(NHA_OIF))
        out.hop.dev = devices.name_of(static_cast<int>(index));
    out.hop.onlink = (head->nh_flags & RTNH_F_ONLINK) != 0;
    return out;
}

std::optional<Link> parse_link(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return std::nullopt;
    const auto* const head = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    const Attributes<64> attributes(message, sizeof(ifinfomsg));
    Link out;
    out.index = head->ifi_index;
    out.name = attributes.text(IFLA_IFNAME);
    out.is_up = (head->ifi_flags & IFF_UP) != 0;
    out.has_carrier = (head->ifi_flags & IFF_RUNNING) != 0;
    out.mtu = attributes.number(IFLA_MTU);
    if (const nlattr* mac = attributes[IFLA_ADDRESS]) {
        const auto* const bytes = static_cast<const unsigned char*>(mnl_attr_get_payload(mac));
        static const char* const digits = "0123456789abcdef";
        for (std::size_t i = 0; i < mnl_attr_get_payload_len(mac); ++i) {
            if (i > 0) out.mac += ':';
            out.mac += digits[bytes[i] >> 4U];
            out.mac += digits[bytes[i] & 15U];
        }
    }
    if (const nlattr* info = attributes[IFLA_LINKINFO]) {
        const Attributes<8> about(info);
        out.kind = about.text(IFLA_INFO_KIND);
        if (out.kind == "vrf" && about[IFLA_INFO_DATA])
            out.vrf_table = Attributes<4>(about[IFLA_INFO_DATA]).number(IFLA_VRF_TABLE);
    }
    return out;
}

std::optional<AddressOfLink> parse_address_of_link(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(ifaddrmsg)) return std::nullopt;
    const auto* const head = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    const Attributes<IFA_MAX + 1> attributes(message, sizeof(ifaddrmsg));
    AddressOfLink out;
    out.index = static_cast<int>(head->ifa_index);
    // IFA_ADDRESS is the other end of a point-to-point link; IFA_LOCAL, where there is one, is ours.
    out.address.prefix.address = attributes.address(IFA_LOCAL, head->ifa_family);
    if (out.address.prefix.empty())
        out.address.prefix.address = attributes.address(IFA_ADDRESS, head->ifa_family);
    if (out.address.prefix.empty()) return std::nullopt;
    out.address.prefix.length = head->ifa_prefixlen;
    out.address.is_permanent = (attributes.number(IFA_FLAGS, head->ifa_flags) & IFA_F_PERMANENT) != 0;
    return out;
}

// ---- to the kernel ----

namespace {

std::uint32_t number_of(const std::string& dev, const Devices& devices) {
    const int index = devices.index_of(dev);
    if (index == 0)
        throw sdk::Error({"routing.no-link", "there is no link " + dev,
                          "routes are made once the link is there; see `ip link`", "", sdk::Retry::after,
                          std::chrono::milliseconds(5000)});
    return static_cast<std::uint32_t>(index);
}

// As iproute2 sets it: what the kernel derives nothing from is wide, what stays on the link is narrow.
std::uint8_t scope_of(const Route& route) {
    if (route.family() == AF_INET6) return RT_SCOPE_UNIVERSE;
    if (route.type == RTN_LOCAL) return RT_SCOPE_HOST;
    const bool has_gateway = std::any_of(route.hops.begin(), route.hops.end(),
                                         [](const Nexthop& hop) { return !hop.via.empty(); });
    return route.type == RTN_UNICAST && route.group == 0 && !has_gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

rtmsg* put_route_key(nlmsghdr* message, const Route& route) {
    auto* const head = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
    head->rtm_family = route.key.to.address.family;
    head->rtm_dst_len = route.key.to.length;
    head->rtm_type = route.type;
    head->rtm_protocol = route.protocol;
    head->rtm_table = route.key.table < 256 ? static_cast<std::uint8_t>(route.key.table)
                                            : static_cast<std::uint8_t>(RT_TABLE_UNSPEC);
    head->rtm_scope = scope_of(route);
    mnl_attr_put_u32(message, RTA_TABLE, route.key.table);
    if (route.key.to.length != 0) put_address(message, RTA_DST, route.key.to.address);
    if (route.key.metric != 0) mnl_attr_put_u32(message, RTA_PRIORITY, route.key.metric);
    return head;
}

void put_hops(nlmsghdr* message, rtmsg* head, const Route& route, const Devices& devices) {
    if (route.group != 0) return mnl_attr_put_u32(message, RTA_NH_ID, route.group);
    if (route.hops.size() == 1) {
        const Nexthop& hop = route.hops.front();
        put_gateway(message, hop.via, route.family());
        if (!hop.dev.empty()) mnl_attr_put_u32(message, RTA_OIF, number_of(hop.dev, devices));
        if (hop.onlink) head->rtm_flags |= RTNH_F_ONLINK;
        return;
    }
    if (route.hops.empty()) return;
    nlattr* const nest = mnl_attr_nest_start(message, RTA_MULTIPATH);
    nest->nla_type = RTA_MULTIPATH;
    for (const Nexthop& hop : route.hops) {
        const std::uint32_t index = hop.dev.empty() ? 0 : number_of(hop.dev, devices);
        const std::uint32_t start = message->nlmsg_len;
        rtnexthop part{};
        part.rtnh_hops = static_cast<std::uint8_t>(hop.weight - 1);
        part.rtnh_flags = hop.onlink ? RTNH_F_ONLINK : 0;
        part.rtnh_ifindex = static_cast<int>(index);
        void* const at = mnl_nlmsg_get_payload_tail(message);
        message->nlmsg_len += static_cast<std::uint32_t>(sizeof part);
        put_gateway(message, hop.via, route.family());
        part.rtnh_len = static_cast<std::uint16_t>(message->nlmsg_len - start);
        std::memcpy(at, &part, sizeof part);
    }
    mnl_attr_nest_end(message, nest);
}

void put_metrics(nlmsghdr* message, const Route& route) {
    if (route.mtu == 0 && route.advmss == 0 && route.more_metrics.empty()) return;
    nlattr* const nest = mnl_attr_nest_start(message, RTA_METRICS);
    nest->nla_type = RTA_METRICS;
    if (route.mtu != 0) mnl_attr_put_u32(message, RTAX_MTU, route.mtu);
    if (route.advmss != 0) mnl_attr_put_u32(message, RTAX_ADVMSS, route.advmss);
    std::memcpy(mnl_nlmsg_get_payload_tail(message), route.more_metrics.data(), route.more_metrics.size());
    message->nlmsg_len += static_cast<std::uint32_t>(route.more_metrics.size());
    mnl_attr_nest_end(message, nest);
}

} // namespace

void put_route(nlmsghdr* message, const Route& route, const Devices& devices) {
    rtmsg* const head = put_route_key(message, route);
    if (!route.src.empty()) put_address(message, RTA_PREFSRC, route.src);
    put_hops(message, head, route, devices);
    put_metrics(message, route);
}

// IPv4 compares hops one by one; IPv6 takes a message without a gateway as "all of it".
void put_route_removal(nlmsghdr* message, const Route& route, const Devices& devices) {
    rtmsg* const head = put_route_key(message, route);
    if (route.family() == AF_INET) {
        if (!route.src.empty()) put_address(message, RTA_PREFSRC, route.src);
        put_hops(message, head, route, devices);
        head->rtm_flags = 0;
    } else if (route.group != 0 ||
               (route.hops.size() == 1 && devices.index_of(route.hops.front().dev) != 0)) {
        put_hops(message, head, route, devices);
        head->rtm_flags = 0;
    }
}

void put_rule(nlmsghdr* message, const Rule& rule) {
    auto* const head = static_cast<fib_rule_hdr*>(mnl_nlmsg_put_extra_header(message, sizeof(fib_rule_hdr)));
    head->family = rule.key.family;
    head->src_len = rule.from.length;
    head->dst_len = rule.to.length;
    head->tos = rule.tos;
    head->action = rule.action;
    head->flags = rule.is_inverted ? FIB_RULE_INVERT : 0;
    head->table =
        rule.table < 256 ? static_cast<std::uint8_t>(rule.table) : static_cast<std::uint8_t>(RT_TABLE_UNSPEC);
    mnl_attr_put_u32(message, FRA_PRIORITY, rule.key.priority);
    mnl_attr_put_u8(message, FRA_PROTOCOL, rule.protocol);
    if (!rule.from.empty()) put_address(message, FRA_SRC, rule.from.address);
    if (!rule.to.empty()) put_address(message, FRA_DST, rule.to.address);
    if (!rule.iif.empty()) mnl_attr_put_strz(message, FRA_IIFNAME, rule.iif.c_str());
    if (!rule.oif.empty()) mnl_attr_put_strz(message, FRA_OIFNAME, rule.oif.c_str());
    if (rule.mask != 0) {
        mnl_attr_put_u32(message, FRA_FWMARK, rule.mark);
        mnl_attr_put_u32(message, FRA_FWMASK, rule.mask);
    }
    if (rule.ip_protocol != 0) mnl_attr_put_u8(message, FRA_IP_PROTO, rule.ip_protocol);
    const auto put_range = [&](std::uint16_t type, const PortRange& range) {
        const fib_rule_port_range value{range.first, range.last};
        if (range.first != 0) mnl_attr_put(message, type, sizeof value, &value);
    };
    put_range(FRA_SPORT_RANGE, rule.sport);
    put_range(FRA_DPORT_RANGE, rule.dport);
    if (rule.is_l3mdev)
        mnl_attr_put_u8(message, FRA_L3MDEV, 1);
    else if (rule.action == FR_ACT_TO_TBL)
        mnl_attr_put_u32(message, FRA_TABLE, rule.table);
    if (rule.action == FR_ACT_GOTO) mnl_attr_put_u32(message, FRA_GOTO, rule.target);
    if (rule.suppress_length >= 0)
        mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, static_cast<std::uint32_t>(rule.suppress_length));
}

void put_nexthop(nlmsghdr* message, const NexthopObject& object, const Devices& devices) {
    auto* const head = static_cast<nhmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nhmsg)));
    head->nh_protocol = object.protocol;
    mnl_attr_put_u32(message, NHA_ID, object.id);
    if (object.is_group) {
        std::vector<nexthop_grp> members;
        for (const auto& [id, weight] : object.members) {
            nexthop_grp member{};
            member.id = id;
            member.weight = static_cast<std::uint8_t>(weight - 1);
            members.push_back(member);
        }
        return mnl_attr_put(message, NHA_GROUP, members.size() * sizeof(nexthop_grp), members.data());
    }
    head->nh_family = object.family;
    if (object.hop.onlink) head->nh_flags = RTNH_F_ONLINK;
    if (!object.hop.via.empty()) put_address(message, NHA_GATEWAY, object.hop.via);
    mnl_attr_put_u32(message, NHA_OIF, number_of(object.hop.dev, devices));
}

void put_nexthop_removal(nlmsghdr* message, std::uint32_t id) {
    mnl_nlmsg_put_extra_header(message, sizeof(nhmsg));
    mnl_attr_put_u32(message, NHA_ID, id);
}

void put_link_change(nlmsghdr* message, const Link& link, std::optional<bool> up,
                     std::optional<std::uint32_t> mtu) {
    auto* const head = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    head->ifi_family = AF_UNSPEC;
    head->ifi_index = link.index;
    if (up) {
        head->ifi_change = IFF_UP;
        head->ifi_flags = *up ? static_cast<unsigned>(IFF_UP) : 0U;
    }
    if (mtu) mnl_attr_put_u32(message, IFLA_MTU, *mtu);
}

void put_link_address(nlmsghdr* message, int index, const Prefix& address) {
    auto* const head = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)));
    head->ifa_family = address.address.family;
    head->ifa_prefixlen = address.length;
    head->ifa_index = static_cast<std::uint32_t>(index);
    put_address(message, IFA_LOCAL, address.address);
    put_address(message, IFA_ADDRESS, address.address);
    if (address.address.family != AF_INET || address.length >= 31) return;
    Address broadcast = address.address;
    for (unsigned bit = address.length; bit < 32; ++bit)
        broadcast.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
    put_address(message, IFA_BROADCAST, broadcast);
}

} // namespace holdfast::routing

// What people write, read: documents to objects.

#include "documents.hpp"

#include <algorithm>
#include <charconv>

#include <sys/socket.h>

#include "words.hpp"

namespace holdfast::routing {

namespace {

using sdk::Json;

constexpr std::size_t max_hops = 64;
constexpr std::uint32_t ipv6_default_metric = 1024; // IP6_RT_PRIO_USER: what the kernel makes of 0

std::optional<std::uint64_t> parse_number(std::string_view text) {
    int base = 10;
    if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") {
        base = 16;
        text.remove_prefix(2);
    }
    std::uint64_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

// Reads the members of a spec and collects what is wrong with them.
class SpecReader {
public:
    SpecReader(const Json& document, sdk::Diagnostics& problems) : problems_(problems) {
        static const Json empty = Json::object();
        const auto spec = document.is_object() ? document.find("spec") : document.end();
        spec_ = document.is_object() && spec != document.end() && spec->is_object() ? &*spec : &empty;
    }
    SpecReader(const Json& members, std::string at, sdk::Diagnostics& problems)
        : spec_(&members), at_(std::move(at)), problems_(problems) {}

    bool has(const char* key) const { return member(key) != nullptr; }
    const Json* member(const char* key) const {
        const auto found = spec_->find(key);
        return found == spec_->end() || found->is_null() ? nullptr : &*found;
    }
    void complain(const char* key, const char* code, std::string message, std::string hint) {
        sdk::Diagnostic out;
        out.code = code;
        out.message = std::move(message);
        out.hint = std::move(hint);
        out.pointer = at_ + "/" + key;
        problems_.push_back(std::move(out));
    }
    std::string text(const char* key) const {
        const Json* const value = member(key);
        if (!value) return {};
        return value->is_string() ? value->get<std::string>() : value->dump();
    }
    bool flag(const char* key) const {
        const Json* const value = member(key);
        return value && value->is_boolean() && value->get<bool>();
    }
    std::uint32_t number(const char* key, std::uint32_t otherwise = 0) {
        const Json* const value = member(key);
        if (!value) return otherwise;
        const auto read = value->is_string()            ? parse_number(value->get_ref<const std::string&>())
                          : value->is_number_unsigned() ? std::optional(value->get<std::uint64_t>())
                                                        : std::nullopt;
        if (read && *read <= 0xFFFFFFFFU) return static_cast<std::uint32_t>(*read);
        complain(key, "routing.number", "\"" + text(key) + "\" is no number from 0 to 4294967295",
                 "write a plain number");
        return otherwise;
    }
    Address address(const char* key) {
        const std::string text = this->text(key);
        if (text.empty() || text == "none") return {};
        if (const auto found = parse_address(text)) return *found;
        complain(key, "routing.address", "\"" + text + "\" is no IPv4 or IPv6 address",
                 "write 192.0.2.1 or 2001:db8::1, without a length");
        return {};
    }
    // A network: host bits are an error, as they are to the kernel.
    Prefix network(const char* key) { return network(key, text(key)); }
    Prefix network(const char* key, const std::string& text) {
        const auto found = parse_prefix(text);
        if (!found) {
            complain(key, "routing.address", "\"" + text + "\" is no IPv4 or IPv6 network",
                     "write 10.0.0.0/8 or 2001:db8::/32");
            return {};
        }
        const Prefix network = network_of(*found);
        if (network != *found)
            complain(key, "routing.host-bits", text + " has bits beyond its length",
                     "the network is " + text_of(network));
        return network;
    }
    std::string device(const char* key) {
        const std::string name = text(key);
        const bool is_good = name.size() < 16 && name.find_first_of("/: \t\n") == std::string::npos;
        if (!is_good || name == "." || name == "..")
            complain(key, "routing.device", "\"" + name + "\" cannot be the name of a link",
                     "the kernel's names have at most 15 letters, without blanks, slashes and colons");
        return name;
    }
    std::uint32_t table(const char* key, const Tables& tables, std::uint32_t otherwise) {
        const Json* const value = member(key);
        if (!value) return otherwise;
        if (value->is_string())
            if (const auto id = tables.id_of(value->get_ref<const std::string&>())) return *id;
        if (!value->is_string() || parse_number(value->get_ref<const std::string&>())) return number(key);
        complain(key, "routing.table", "there is no table called " + text(key),
                 "write its number, or give it this name under `tables` in the provider's config");
        return otherwise;
    }

private:
    const Json* spec_;
    std::string at_ = "/spec";
    sdk::Diagnostics& problems_;
};

void complain_about_hop(SpecReader& read, const Nexthop& hop, unsigned family) {
    if (hop.via.family == AF_INET && family == AF_INET6)
        read.complain("via", "routing.family", "an IPv6 route has the IPv4 gateway " + text_of(hop.via),
                      "only IPv4 routes may have gateways of the other family");
    const bool is_link_local =
        hop.via.family == AF_INET6 && hop.via.bytes[0] == 0xFE && (hop.via.bytes[1] & 0xC0U) == 0x80;
    if (hop.dev.empty() && (hop.onlink || is_link_local || (hop.via.family == AF_INET6 && family == AF_INET)))
        read.complain("dev", "routing.needs-device",
                      "the gateway " + text_of(hop.via) + " cannot be told without its link",
                      "write dev: as well");
    if (hop.dev.empty() && hop.via.empty())
        read.complain("via", "routing.no-hop", "a nexthop has neither gateway nor link",
                      "write via:, dev:, or both");
    if (hop.onlink && hop.via.empty())
        read.complain("onlink", "routing.no-hop", "onlink is about a gateway, and there is none",
                      "write via: as well, or remove onlink");
}

Nexthop read_hop(SpecReader& read, unsigned family) {
    Nexthop hop;
    hop.via = read.address("via");
    hop.dev = read.device("dev");
    hop.onlink = read.flag("onlink");
    hop.weight = read.number("weight", 1);
    if (hop.weight < 1 || hop.weight > 256)
        read.complain("weight", "routing.number", "a weight is 1 to 256", "divide all of them by the same");
    complain_about_hop(read, hop, family);
    return hop;
}

// Sorted. The weight of a single hop says nothing, and the kernel forgets it.
std::vector<Nexthop> read_hops(const SpecReader& spec, unsigned family, sdk::Diagnostics& problems) {
    std::vector<Nexthop> out;
    const Json* const list = spec.member("nexthops");
    if (!list || !list->is_array()) return out;
    for (std::size_t i = 0; i < list->size(); ++i) {
        SpecReader element((*list)[i], "/spec/nexthops/" + std::to_string(i), problems);
        out.push_back(read_hop(element, family));
    }
    std::sort(out.begin(), out.end());
    const auto is_same_hop = [](const Nexthop& a, const Nexthop& b) {
        return a.via == b.via && a.dev == b.dev;
    };
    SpecReader whole = spec;
    if (std::adjacent_find(out.begin(), out.end(), is_same_hop) != out.end())
        whole.complain("nexthops", "routing.twice", "one nexthop is named twice", "give it a weight instead");
    if (out.size() > max_hops)
        whole.complain("nexthops", "routing.number", "there are more than 64 nexthops",
                       "hardly any device does more; use fewer");
    if (out.size() == 1) out.front().weight = 1;
    return out;
}

bool takes_hops(std::uint8_t type) { return type == RTN_UNICAST || type == RTN_LOCAL; }

void check_ways(SpecReader& read, const Route& route) {
    const bool has_short = read.has("via") || read.has("dev") || read.has("onlink");
    const bool has_list = read.has("nexthops") && !read.member("nexthops")->empty();
    const int ways = int(has_short) + int(has_list) + int(route.group != 0);
    if (!takes_hops(route.type) && ways > 0)
        read.complain("type", "routing.no-hop",
                      std::string("a route of type ") + word_of(route_types, route.type) + " leads nowhere",
                      "remove via, dev, nexthops and nexthopGroup, or the type");
    else if (takes_hops(route.type) && ways == 0)
        read.complain("to", "routing.no-hop", "the route says nowhere to go",
                      "write via:, dev:, nexthops: or nexthopGroup:");
    else if (ways > 1)
        read.complain(has_list ? "nexthops" : "nexthopGroup", "routing.no-hop",
                      "the route says in two ways where to go",
                      "keep one: via and dev, nexthops, or nexthopGroup");
}

Prefix read_destination(SpecReader& read) {
    const std::string to = read.text("to"), family = read.text("family");
    if (to != "default") {
        const Prefix prefix = read.network("to");
        if (!family.empty() && !prefix.empty() && family != family_word(prefix.address.family))
            read.complain("family", "routing.family", to + " is not " + family,
                          "remove family: `to` says it");
        return prefix;
    }
    if (!family.empty()) return default_of(family == "ipv6" ? AF_INET6 : AF_INET);
    const auto via = parse_address(read.text("via"));
    bool is_ipv6 = via && via->family == AF_INET6;
    if (const Json* hops = read.member("nexthops"); hops && hops->is_array() && !hops->empty())
        is_ipv6 = sdk::text_at(hops->front(), "/via").find(':') != std::string::npos;
    return default_of(is_ipv6 ? AF_INET6 : AF_INET);
}

} // namespace

// ---- documents to objects ----

Route read_route(const Json& document, const Tables& tables, sdk::Diagnostics& problems) {
    SpecReader read(document, problems);
    Route out;
    out.key.to = read_destination(read);
    out.key.table = read.table("table", tables, RT_TABLE_MAIN);
    out.key.metric = read.number("metric");
    if (out.family() == AF_INET6 && out.key.metric == 0) out.key.metric = ipv6_default_metric;
    const std::string type = read.has("type") ? read.text("type") : "unicast";
    if (const auto value = value_of(route_types, type))
        out.type = *value;
    else
        read.complain("type", "routing.word", "there is no type of routes called " + type,
                      "write unicast, local, blackhole, unreachable, prohibit or throw");
    out.group = read.number("nexthopGroup");
    out.src = read.address("src");
    out.mtu = read.number("mtu");
    out.advmss = read.number("advmss");
    if (!out.src.empty() && out.src.family != out.family())
        read.complain("src", "routing.family", "the source and the destination are of different families",
                      "write an address of the same family");
    if (!tables.is_owned(out.key.table))
        read.complain("table", "routing.table",
                      "this provider does not own table " + tables.name_of(out.key.table),
                      "add it to `tables` in the provider's config, or move the route");
    check_ways(read, out);
    if (read.has("via") || read.has("dev"))
        out.hops.push_back(read_hop(read, out.family()));
    else
        out.hops = read_hops(read, out.family(), problems);
    return out;
}

namespace {

// Sorted, each once. What is wrong is told of the first few: of a long list a person mends one thing.
std::vector<Prefix> read_destinations(const Json& document, sdk::Diagnostics& problems) {
    std::vector<Prefix> out;
    SpecReader read(document, problems);
    const Json* const list = read.member("to");
    if (!list || !list->is_array()) return out;
    constexpr std::size_t most_problems = 20;
    out.reserve(list->size());
    for (std::size_t i = 0; i < list->size() && problems.size() < most_problems; ++i) {
        static const std::string nothing;
        const Json& entry = (*list)[i];
        const std::string& text = entry.is_string() ? entry.get_ref<const std::string&>() : nothing;
        const std::string place = "to/" + std::to_string(i);
        const std::size_t before = problems.size();
        const Prefix prefix = read.network(place.c_str(), text);
        if (problems.size() > before) continue;
        if (prefix.is_default())
            read.complain(place.c_str(), "routing.default", "a default route is not one of many",
                          "declare it as a Route, which asks for confirmation");
        else if (!out.empty() && prefix.address.family != out.front().address.family)
            read.complain(place.c_str(), "routing.family",
                          text + " is not of the same family as the first destination",
                          "a set is for IPv4 or for IPv6; write two");
        else
            out.push_back(prefix);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

// All that a Route says beside the destination, as one to the first of them.
Json way_of(const Json& document) {
    Json out{{"spec", Json::object()}};
    const Json* const spec = sdk::find(document, "/spec");
    if (!spec || !spec->is_object()) return out;
    for (const auto& [key, value] : spec->items())
        if (key != "to" && key != "name" && key != "strays") out["spec"][key] = value;
    if (const Json* first = sdk::find(document, "/spec/to/0")) out["spec"]["to"] = *first;
    return out;
}

} // namespace

RouteSet read_route_set(const Json& document, const Settings& settings, sdk::Diagnostics& problems) {
    RouteSet out;
    out.to = read_destinations(document, problems);
    if (out.to.empty()) {
        if (problems.empty())
            problems.push_back({"routing.no-destination", "the set has no destinations",
                                "write at least one under `to`, or remove the document", "/spec/to"});
        return out;
    }
    out.way = read_route(way_of(document), settings.tables, problems);
    out.way.key.to = {};
    out.key = {sdk::text_at(document, "/spec/name"), out.way.key.table, out.to.front().address.family};
    if (const Json* strays = sdk::find(document, "/spec/strays"))
        for (const Json& stray : *strays) out.strays.push_back(stray.get<std::string>());
    const auto found = settings.sets.find(out.key.name);
    if (found != settings.sets.end())
        out.way.protocol = found->second;
    else
        problems.push_back(
            {"routing.set", "this provider has no set called " + out.key.name,
             "name it with a number of its own under `sets` in the provider's config: sets: {" +
                 out.key.name + ": 80}",
             "/spec/name"});
    return out;
}

namespace {

unsigned read_rule_family(SpecReader& read, const Prefix& from, const Prefix& to) {
    const std::string word = read.text("family");
    unsigned family = word == "ipv6" ? AF_INET6 : word == "ipv4" ? AF_INET : 0;
    for (const Prefix& prefix : {from, to}) {
        if (prefix.empty()) continue;
        if (family != 0 && family != prefix.address.family)
            read.complain("family", "routing.family", "the rule is of two families",
                          "a rule is for IPv4 or for IPv6; write two rules");
        family = prefix.address.family;
    }
    return family == 0 ? AF_INET : family;
}

Prefix read_selector(SpecReader& read, const char* key) {
    if (!read.has(key) || read.text(key) == "all" || read.text(key) == "default") return {};
    const Prefix out = read.network(key);
    return out.is_default() ? Prefix{} : out;
}

// "0x10", "16", "0x10/0xff"
void read_mark(SpecReader& read, Rule& rule) {
    const std::string text = read.text("fwmark");
    if (text.empty() || text == "none") return;
    const std::size_t slash = text.find('/');
    const auto mark = parse_number(std::string_view(text).substr(0, slash));
    const auto mask = slash == std::string::npos ? std::optional<std::uint64_t>(0xFFFFFFFFU)
                                                 : parse_number(std::string_view(text).substr(slash + 1));
    if (!mark || !mask || *mark > 0xFFFFFFFFU || *mask > 0xFFFFFFFFU || *mask == 0)
        return read.complain("fwmark", "routing.mark", "\"" + text + "\" is no mark",
                             "write 0x10, or 0x10/0xff with the bits that count");
    rule.mark = static_cast<std::uint32_t>(*mark);
    rule.mask = static_cast<std::uint32_t>(*mask);
    if ((rule.mark & ~rule.mask) != 0)
        read.complain("fwmark", "routing.mark",
                      "the mark " + text + " has bits that its mask does not look at",
                      "such a rule never fits a packet; correct the mask");
}

PortRange read_ports(SpecReader& read, const char* key) {
    const std::string text = read.text(key);
    if (text.empty() || text == "all") return {};
    const std::size_t dash = text.find('-');
    const auto first = parse_number(std::string_view(text).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : parse_number(std::string_view(text).substr(dash + 1));
    if (first && last && *first >= 1 && *first <= *last && *last <= 65535)
        return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
    read.complain(key, "routing.ports", "\"" + text + "\" is neither a port nor a range of ports",
                  "write 443 or 1000-2000");
    return {};
}

void read_ip_protocol(SpecReader& read, Rule& rule) {
    const std::string text = read.text("ipproto");
    if (text.empty() || text == "all") return;
    const auto number = parse_number(text);
    if (const auto known = value_of(ip_protocols, text))
        rule.ip_protocol = *known;
    else if (number && *number >= 1 && *number <= 255)
        rule.ip_protocol = static_cast<std::uint8_t>(*number);
    else
        read.complain("ipproto", "routing.word", "\"" + text + "\" is no IP protocol that is known here",
                      "write tcp, udp, icmp, icmpv6, sctp, esp, ah, or its number");
}

void read_action(SpecReader& read, const Tables& tables, Rule& rule) {
    const std::string text = read.has("action") ? read.text("action") : "lookup";
    const auto action = value_of(rule_actions, text);
    if (!action)
        return read.complain("action", "routing.word", "there is no action called " + text,
                             "write lookup, goto, nop, blackhole, unreachable or prohibit");
    rule.action = *action;
    rule.is_l3mdev = read.flag("l3mdev");
    const bool wants_table = rule.action == FR_ACT_TO_TBL && !rule.is_l3mdev;
    if (wants_table) rule.table = read.table("table", tables, 0);
    if (wants_table && rule.table == 0)
        read.complain("table", "routing.table", "the rule does not say in which table to look",
                      "write table: main, or another action");
    if (!wants_table && read.has("table"))
        read.complain("table", "routing.table", "a rule of this kind looks into no table", "remove table");
    if (rule.action == FR_ACT_GOTO) rule.target = read.number("goto");
    if (rule.action == FR_ACT_GOTO && rule.target <= rule.key.priority)
        read.complain("goto", "routing.number", "a rule can only go to one behind it",
                      "write goto: with a priority above " + std::to_string(rule.key.priority));
}

} // namespace

Rule read_rule(const Json& document, const Tables& tables, sdk::Diagnostics& problems) {
    SpecReader read(document, problems);
    Rule out;
    out.from = read_selector(read, "from");
    out.to = read_selector(read, "to");
    out.key.family = static_cast<std::uint8_t>(read_rule_family(read, out.from, out.to));
    out.key.priority = read.number("priority");
    out.is_inverted = read.flag("not");
    out.iif = read.device("iif");
    out.oif = read.device("oif");
    read_mark(read, out);
    read_ip_protocol(read, out);
    out.sport = read_ports(read, "sport");
    out.dport = read_ports(read, "dport");
    out.tos = static_cast<std::uint8_t>(read.number("tos") & 0xFFU);
    const Json* const suppress = read.member("suppressPrefixLength");
    if (suppress && suppress->is_number_integer()) out.suppress_length = suppress->get<std::int32_t>();
    read_action(read, tables, out);
    const bool has_ports = out.sport.first != 0 || out.dport.first != 0;
    if (has_ports && out.ip_protocol != 6 && out.ip_protocol != 17 && out.ip_protocol != 132)
        read.complain("ipproto", "routing.ports", "ports are looked at with ipproto tcp, udp or sctp only",
                      "write ipproto: tcp");
    return out;
}

Group read_group(const Json& document, sdk::Diagnostics& problems) {
    SpecReader read(document, problems);
    Group out;
    out.id = read.number("id");
    // A group of IPv6 hops may only have those: the first says which it is.
    const Json* const list = read.member("nexthops");
    const bool is_ipv6 = list && list->is_array() && !list->empty() &&
                         sdk::text_at(list->front(), "/via").find(':') != std::string::npos;
    out.hops = read_hops(read, is_ipv6 ? AF_INET6 : AF_INET, problems);
    if (out.hops.empty())
        read.complain("nexthops", "routing.no-hop", "the group has no nexthops", "write at least one");
    for (const Nexthop& hop : out.hops)
        if (hop.dev.empty() || (!hop.via.empty() && (hop.via.family == AF_INET6) != is_ipv6)) {
            read.complain("nexthops", "routing.needs-device",
                          "a nexthop of the group has no link, or is of another family than the first",
                          "the kernel wants dev: of each, and gateways of one family");
            break;
        }
    return out;
}

DesiredLink read_link(const Json& document, sdk::Diagnostics& problems) {
    SpecReader read(document, problems);
    DesiredLink out;
    out.name = read.device("name");
    if (read.has("up")) out.up = read.flag("up");
    if (read.has("mtu")) out.mtu = read.number("mtu");
    const Json* const list = read.member("addresses");
    for (std::size_t i = 0; list && list->is_array() && i < list->size(); ++i) {
        const std::string text = (*list)[i].is_string() ? (*list)[i].get<std::string>() : "";
        if (const auto prefix = parse_prefix(text); prefix && text.find('/') != std::string::npos)
            out.addresses.insert(*prefix);
        else
            read.complain(("addresses/" + std::to_string(i)).c_str(), "routing.address",
                          "\"" + text + "\" is no address with its length", "write 192.0.2.1/24");
    }
    return out;
}

} // namespace holdfast::routing

#include "documents.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <sys/socket.h>

#include "words.hpp"

namespace holdfast::routing {

namespace {

using sdk::Json;

} // namespace

// ---- objects to documents ----

namespace {

// Writes members in the order they are given in, which has to be that of their names.
class DocumentWriter {
public:
    DocumentWriter(std::string& out, const char* kind) : out_(out) {
        out_ += R"({"apiVersion":"routing.holdfast.dev/v1alpha1","kind":")";
        out_ += kind;
        out_ += R"(","spec":{)";
    }
    void end() { out_ += "}}"; }
    void name(const char* key) {
        if (!is_first_) out_ += ',';
        is_first_ = false;
        out_ += '"';
        out_ += key;
        out_ += "\":";
    }
    void number(const char* key, std::uint32_t value) {
        name(key);
        out_ += std::to_string(value);
    }
    // Set here, or set there: then it is written out as nothing.
    void number(const char* key, std::uint32_t value, std::uint32_t there) {
        if (value != 0 || there != 0) number(key, value);
    }
    void text(const char* key, std::string_view value) {
        name(key);
        sdk::append_quoted(out_, value);
    }
    void plain(const char* key, const std::string& value, bool is_there, const char* nothing) {
        if (!value.empty() || is_there) text(key, value.empty() ? nothing : value);
    }
    void flag(const char* key, bool value, bool there) {
        if (!value && !there) return;
        name(key);
        out_ += value ? "true" : "false";
    }
    void texts(const char* key, const std::vector<std::string>& values) {
        name(key);
        out_ += '[';
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (i > 0) out_ += ',';
            sdk::append_quoted(out_, values[i]);
        }
        out_ += ']';
    }
    void prefixes(const char* key, const std::vector<Prefix>& values) {
        name(key);
        out_ += '[';
        for (std::size_t i = 0; i < values.size(); ++i) {
            out_ += i > 0 ? ",\"" : "\"";
            append_text(out_, values[i]);
            out_ += '"';
        }
        out_ += ']';
    }
    void hops(const std::vector<Nexthop>& hops) {
        name("nexthops");
        out_ += '[';
        for (std::size_t i = 0; i < hops.size(); ++i) {
            if (i > 0) out_ += ',';
            out_ += '{';
            is_first_ = true;
            if (!hops[i].dev.empty()) text("dev", hops[i].dev);
            flag("onlink", hops[i].onlink, false);
            if (!hops[i].via.empty()) {
                name("via");
                out_ += '"';
                append_text(out_, hops[i].via);
                out_ += '"';
            }
            if (hops[i].weight != 1) number("weight", hops[i].weight);
            out_ += '}';
        }
        out_ += ']';
        is_first_ = false;
    }

private:
    std::string& out_;
    bool is_first_ = true;
};

std::string text_or_nothing(const Address& address) { return address.empty() ? "" : text_of(address); }
std::string text_or_nothing(const Prefix& prefix) { return prefix.empty() ? "" : text_of(prefix); }

std::string ports_text(const PortRange& range) {
    if (range.first == 0) return {};
    const std::string first = std::to_string(range.first);
    return range.first == range.last ? first : first + "-" + std::to_string(range.last);
}

std::string hex_text(std::uint32_t value) {
    std::array<char, 16> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, 16);
    return "0x" + std::string(buffer.data(), end.ptr);
}

std::string mark_text(const Rule& rule) {
    if (rule.mask == 0) return {};
    return rule.mask == 0xFFFFFFFFU ? hex_text(rule.mark) : hex_text(rule.mark) + "/" + hex_text(rule.mask);
}

std::string ip_protocol_text(std::uint8_t protocol) {
    if (protocol == 0) return {};
    const char* const word = word_of(ip_protocols, protocol);
    return word ? word : std::to_string(protocol);
}

} // namespace

void append_document(std::string& out, const Route& route, const Tables& tables, const Route* other) {
    static const Route nothing;
    const Route& there = other ? *other : nothing;
    DocumentWriter write(out, "Route");
    write.number("advmss", route.advmss, there.advmss);
    write.number("metric", route.key.metric);
    write.number("mtu", route.mtu, there.mtu);
    write.number("nexthopGroup", route.group, there.group);
    if (!route.hops.empty() || !there.hops.empty()) write.hops(route.hops);
    write.plain("src", text_or_nothing(route.src), !there.src.empty(), "none");
    write.text("table", tables.name_of(route.key.table));
    write.name("to");
    out += '"';
    append_text(out, route.key.to);
    out += '"';
    write.text("type", word_of(route_types, route.type));
    write.end();
}

std::string text_of(const Route& route) {
    std::string out = text_of(route.key.to) + " type " + word_of(route_types, route.type);
    for (const Nexthop& hop : route.hops) {
        if (!hop.via.empty()) out += " via " + text_of(hop.via);
        if (!hop.dev.empty()) out += " dev " + hop.dev;
        if (hop.onlink) out += " onlink";
        if (hop.weight != 1) out += " weight " + std::to_string(hop.weight);
    }
    if (route.group != 0) out += " nhid " + std::to_string(route.group);
    if (!route.src.empty()) out += " src " + text_of(route.src);
    if (route.mtu != 0) out += " mtu " + std::to_string(route.mtu);
    if (route.advmss != 0) out += " advmss " + std::to_string(route.advmss);
    if (route.is_strange) out += " and what documents cannot say";
    return out + " metric " + std::to_string(route.key.metric);
}

void append_document(std::string& out, const RouteSet& set, const Tables& tables, const RouteSet* other) {
    static const RouteSet nothing;
    const RouteSet& live = other ? *other : nothing;
    const Route &way = set.way, &there = live.way;
    DocumentWriter write(out, "RouteSet");
    write.number("advmss", way.advmss, there.advmss);
    write.text("family", family_word(set.key.family));
    write.number("metric", way.key.metric);
    write.number("mtu", way.mtu, there.mtu);
    write.text("name", set.key.name);
    write.number("nexthopGroup", way.group, there.group);
    if (!way.hops.empty() || !there.hops.empty()) write.hops(way.hops);
    write.plain("src", text_or_nothing(way.src), !there.src.empty(), "none");
    if (!set.strays.empty() || !live.strays.empty()) write.texts("strays", set.strays);
    write.text("table", tables.name_of(set.key.table));
    write.prefixes("to", set.to);
    write.text("type", word_of(route_types, way.type));
    write.end();
}

void append_document(std::string& out, const Rule& rule, const Tables& tables, const Rule* other) {
    static const Rule nothing;
    const Rule& there = other ? *other : nothing;
    const char* const action = word_of(rule_actions, rule.action);
    DocumentWriter write(out, "Rule");
    write.text("action", action ? action : std::to_string(rule.action));
    write.plain("dport", ports_text(rule.dport), there.dport.first != 0, "all");
    write.text("family", family_word(rule.key.family));
    write.plain("from", text_or_nothing(rule.from), !there.from.empty(), "all");
    write.plain("fwmark", mark_text(rule), there.mask != 0, "none");
    write.number("goto", rule.target, there.target);
    write.plain("iif", rule.iif, !there.iif.empty(), "");
    write.plain("ipproto", ip_protocol_text(rule.ip_protocol), there.ip_protocol != 0, "all");
    write.flag("l3mdev", rule.is_l3mdev, there.is_l3mdev);
    write.flag("not", rule.is_inverted, there.is_inverted);
    write.plain("oif", rule.oif, !there.oif.empty(), "");
    write.number("priority", rule.key.priority);
    write.plain("sport", ports_text(rule.sport), there.sport.first != 0, "all");
    if (rule.suppress_length >= 0 || there.suppress_length >= 0) {
        write.name("suppressPrefixLength");
        out += std::to_string(rule.suppress_length);
    }
    if (rule.table != 0 && tables.has_name(rule.table))
        write.text("table", tables.name_of(rule.table));
    else
        write.number("table", rule.table, there.table);
    write.plain("to", text_or_nothing(rule.to), !there.to.empty(), "all");
    write.number("tos", rule.tos, there.tos);
    write.end();
}

void append_document(std::string& out, const Group& group) {
    DocumentWriter write(out, "NexthopGroup");
    write.number("id", group.id);
    write.hops(group.hops);
    write.end();
}

void append_document(std::string& out, const DesiredLink& link) {
    DocumentWriter write(out, "Link");
    if (!link.addresses.empty()) {
        write.name("addresses");
        sdk::Json list = sdk::Json::array();
        for (const Prefix& address : link.addresses) list.push_back(text_of(address));
        out += list.dump();
    }
    if (link.mtu) write.number("mtu", *link.mtu);
    write.text("name", link.name);
    if (link.up) {
        write.name("up");
        out += *link.up ? "true" : "false";
    }
    write.end();
}

void append_document(std::string& out, const Link& link) {
    sdk::Json mine = sdk::Json::array(), all = sdk::Json::array();
    for (const LinkAddress& address : link.addresses) {
        all.push_back(text_of(address.prefix));
        if (address.is_permanent) mine.push_back(text_of(address.prefix));
    }
    sdk::Json status{{"addresses", all}, {"carrier", link.has_carrier}, {"index", link.index}};
    if (!link.kind.empty()) status["kind"] = link.kind;
    if (!link.mac.empty()) status["mac"] = link.mac;
    if (link.vrf_table != 0) status["vrfTable"] = link.vrf_table;
    out += sdk::dump_json(
        {{"apiVersion", api_version},
         {"kind", "Link"},
         {"spec", {{"addresses", mine}, {"mtu", link.mtu}, {"name", link.name}, {"up", link.is_up}}},
         {"status", status}});
}

void append_protocol(std::string& document, std::uint8_t protocol) {
    document.pop_back();
    document += R"(,"status":{"protocol":)" + sdk::quote(protocol_word(protocol)) + "}}";
}

void settle_devices(std::vector<Nexthop>& hops, const std::vector<Nexthop>& live) {
    for (Nexthop& hop : hops) {
        if (!hop.dev.empty()) continue;
        for (const Nexthop& there : live)
            if (there.via == hop.via) hop.dev = there.dev;
    }
    std::sort(hops.begin(), hops.end());
}

// ---- identities ----

namespace {

sdk::Error no_identity(std::string_view text) {
    return sdk::Error("routing.identity", "\"" + std::string(text) + "\" identifies no object of this plugin",
                      "this is a defect: please report it");
}

} // namespace

std::string identity_of(const RouteKey& key, const Tables& tables) {
    std::string out = "[";
    sdk::append_quoted(out, tables.name_of(key.table));
    out += ",\"";
    append_text(out, key.to);
    out += "\"," + std::to_string(key.metric) + "]";
    return out;
}

std::string identity_of(const RouteSetKey& key, const Tables& tables) {
    return "[" + sdk::quote(key.name) + "," + sdk::quote(tables.name_of(key.table)) + ",\"" +
           family_word(key.family) + "\"]";
}

std::string identity_of(const RuleKey& key) {
    return std::string("[\"") + family_word(key.family) + "\"," + std::to_string(key.priority) + "]";
}

RouteKey route_key_of(std::string_view identity, const Tables& tables) {
    const sdk::Json json = sdk::parse_json(identity, "routing.identity");
    if (!json.is_array() || json.size() != 3 || !json[0].is_string() || !json[1].is_string() ||
        !json[2].is_number_unsigned())
        throw no_identity(identity);
    const auto table = tables.id_of(json[0].get_ref<const std::string&>());
    const auto to = parse_prefix(json[1].get_ref<const std::string&>());
    if (!table || !to) throw no_identity(identity);
    return {*to, *table, json[2].get<std::uint32_t>()};
}

RouteSetKey route_set_key_of(std::string_view identity, const Tables& tables) {
    const sdk::Json json = sdk::parse_json(identity, "routing.identity");
    if (!json.is_array() || json.size() != 3 || !json[0].is_string() || !json[1].is_string())
        throw no_identity(identity);
    const std::string& table = json[1].get_ref<const std::string&>();
    const auto id = tables.id_of(table);
    if (!id) throw no_identity(identity);
    return {json[0].get<std::string>(), *id,
            static_cast<std::uint8_t>(json[2] == "ipv6" ? AF_INET6 : AF_INET)};
}

RuleKey rule_key_of(std::string_view identity) {
    const sdk::Json json = sdk::parse_json(identity, "routing.identity");
    if (!json.is_array() || json.size() != 2 || !json[1].is_number_unsigned()) throw no_identity(identity);
    return {static_cast<std::uint8_t>(json[0] == "ipv6" ? AF_INET6 : AF_INET), json[1].get<std::uint32_t>()};
}

std::uint32_t group_id_of(std::string_view identity) {
    const sdk::Json json = sdk::parse_json(identity, "routing.identity");
    if (!json.is_number_unsigned()) throw no_identity(identity);
    return json.get<std::uint32_t>();
}

std::string link_name_of(std::string_view identity) {
    const sdk::Json json = sdk::parse_json(identity, "routing.identity");
    if (!json.is_string()) throw no_identity(identity);
    return json.get<std::string>();
}

std::string version_of(std::string_view document) {
    std::uint64_t hash = 14695981039346656037U; // FNV-1a
    for (const char c : document) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    static const char* const digits = "0123456789abcdef";
    std::string out(16, '0');
    for (std::size_t i = 16; i-- > 0; hash >>= 4U) out[i] = digits[hash & 15U];
    return out;
}

} // namespace holdfast::routing

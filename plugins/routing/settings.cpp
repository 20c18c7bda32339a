#include "settings.hpp"

#include <algorithm>
#include <utility>

#include <linux/rtnetlink.h>

namespace holdfast::routing {

namespace {

constexpr std::pair<const char*, std::uint32_t> kernel_tables[] = {
    {"main", RT_TABLE_MAIN}, {"default", RT_TABLE_DEFAULT}, {"local", RT_TABLE_LOCAL}};

constexpr std::pair<const char*, std::uint8_t> protocols[] = {
    {"unspec", 0}, {"redirect", 1}, {"kernel", 2},   {"boot", 3},        {"static", 4},    {"gated", 8},
    {"ra", 9},     {"mrt", 10},     {"zebra", 11},   {"bird", 12},       {"dnrouted", 13}, {"xorp", 14},
    {"ntk", 15},   {"dhcp", 16},    {"mrouted", 17}, {"keepalived", 18}, {"babel", 42},    {"openr", 99},
    {"bgp", 186},  {"isis", 187},   {"ospf", 188},   {"rip", 189},       {"eigrp", 192}};

sdk::Error wrong(std::string message, std::string hint) {
    return sdk::Error("routing.config", std::move(message), std::move(hint));
}

DaemonSettings read_daemon(const sdk::Json& config, const char* socket_key) {
    DaemonSettings out;
    out.config = sdk::text_at(config, "/config");
    out.socket = config.value(socket_key, "");
    if (const sdk::Json* timeout = sdk::find(config, "/timeout"))
        out.timeout = std::chrono::seconds(timeout->get<int>());
    if (out.config.empty() || out.config.front() != '/')
        throw wrong("the daemon's configuration file is named by no absolute path: \"" + out.config + "\"",
                    "write config: /etc/bird/bird.conf, or where it is");
    return out;
}

// A set owns all routes of its number, so that it must not be a number that others write.
void read_sets(const sdk::Json& sets, Settings& out) {
    for (const auto& [name, number] : sets.items()) {
        const auto protocol = number.get<std::uint8_t>();
        const bool has_name = std::any_of(std::begin(protocols), std::end(protocols),
                                          [&](const auto& known) { return known.second == protocol; });
        if (has_name || protocol <= RTPROT_STATIC)
            throw wrong("set \"" + name + "\" cannot have protocol " + std::to_string(protocol) +
                            ", which is " + protocol_word(protocol) + "'s",
                        "choose a number that nobody else uses, see /etc/iproute2/rt_protos");
        if (protocol == out.protocol || out.set_of(protocol))
            throw wrong("protocol " + std::to_string(protocol) + " of set \"" + name +
                            "\" marks something else of this provider",
                        "give each set a number of its own, and not that of `protocol`");
        out.sets.emplace(name, protocol);
    }
}

} // namespace

void Tables::add(const std::string& name, std::uint32_t id) {
    if (id == RT_TABLE_LOCAL || id == RT_TABLE_UNSPEC)
        throw wrong("table " + std::to_string(id) + " is the kernel's own",
                    "name tables of yours: 1 to 252, main, default, or above 255");
    for (const auto& [word, number] : kernel_tables)
        if ((name == word) != (id == number))
            throw wrong("table \"" + name + "\" cannot have number " + std::to_string(id),
                        std::string("the kernel's table ") + word + " has number " + std::to_string(number));
    if (name.empty() || name.find_first_not_of("0123456789") == std::string::npos)
        throw wrong("\"" + name + "\" cannot be the name of a table", "begin it with a letter");
    if (!owned_.emplace(id, name).second)
        throw wrong("table " + std::to_string(id) + " has two names", "keep one of them");
}

std::optional<std::uint32_t> Tables::id_of(std::string_view name) const {
    for (const auto& [id, own] : owned_)
        if (own == name) return id;
    for (const auto& [word, number] : kernel_tables)
        if (name == word) return number;
    return std::nullopt;
}

bool Tables::has_name(std::uint32_t id) const {
    return owned_.count(id) != 0 || std::any_of(std::begin(kernel_tables), std::end(kernel_tables),
                                                [&](const auto& table) { return table.second == id; });
}

std::string Tables::name_of(std::uint32_t id) const {
    if (const auto found = owned_.find(id); found != owned_.end()) return found->second;
    for (const auto& [word, number] : kernel_tables)
        if (number == id) return word;
    return std::to_string(id);
}

Settings read_settings(std::string_view config) {
    const sdk::Json json = sdk::parse_json(config.empty() ? "{}" : config, "routing.config");
    Settings out;
    out.netns = sdk::text_at(json, "/netns");
    out.protocol = json.value("protocol", out.protocol);
    if (out.protocol <= RTPROT_STATIC)
        throw wrong("protocol " + std::to_string(out.protocol) + " is one of the kernel's own or of people",
                    "choose a number that nobody else uses, see /etc/iproute2/rt_protos");
    if (const sdk::Json* tables = sdk::find(json, "/tables"))
        for (const auto& [name, id] : tables->items()) out.tables.add(name, id.get<std::uint32_t>());
    else
        out.tables.add("main", RT_TABLE_MAIN);
    const sdk::Json adopt = json.value("adopt", sdk::Json::array({"boot", "static"}));
    for (const sdk::Json& word : adopt)
        for (const auto& [name, number] : protocols)
            if (word == name) out.adopts[number] = true;
    // `ip rule` and `ip nexthop` say of nobody that he made it, where `ip route` says boot.
    out.adopts[RTPROT_UNSPEC] = out.adopts[RTPROT_BOOT];
    out.manages_links = json.value("manageLinks", false);
    if (const sdk::Json* sets = sdk::find(json, "/sets")) read_sets(*sets, out);
    if (const sdk::Json* bird = sdk::find(json, "/bird")) out.bird = read_daemon(*bird, "socket");
    if (const sdk::Json* frr = sdk::find(json, "/frr")) out.frr = read_daemon(*frr, "sockets");
    if (out.bird && out.bird->socket.empty()) out.bird->socket = "/run/bird/bird.ctl";
    if (out.frr && out.frr->socket.empty()) out.frr->socket = "/var/run/frr";
    return out;
}

const std::string* Settings::set_of(std::uint8_t of) const {
    for (const auto& [name, number] : sets)
        if (number == of) return &name;
    return nullptr;
}

std::string protocol_word(std::uint8_t protocol) {
    for (const auto& [name, number] : protocols)
        if (number == protocol) return name;
    return std::to_string(protocol);
}

} // namespace holdfast::routing

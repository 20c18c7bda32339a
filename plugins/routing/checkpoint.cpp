#include "checkpoint.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <linux/nexthop.h>
#include <sys/socket.h>

#include <holdfast/parts.hpp>

#include "documents.hpp"
#include "writer.hpp"

namespace holdfast::routing {

namespace {

using sdk::Json;

constexpr const char* snapshot_format = "routing/1";

Wanted everything(const Settings& settings) {
    Wanted out;
    out.links = out.addresses = out.rules = out.nexthops = true;
    for (const auto& [id, name] : settings.tables.owned()) {
        out.table(id, AF_INET);
        out.table(id, AF_INET6);
    }
    return out;
}

bool is_saved(std::uint8_t protocol, bool is_strange, const Settings& settings) {
    return settings.is_visible(protocol) && !is_strange;
}

// With what documents do not have: other metrics, as hex digits.
Json saved(const Route& route, const Tables& tables) {
    std::string document;
    append_document(document, route, tables);
    Json out{{"document", sdk::parse_json(document)}, {"protocol", route.protocol}};
    if (!route.more_metrics.empty()) out["metrics"] = sdk::to_hex(route.more_metrics);
    return out;
}

Json saved(const NexthopObject& object) {
    Json out{{"id", object.id}, {"protocol", object.protocol}, {"family", object.family}};
    if (object.is_group) {
        out["members"] = object.members;
    } else {
        out["dev"] = object.hop.dev;
        out["via"] = text_of(object.hop.via);
        out["onlink"] = object.hop.onlink;
    }
    return out;
}

Json saved(const Link& link) {
    Json addresses = Json::array();
    for (const LinkAddress& address : link.addresses)
        if (address.is_permanent) addresses.push_back(text_of(address.prefix));
    return {{"name", link.name}, {"up", link.is_up}, {"mtu", link.mtu}, {"addresses", addresses}};
}

std::string from_hex(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    return out;
}

struct Saved {
    RouteIndex routes;
    std::vector<Rule> rules;
    std::map<std::uint32_t, NexthopObject> nexthops;
    std::vector<DesiredLink> links;
};

NexthopObject read_nexthop(const Json& json) {
    NexthopObject out;
    out.id = json.at("id").get<std::uint32_t>();
    out.protocol = json.at("protocol").get<std::uint8_t>();
    out.family = json.at("family").get<std::uint8_t>();
    out.is_group = json.contains("members");
    if (out.is_group) {
        out.members = json.at("members").get<std::vector<std::pair<std::uint32_t, std::uint32_t>>>();
        return out;
    }
    out.hop.dev = json.at("dev").get<std::string>();
    out.hop.via = parse_address(json.at("via").get_ref<const std::string&>()).value_or(Address{});
    out.hop.onlink = json.at("onlink").get<bool>();
    return out;
}

Saved read_saved(std::string_view snapshot, const Settings& settings) {
    const Json json = sdk::parse_json(snapshot, "routing.snapshot");
    sdk::Diagnostics problems;
    Saved out;
    try {
        if (json.at("format") != snapshot_format)
            throw sdk::Error("routing.snapshot", "it has another format");
        for (const Json& entry : json.at("routes")) {
            Route route = read_route(entry.at("document"), settings.tables, problems);
            route.protocol = entry.at("protocol").get<std::uint8_t>();
            route.more_metrics = from_hex(entry.value("metrics", ""));
            out.routes.add(std::move(route));
        }
        for (const Json& entry : json.at("rules")) {
            out.rules.push_back(read_rule(entry.at("document"), settings.tables, problems));
            out.rules.back().protocol = entry.at("protocol").get<std::uint8_t>();
        }
        for (const Json& entry : json.at("nexthops")) {
            NexthopObject object = read_nexthop(entry);
            out.nexthops.emplace(object.id, std::move(object));
        }
        for (const Json& entry : json.at("links"))
            out.links.push_back(read_link({{"spec", entry}}, problems));
    } catch (const Json::exception& error) {
        throw sdk::Error("routing.snapshot", std::string("the snapshot is damaged: ") + error.what(),
                         "nothing was restored; set the routes right by hand");
    }
    // A snapshot was live once: what the reader complains of (a table that the config has lost) it says
    // again.
    if (!problems.empty()) throw sdk::Error(problems.front());
    return out;
}

// One way back: each part makes what is missing, and in the end removes what is too much.
class Restoration {
public:
    Restoration(Kernel& kernel, const Settings& settings, const Saved& saved)
        : kernel_(kernel), settings_(settings), saved_(saved), live_(kernel.read(everything(settings))) {}

    void run() {
        links();
        make_nexthops();
        routes();
        rules();
        finish();
        drop_rules();
        finish();
        drop_routes();
        finish();
        drop_nexthops();
        finish();
        if (!problems_.empty()) {
            sdk::Diagnostic out{"routing.restore", problems_.front().message, problems_.front().hint, "",
                                sdk::Retry::after};
            if (problems_.size() > 1)
                out.message += " (and " + std::to_string(problems_.size() - 1) + " more)";
            throw sdk::Error(out);
        }
    }

private:
    template <typename Put>
    void add(std::uint16_t type, int flags, const std::string& what, const Put& put) {
        nlmsghdr* const request = batch_.add(names_.size(), type, static_cast<std::uint16_t>(flags));
        try {
            put(request);
            batch_.end(request);
            names_.push_back(what);
        } catch (const sdk::Error& error) {
            batch_.drop();
            problems_.push_back(error.diagnostic());
        }
    }
    // Gone already, or there already, is as it is to be.
    void finish() {
        for (const Batch::Failure& failure : batch_.finish())
            if (failure.error != ESRCH && failure.error != ENOENT && failure.error != EEXIST)
                problems_.push_back(refusal(failure.error, failure.text, names_[failure.tag]));
        names_.clear();
    }

    void links() {
        for (const DesiredLink& then : saved_.links) {
            const Link* const now = live_.link(then.name);
            if (!now || !settings_.manages_links) continue;
            if (then.mtu && *then.mtu != now->mtu)
                add(RTM_NEWLINK, 0, then.name,
                    [&](nlmsghdr* m) { put_link_change(m, *now, std::nullopt, then.mtu); });
            for (const Prefix& address : then.addresses)
                add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, then.name,
                    [&](nlmsghdr* m) { put_link_address(m, now->index, address); });
            for (const LinkAddress& there : now->addresses)
                if (there.is_permanent && then.addresses.count(there.prefix) == 0)
                    add(RTM_DELADDR, 0, then.name,
                        [&](nlmsghdr* m) { put_link_address(m, now->index, there.prefix); });
            if (then.up && *then.up != now->is_up)
                add(RTM_NEWLINK, 0, then.name,
                    [&](nlmsghdr* m) { put_link_change(m, *now, then.up, std::nullopt); });
        }
        finish();
    }

    // Single ones first: groups name them.
    void make_nexthops() {
        for (const bool is_group : {false, true})
            for (const auto& [id, object] : saved_.nexthops) {
                if (object.is_group != is_group) continue;
                const auto now = live_.nexthops.find(id);
                const bool is_so = now != live_.nexthops.end() && now->second.hop == object.hop &&
                                   now->second.members == object.members && now->second.is_group == is_group;
                if (!is_so)
                    add(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, "nexthop " + std::to_string(id),
                        [&](nlmsghdr* m) { put_nexthop(m, object, live_.devices); });
            }
        finish();
    }

    void drop_nexthops() {
        for (const bool is_group : {true, false})
            for (const auto& [id, object] : live_.nexthops)
                if (object.is_group == is_group && is_saved(object.protocol, object.is_strange, settings_) &&
                    saved_.nexthops.count(id) == 0)
                    add(RTM_DELNEXTHOP, 0, "nexthop " + std::to_string(id),
                        [&, id = id](nlmsghdr* m) { put_nexthop_removal(m, id); });
    }

    static bool is_among(const Route& wanted, const std::vector<const Route*>& routes) {
        return std::any_of(routes.begin(), routes.end(), [&](const Route* route) {
            return route->protocol == wanted.protocol && route->says_same(wanted);
        });
    }
    // What is on a link itself comes first: gateways of others may lie there.
    void routes() {
        for (const bool has_gateway : {false, true})
            for (const Route& then : saved_.routes.all()) {
                const bool is_via = std::any_of(then.hops.begin(), then.hops.end(),
                                                [](const Nexthop& hop) { return !hop.via.empty(); });
                const std::vector<const Route*> now = live_.routes.of(then.key);
                if (is_via != has_gateway || is_among(then, now)) continue;
                // Somebody else's route of the key is not to be replaced by ours.
                const bool is_free = std::all_of(now.begin(), now.end(), [&](const Route* route) {
                    return is_saved(route->protocol, route->is_strange, settings_);
                });
                const bool is_first = saved_.routes.of(then.key).front() == &then; // twins come behind it
                const int how = is_free && is_first ? NLM_F_REPLACE : NLM_F_APPEND;
                add(RTM_NEWROUTE, NLM_F_CREATE | how, name_of(then.key, settings_.tables),
                    [&](nlmsghdr* m) { put_route(m, then, live_.devices); });
            }
    }

    void drop_routes() {
        const Picture made = kernel_.read(everything(settings_));
        for (const Route& now : made.routes.all())
            if (is_saved(now.protocol, now.is_strange, settings_) &&
                !is_among(now, saved_.routes.of(now.key)))
                add(RTM_DELROUTE, 0, name_of(now.key, settings_.tables),
                    [&](nlmsghdr* m) { put_route_removal(m, now, live_.devices); });
    }

    static bool is_among(const Rule& wanted, const std::vector<Rule>& rules) {
        return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
            return rule.protocol == wanted.protocol && rule.says_same(wanted);
        });
    }
    void rules() {
        for (const Rule& then : saved_.rules)
            if (!is_among(then, live_.rules))
                add(RTM_NEWRULE, NLM_F_CREATE, "rule " + identity_of(then.key),
                    [&](nlmsghdr* m) { put_rule(m, then); });
    }
    void drop_rules() {
        for (const Rule& now : live_.rules)
            if (is_saved(now.protocol, now.is_strange, settings_) && !is_among(now, saved_.rules))
                add(RTM_DELRULE, 0, "rule " + identity_of(now.key), [&](nlmsghdr* m) { put_rule(m, now); });
    }

    Kernel& kernel_;
    const Settings& settings_;
    const Saved& saved_;
    Picture live_;
    Batch batch_ = kernel_.batch();
    std::vector<std::string> names_;
    sdk::Diagnostics problems_;
};

} // namespace

std::string take_snapshot(Kernel& kernel, const Settings& settings) {
    const Picture now = kernel.read(everything(settings));
    Json routes = Json::array(), rules = Json::array(), nexthops = Json::array(), links = Json::array();
    for (const Route& route : now.routes.all())
        if (is_saved(route.protocol, route.is_strange, settings))
            routes.push_back(saved(route, settings.tables));
    for (const Rule& rule : now.rules) {
        if (!is_saved(rule.protocol, rule.is_strange, settings)) continue;
        std::string document;
        append_document(document, rule, settings.tables);
        rules.push_back({{"document", sdk::parse_json(document)}, {"protocol", rule.protocol}});
    }
    for (const auto& [id, object] : now.nexthops)
        if (is_saved(object.protocol, object.is_strange, settings)) nexthops.push_back(saved(object));
    if (settings.manages_links)
        for (const auto& [index, link] : now.links) links.push_back(saved(link));
    return sdk::dump_json({{"format", snapshot_format},
                           {"routes", routes},
                           {"rules", rules},
                           {"nexthops", nexthops},
                           {"links", links}});
}

void restore_snapshot(Kernel& kernel, const Settings& settings, std::string_view snapshot) {
    Restoration(kernel, settings, read_saved(snapshot, settings)).run();
}

} // namespace holdfast::routing

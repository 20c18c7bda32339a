// The plugin against the real kernel, asked as the engine asks it.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "net.hpp"
#include "support/catch.hpp"
#include "support/hinted.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;
using Json = nlohmann::json;

#define IN_A_NETWORK                                                                                         \
    if (const auto why = no_network()) return skip(*why);                                                    \
    const Net net

namespace {

const std::string group = "routing.holdfast.dev/v1alpha1/";
const std::string config = R"({"tables":{"main":254,"other":100}})";

Ask ask(const std::string& kind, const std::string& identity, const Json& spec,
        ItemAction action = ItemAction::create) {
    const Json document{{"apiVersion", "routing.holdfast.dev/v1alpha1"}, {"kind", kind}, {"spec", spec}};
    return {.kind = group + kind,
            .identity = identity,
            .declared = action == ItemAction::remove ? "" : document.dump(),
            .action = action};
}

Ask route(const std::string& to, Json spec, ItemAction action = ItemAction::create,
          const std::string& table = "main") {
    spec["to"] = to;
    spec["table"] = table;
    unsigned metric = spec.value("metric", 0U);
    if (to.find(':') != std::string::npos && metric == 0) metric = 1024;
    return ask("Route", Json{table, to, metric}.dump(), spec, action);
}

Ask rule(unsigned priority, Json spec, ItemAction action = ItemAction::create) {
    spec["priority"] = priority;
    return ask("Rule", Json{spec.value("family", "ipv4"), priority}.dump(), spec, action);
}

// What the next apply is compared against.
Ask as_seen(Ask ask, const Answer& seen, ItemAction action = ItemAction::update) {
    ask.action = action;
    ask.version = seen.version;
    ask.observed = seen.document;
    if (action == ItemAction::remove) ask.declared.clear();
    return ask;
}

struct Kernel {
    PluginDriver plugin{"routing", config};

    std::string apply(const std::vector<Ask>& items) {
        return plugin.ask(Method::apply, "", items).summary();
    }
    Answers observe(const std::vector<Ask>& items) { return plugin.ask(Method::observe, "", items); }
    // Each with what observe has just said.
    std::string update(const std::vector<Ask>& items, ItemAction action = ItemAction::update) {
        const Answers seen = observe(items);
        std::vector<Ask> asks;
        for (std::uint32_t i = 0; i < items.size(); ++i) asks.push_back(as_seen(items[i], seen[i], action));
        return apply(asks);
    }
};

// Sends datagrams without a pause and counts those that met no route.
class Prober {
public:
    explicit Prober(const std::string& address, unsigned mark = 0) {
        const bool is_v6 = address.find(':') != std::string::npos;
        fd_ = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (mark != 0) setsockopt(fd_, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
        sockaddr_in6 v6{};
        sockaddr_in v4{};
        v6.sin6_family = AF_INET6;
        v4.sin_family = AF_INET;
        v6.sin6_port = v4.sin_port = htons(9);
        inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr);
        inet_pton(AF_INET, address.c_str(), &v4.sin_addr);
        if (is_v6)
            to_.assign(reinterpret_cast<const char*>(&v6), sizeof v6);
        else
            to_.assign(reinterpret_cast<const char*>(&v4), sizeof v4);
        thread_ = std::jthread([this](std::stop_token stop) {
            while (!stop.stop_requested()) {
                ++sent_;
                if (sendto(fd_, "x", 1, 0, reinterpret_cast<const sockaddr*>(to_.data()),
                           static_cast<socklen_t>(to_.size())) < 0 &&
                    errno != ENOBUFS)
                    ++lost_;
            }
        });
        while (sent_ < 100) std::this_thread::sleep_for(1ms);
    }
    ~Prober() {
        thread_.request_stop();
        thread_.join();
        close(fd_);
    }
    unsigned lost() const { return lost_; }
    unsigned sent() const { return sent_; }

private:
    int fd_ = -1;
    std::string to_;
    std::atomic<unsigned> sent_{0}, lost_{0};
    std::jthread thread_;
};

Json hops(std::initializer_list<const char*> gateways) {
    Json out = Json::array();
    for (const char* gateway : gateways) out.push_back({{"via", gateway}, {"dev", "v0"}});
    return out;
}

} // namespace

TEST_CASE("routes of all kinds are made as declared, and are found to be as declared") {
    IN_A_NETWORK;
    Kernel kernel;
    const std::vector<Ask> items{
        route("10.1.0.0/16", {{"via", "192.0.2.2"}}),
        route("10.1.0.0/16", {{"via", "192.0.2.3"}, {"metric", 50}}),
        route("10.2.0.0/16", {{"dev", "v0"}, {"src", "192.0.2.1"}, {"mtu", 1400}, {"advmss", 1360}}),
        route("10.3.0.0/16", {{"nexthops", {{{"via", "192.0.2.3"}, {"weight", 3}}, {{"via", "192.0.2.2"}}}}}),
        route("10.4.0.0/16", {{"via", "203.0.113.1"}, {"dev", "v0"}, {"onlink", true}}),
        route("10.5.0.0/16", {{"type", "blackhole"}}),
        route("10.6.0.0/16", {{"type", "throw"}}, ItemAction::create, "other"),
        route("10.7.0.0/16", {{"via", "2001:db8::2"}, {"dev", "v0"}}),
        route("10.8.0.0/16", {{"type", "local"}, {"dev", "lo"}}, ItemAction::create, "other"),
        route("fd01::/32", {{"via", "2001:db8::2"}}),
        route("fd02::/32", {{"nexthops", hops({"2001:db8::3", "2001:db8::2"})}}),
        route("fd03::/32", {{"type", "prohibit"}}),
        route("::/0", {{"via", "fe80::1"}, {"dev", "v0"}}),
        route("0.0.0.0/0", {{"via", "192.0.2.9"}}),
    };
    const Answers made = kernel.plugin.ask(Method::apply, "", items);
    INFO(made.summary());
    for (std::uint32_t i = 0; i < items.size(); ++i) CHECK(made[i].outcome == Outcome::done);
    CHECK(routes("route show 10.1.0.0/16") == "10.1.0.0/16 via 192.0.2.2 dev v0 proto 72\n"
                                              "10.1.0.0/16 via 192.0.2.3 dev v0 proto 72 metric 50\n");
    CHECK(routes("route show 10.2.0.0/16").find("scope link src 192.0.2.1 mtu 1400 advmss 1360") !=
          std::string::npos);
    CHECK(routes("route show 10.7.0.0/16").find("via inet6 2001:db8::2 dev v0") != std::string::npos);
    CHECK(routes("route show table 100").find("throw 10.6.0.0/16 proto 72") != std::string::npos);

    // Canonical and observed are the same, for each; and to write it again writes nothing.
    const Answers seen = kernel.observe(items);
    std::vector<Ask> again;
    for (std::uint32_t i = 0; i < items.size(); ++i) again.push_back(as_seen(items[i], seen[i]));
    const Answers canonical = kernel.plugin.ask(Method::canonicalize, "", again);
    for (std::uint32_t i = 0; i < items.size(); ++i) {
        CHECK(Json::parse(canonical[i].document).at("spec") == Json::parse(seen[i].document).at("spec"));
        CHECK(Json::parse(seen[i].document) == Json::parse(made[i].document));
    }
    const Answers unchanged = kernel.plugin.ask(Method::apply, "", again);
    for (std::uint32_t i = 0; i < items.size(); ++i) CHECK(unchanged[i].outcome == Outcome::unchanged);
    std::string expected;
    for (const Ask& item : items)
        expected += (expected.empty() ? "" : " ") + std::string(item.kind.empty() ? "" : "done");
    CHECK(kernel.update(items, ItemAction::remove) == expected);
    CHECK(routes("route show proto 72") == "");
    CHECK(routes("-6 route show proto 72") == "");
}

TEST_CASE("no packet meets no route while routes and rules change") {
    IN_A_NETWORK;
    Kernel kernel;
    const std::vector<Json> ways{{{"nexthops", hops({"192.0.2.2", "192.0.2.3"})}},
                                 {{"via", "192.0.2.4"}, {"dev", "v0"}},
                                 {{"dev", "v0"}},
                                 {{"via", "192.0.2.5"}, {"dev", "v0"}, {"mtu", 1300}},
                                 {{"via", "198.51.100.5"}, {"dev", "v1"}}};
    const std::vector<Json> ways6{{{"nexthops", hops({"2001:db8::2", "2001:db8::3"})}},
                                  {{"via", "2001:db8::4"}, {"dev", "v0"}},
                                  {{"nexthops", hops({"2001:db8::5", "2001:db8::6", "2001:db8::2"})}},
                                  {{"via", "2001:db8::5"}, {"dev", "v0"}, {"mtu", 1300}}};
    REQUIRE(kernel.apply({route("10.9.0.0/16", ways[0]), route("fd09::/32", ways6[0]),
                          route("10.66.0.0/16", {{"via", "192.0.2.2"}}, ItemAction::create, "other"),
                          rule(500, {{"fwmark", "0x7"}, {"table", "other"}})}) == "done done done done");
    {
        const Prober v4("10.9.0.1"), v6("fd09::1"), by_rule("10.66.0.1", 7);
        for (std::size_t i = 1; i < 60; ++i) {
            CHECK(kernel.update({route("10.9.0.0/16", ways[i % ways.size()])}) == "done");
            CHECK(kernel.update({route("fd09::/32", ways6[i % ways6.size()])}) == "done");
            const char* const mark = i % 2 == 0 ? "0x7" : "0x7/0xf";
            CHECK(kernel.update({rule(500, {{"fwmark", mark}, {"table", "other"}})}) == "done");
        }
        CHECK(v4.lost() == 0);
        CHECK(v6.lost() == 0);
        CHECK(by_rule.lost() == 0);
    }
    // The prober can fail: without its route it does.
    CHECK(kernel.update({route("10.9.0.0/16", ways[0])}, ItemAction::remove) == "done");
    const Prober none("10.9.0.1");
    CHECK(none.lost() > 0);
}

TEST_CASE("a move of routes from one key to another has both before it has one") {
    IN_A_NETWORK;
    Kernel kernel;
    REQUIRE(kernel.apply({route("10.9.0.0/16", {{"via", "192.0.2.2"}, {"metric", 10}})}) == "done");
    const Prober prober("10.9.0.1");
    for (unsigned metric = 11; metric < 40; ++metric) {
        const Ask old =
            route("10.9.0.0/16", {{"via", "192.0.2.2"}, {"metric", metric - 1}}, ItemAction::remove);
        CHECK(kernel.apply({old, route("10.9.0.0/16", {{"via", "192.0.2.3"}, {"metric", metric}})}) ==
              "done done");
    }
    CHECK(prober.lost() == 0);
    CHECK(routes("route show 10.9.0.0/16 | wc -l") == "1\n");
}

TEST_CASE("a gateway that another route of the same call makes reachable is good, whatever the order") {
    IN_A_NETWORK;
    Kernel kernel;
    CHECK(kernel.apply({route("10.1.0.0/16", {{"via", "203.0.113.1"}, {"dev", "v0"}}),
                        route("203.0.113.1/32", {{"dev", "v0"}}),
                        route("10.2.0.0/16", {{"via", "203.0.113.99"}})}) ==
          "done done failed(routing.gateway)");
}

TEST_CASE("a foreign edit between observe and apply is not overwritten") {
    IN_A_NETWORK;
    Kernel kernel;
    const Ask ours = route("10.1.0.0/16", {{"via", "192.0.2.2"}});
    const Ask ours6 = route("fd01::/32", {{"via", "2001:db8::2"}});
    const Ask our_rule = rule(500, {{"from", "10.0.0.0/8"}, {"table", "other"}});
    REQUIRE(kernel.apply({ours, ours6, our_rule}) == "done done done");
    const Answers seen = kernel.observe({ours, ours6, our_rule});
    REQUIRE(run("ip route replace 10.1.0.0/16 via 192.0.2.7 proto 72; ip -6 route replace fd01::/32 via "
                "2001:db8::7 proto 72"
                "; ip rule del pref 500; ip rule add pref 500 from 172.16.0.0/12 lookup 100 protocol 72"));
    const auto changed = [&](ItemAction action) {
        return std::vector<Ask>{
            as_seen(route("10.1.0.0/16", {{"via", "192.0.2.3"}}), seen[0], action),
            as_seen(route("fd01::/32", {{"via", "2001:db8::3"}}), seen[1], action),
            as_seen(rule(500, {{"from", "10.1.0.0/16"}, {"table", "other"}}), seen[2], action)};
    };
    const std::string refused = "failed(routing.conflict) failed(routing.conflict) failed(routing.conflict)";
    CHECK(kernel.apply(changed(ItemAction::update)) == refused);
    CHECK(kernel.apply(changed(ItemAction::remove)) == refused);
    CHECK(kernel.apply({ours, ours6, our_rule}) == refused); // to make what is there in another form
    CHECK(routes("route show 10.1.0.0/16").find("192.0.2.7") != std::string::npos);
    CHECK(routes("-6 route show fd01::/32").find("2001:db8::7") != std::string::npos);
    CHECK(routes("rule show pref 500").find("172.16.0.0/12") != std::string::npos);
}

TEST_CASE("what routing protocols, DHCP and router advertisements made is neither seen, nor touched, nor "
          "replaced") {
    IN_A_NETWORK;
    Kernel kernel;
    const char* const protocol = GENERATE("bgp", "dhcp", "ra", "kernel", "bird");
    INFO(protocol);
    REQUIRE(run(std::string("ip route add 10.1.0.0/16 via 192.0.2.7 proto ") + protocol +
                "; ip -6 route add fd01::/32 via 2001:db8::7 proto " + protocol +
                "; ip rule add pref 500 from 10.0.0.0/8 lookup 100 protocol " + protocol));
    const std::string before = routes("route") + routes("-6 route") + routes("rule");
    const Ask v4 = route("10.1.0.0/16", {{"via", "192.0.2.2"}}),
              v6 = route("fd01::/32", {{"via", "2001:db8::2"}});
    const Answers seen = kernel.observe({v4, v6, rule(500, {{"table", "main"}})});
    CHECK(seen.summary() == "absent absent absent");
    CHECK(kernel.apply({v4, v6}) == "failed(routing.foreign) failed(routing.foreign)");
    CHECK(kernel.apply({as_seen(v4, {}, ItemAction::remove), as_seen(v6, {}, ItemAction::remove)}) ==
          "unchanged unchanged");
    CHECK(routes("route") + routes("-6 route") + routes("rule") == before);
    // Beside it, with another metric, and a rule of ours at the same priority.
    const Ask beside = route("10.1.0.0/16", {{"via", "192.0.2.2"}, {"metric", 7}});
    const Ask our_rule = rule(500, {{"from", "172.16.0.0/12"}, {"table", "main"}});
    CHECK(kernel.apply({beside, our_rule}) == "done done");
    CHECK(kernel.update({beside, our_rule}, ItemAction::remove) == "done done");
    CHECK(routes("route") + routes("-6 route") + routes("rule") == before);
}

TEST_CASE("hundreds of random changes leave what others made as it was") {
    IN_A_NETWORK;
    Kernel kernel;
    std::string batch;
    for (int i = 0; i < 40; ++i) {
        const std::string n = std::to_string(i);
        batch += "ip route add 10." + n +
                 ".0.0/16 via 192.0.2.2 proto bgp metric 20\n"
                 "ip route add 10." +
                 n +
                 ".0.0/16 via 192.0.2.3 proto dhcp metric 30\n"
                 "ip -6 route add fd00:" +
                 n +
                 "::/32 via 2001:db8::2 proto ra metric 30\n"
                 "ip rule add pref " +
                 std::to_string(1000 + i) + " from 10." + n + ".0.0/16 lookup 50 protocol zebra\n";
    }
    REQUIRE(run(batch));
    const auto foreign = [] {
        return routes("route show | grep -v 'proto 72'") + routes("-6 route show | grep -v 'proto 72'") +
               routes("rule show | grep -v 'proto 72'");
    };
    const std::string before = foreign();
    std::mt19937 random(20261123);
    std::vector<std::string> expected;
    for (int round = 0; round < 12; ++round) {
        std::vector<Ask> items;
        for (int i = 0; i < 40; ++i) {
            const std::string n = std::to_string(i), gateway = std::to_string(2 + random() % 6);
            items.push_back(route("10." + n + ".0.0/16", {{"via", "192.0.2." + gateway}, {"metric", 10}}));
            items.push_back(route("fd00:" + n + "::/32", {{"via", "2001:db8::" + gateway}, {"metric", 10}}));
            items.push_back(rule(static_cast<unsigned>(1000 + i),
                                 {{"from", "10." + gateway + ".0.0/16"}, {"table", "other"}}));
        }
        const Answers seen = kernel.observe(items);
        std::vector<Ask> asks;
        for (std::uint32_t i = 0; i < items.size(); ++i) {
            const bool is_there = seen[i].outcome == Outcome::done;
            const ItemAction action = !is_there           ? ItemAction::create
                                      : random() % 3 == 0 ? ItemAction::remove
                                                          : ItemAction::update;
            asks.push_back(as_seen(items[i], seen[i], action));
        }
        const Answers done = kernel.plugin.ask(Method::apply, "", asks);
        for (std::uint32_t i = 0; i < asks.size(); ++i) {
            INFO(asks[i].identity << " " << done.summary());
            CHECK((done[i].outcome == Outcome::done || done[i].outcome == Outcome::unchanged));
        }
        REQUIRE(foreign() == before);
    }
}

TEST_CASE("a link that goes down takes routes with it in silence: the hint comes, and they are made again") {
    IN_A_NETWORK;
    Hinted hinted;
    Kernel kernel;
    const Ask plain = route("10.1.0.0/16", {{"via", "192.0.2.2"}});
    const Ask ecmp =
        route("10.2.0.0/16", {{"nexthops", {{{"via", "192.0.2.2"}}, {{"via", "198.51.100.2"}}}}});
    const Ask grouped = route("10.3.0.0/16", {{"nexthopGroup", 7}});
    const Ask group7 = ask("NexthopGroup", "7", {{"id", 7}, {"nexthops", hops({"192.0.2.2", "192.0.2.3"})}});
    const std::vector<Ask> items{plain, ecmp, grouped, group7};
    REQUIRE(kernel.apply(items) == "done done done done");
    std::vector<Item> interest;
    for (const Ask& item : items) interest.push_back({.kind = item.kind, .identity = item.identity});
    REQUIRE(kernel.plugin.provider().watch("", interest, hinted.on_hint()).ok());
    CHECK_FALSE(hinted.comes_within(200ms));

    REQUIRE(run("ip link set v0 down"));
    CHECK(hinted.comes());
    CHECK(kernel.observe(items).summary() == "absent done absent absent");
    CHECK(kernel.apply({plain}) == "failed(routing.gateway)");
    REQUIRE(run("ip link set v0 up; ip -6 addr add 2001:db8::1/64 dev v0 nodad; true"));
    CHECK(hinted.comes());
    CHECK(routes("route show 10.1.0.0/16") == "");
    std::vector<Ask> again;
    const Answers seen = kernel.observe(items);
    for (std::uint32_t i = 0; i < items.size(); ++i)
        again.push_back(as_seen(
            items[i], seen[i], seen[i].outcome == Outcome::absent ? ItemAction::create : ItemAction::update));
    CHECK(kernel.apply(again) ==
          "done unchanged done done"); // the kernel itself revives hops of an ECMP route
    for (std::uint32_t i = 0; i < items.size(); ++i) CHECK(kernel.observe(items)[i].outcome == Outcome::done);
    kernel.plugin.provider().unwatch();
}

TEST_CASE("a foreign edit of our routes is hinted; our own edits and others' routes are not") {
    IN_A_NETWORK;
    Hinted hinted;
    Kernel kernel;
    const Ask ours = route("10.1.0.0/16", {{"via", "192.0.2.2"}});
    const Item interest{.kind = ours.kind, .identity = ours.identity};
    REQUIRE(kernel.plugin.provider().watch("", {&interest, 1}, hinted.on_hint()).ok());
    CHECK(kernel.apply({ours}) == "done");
    CHECK_FALSE(hinted.comes_within(200ms));
    REQUIRE(run("ip route add 10.77.0.0/16 via 192.0.2.2 proto bgp")); // none of our business
    CHECK_FALSE(hinted.comes_within(200ms));
    REQUIRE(run("ip route replace 10.1.0.0/16 via 192.0.2.3"));
    CHECK(hinted.comes());
    REQUIRE(run("ip route del 10.1.0.0/16"));
    CHECK(hinted.comes());
    kernel.plugin.provider().unwatch();
}

TEST_CASE(
    "nexthop groups change in one step, share their members, and are not pulled away from under routes") {
    IN_A_NETWORK;
    Kernel kernel;
    const auto group_of = [](unsigned id, const Json& nexthops) {
        return ask("NexthopGroup", std::to_string(id), {{"id", id}, {"nexthops", nexthops}});
    };
    const Ask first = group_of(10, hops({"192.0.2.2", "192.0.2.3"})),
              second = group_of(11, hops({"192.0.2.3"}));
    const Ask user = route("10.9.0.0/16", {{"nexthopGroup", 10}});
    const Ask user6 = route("fd09::/32", {{"nexthopGroup", 12}});
    REQUIRE(kernel.apply({user, first, second, user6, group_of(12, hops({"2001:db8::2", "2001:db8::3"}))}) ==
            "done done done done done");
    CHECK(routes("nexthop | wc -l") ==
          "7\n"); // three groups of two, one and two hops, one of which is shared
    {
        const Prober prober("10.9.0.1");
        for (const char* gateway : {"192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.4"})
            CHECK(kernel.update({group_of(10, hops({gateway, "192.0.2.7"}))}) == "done");
        CHECK(prober.lost() == 0);
    }
    CHECK(routes("nexthop | grep -c 192.0.2.") == "3\n"); // 4 and 7, and 3 of the second group
    CHECK(kernel.update({first}, ItemAction::remove) == "failed(routing.group-in-use)");
    CHECK(kernel.update({user, first, second}, ItemAction::remove) == "done done done");
    CHECK(routes("nexthop | grep -c 'via 192.0.2.' ; true") == "0\n");
    CHECK(run("ip nexthop add id 20 via 192.0.2.2 dev v0 proto bgp"));
    CHECK(kernel.apply({group_of(20, hops({"192.0.2.2"}))}) == "failed(routing.foreign)");
}

TEST_CASE("a default route asks for confirmation however it is spelled, and others do not") {
    IN_A_NETWORK;
    Kernel kernel;
    const auto asks = [&](const Json& spec) {
        const Ask written = ask("Route", "", spec);
        const Answers compiled = kernel.plugin.ask(Method::compile, "", {written});
        REQUIRE(compiled.items.size() == 1);
        const KindInfo* const kind =
            kernel.plugin.description().find("routing.holdfast.dev/v1alpha1", "Route");
        return needs_confirmation(*kind, *parse_json(compiled[0].document));
    };
    CHECK(asks({{"to", "default"}, {"via", "192.0.2.2"}}));
    CHECK(asks({{"to", "0.0.0.0/0"}, {"via", "192.0.2.2"}, {"table", "other"}}));
    CHECK(asks({{"to", "::/0"}, {"via", "2001:db8::2"}}));
    CHECK(asks({{"to", "0:0::0/0"}, {"type", "blackhole"}}));
    CHECK_FALSE(asks({{"to", "0.0.0.0/1"}, {"via", "192.0.2.2"}}));
}

TEST_CASE("twins of our routes and rules do not survive an update") {
    IN_A_NETWORK;
    Kernel kernel;
    const Ask ours = route("10.1.0.0/16", {{"via", "192.0.2.2"}});
    const Ask our_rule = rule(500, {{"from", "10.0.0.0/8"}, {"table", "other"}});
    REQUIRE(kernel.apply({ours, our_rule}) == "done done");
    REQUIRE(run("ip route append 10.1.0.0/16 via 192.0.2.3 proto 72; ip route append 10.1.0.0/16 via "
                "192.0.2.4 proto 72"
                "; ip rule add pref 500 from 10.9.0.0/16 lookup 100 protocol 72"));
    CHECK(kernel.update({route("10.1.0.0/16", {{"via", "192.0.2.5"}}),
                         rule(500, {{"from", "10.1.0.0/16"}, {"table", "other"}})}) == "done done");
    CHECK(routes("route show 10.1.0.0/16") == "10.1.0.0/16 via 192.0.2.5 dev v0 proto 72\n");
    CHECK(routes("rule show pref 500 | wc -l") == "1\n");
    // The prober's rule: an inversion is the same rule to the kernel, and not to us.
    CHECK(kernel.update({rule(500, {{"from", "10.1.0.0/16"}, {"not", true}, {"table", "other"}})}) == "done");
    CHECK(routes("rule show pref 500").find("not from 10.1.0.0/16") != std::string::npos);
    CHECK(routes("rule show pref 500 | wc -l") == "1\n");
}

TEST_CASE(
    "a snapshot brings back what was there, people's default route included, and leaves protocols alone") {
    IN_A_NETWORK;
    std::string snapshot;
    const auto call = [&](Kernel& kernel, Method method, const std::string& options) {
        const Call question{.method = method, .scope = "", .options = options};
        return kernel.plugin.provider().call(question, [&](const ItemResult& result) {
            if (result.item == scope_item) snapshot = result.private_data;
        });
    };
    REQUIRE(run("ip route add default via 192.0.2.9; ip route add 10.50.0.0/16 via 192.0.2.3 initcwnd 20 "
                "proto static\n"
                "ip route append 10.50.0.0/16 via 192.0.2.4 proto static\n"
                "ip route add 10.60.0.0/16 via 192.0.2.2 proto bgp"));
    Kernel kernel;
    REQUIRE(
        kernel.apply({route("fd01::/32", {{"nexthops", hops({"2001:db8::2", "2001:db8::3"})}}),
                      route("10.1.0.0/16", {{"nexthopGroup", 7}}),
                      ask("NexthopGroup", "7", {{"id", 7}, {"nexthops", hops({"192.0.2.2", "192.0.2.3"})}}),
                      rule(500, {{"from", "10.0.0.0/8"}, {"not", true}, {"table", "other"}})}) ==
        "done done done done");
    const auto everything = [] {
        return routes("route | sort") + routes("-6 route | sort") + routes("rule") + routes("nexthop | sort");
    };
    const std::string before = everything();
    REQUIRE(call(kernel, Method::snapshot, "").ok);

    REQUIRE(run("ip route del default; ip route add default via 192.0.2.8 proto 72 metric 5; ip route flush "
                "10.50.0.0/16\n"
                "ip rule del pref 500; ip rule add pref 501 lookup 100 protocol 72; ip nexthop del id 7\n"
                "ip -6 route del fd01::/32; ip route add 10.99.0.0/16 dev v0 proto 72\n"
                "ip route add 10.61.0.0/16 via 192.0.2.2 proto bgp"));
    const std::string bytes = snapshot;
    Kernel fresh;
    const CallEnd end = call(fresh, Method::restore, bytes);
    INFO((end.why.empty() ? "" : end.why.list().front().message));
    CHECK(end.ok);
    REQUIRE(run("ip route del 10.61.0.0/16")); // it was left alone
    CHECK(everything() == before);
    CHECK(call(fresh, Method::restore, bytes).ok);
    CHECK(everything() == before);
    CHECK_FALSE(call(fresh, Method::restore, "{\"format\":\"routing/1\"").ok);
    CHECK(everything() == before);
}

TEST_CASE("links are looked at, and changed only where the provider is told so") {
    IN_A_NETWORK;
    const Ask link =
        ask("Link", "\"v1\"", {{"name", "v1"}, {"mtu", 1400}, {"addresses", {"198.51.100.77/24"}}},
            ItemAction::update);
    {
        Kernel looking;
        const Answers seen = looking.observe({link});
        const Json document = Json::parse(seen[0].document);
        CHECK(document.at("/spec/mtu"_json_pointer) == 1500);
        CHECK(document.at("/status/carrier"_json_pointer) == true);
        CHECK(document.at("/status/kind"_json_pointer) == "veth");
        CHECK(looking.plugin.ask(Method::validate, "", {link}).summary() == "failed(routing.link-observed)");
        CHECK(looking.observe({ask("Link", "\"none\"", {{"name", "none"}})}).summary() == "absent");
    }
    PluginDriver plugin("routing", R"({"manageLinks":true})");
    CHECK(plugin.ask(Method::validate, "", {link}).summary() == "done");
    CHECK(plugin.ask(Method::apply, "", {link}).summary() == "done");
    CHECK(routes("addr show v1").find("mtu 1400") != std::string::npos);
    CHECK(routes("addr show v1").find("198.51.100.77/24 brd 198.51.100.255") != std::string::npos);
    CHECK(routes("addr show v1").find("198.51.100.1/24") != std::string::npos);
    CHECK(plugin.ask(Method::apply, "", {link}).summary() == "unchanged");
    CHECK(plugin.ask(Method::apply, "", {as_seen(link, {}, ItemAction::remove)}).summary() == "unchanged");
}

TEST_CASE("a namespace is entered by path, left alone by the process, and found again when it is made anew") {
    IN_A_NETWORK;
    TempFolder folder;
    const std::string path = folder / "ns";
    const auto make = [&] {
        return run("touch " + path + " && unshare --net=" + path + " ip link set lo up");
    };
    if (!make()) return skip("a network namespace cannot be bound to a file here");
    const Ask loop = route("10.1.0.0/16", {{"dev", "lo"}});
    {
        PluginDriver plugin("routing", Json{{"netns", path}}.dump(),
                            GENERATE(Isolation::in_process, Isolation::worker));
        CHECK(plugin.ask(Method::apply, "", {loop}).summary() == "done");
        CHECK(routes("route show 10.1.0.0/16") == ""); // it is not ours
        CHECK(output_and_errors_of("nsenter --net=" + path + " ip route show 10.1.0.0/16")
                  .value_or("")
                  .find("dev lo") != std::string::npos);
        REQUIRE(run("umount " + path));
        CHECK(plugin.ask(Method::observe, "", {loop}).end.ok == false); // failure is not absence
        REQUIRE(make());
        CHECK(plugin.ask(Method::observe, "", {loop}).summary() == "absent");
        CHECK(plugin.ask(Method::apply, "", {loop}).summary() == "done");
    }
    CHECK(run("umount " + path));
}

TEST_CASE("routes of a VRF are routes of its table") {
    IN_A_NETWORK;
    if (!run("ip link add blue type vrf table 100"))
        return skip("this kernel has no VRF devices (CONFIG_NET_VRF)");
    REQUIRE(run("ip link set blue up; ip link set v1 master blue; ip addr add 198.51.100.1/24 dev v1; true"));
    Kernel kernel;
    const Json link = Json::parse(kernel.observe({ask("Link", "\"blue\"", {{"name", "blue"}})})[0].document);
    CHECK(link.at("/status/vrfTable"_json_pointer) == 100);
    CHECK(kernel.apply({route("10.1.0.0/16", {{"via", "198.51.100.2"}, {"dev", "v1"}}, ItemAction::create,
                              "other")}) == "done");
    CHECK(routes("route show vrf blue 10.1.0.0/16").find("via 198.51.100.2 dev v1 proto 72") !=
          std::string::npos);
}

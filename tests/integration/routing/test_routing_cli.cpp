// The routing plugin as a person uses it: holdfast plan, apply, drift, import and the daemon, with real
// routes.

#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>
#include <thread>

#include <nlohmann/json.hpp>

#include "net.hpp"
#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;
using namespace std::chrono_literals;
using Json = nlohmann::json;
using test::Playground;
using test::Ran;

#define IN_A_NETWORK                                                                                         \
    if (const auto why = no_network()) return skip(*why);                                                    \
    const Net net

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void use_kernel(Playground& play, const std::string& ownership = "owned") {
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: kernel}\n"
               "spec: {plugin: routing, ownership: " +
                   ownership +
                   ", config: {tables: {main: 254, vpn: 100}}}\n---\n"
                   "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: edge}\n"
                   "spec: {path: edge, providers: {routing.holdfast.dev: kernel}}\n");
}

std::string document(const std::string& kind, const std::string& name, const std::string& spec) {
    return "apiVersion: routing.holdfast.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name +
           "}\nspec: " + spec + "\n---\n";
}

// What a plan would change, as "update [\"main\",\"10.0.0.0/8\",0]", sorted.
std::vector<std::string> planned(Playground& play) {
    const Ran ran = play.holdfast({"plan", "--json"});
    INFO(ran.err);
    const Json run = Json::parse(ran.out, nullptr, false);
    REQUIRE(run.is_object());
    std::vector<std::string> out;
    for (const Json& stack : run.at("stacks"))
        for (const Json& round : stack.at("rounds"))
            for (const Json& change : round.at("plan").at("changes"))
                out.push_back(change.at("action").get<std::string>() + " " +
                              change.at("object").at("identity").get<std::string>());
    std::sort(out.begin(), out.end());
    return out;
}

void apply_all(Playground& play) {
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    REQUIRE(apply.exit_code == 0);
    REQUIRE(planned(play).empty());
}

} // namespace

TEST_CASE(
    "routes are planned, applied, drift, and are corrected; however they are spelled, the plan stays empty") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    play.write("edge/routes.yaml",
               document("Route", "wide", "{to: 2001:DB8:0100:0:0::/40, via: \"2001:0db8::2\", mtu: 1400}") +
                   document("Route", "ecmp",
                            "{to: 10.3.0.0/16, nexthops: [{via: 192.0.2.3}, {via: 192.0.2.2, weight: 2}]}") +
                   document("Route", "vpn", "{to: 10.64.0.0/10, table: vpn, via: 192.0.2.9}") +
                   document("Route", "by-number", "{to: 10.4.0.0/16, table: 100, type: blackhole}") +
                   document("Route", "pool", "{to: 10.5.0.0/16, nexthopGroup: 9}") +
                   document("NexthopGroup", "pool",
                            "{id: 9, nexthops: [{via: 192.0.2.4, dev: v0}, {via: 198.51.100.2, dev: v1}]}") +
                   document("Rule", "vpn", "{priority: 500, from: 10.66.0.0/16, fwmark: 16, table: vpn}") +
                   document("Link", "v0", "{name: v0}"));
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 0);
    CHECK(has(plan.out, "7 to create"));
    apply_all(play);
    CHECK(has(routes("route show table 100"), "10.64.0.0/10 via 192.0.2.9 dev v0 proto 72"));

    // The same in other words: nothing to do.
    REQUIRE(run("ip route replace 10.3.0.0/16 proto 72 nexthop via 192.0.2.2 dev v0 weight 2 nexthop via "
                "192.0.2.3 dev v0"));
    CHECK(planned(play).empty());
    // One real change and one loss: both are seen, nothing else, and one pass corrects them.
    REQUIRE(
        run("ip route replace 10.3.0.0/16 proto 72 nexthop via 192.0.2.2 dev v0 nexthop via 192.0.2.3 dev v0"
            "; ip rule del pref 500; ip -6 route replace 2001:db8:100::/40 via 2001:db8::2 dev v0 proto 72"));
    CHECK(planned(play) == std::vector<std::string>{"create [\"ipv4\",500]",
                                                    "update [\"main\",\"10.3.0.0/16\",0]",
                                                    "update [\"main\",\"2001:db8:100::/40\",1024]"});
    CHECK(play.holdfast({"drift", "--exit-code"}).exit_code == 2);
    apply_all(play);

    play.remove("edge/routes.yaml");
    play.write("edge/one.yaml",
               document("NexthopGroup", "pool",
                        "{id: 9, nexthops: [{via: 192.0.2.4, dev: v0}, {via: 198.51.100.2, dev: v1}]}") +
                   document("Rule", "vpn", "{priority: 500, from: 10.66.0.0/16, fwmark: 0x10, table: 100}"));
    play.commit();
    const Ran rest = play.holdfast({"apply", "--yes"});
    INFO(rest.out << rest.err); // all of a kind going at once waits for a person
    CHECK(rest.exit_code == 3);
}

TEST_CASE("what is wrong in a document is shown with its line") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    play.write("edge/routes.yaml",
               "apiVersion: routing.holdfast.dev/v1alpha1\nkind: Route\nmetadata: {name: a}\n"
               "spec:\n  to: 10.1.2.3/16\n  via: 192.0.2.2\n---\n"
               "apiVersion: routing.holdfast.dev/v1alpha1\nkind: Route\nmetadata: {name: b}\n"
               "spec:\n  to: 10.2.0.0/16\n  table: nowhere\n  via: 192.0.2.2\n");
    play.write("edge/twice.yaml", document("Route", "c", "{to: default, via: 192.0.2.2}") +
                                      document("Route", "d", "{to: 0.0.0.0/0, via: 192.0.2.3}"));
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.err, "edge/routes.yaml:5:"));
    CHECK(has(plan.err, "the network is 10.1.0.0/16"));
    CHECK(has(plan.err, "[routing.host-bits]"));
    CHECK(has(plan.err, "edge/routes.yaml:13:"));
    CHECK(has(plan.err, "[routing.table]"));
}

TEST_CASE("two spellings of one route are two documents for one object") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    play.write("edge/a.yaml", document("Route", "c", "{to: default, via: 192.0.2.2}"));
    play.write("edge/b.yaml", document("Route", "d", "{to: 0.0.0.0/0, table: 254, via: 192.0.2.3}"));
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.err, "edge/a.yaml"));
    CHECK(has(plan.err, "edge/b.yaml"));
}

TEST_CASE("imported routes have an empty plan, and in an exclusive table only what people made is removed") {
    IN_A_NETWORK;
    REQUIRE(run(
        "ip route add default via 192.0.2.9; ip route add 10.1.0.0/16 proto static nexthop via 192.0.2.3 "
        "weight 2 nexthop via 192.0.2.2\n"
        "ip route add 10.2.0.0/16 via 192.0.2.2 mtu 1400 advmss 1300 src 192.0.2.1 metric 5 proto static\n"
        "ip route add 10.3.0.0/16 via 192.0.2.2 proto bgp; ip route add 10.4.0.0/16 via 192.0.2.2 proto "
        "dhcp\n"
        "ip -6 route add fd01::/32 via 2001:db8::2 proto static; ip route add unreachable 10.5.0.0/16 proto "
        "static\n"
        "ip route add 10.6.0.0/16 via inet6 2001:db8::2 dev v0 proto static\n"
        "ip nexthop add id 3 via 192.0.2.3 dev v0; ip nexthop add id 4 group 3; ip route add 10.7.0.0/16 "
        "nhid 4\n"
        "ip rule add pref 700 not from 10.0.0.0/8 fwmark 0x1/0x3 ipproto udp dport 53 lookup 100\n"
        "ip rule add pref 701 iif v0 prohibit; ip -6 rule add pref 702 to fd00::/8 lookup main "
        "suppress_prefixlength 0"));
    Playground play;
    use_kernel(play);
    play.commit();
    const Ran import = play.holdfast({"import", "kernel", "--write"});
    INFO(import.out << import.err);
    REQUIRE(import.exit_code == 0);
    play.commit();
    const std::vector<std::string> changes = planned(play);
    CHECK(changes.size() == 11);
    for (const std::string& change : changes) CHECK(change.rfind("adopt ", 0) == 0);
    apply_all(play);
    CHECK(has(routes("route show default"), "default via 192.0.2.9 dev v0")); // adopted as it was

    std::string project = read_file((play.repository() / "holdfast.yaml").string());
    project.replace(project.find("ownership: owned"), 16, "ownership: exclusive");
    play.write("holdfast.yaml", project);
    play.commit();
    CHECK(planned(play).empty());
    REQUIRE(
        run("ip route add 10.90.0.0/16 via 192.0.2.2; ip route add 10.91.0.0/16 via 192.0.2.2 proto zebra"));
    CHECK(planned(play) == std::vector<std::string>{"delete [\"main\",\"10.90.0.0/16\",0]"});
    apply_all(play);
    for (const char* kept : {"10.91.0.0/16", "10.3.0.0/16", "10.4.0.0/16"})
        CHECK(routes(std::string("route show ") + kept) != "");
    CHECK(routes("route show 10.90.0.0/16") == "");
}

namespace {

// One declared object, its document, and commands by which others change it.
struct Live {
    std::string identity, document;
    std::string add, change, remove, respell;
};

std::vector<Live> random_network() {
    std::vector<Live> out;
    for (int i = 0; i < 8; ++i) {
        const std::string n = std::to_string(i), v4 = "10." + n + ".0.0/16", v6 = "fd00:1" + n + "::/32";
        const std::string e4 = "10.10" + n + ".0.0/16", pref = std::to_string(1000 + i);
        out.push_back({"[\"main\",\"" + v4 + "\",0]",
                       document("Route", "a" + n, "{to: " + v4 + ", via: 192.0.2.2}"), "",
                       "ip route replace " + v4 + " via 192.0.2.3 proto 72", "ip route del " + v4,
                       "ip route replace " + v4 + " via 192.0.2.2 dev v0"});
        out.push_back(
            {"[\"main\",\"" + e4 + "\",7]",
             document("Route", "e" + n,
                      "{to: " + e4 +
                          ", metric: 7, nexthops: [{via: 192.0.2.2}, {via: 192.0.2.3, weight: 3}]}"),
             "", "ip route replace " + e4 + " metric 7 nexthop via 192.0.2.2 nexthop via 192.0.2.3",
             "ip route del " + e4,
             "ip route replace " + e4 +
                 " metric 7 proto 72 nexthop via 192.0.2.3 weight 3 nexthop via 192.0.2.2 dev v0"});
        out.push_back(
            {"[\"main\",\"" + v6 + "\",1024]",
             document("Route", "s" + n,
                      "{to: " + v6 +
                          ", nexthops: [{via: \"2001:db8::3\", dev: v0}, {via: \"2001:db8::2\", dev: v0}]}"),
             "", "ip -6 route append " + v6 + " via 2001:db8::5 dev v0 proto 72", "ip -6 route del " + v6,
             "ip -6 route replace " + v6 +
                 " proto 72 nexthop via 2001:db8:0:0::2 dev v0 nexthop via 2001:db8::3 dev v0"});
        out.push_back({"[\"ipv4\"," + pref + "]",
                       document("Rule", "r" + n, "{priority: " + pref + ", from: " + v4 + ", table: vpn}"),
                       "",
                       "ip rule del pref " + pref + "; ip rule add pref " + pref + " from " + v4 +
                           " iif v0 lookup 100 protocol 72",
                       "ip rule del pref " + pref,
                       "ip rule del pref " + pref + "; ip rule add pref " + pref + " lookup 100 from " + v4});
    }
    return out;
}

} // namespace

TEST_CASE("of random edits exactly the real ones are reported, and corrected in one pass") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    const std::vector<Live> network = random_network();
    std::string all;
    for (const Live& live : network) all += live.document;
    play.write("edge/network.yaml", all);
    play.commit();
    apply_all(play);
    constexpr int rounds = 14;
    std::mt19937 random(20261123);
    std::size_t changes = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::string> expected;
        const std::string n = std::to_string(round);
        std::string commands = "ip route add 172.16." + n +
                               ".0/24 via 192.0.2.2 proto bgp\n"
                               "ip rule add pref " +
                               std::to_string(3000 + round) +
                               " from 172.16.0.0/12 lookup 50 protocol zebra\n"
                               "ip route add 172.17." +
                               n + ".0/24 via 192.0.2.2\n";
        for (const Live& live : network) {
            if (random() % 2 != 0) continue;
            ++changes;
            const unsigned way = static_cast<unsigned>(random() % 3);
            commands += (way == 0 ? live.remove : way == 1 ? live.change : live.respell) + "\n";
            if (way != 2) expected.push_back((way == 0 ? "create " : "update ") + live.identity);
        }
        std::sort(expected.begin(), expected.end());
        INFO("round " << round << "\n" << commands);
        const auto said = output_and_errors_of("set -e\n" + commands);
        REQUIRE(said.has_value());
        CHECK(planned(play) == expected);
        apply_all(play);
    }
    CHECK(changes > 180);
    for (int round = 0; round < rounds; ++round) { // nothing of others was touched
        const std::string n = std::to_string(round);
        CHECK(has(routes("route show 172.16." + n + ".0/24"), "proto bgp"));
        CHECK(routes("route show 172.17." + n + ".0/24") != "");
        CHECK(has(routes("rule show pref " + std::to_string(3000 + round)), "lookup 50"));
    }
}

TEST_CASE("the daemon sets a foreign change back at once, and what a link took with it once the link is up") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    std::string documents; // one each for every change: what is changed again and again is taken for a fight
    for (int i = 0; i < 15; ++i)
        documents += document("Route", "r" + std::to_string(i),
                              "{to: 10." + std::to_string(i) + ".0.0/16, via: 192.0.2.2}");
    play.write("edge/routes.yaml", documents);
    play.commit();
    test::DaemonProcess daemon(play, "  interval: 1h\n");
    daemon.start_and_wait();
    const auto is_right = [](int i) {
        return has(routes("route show 10." + std::to_string(i) + ".0.0/16"), "via 192.0.2.2 dev v0 proto 72");
    };
    REQUIRE(test::comes_true([&] { return is_right(14); }));
    std::this_thread::sleep_for(500ms); // until it watches
    std::vector<double> took;
    for (int i = 0; i < 15; ++i) {
        REQUIRE(run("ip route replace 10." + std::to_string(i) + ".0.0/16 via 192.0.2.7 dev v0"));
        const auto start = std::chrono::steady_clock::now();
        const bool came = test::comes_true([&] { return is_right(i); });
        took.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
        INFO(daemon.log());
        REQUIRE(came);
    }
    std::sort(took.begin(), took.end());
    std::cout << "from a foreign change to corrected, median of " << took.size() << ": "
              << took[took.size() / 2] << " ms\n";
    CHECK(took[took.size() / 2] < 1000); // tests/bench says what is aimed at

    REQUIRE(run("ip link set v0 down"));
    CHECK(test::comes_true([] { return routes("route show 10.1.0.0/16") == ""; }));
    REQUIRE(run("ip link set v0 up"));
    CHECK(test::comes_true([&] { return is_right(0) && is_right(7) && is_right(14); }));
    CHECK(daemon.stop().exit_code == 0);
}

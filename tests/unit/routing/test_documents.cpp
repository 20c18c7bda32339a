// What people write against what the kernel holds: one object has one canonical document.

#include <sys/socket.h>

#include "routing/documents.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::routing;
using sdk::Json;

namespace {

Tables some_tables() {
    Tables tables;
    tables.add("main", 254);
    tables.add("vpn", 100);
    return tables;
}

std::string canonical_route(const char* spec, const char* live = nullptr) {
    sdk::Diagnostics problems, ignored;
    const Tables tables = some_tables();
    Route route = read_route({{"spec", Json::parse(spec)}}, tables, problems);
    const Route other = live ? read_route({{"spec", Json::parse(live)}}, tables, ignored) : Route{};
    if (!problems.empty()) return problems.front().code + " " + problems.front().pointer;
    settle_devices(route.hops, other.hops);
    std::string out;
    append_document(out, route, tables, &other);
    return Json::parse(out).at("spec").dump();
}

std::string canonical_rule(const char* spec, const char* live = nullptr) {
    sdk::Diagnostics problems, ignored;
    const Rule rule = read_rule({{"spec", Json::parse(spec)}}, some_tables(), problems);
    const Rule other = live ? read_rule({{"spec", Json::parse(live)}}, some_tables(), ignored) : Rule{};
    if (!problems.empty()) return problems.front().code + " " + problems.front().pointer;
    std::string out;
    append_document(out, rule, some_tables(), &other);
    return Json::parse(out).at("spec").dump();
}

} // namespace

TEST_CASE("a route has one spelling, whatever people write") {
    const auto [written, canonical] = GENERATE(table<const char*, const char*>(
        {{R"({"to":"default","via":"192.0.2.1"})",
          R"({"metric":0,"nexthops":[{"via":"192.0.2.1"}],"table":"main","to":"0.0.0.0/0","type":"unicast"})"},
         {R"({"to":"default","via":"2001:DB8:0::1","table":100})",
          R"({"metric":1024,"nexthops":[{"via":"2001:db8::1"}],"table":"vpn","to":"::/0","type":"unicast"})"},
         {R"({"to":"default","family":"ipv6","dev":"tun0","metric":7})",
          R"({"metric":7,"nexthops":[{"dev":"tun0"}],"table":"main","to":"::/0","type":"unicast"})"},
         {R"({"to":"2001:0db8:0000::5","via":"fe80::1","dev":"eth0","table":"254"})",
          R"({"metric":1024,"nexthops":[{"dev":"eth0","via":"fe80::1"}],"table":"main","to":"2001:db8::5/128","type":"unicast"})"},
         {R"({"to":"10.0.0.0/8","nexthops":[{"via":"192.0.2.3","weight":2},{"via":"192.0.2.2","weight":1}]})",
          R"({"metric":0,"nexthops":[{"via":"192.0.2.2"},{"via":"192.0.2.3","weight":2}],"table":"main","to":"10.0.0.0/8","type":"unicast"})"},
         {R"({"to":"10.0.0.0/8","nexthops":[{"via":"192.0.2.3","weight":9}],"mtu":0,"src":"none"})",
          R"({"metric":0,"nexthops":[{"via":"192.0.2.3"}],"table":"main","to":"10.0.0.0/8","type":"unicast"})"},
         {R"({"to":"::ffff:10.0.0.0/104","type":"blackhole"})",
          R"({"metric":1024,"table":"main","to":"::ffff:10.0.0.0/104","type":"blackhole"})"}}));
    CHECK(canonical_route(written) == canonical);
    CHECK(canonical_route(canonical) == canonical);
}

TEST_CASE(
    "what is not declared and is there is written out as nothing, and a missing link is taken from there") {
    CHECK(
        canonical_route(
            R"({"to":"10.0.0.0/8","via":"192.0.2.1"})",
            R"({"to":"10.0.0.0/8","via":"192.0.2.1","dev":"eth0","src":"192.0.2.7","mtu":1400})") ==
        R"({"metric":0,"mtu":0,"nexthops":[{"dev":"eth0","via":"192.0.2.1"}],"src":"none","table":"main","to":"10.0.0.0/8","type":"unicast"})");
    CHECK(canonical_route(R"({"to":"10.0.0.0/8","type":"throw"})",
                          R"({"to":"10.0.0.0/8","via":"192.0.2.1"})") ==
          R"({"metric":0,"nexthops":[],"table":"main","to":"10.0.0.0/8","type":"throw"})");
    CHECK(
        canonical_rule(R"({"priority":5,"table":"main"})",
                       R"({"priority":5,"from":"10.0.0.0/8","iif":"eth0","not":true,"action":"prohibit"})") ==
        R"({"action":"lookup","family":"ipv4","from":"all","iif":"","not":false,"priority":5,"table":"main"})");
}

TEST_CASE("what no route can be is an error at its field") {
    const auto [written, problem] = GENERATE(table<const char*, const char*>(
        {{R"({"to":"10.0.0.1/8","via":"192.0.2.1"})", "routing.host-bits /spec/to"},
         {R"({"to":"10.0.0.0/33","via":"192.0.2.1"})", "routing.address /spec/to"},
         {R"({"to":"10.0.0.0/-1","via":"192.0.2.1"})", "routing.address /spec/to"},
         {R"({"to":"010.0.0.0/8","via":"192.0.2.1"})", "routing.address /spec/to"},
         {R"({"to":"10.0.0.0/8","via":"192.0.2.1/24"})", "routing.address /spec/via"},
         {R"({"to":"10.0.0.0/8"})", "routing.no-hop /spec/to"},
         {R"({"to":"10.0.0.0/8","via":"192.0.2.1","nexthopGroup":7})", "routing.no-hop /spec/nexthopGroup"},
         {R"({"to":"10.0.0.0/8","type":"blackhole","dev":"eth0"})", "routing.no-hop /spec/type"},
         {R"({"to":"10.0.0.0/8","table":"nowhere","dev":"eth0"})", "routing.table /spec/table"},
         {R"({"to":"10.0.0.0/8","table":7,"dev":"eth0"})", "routing.table /spec/table"},
         {R"({"to":"2001:db8::/32","via":"192.0.2.1"})", "routing.family /spec/via"},
         {R"({"to":"10.0.0.0/8","dev":"eth0","src":"2001:db8::1"})", "routing.family /spec/src"},
         {R"({"to":"2001:db8::/32","via":"fe80::1"})", "routing.needs-device /spec/dev"},
         {R"({"to":"10.0.0.0/8","dev":"a-name-of-16-byte"})", "routing.device /spec/dev"},
         {R"({"to":"10.0.0.0/8","nexthops":[{"via":"192.0.2.1"},{"via":"192.0.2.1","weight":2}]})",
          "routing.twice /spec/nexthops"},
         {R"({"to":"10.0.0.0/8","nexthops":[{"via":"192.0.2.1"},{"via":"nonsense"}]})",
          "routing.address /spec/nexthops/1/via"}}));
    CHECK(canonical_route(written) == problem);
}

TEST_CASE("a rule has one spelling, whatever people write") {
    const auto [written, canonical] = GENERATE(table<const char*, const char*>(
        {{R"({"priority":5,"from":"0.0.0.0/0","table":100})",
          R"({"action":"lookup","family":"ipv4","priority":5,"table":"vpn"})"},
         {R"({"priority":5,"to":"2001:DB8::/32","table":77})",
          R"({"action":"lookup","family":"ipv6","priority":5,"table":77,"to":"2001:db8::/32"})"},
         {R"({"priority":5,"fwmark":16,"ipproto":6,"dport":443,"sport":"1000-2000","action":"prohibit"})",
          R"({"action":"prohibit","dport":"443","family":"ipv4","fwmark":"0x10","ipproto":"tcp","priority":5,"sport":"1000-2000"})"},
         {R"({"priority":5,"fwmark":"0X10/0xF0","table":"local"})",
          R"({"action":"lookup","family":"ipv4","fwmark":"0x10/0xf0","priority":5,"table":"local"})"},
         {R"({"priority":5,"fwmark":"0x1/0x10","table":"main"})", "routing.mark /spec/fwmark"},
         {R"({"priority":5,"fwmark":"0x1/0","table":"main"})", "routing.mark /spec/fwmark"},
         {R"({"priority":5,"table":"main","dport":80})", "routing.ports /spec/ipproto"},
         {R"({"priority":5,"table":"main","ipproto":"tcp","dport":"9-1"})", "routing.ports /spec/dport"},
         {R"({"priority":5,"from":"10.0.0.0/8","to":"2001:db8::/32","table":"main"})",
          "routing.family /spec/family"},
         {R"({"priority":5,"action":"goto","goto":5})", "routing.number /spec/goto"},
         {R"({"priority":5})", "routing.table /spec/table"}}));
    CHECK(canonical_rule(written) == canonical);
}

TEST_CASE("identities lead to their keys and back") {
    const Tables tables = some_tables();
    const RouteKey key{*parse_prefix("2001:db8::/32"), 100, 7};
    CHECK(identity_of(key, tables) == R"(["vpn","2001:db8::/32",7])");
    CHECK(route_key_of(identity_of(key, tables), tables) == key);
    CHECK(rule_key_of(R"(["ipv4",500])") == RuleKey{2, 500});
    CHECK_THROWS_AS(route_key_of("[]", tables), sdk::Error);
    CHECK_THROWS_AS(route_key_of(R"(["nowhere","10.0.0.0/8",0])", tables), sdk::Error);
    CHECK_THROWS_AS(rule_key_of("7"), sdk::Error);
}

TEST_CASE("a provider's config that cannot be is refused") {
    const char* const config =
        GENERATE(R"({"tables":{"mine":254}})", R"({"tables":{"local":255}})", R"({"protocol":4})",
                 R"({"tables":{"7":7}})", R"({"bird":{"config":"relative.conf"}})");
    CHECK_THROWS_AS(read_settings(config), sdk::Error);
    const Settings settings = read_settings("{}");
    CHECK(settings.tables.is_owned(254));
    CHECK(settings.is_visible(72));
    CHECK(settings.is_visible(3));
    CHECK_FALSE(settings.is_visible(16));
    CHECK_FALSE(settings.is_visible(186));
    CHECK_FALSE(read_settings(R"({"adopt":[]})").is_visible(4));
}

namespace {

Settings with_sets() {
    return read_settings(R"({"tables":{"main":254,"vpn":100},"sets":{"blocked":80,"feed":81}})");
}

std::string canonical_set(const char* spec, const RouteSet* live = nullptr) {
    sdk::Diagnostics problems;
    const RouteSet set = read_route_set({{"spec", Json::parse(spec)}}, with_sets(), problems);
    if (!problems.empty()) return problems.front().code + " " + problems.front().pointer;
    std::string out;
    append_document(out, set, some_tables(), live);
    return identity_of(set.key, some_tables()) + " " + Json::parse(out).at("spec").dump();
}

} // namespace

TEST_CASE("a set of routes has one spelling, sorted and each destination once") {
    CHECK(
        canonical_set(
            R"({"name":"blocked","type":"blackhole","to":["203.0.113.7","10.9.0.0/16","203.0.113.7/32"]})") ==
        R"(["blocked","main","ipv4"] {"family":"ipv4","metric":0,"name":"blocked","table":"main",)"
        R"("to":["10.9.0.0/16","203.0.113.7/32"],"type":"blackhole"})");
    CHECK(
        canonical_set(R"({"name":"feed","table":100,"via":"fe80::1","dev":"v0","to":["2001:DB8::/32"]})") ==
        R"(["feed","vpn","ipv6"] {"family":"ipv6","metric":1024,"name":"feed","nexthops":[{"dev":"v0","via":"fe80::1"}],)"
        R"("table":"vpn","to":["2001:db8::/32"],"type":"unicast"})");
    RouteSet live;
    live.strays.emplace_back("10.0.0.0/8 type unicast");
    live.way.mtu = 1400;
    CHECK(
        canonical_set(R"({"name":"feed","dev":"v0","to":["10.0.0.0/8"]})", &live) ==
        R"(["feed","main","ipv4"] {"family":"ipv4","metric":0,"mtu":0,"name":"feed","nexthops":[{"dev":"v0"}],)"
        R"("strays":[],"table":"main","to":["10.0.0.0/8"],"type":"unicast"})");
}

TEST_CASE("what is wrong with a set is told where it stands") {
    const auto [spec, problem] = GENERATE(table<const char*, const char*>(
        {{R"({"name":"blocked","type":"blackhole","to":["10.0.0.0/8","10.1.2.3/16"]})",
          "routing.host-bits /spec/to/1"},
         {R"({"name":"blocked","type":"blackhole","to":["10.0.0.0/8","fd00::/8"]})",
          "routing.family /spec/to/1"},
         {R"({"name":"blocked","type":"blackhole","to":["0.0.0.0/0"]})", "routing.default /spec/to/0"},
         {R"({"name":"blocked","type":"blackhole","to":["ten"]})", "routing.address /spec/to/0"},
         {R"({"name":"blocked","type":"blackhole","to":[]})", "routing.no-destination /spec/to"},
         {R"({"name":"blocked","to":["10.0.0.0/8"]})", "routing.no-hop /spec/to"},
         {R"({"name":"blocked","type":"blackhole","table":7,"to":["10.0.0.0/8"]})",
          "routing.table /spec/table"},
         {R"({"name":"none","type":"blackhole","to":["10.0.0.0/8"]})", "routing.set /spec/name"}}));
    CHECK(canonical_set(spec) == problem);
}

TEST_CASE("a set is marked by a number of its own") {
    const char* const config = GENERATE(R"({"sets":{"a":80,"b":80}})", R"({"sets":{"a":72}})",
                                        R"({"sets":{"a":186}})", R"({"sets":{"a":4}})");
    CHECK_THROWS_AS(read_settings(config), sdk::Error);
    const Settings settings = with_sets();
    REQUIRE(settings.set_of(81));
    CHECK(*settings.set_of(81) == "feed");
    CHECK(settings.set_of(72) == nullptr);
    const RouteSetKey key{"feed", 100, AF_INET6};
    CHECK(route_set_key_of(identity_of(key, some_tables()), some_tables()) == key);
}

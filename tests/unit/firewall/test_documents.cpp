#include "firewall/check.hpp"
#include "firewall/compile.hpp"
#include "firewall/listing.hpp"
#include "firewall/names.hpp"
#include "firewall/nft.hpp"
#include "firewall/script.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::firewall;

namespace {

Json document(const char* kind, Json spec) {
    if (!spec.contains("table")) spec["table"] = "inet edge";
    return {{"apiVersion", api_version}, {"kind", kind}, {"spec", std::move(spec)}};
}

// "firewall.name /spec/name", one for each problem.
std::string problems_of(Kind kind, const Json& spec) {
    std::string out;
    for (const sdk::Diagnostic& why : check_document(kind, document(kind_name(kind), spec)))
        out += (out.empty() ? "" : ", ") + why.code + " " + why.pointer;
    return out;
}

// The leaves as "Set zone_lan", with their specs.
std::vector<Compiled> compiled(const char* kind, Json spec) {
    sdk::Diagnostics problems;
    auto out = compile_document(document(kind, std::move(spec)).dump(), problems);
    for (const sdk::Diagnostic& why : problems) FAIL_CHECK(why.code << " " << why.message);
    return out;
}

std::string problem_of_policy(Json spec) {
    spec["name"] = "p";
    sdk::Diagnostics problems;
    compile_document(document("Policy", std::move(spec)).dump(), problems);
    return problems.empty() ? "" : problems.front().code + " " + problems.front().pointer;
}

} // namespace

TEST_CASE("a table is a family, one space and a name") {
    CHECK(parse_table("inet edge").name == "edge");
    for (const char* text : {"inet", "inet ", "inet  edge", " inet edge", "inett edge", "inet edge ",
                             "inet a b", "inet 1st", "inet e;dge", "inet "})
        CHECK_THROWS_AS(parse_table(text), sdk::Error);
}

TEST_CASE("a rule is one line that ends nothing it did not begin") {
    for (const char* text : {"tcp dport { 22, 80 } accept", "accept comment \"a; b } # \\ $\"",
                             "ip saddr . tcp dport vmap { 10.0.0.1 . 22 : accept }"})
        CHECK_NOTHROW(check_one_line("rule", text));
    for (const char* text :
         {"", "  ", "accept;", "accept\n", "a \\", "accept comment \"x", "x }", "{ x", "a # b", "$x"})
        CHECK_THROWS_AS(check_one_line("rule", text), sdk::Error);
    CHECK_NOTHROW(check_element("192.0.2.1 comment \"a, b\""));
    for (const char* text : {"1, 2", "{ 1 }", "1 }", "1;"}) CHECK_THROWS_AS(check_element(text), sdk::Error);
}

TEST_CASE("a Rule's mark is read back from its comment, and others' comments are no marks") {
    const auto marked = read_tagged(tagged("tcp dport 22 accept", {-5, "office.a"}));
    REQUIRE(marked);
    CHECK(marked->tag == Tag{-5, "office.a"});
    CHECK(marked->rule == "tcp dport 22 accept");
    for (const char* text :
         {"accept", "accept comment \"hf\"", "accept comment \"hf x y\"", "accept comment \"hf 1\"",
          "accept comment \"hf 1 \"", "accept comment \"hf 1 a b\"", "accept comment \"x hf 1 a\"",
          "accept comment \"hf 99999999999 a\"", "log prefix \"hf 1 a\"", "comment \"hf 1 a\""})
        CHECK_FALSE(read_tagged(text));
}

TEST_CASE("elements are told apart at commas outside of quotes, and their keys from what follows") {
    CHECK(split_elements(" 10.0.0.0/8, 192.0.2.1 comment \"a, b\",x . { 1, 2 }, ").size() == 3);
    CHECK(key_of_element("192.0.2.1 timeout 1h comment \"x\"") == "192.0.2.1");
    CHECK(key_of_element("tcp . 80 : jump office") == "tcp . 80");
    CHECK(key_of_element("2001:db8::1 counter") == "2001:db8::1");
    CHECK(key_of_element("\"eth0 timeout\"") == "\"eth0 timeout\"");
}

TEST_CASE("a listing is read whole: handles, bases, sets over many lines, and what is none of ours") {
    const auto tables =
        parse_listing("# Warning: table ip nat is managed by iptables-nft, do not touch!\n"
                      "table ip nat { # handle 4\n\tchain A { # handle 1\n\t}\n}\n"
                      "table inet edge { # handle 9\n\tcomment \"x {\"\n\tflags dormant\n\n"
                      "\tct helper ftp { # handle 3\n\t\ttype \"ftp\" protocol tcp\n\t}\n\n"
                      "\tset s { # handle 2\n\t\ttype ipv4_addr : verdict\n\t\tflags interval\n"
                      "\t\telements = { 10.0.0.0/8,\n\t\t\t     1.2.3.4 comment \"}, {\" }\n\t}\n\n"
                      "\tchain in { # handle 1\n\t\tcomment \"y\"\n"
                      "\t\ttype filter hook ingress device \"lo\" priority filter - 5; policy drop;\n"
                      "\t\taccept comment \"a # handle 3\" # handle 12\n\t}\n}\n",
                      true);
    CHECK(tables.at("ip nat").is_of_iptables);
    const LiveTable& edge = tables.at("inet edge");
    CHECK_FALSE(edge.is_of_iptables);
    CHECK(edge.flags == std::vector<std::string>{"dormant"});
    CHECK(edge.objects.count("ct helper ftp") == 1);
    CHECK(edge.sets.at("s").elements == std::vector<std::string>{"1.2.3.4 comment \"}, {\"", "10.0.0.0/8"});
    const LiveChain& in = edge.chains.at("in");
    CHECK(in.base.device == "lo");
    CHECK(in.base.priority == "filter - 5");
    CHECK(in.base.policy == "drop");
    REQUIRE(in.rules.size() == 1);
    CHECK(in.rules[0].text == "accept comment \"a # handle 3\"");
    CHECK(in.rules[0].handle == 12);
}

TEST_CASE("errors of nft find the line, and in a list of elements the element") {
    Script script;
    script.add("add table inet edge");
    script.add("add rule inet edge c bad", {7, "/spec/rules/3"});
    script.add_elements("add element inet edge s", {{"1.1.1.1", 0}, {"x", 4}}, {8, "/spec/elements"});
    Nft::Answer answer;
    answer.error = "/proc/self/fd/9:2:22-24: Error: syntax error, unexpected string\nadd rule\n   ^^\n"
                   "/proc/self/fd/9:3:38-38: Error: Could not resolve hostname\n";
    const auto culprits = script.culprits(answer);
    REQUIRE(culprits.size() == 2);
    CHECK(culprits[0].place.item == 7);
    CHECK(culprits[0].place.pointer == "/spec/rules/3");
    CHECK(culprits[0].message == "syntax error, unexpected string");
    CHECK(script.text().substr(script.text().find(" x }") + 1, 1) == "x");
    CHECK(culprits[1].place.pointer == "/spec/elements/4");
}

TEST_CASE("what is wrong with a document is told with its place") {
    struct Row {
        Kind kind;
        Json spec;
        std::string problems;
    };
    const Row row = GENERATE(values<Row>({
        {Kind::chain, {{"name", "in"}, {"rules", {"accept", "a; b"}}}, "firewall.not-one-line /spec/rules/1"},
        {Kind::chain, {{"name", "in"}, {"policy", "drop"}}, "firewall.no-hook /spec/policy"},
        {Kind::chain, {{"name", "1"}}, "firewall.name /spec/name"},
        {Kind::chain,
         {{"name", "in"}, {"rules", {"accept comment \"hf 1 x\""}}},
         "firewall.guests /spec/rules/0"},
        {Kind::chain,
         {{"name", "in"}, {"rules", {{{"name", "x"}, {"rule", "accept comment \"y\""}}}}},
         "firewall.name /spec/rules/0"},
        {Kind::chain, {{"name", "in"}, {"shared", true}}, "firewall.guests /spec/shared"},
        {Kind::chain, {{"name", "in"}, {"hook", "input; policy drop"}}, ""}, // the schema says so
        {Kind::chain,
         {{"name", "in"}, {"hook", "input"}, {"priority", "0; policy drop"}},
         "firewall.not-one-line /spec/priority"},
        {Kind::set, {{"name", "s"}}, "firewall.set-type /spec"},
        {Kind::set, {{"name", "s"}, {"type", "a"}, {"typeof", "b"}}, "firewall.set-type /spec"},
        {Kind::set, {{"name", "s"}, {"type", "ipv4_addr; flags x"}}, "firewall.not-one-line /spec/type"},
        {Kind::set,
         {{"name", "s"}, {"type", "a"}, {"elements", {"1", "2, 3"}}},
         "firewall.not-one-line /spec/elements/1"},
        {Kind::set,
         {{"name", "s"}, {"type", "a"}, {"flags", {"dynamic"}}, {"elements", {"1"}}},
         "firewall.dynamic /spec/elements"},
        {Kind::set, {{"name", "s"}, {"type", "a"}, {"comment", "\"; drop"}}, "firewall.name /spec/comment"},
        {Kind::rule,
         {{"name", "r"}, {"chain", "c"}, {"rule", "accept comment \"x\""}},
         "firewall.name /spec/rule"},
        {Kind::rule, {{"name", "r"}, {"chain", "c c"}, {"rule", "accept"}}, "firewall.name /spec/chain"},
        {Kind::rule,
         {{"name", "r"}, {"chain", "c"}, {"rule", "accept"}, {"order", 2000000}},
         "firewall.order /spec/order"},
        {Kind::table, {{"table", "edge"}}, "firewall.table /spec/table"},
        {Kind::counter, {{"name", "a b"}}, "firewall.name /spec/name"},
        {Kind::quota,
         {{"name", "q"}, {"quota", "over 5 mbytes used 2 mbytes"}},
         "firewall.counted /spec/quota"},
        {Kind::quota, {{"name", "q"}, {"quota", "1 mbytes; }"}}, "firewall.not-one-line /spec/quota"},
        {Kind::limit, {{"name", "l"}, {"rate", "1/second }"}}, "firewall.not-one-line /spec/rate"},
        {Kind::ct_helper,
         {{"name", "h"}, {"type", "a\" b \"c"}, {"protocol", "tcp"}},
         "firewall.name /spec/type"},
        {Kind::ct_timeout,
         {{"name", "t"}, {"protocol", "tcp"}, {"policy", {{"a }", 1}}}},
         "firewall.name /spec/policy/a }"},
        {Kind::ct_timeout,
         {{"name", "t"}, {"protocol", "tcp"}, {"policy", {{"close", "1, established : 2"}}}},
         "firewall.not-one-line /spec/policy/close"},
        {Kind::flowtable,
         {{"name", "f"}, {"devices", {"eth0", "e\"x"}}},
         "firewall.interface /spec/devices/1"},
    }));
    INFO(row.spec.dump());
    CHECK(problems_of(row.kind, row.spec) == row.problems);
}

TEST_CASE("a provider touches the tables that its config names") {
    const TableFilter filter(Json{{"tables", {"inet hf_*", "ip edge"}}});
    CHECK(filter.allows({"inet", "hf_x"}));
    CHECK(filter.allows({"ip", "edge"}));
    CHECK_FALSE(filter.allows({"inet", "edge"}));
    CHECK(TableFilter(Json::object()).allows({"inet", "edge"}));
}

TEST_CASE("zones and services become sets, policies a chain and the rule that calls it") {
    const auto zone = compiled("FirewallZone", {{"name", "lan"}, {"interfaces", {"eth1", "wg*"}}});
    REQUIRE(zone.size() == 1);
    CHECK(zone[0].key == Key{Kind::set, "", "zone_lan"});
    CHECK(zone[0].spec["elements"] == Json{"\"eth1\"", "\"wg*\""});

    const auto service = compiled("Service", {{"name", "web"}, {"ports", {"udp/443", "tcp/80"}}});
    CHECK(service.at(0).spec["elements"] == Json{"tcp . 80", "udp . 443"});

    const auto policy =
        compiled("Policy", {{"name", "in"},
                            {"from", "wan"},
                            {"to", "self"},
                            {"default", "drop"},
                            {"rules",
                             {{{"services", {"web", "ssh"}}, {"sources", {"10.0.0.0/8", "::1", "192.0.2.1"}}},
                              {{"match", "icmp type echo-request"}, {"log", "ping "}, {"count", true}},
                              {{"sources", {"ip6 @office"}}, {"action", "drop"}},
                              "udp dport 68 accept"}}});
    REQUIRE(policy.size() == 2);
    CHECK(policy[0].spec["rules"] ==
          Json{"ip saddr { 10.0.0.0/8, 192.0.2.1 } meta l4proto . th dport @service_web accept",
               "ip saddr { 10.0.0.0/8, 192.0.2.1 } meta l4proto . th dport @service_ssh accept",
               "ip6 saddr ::1 meta l4proto . th dport @service_web accept",
               "ip6 saddr ::1 meta l4proto . th dport @service_ssh accept",
               "icmp type echo-request counter log prefix \"ping \" accept", "ip6 saddr @office drop",
               "udp dport 68 accept", "drop"});
    CHECK(policy[1].key == Key{Kind::rule, "input", "in"});
    CHECK(policy[1].spec["rule"] == "iifname @zone_wan jump policy_in");
    CHECK(compiled("Policy", {{"name", "o"}, {"from", "self"}, {"to", "any"}})[1].spec["chain"] == "output");
    CHECK(compiled("Policy", {{"name", "o"}, {"from", "a"}, {"to", "b"}})[1].spec["rule"] ==
          "iifname @zone_a oifname @zone_b jump policy_o");
}

TEST_CASE("what no packet can fit, or nft could misread, is no policy") {
    CHECK(problem_of_policy({{"from", "self"}, {"to", "self"}}) == "firewall.policy /spec/to");
    const auto with = [](Json rule) {
        return problem_of_policy({{"from", "a"}, {"to", "b"}, {"rules", Json::array({std::move(rule)})}});
    };
    CHECK(with({{"sources", {"10.0.0.1"}}, {"destinations", {"::1"}}}) == "firewall.addresses /spec/rules/0");
    CHECK(with({{"sources", {"example.org"}}}) == "firewall.addresses /spec/rules/0");
    CHECK(with({{"sources", {"@a", "10.0.0.1"}}}) == "firewall.addresses /spec/rules/0");
    CHECK(with({{"action", "accept; drop"}}) == "firewall.not-one-line /spec/rules/0");
    CHECK(with({{"log", "a\" drop"}}) == "firewall.not-one-line /spec/rules/0");
    CHECK(with({{"services", {"a b"}}}) == "firewall.name /spec/rules/0");
}

TEST_CASE("a list of objects becomes the objects, with places in the list") {
    const auto objects = compiled("Objects", {{"counters", {"hits", "drops"}},
                                              {"quotas", {{"month", "over 1 mbytes"}}},
                                              {"limits", {{"slow", "5/second"}}},
                                              {"ctTimeouts", {{"a/b", {{"protocol", "udp"}}}}},
                                              {"flowtables", {{"fast", {{"devices", {"eth0"}}}}}}});
    REQUIRE(objects.size() == 6);
    CHECK(objects[1].key == Key{Kind::counter, "", "drops"});
    CHECK(objects[1].part == "counter drops");
    CHECK(objects[2].spec["quota"] == "over 1 mbytes");
    CHECK(objects[3].spec["rate"] == "5/second");
    CHECK(objects[3].pointer == "/spec/limits/slow");
    CHECK(objects[4].pointer == "/spec/ctTimeouts/a~1b");
    CHECK(objects[5].spec["devices"] == Json{"eth0"});
    const auto problem = [](const Json& spec) {
        sdk::Diagnostics problems;
        Json document{{"kind", "Objects"}, {"spec", spec}};
        document["spec"]["table"] = "inet edge";
        CHECK(compile_document(document.dump(), problems).empty());
        return problems.at(0).code + " " + problems.at(0).pointer;
    };
    CHECK(problem({{"counters", {"good", "1"}}}) == "firewall.name /spec/counters/1");
    CHECK(problem({{"quotas", {{"q", "1 mbytes used 1 bytes"}}}}) == "firewall.counted /spec/quotas/q");
    CHECK(problem({{"flowtables", {{"f", {{"devices", {"a b"}}}}}}}) ==
          "firewall.interface /spec/flowtables/f/devices/0");
}

TEST_CASE("a rule names an object by kind and name, and not in its comment") {
    struct Row {
        std::string rule;
        Kind kind;
        bool names;
    };
    const Row row = GENERATE(values<Row>({
        {"tcp dport 80 counter name \"a\" accept", Kind::counter, true},
        {"tcp dport 80 counter name \"ab\" accept", Kind::counter, false},
        {"quota name \"a\" counter", Kind::counter, false},
        {"counter name tcp dport map { 80 : \"b\", 81 : \"a\" }", Kind::counter, true},
        {"counter name ip saddr map @a", Kind::counter, false},
        {"accept comment \"counter name a\"", Kind::counter, false},
        {"ct helper set \"a\"", Kind::ct_helper, true},
        {"ct helper \"a\" accept", Kind::ct_helper, false}, // of a connection that has one
        {"ct timeout set \"a\"", Kind::ct_helper, false},
        {"synproxy name \"a\"", Kind::synproxy, true},
        {"flow add @a", Kind::flowtable, true},
        {"flow add @a counter", Kind::flowtable, true},
        {"flow add @a-b", Kind::flowtable, false},
        {"ip saddr @a accept", Kind::flowtable, false},
    }));
    INFO(row.rule);
    CHECK(names_object(row.rule, row.kind, "a") == row.names);
}

// The firewall plugin as a person uses it: holdfast plan, apply, drift and import on the kernel's ruleset.

#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernel.hpp"
#include "support/catch.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;
using test::Playground;
using test::Ran;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string read_file(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

void use_firewall(Playground& play, const std::string& ownership = "owned") {
    REQUIRE(nft("flush ruleset"));
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: edge}\n"
               "spec: {plugin: firewall, ownership: " +
                   ownership +
                   "}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: fw}\n"
                   "spec: {path: fw, providers: {firewall.holdfast.dev: edge}}\n");
}

constexpr const char* rules_document = R"(apiVersion: firewall.holdfast.dev/v1alpha1
kind: Chain
metadata: {name: input}
spec:
  table: inet edge
  name: input
  hook: input
  policy: accept
  rules:
  - ct state established,related accept
  - tcp dport {443, 80} accept
  - ip saddr @blocked counter drop
---
apiVersion: firewall.holdfast.dev/v1alpha1
kind: Set
metadata: {name: blocked}
spec:
  table: inet edge
  name: blocked
  type: ipv4_addr
  flags: [interval]
  elements: [192.0.2.7, 10.1.2.3/8]
)";

constexpr const char* accounting_document = R"(apiVersion: firewall.holdfast.dev/v1alpha1
kind: Objects
metadata: {name: accounting}
spec:
  table: inet edge
  counters: [hits]
  quotas: {month: over 1048576 bytes}
  limits: {slow: 60/minute burst 5 packets}
---
apiVersion: firewall.holdfast.dev/v1alpha1
kind: Chain
metadata: {name: count}
spec:
  table: inet edge
  name: count
  rules: [counter name hits, quota name month drop, limit name slow counter accept]
)";

} // namespace

TEST_CASE("rules are planned, applied, drift, and are corrected") {
    if (const auto why = obstacle()) return skip(*why);
    Playground play;
    use_firewall(play);
    play.write("fw/rules.yaml", rules_document);
    play.commit();
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    REQUIRE(apply.exit_code == 0);
    const Ran again = play.holdfast({"plan", "--exit-code"});
    INFO(again.out << again.err);
    CHECK(again.exit_code == 0);

    REQUIRE(nft("insert rule inet edge input udp dport 53 accept"));
    REQUIRE(nft("add element inet edge blocked { 198.51.100.1 }"));
    const Ran drift = play.holdfast({"drift", "--exit-code"});
    INFO(drift.out << drift.err);
    CHECK(drift.exit_code == 2);
    CHECK(has(drift.out, "udp dport 53 accept"));
    CHECK(has(drift.out, "198.51.100.1"));
    CHECK_FALSE(has(drift.out, "tcp dport { 80, 443 } accept")); // it only moved
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(play.holdfast({"drift", "--exit-code"}).exit_code == 0);
    CHECK_FALSE(has(nft_output("list ruleset"), "198.51.100.1"));
}

TEST_CASE("a typo is told with file and line, and nothing is written") {
    if (const auto why = obstacle()) return skip(*why);
    Playground play;
    use_firewall(play);
    std::string text = rules_document;
    text.replace(text.find("tcp dport {443, 80}"), 19, "tcp dport {443, 8o}");
    play.write("fw/rules.yaml", text);
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.err + plan.out, "fw/rules.yaml:11:"));
    CHECK(has(plan.err + plan.out, "firewall.refused"));
    play.holdfast({"apply", "--yes"});
    CHECK_FALSE(has(nft_output("list ruleset"), "chain input"));
}

TEST_CASE("zones, services and policies become sets and chains, and change only what they are in") {
    if (const auto why = obstacle()) return skip(*why);
    Playground play;
    use_firewall(play);
    const auto sample = std::filesystem::path(HOLDFAST_SOURCE_DIR) / "tests/integration/firewall/zones.yaml";
    play.write("fw/zones.yaml", read_file(sample));
    play.commit();
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    REQUIRE(apply.exit_code == 0);
    const std::string listing = nft_output("list table inet edge");
    INFO(listing);
    CHECK(has(listing, "iifname @zone_lan oifname @zone_wan jump policy_lan-to-wan"));
    CHECK(has(listing, "meta l4proto . th dport @service_web"));
    CHECK(has(listing, "ip6 saddr 2001:db8::/32"));
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    const std::string handle = handle_of("forward", "@zone_lan");
    std::string wider = read_file(sample);
    wider.replace(wider.find("interfaces: [lan0]"), 18, "interfaces: [lan0, lan1]");
    play.write("fw/zones.yaml", wider);
    play.commit();
    REQUIRE(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(has(nft_output("list set inet edge zone_lan"), "lan1"));
    CHECK(handle_of("forward", "@zone_lan") == handle);
}

TEST_CASE("a ruleset that is there is imported, and the next plan adopts it without a change") {
    if (const auto why = obstacle()) return skip(*why);
    Playground play;
    use_firewall(play);
    REQUIRE(nft(
        "add table inet edge { counter hits { packets 3 bytes 9; }; quota q { over 5 mbytes used 1 mbytes; "
        "}; limit l { "
        "rate 9/second; }; set s { type ipv4_addr; elements = { 192.0.2.1 }; }; chain input { "
        "type filter hook "
        "input priority 0; policy accept; ip saddr @s counter name hits drop; tcp dport { 22, 80 } accept "
        "comment \"web\"; "
        "}; chain user { }; }"));
    play.write("fw/.keep", "");
    play.commit();
    const std::string before = nft_output("-a list ruleset");
    const Ran import = play.holdfast({"import", "edge", "--scope", "inet edge", "--write"});
    INFO(import.out << import.err);
    REQUIRE(import.exit_code == 0);
    play.commit();
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(nft_output("-a list ruleset") == before);
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);
}

TEST_CASE("exclusive ownership of a table removes what nobody declares, and no other table") {
    if (const auto why = obstacle()) return skip(*why);
    Playground play;
    use_firewall(play, "exclusive");
    play.write("fw/rules.yaml",
               std::string(rules_document) +
                   "---\napiVersion: firewall.holdfast.dev/v1alpha1\nkind: Table\nmetadata: {name: edge}\n"
                   "spec: {table: inet edge}\n");
    play.commit();
    REQUIRE(nft("add table ip docker { chain c { }; }"));
    const Ran first = play.holdfast({"apply", "--yes"});
    INFO(first.out << first.err);
    REQUIRE(first.exit_code == 0);
    REQUIRE(nft("add table inet edge { set foreign { type ipv4_addr; }; }"));
    const Ran second = play.holdfast({"apply", "--yes"});
    INFO(second.out << second.err);
    CHECK(second.exit_code == 0);
    const std::string listing = nft_output("list ruleset");
    CHECK_FALSE(has(listing, "foreign"));
    CHECK(has(listing, "table ip docker"));
    CHECK(has(listing, "chain c"));
}

TEST_CASE("counters, quotas and limits are planned, and a plan says what a change of them loses") {
    if (const auto why = obstacle()) return skip(*why);
    Playground play;
    use_firewall(play, "exclusive");
    play.write("fw/table.yaml",
               "apiVersion: firewall.holdfast.dev/v1alpha1\nkind: Table\nmetadata: {name: edge}\n"
               "spec: {table: inet edge}\n");
    play.write("fw/rules.yaml", accounting_document);
    play.commit();
    REQUIRE(nft("add table inet edge { counter hits { packets 7 bytes 700 ; }; counter theirs { } ; }"));
    const Ran first = play.holdfast({"apply", "--yes"});
    INFO(first.out << first.err);
    REQUIRE(first.exit_code == 0);
    const std::string listing = nft_output("list table inet edge");
    CHECK(has(listing, "packets 7 bytes 700"));
    CHECK_FALSE(has(listing, "theirs"));
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    std::string changed = accounting_document;
    changed.replace(changed.find("60/minute burst 5"), 17, "90/minute burst 9");
    changed.replace(changed.find("1048576"), 7, "2097152");
    play.write("fw/rules.yaml", changed);
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(has(plan.out, "with a full burst, and the rule that names it counts from zero"));
    CHECK(has(plan.out, "what is used stays"));
    CHECK(has(plan.out, "over 1 mbytes -> over 2 mbytes"));
    REQUIRE(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(has(nft_output("list table inet edge"), "rate 90/minute burst 9 packets"));
    CHECK(has(nft_output("list table inet edge"), "packets 7 bytes 700"));
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    changed.replace(changed.find("90/minute burst 9"), 17, "90/fortnight of 9");
    play.write("fw/rules.yaml", changed);
    play.commit();
    const Ran typo = play.holdfast({"plan"});
    INFO(typo.out << typo.err);
    CHECK(typo.exit_code != 0);
    CHECK(has(typo.out + typo.err, "fw/rules.yaml:8"));
}

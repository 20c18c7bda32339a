// The dns plugin as a person uses it: holdfast plan, apply, drift and import against a real name server.

#include <algorithm>
#include <map>
#include <random>

#include <nlohmann/json.hpp>

#include "servers.hpp"
#include "support/catch.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;
using test::Playground;
using test::Ran;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void use_server(Playground& play, const NameServer& server, const std::string& ownership = "owned") {
    play.write("holdfast.yaml", "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: ns}\n"
                                "spec: {plugin: dns, ownership: " +
                                    ownership + ", config: " + server.provider_config() +
                                    "}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
                                    "metadata: {name: edge}\n"
                                    "spec: {path: edge, providers: {dns.holdfast.dev: ns}}\n");
}

constexpr const char* zone_document = R"(apiVersion: dns.holdfast.dev/v1alpha1
kind: Zone
metadata: {name: example-org}
spec:
  name: example.org
  ttl: 5m
  records:
  - WWW A 192.0.2.10
  - www.example.org. A 192.0.2.11
  - "@ 1h TXT v=spf1 include:_spf.example.net -all"
  - {name: "@", type: MX, values: [10 mail, "20 mx.example.net."]}
  - mail A 192.0.2.25
)";

constexpr const char* set_document = R"(apiVersion: dns.holdfast.dev/v1alpha1
kind: RecordSet
metadata: {name: shop}
spec: {zone: Example.ORG., name: bücher, type: cname, ttl: 60, values: www}
)";

} // namespace

#define ON_SERVER(...)                                                                                       \
    if (const auto why = obstacle()) return skip(*why);                                                      \
    const Program program = GENERATE(__VA_ARGS__);                                                           \
    INFO("server: " << name_of(program));                                                                    \
    NameServer server(program)

TEST_CASE("a zone is planned, applied, drifts, and is corrected") {
    ON_SERVER(Program::bind, Program::knot);
    Playground play;
    use_server(play, server);
    play.write("edge/zone.yaml", zone_document);
    play.write("edge/team/shop.yaml", set_document);
    play.commit();

    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 0);
    CHECK(has(plan.out, "5 to create"));
    const Ran apply = play.holdfast({"apply", "--yes"});
    INFO(apply.out << apply.err);
    REQUIRE(apply.exit_code == 0);
    CHECK(server.dig("www.example.org A | sort") == "192.0.2.10\n192.0.2.11\n");
    CHECK(server.dig("xn--bcher-kva.example.org CNAME") == "www.example.org.\n");
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    REQUIRE(server.foreign_edit("update add www.example.org 300 A 198.51.100.1\n"
                                "update add foreign.example.org 300 A 198.51.100.2"));
    const Ran drift = play.holdfast({"drift", "--exit-code"});
    INFO(drift.out << drift.err);
    CHECK(drift.exit_code == 2);
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(server.dig("www.example.org A | sort") == "192.0.2.10\n192.0.2.11\n");
    CHECK(server.dig("foreign.example.org A") == "198.51.100.2\n");
    CHECK(play.holdfast({"plan", "--exit-code"}).exit_code == 0);

    play.remove("edge/team/shop.yaml");
    play.commit();
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(server.dig("xn--bcher-kva.example.org CNAME").empty());
    CHECK(server.dig("foreign.example.org A") == "198.51.100.2\n");
}

namespace {

using Json = nlohmann::json;

// Addresses' objects that a plan would change, as "create www/A", sorted.
std::vector<std::string> planned(Playground& play) {
    const Ran ran = play.holdfast({"plan", "--json"});
    INFO(ran.err);
    const Json run = Json::parse(ran.out, nullptr, false);
    REQUIRE(run.is_object());
    std::vector<std::string> out;
    for (const Json& stack : run.at("stacks"))
        for (const Json& round : stack.at("rounds"))
            for (const Json& change : round.at("plan").at("changes")) {
                const Json key = Json::parse(change.at("object").at("identity").get<std::string>());
                out.push_back(change.at("action").get<std::string>() + " " + key[0].get<std::string>() + "/" +
                              key[1].get<std::string>());
            }
    std::sort(out.begin(), out.end());
    return out;
}

// One record set of the random zone and what it may be changed to behind our back.
struct Live {
    std::string name, type;
    std::vector<std::string> values, others;
};

std::vector<Live> random_zone() {
    std::vector<Live> out;
    for (int i = 0; i < 8; ++i) {
        const std::string n = std::to_string(i);
        out.push_back({"a" + n, "A", {"192.0.2." + n, "192.0.2.1" + n}, {"198.51.100." + n}});
        out.push_back({"t" + n, "TXT", {"\"text " + n + "\""}, {"\"another " + n + "\""}});
        out.push_back({"m" + n, "MX", {"10 mail.example.net."}, {"20 mail.example.net."}});
        out.push_back({"c" + n, "CNAME", {"Target-" + n + ".example.net."}, {"elsewhere.example.net."}});
    }
    return out;
}

std::string record_of(const Live& live, const std::string& value) {
    return live.name + ".example.org. 300 " + live.type + " " + value;
}

// A random edit of one RRset by somebody else; "" where it only spells it anew, else what the plan must say.
std::string mutate(const Live& live, unsigned way, std::string& commands) {
    const std::string set = live.name + ".example.org. " + live.type;
    const std::string tag = " " + live.name + "/" + live.type;
    switch (way % 4) {
        case 0: // gone
            commands += "update delete " + set + "\n";
            return "create" + tag;
        case 1: // changed
            commands += "update delete " + set + "\nupdate add " + record_of(live, live.others[0]) + "\n";
            return "update" + tag;
        case 2: // another time to live
            commands += "update delete " + set + "\n";
            for (const std::string& value : live.values)
                commands += "update add " + live.name + ".example.org. 77 " + live.type + " " + value + "\n";
            return "update" + tag;
        default: { // the same, in capitals and in another order
            std::string upper = live.name;
            for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            commands += "update delete " + set + "\n";
            for (auto value = live.values.rbegin(); value != live.values.rend(); ++value)
                commands += "update add " + upper + ".EXAMPLE.org. 300 " + live.type + " " + *value + "\n";
            return "";
        }
    }
}

} // namespace

TEST_CASE("of random edits exactly the real ones are reported, and corrected in one pass") {
    ON_SERVER(Program::bind, Program::knot, Program::pdns);
    Playground play;
    use_server(play, server);
    const std::vector<Live> zone = random_zone();
    Json records = Json::array();
    for (const Live& live : zone)
        records.push_back({{"name", live.name}, {"type", live.type}, {"ttl", 300}, {"values", live.values}});
    play.write("edge/zone.json", Json{{"apiVersion", "dns.holdfast.dev/v1alpha1"},
                                      {"kind", "Zone"},
                                      {"metadata", {{"name", "z"}}},
                                      {"spec", {{"name", "example.org"}, {"records", records}}}}
                                     .dump());
    play.commit();
    const Ran first = play.holdfast({"apply", "--yes"});
    INFO(first.out << first.err);
    REQUIRE(first.exit_code == 0);
    REQUIRE(planned(play).empty());

    constexpr int rounds = 13, teams = 5;
    std::mt19937 random(20261123);
    std::map<int, std::string> of_others;
    std::size_t changes = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::string> expected;
        // Another team writes in the zone as well, and changes its mind.
        const int team = static_cast<int>(random() % teams);
        of_others[team] = "198.51.100." + std::to_string(round);
        const std::string theirs = "team-" + std::to_string(team) + ".example.org.";
        std::string commands =
            "update delete " + theirs + " A\nupdate add " + theirs + " 300 A " + of_others[team] + "\n";
        for (const Live& live : zone)
            if (random() % 2 == 0 && ++changes > 0)
                if (const std::string change = mutate(live, static_cast<unsigned>(random()), commands);
                    !change.empty())
                    expected.push_back(change);
        std::sort(expected.begin(), expected.end());
        INFO("round " << round << "\n" << commands);
        REQUIRE(server.foreign_edit(commands));
        CHECK(planned(play) == expected);
        const Ran apply = play.holdfast({"apply", "--yes"});
        INFO(apply.out << apply.err);
        CHECK(apply.exit_code == 0);
        REQUIRE(planned(play).empty());
    }
    CHECK(changes > 180);
    for (const auto& [team, address] : of_others) // nothing of others was touched
        CHECK(server.dig("team-" + std::to_string(team) + ".example.org A") == address + "\n");
}

TEST_CASE("an imported zone has an empty plan, and in an exclusive one only what others may write stays") {
    ON_SERVER(Program::bind, Program::knot, Program::pdns);
    REQUIRE(server.foreign_edit("update add txt.example.org. 60 TXT \"a;b\" \"\\\"q\\\"\" \"\\195\\182\"\n"
                                "update add _acme-challenge.www.example.org. 60 TXT token\n"
                                "update add dhcp-1.example.org. 60 A 192.0.2.77\n"
                                "update add svc.example.org. 60 HTTPS 1 . alpn=h2,h3\n"
                                "update add *.wild.example.org. 60 A 192.0.2.78"));
    // PowerDNS refuses updates of types that it does not know.
    const std::string odd = "update add odd.example.org. 60 TYPE65280 \\# 3 010203";
    CHECK(server.foreign_edit(odd) == (program != Program::pdns));
    Playground play;
    use_server(play, server);
    play.commit();
    const Ran import = play.holdfast({"import", "ns", "--scope", "example.org", "--write"});
    INFO(import.out << import.err);
    REQUIRE(import.exit_code == 0);
    play.commit();
    for (const std::string& change : planned(play)) CHECK(change.rfind("adopt ", 0) == 0);
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(planned(play).empty());

    std::string holdfast_yaml = read_file((play.repository() / "holdfast.yaml").string());
    holdfast_yaml.replace(holdfast_yaml.find("ownership: owned"), 16, "ownership: exclusive");
    holdfast_yaml.replace(holdfast_yaml.find("config: {"), 9, "config: {\"leave\":[\"lease-*\"],");
    play.write("holdfast.yaml", holdfast_yaml);
    play.commit();
    CHECK(planned(play).empty());
    REQUIRE(server.foreign_edit("update add stray.example.org. 60 A 192.0.2.79\n"
                                "update add lease-2.example.org. 60 A 192.0.2.80"));
    CHECK(planned(play) == std::vector<std::string>{"delete stray/A"});
    CHECK(play.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(server.dig("stray.example.org A").empty());
    CHECK(server.dig("lease-2.example.org A") == "192.0.2.80\n");
    CHECK(server.dig("_acme-challenge.www.example.org TXT") == "\"token\"\n");
    CHECK(server.dig("example.org NS") == "ns1.example.org.\n");
}

TEST_CASE("two teams cannot declare the same records, however they spell them") {
    ON_SERVER(Program::bind);
    Playground play;
    use_server(play, server);
    play.write("edge/zone.yaml", zone_document);
    play.write("edge/team/www.yaml", "apiVersion: dns.holdfast.dev/v1alpha1\nkind: RecordSet\n"
                                     "metadata: {name: mine}\n"
                                     "spec: {zone: EXAMPLE.org, name: WwW, type: A, values: [192.0.2.66]}\n");
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.err, "team/www.yaml"));
    CHECK(has(plan.err, "zone.yaml"));
}

TEST_CASE("what is wrong in a zone is shown with its line") {
    ON_SERVER(Program::bind);
    Playground play;
    use_server(play, server);
    play.write("edge/zone.yaml", "apiVersion: dns.holdfast.dev/v1alpha1\nkind: Zone\nmetadata: {name: z}\n"
                                 "spec:\n  name: example.org\n  records:\n"
                                 "  - www A 192.0.2.300\n  - www CNAME lb.example.com\n");
    play.commit();
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(has(plan.err, "edge/zone.yaml:7:"));
    CHECK(has(plan.err, "[dns.bad-value]"));
    CHECK(has(plan.err, "edge/zone.yaml:8:"));
    CHECK(has(plan.err, "[dns.dot]"));
}

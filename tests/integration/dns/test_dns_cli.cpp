// The dns plugin as a person uses it: holdfast plan, apply, drift and import against a real name server.

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

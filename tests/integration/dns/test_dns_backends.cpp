// The dns plugin through the engine's plugin host, against BIND, Knot and PowerDNS, the last in both ways.

#include "asks.hpp"
#include "servers.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

struct Backend {
    Program program;
    bool by_update;
};
const Backend by_api{Program::pdns, false};

struct World {
    explicit World(Backend way, const ServerOptions& options = {})
        : backend(way), server(way.program, options) {}
    explicit World(Program program, const ServerOptions& options = {})
        : World(Backend{program, true}, options) {}

    std::string config(const std::string& secret = tsig_secret) const {
        return server.provider_config(backend.by_update, secret);
    }

    Isolation isolation() const { return backend.by_update ? Isolation::in_process : Isolation::worker; }

    Backend backend;
    NameServer server;
    // Only the worker offers the HTTP client.
    PluginDriver plugin{"dns", config(), isolation()};

    Answers observe(const std::vector<Ask>& items) { return plugin.ask(Method::observe, zone, items); }
    Answers apply(const std::vector<Ask>& items, const std::string& version = {}) {
        return plugin.ask(Method::apply, zone, items, {}, version);
    }
    std::string all() { return plugin.ask(Method::snapshot, zone, {}).scope.private_data; }
};

// Each spelled as people do, not as a server gives it back.
const std::vector<Ask> records{
    rrset("www", "A", {"192.0.2.12", "192.0.2.2"}),
    rrset("www", "AAAA", {"2001:DB8:0:0::1"}),
    rrset("api", "CNAME", {"LB-2.Example.ORG."}, 60),
    rrset("@", "TXT", {"v=spf1 -all", "\"plain\" \"two\""}),
};

} // namespace

#define NEEDS_SERVERS                                                                                        \
    if (const auto why = obstacle()) return skip(*why)
#define ON_EACH_BACKEND                                                                                      \
    NEEDS_SERVERS;                                                                                           \
    const Backend backend = GENERATE(Backend{Program::bind, true}, Backend{Program::knot, true},             \
                                     Backend{Program::pdns, true}, by_api);                                  \
    INFO("server: " << name_of(backend.program) << (backend.by_update ? "" : " by its API"))

TEST_CASE("what is written is what is read, and writing it again writes nothing") {
    ON_EACH_BACKEND;
    World world(backend);
    const Answers before = world.observe(records);
    CHECK(before.summary() == "absent absent absent absent");
    CHECK(world.apply(records, before.scope.version).summary() == "done done done done");
    const Answers after = world.observe(records);
    REQUIRE(after.summary() == "done done done done");
    CHECK(Json::parse(after[0].document)["spec"]["values"] == Json{"192.0.2.2", "192.0.2.12"});
    CHECK(Json::parse(after[1].document)["spec"]["values"] == Json{"2001:db8::1"});
    CHECK(Json::parse(after[2].document)["spec"]["values"] == Json{"lb-2.example.org."});
    CHECK(Json::parse(after[3].document)["spec"]["values"] == Json{"\"plain\" \"two\"", "v=spf1 -all"});
    CHECK(after.scope.version != before.scope.version);
    CHECK(world.server.dig("www.example.org AAAA") == "2001:db8::1\n");

    CHECK(world.apply(records, after.scope.version).summary() == "unchanged unchanged unchanged unchanged");
    CHECK(world.observe(records).scope.version == after.scope.version); // nothing new, no new serial
}

TEST_CASE("every type comes back as it was written, and is equal to itself") {
    ON_EACH_BACKEND;
    World world(backend);
    const std::string hash(64, 'a'), long_text(511, 'x');
    std::vector<Ask> all{
        rrset("caa", "CAA", {"0 issue \"ca.example.net; account=1\"", "128 iodef mailto:a@example.org"}),
        rrset("sub", "NS", {"ns.example.net."}),
        rrset("sub", "DS", {"1 8 2 " + hash}),
        rrset("dname", "DNAME", {"Example.NET."}),
        rrset("https", "HTTPS", {"1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1 ipv6hint=2001:db8::1"}),
        rrset("svcb", "SVCB", {"1 svc.example.net. port=8443"}),
        rrset("loc", "LOC", {"52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"}),
        rrset("naptr", "NAPTR", {"100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.org!\" ."}),
        rrset("key", "OPENPGPKEY", {"mDMEXEcE6RYJKwYBBAHaRw8BAQdA"}),
        rrset("ptr", "PTR", {"host"}),
        rrset("_sip._tcp", "SRV", {"1 2 5060 sip.example.net."}),
        rrset("ssh", "SSHFP", {"4 2 " + hash}),
        rrset("_443._tcp", "TLSA", {"3 1 1 " + hash}),
        rrset("uri", "URI", {"10 1 \"https://example.org/a?b=c\""}),
        rrset("rp", "RP", {"admin.example.net. txt.example.net."}),
        rrset("smime", "SMIMEA", {"3 1 1 " + hash}),
        rrset("mx", "MX", {"10 MX.example.net.", "0 mx2.example.net."}),
        rrset("*.wild", "A", {"192.0.2.1"}),
        rrset("txt", "TXT", {long_text, "", R"("\";")", R"(\195\182)", "ö", R"("\255\000")", R"(a\;b)"}),
        rrset("_under_score", "CNAME", {"www.example.net."}),
    };
    // PowerDNS takes no such names, and no types by update that it does not know.
    if (backend.program != Program::pdns) all.push_back(rrset("a\\.b", "TXT", {"dotted"}));
    const bool knows_others = !(backend.program == Program::pdns && backend.by_update);
    if (knows_others) all.push_back(rrset("odd", "TYPE65280", {"\\# 3 010203"}));
    const Answers written = world.apply(all, world.observe(all).scope.version);
    for (const auto& [index, answer] : written.items) {
        INFO(all[index].identity << " " << answer.document);
        CHECK(answer.outcome == Outcome::done);
    }
    const Answers seen = world.observe(all);
    std::vector<Ask> again = all;
    for (std::uint32_t i = 0; i < again.size(); ++i) again[i] = changed(again[i], seen[i].document);
    const Answers repeated = world.apply(again, seen.scope.version);
    for (const auto& [index, answer] : repeated.items) {
        INFO(all[index].declared << " " << seen[index].document);
        CHECK(answer.outcome == Outcome::unchanged);
    }
}

TEST_CASE("a foreign edit of the same RRset between observe and apply is not overwritten") {
    ON_EACH_BACKEND;
    World world(backend);
    const std::string version = world.observe(records).scope.version;
    REQUIRE(world.server.foreign_edit("update add www.example.org 300 A 198.51.100.7"));
    const Answers refused = world.apply(records, version);
    REQUIRE(refused.summary() ==
            "failed(dns.conflict) failed(dns.conflict) failed(dns.conflict) failed(dns.conflict)");
    CHECK(refused[0].diagnostics.list()[0].retry == Retry::conflict);
    CHECK(world.server.dig("www.example.org A") == "198.51.100.7\n");

    const Answers seen = world.observe(records);
    std::vector<Ask> again = records;
    again[0] = changed(again[0], seen[0].document);
    CHECK(world.apply(again, seen.scope.version).summary() == "done done done done");
    CHECK(world.server.dig("www.example.org A").find("198.51.100.7") == std::string::npos);
}

TEST_CASE("a foreign edit elsewhere in the zone neither hinders nor gets lost") {
    ON_EACH_BACKEND;
    World world(backend);
    const std::string version = world.observe(records).scope.version;
    REQUIRE(world.server.foreign_edit("update add other.example.org 300 A 198.51.100.7"));
    CHECK(world.apply(records, version).summary() == "done done done done");
    CHECK(world.server.dig("other.example.org A") == "198.51.100.7\n");
}

TEST_CASE("a second apply in the same zone goes by the version that the first one left") {
    ON_EACH_BACKEND;
    World world(backend);
    const std::string left = world.apply(records, world.observe(records).scope.version).scope.version;
    CHECK(left == world.observe(records).scope.version);
    CHECK(world.apply({removal("api", "CNAME")}, left).summary() == "done");
}

TEST_CASE("one bad item leaves everything as it was, and is the one that is blamed") {
    NEEDS_SERVERS;
    struct Case {
        Ask bad;
        std::string summary;
    };
    World world(Program::bind);
    const std::string before = world.all();
    for (const Case& bad : std::vector<Case>{
             {rrset("bad", "A", {"192.0.2.300"}), "skipped failed(dns.bad-value)"},
             {rrset("bad", "CNAME", {"a.\nwww.example.org. 300 IN A 192.0.2.2"}),
              "skipped failed(dns.bad-value)"},
             {rrset("old", "A", {"192.0.2.1"}), "skipped failed(dns.cname)"},
             {rrset("@", "CNAME", {"a.example.net."}), "skipped failed(dns.cname)"},
             {rrset("@", "MX", {"10 old"}), "skipped failed(dns.target)"},
             {rrset("a", "ALIAS", {"example.net."}), "skipped failed(dns.type)"},
         }) {
        CHECK(world.apply({records[0], bad.bad}).summary() == bad.summary);
        CHECK(world.all() == before);
    }
}

TEST_CASE("a CNAME becomes an A in one message, in whichever order the two are given") {
    ON_EACH_BACKEND;
    const bool delete_comes_first = GENERATE(true, false);
    World world(backend);
    std::vector<Ask> changes{rrset("old", "A", {"192.0.2.1"}), removal("old", "CNAME")};
    if (delete_comes_first) std::swap(changes[0], changes[1]);
    CHECK(world.apply(changes, world.observe(changes).scope.version).summary() == "done done");
    CHECK(world.server.dig("old.example.org A") == "192.0.2.1\n");
    CHECK(world.apply({removal("old", "A")}).summary() == "done");
    CHECK(world.apply({removal("old", "A")}).summary() == "unchanged"); // again is harmless
}

TEST_CASE("the zone's own name servers change as a whole, and only where that is allowed") {
    ON_EACH_BACKEND;
    World world(backend);
    const Ask wanted = changed(rrset("@", "NS", {"ns2", "ns3.example.net."}),
                               world.observe({rrset("@", "NS", {})})[0].document);
    CHECK(world.apply({removal("@", "NS")}).summary() == "failed(dns.apex-ns)");
    CHECK(world.apply({wanted, rrset("ns2", "A", {"127.0.0.1"})}).summary() == "failed(dns.apex-ns) skipped");
    Json config = Json::parse(world.config());
    config["allowApexNs"] = true;
    PluginDriver allowed("dns", config.dump(), world.isolation());
    CHECK(allowed.ask(Method::apply, zone, {wanted, rrset("ns2", "A", {"127.0.0.1"})}).summary() ==
          "done done");
    const std::string seen = world.server.dig("example.org NS");
    CHECK(seen.find("ns1.") == std::string::npos);
    CHECK(seen.find("ns2.example.org.") != std::string::npos);
    CHECK(seen.find("ns3.example.net.") != std::string::npos);
}

TEST_CASE("a zone that cannot be read, or not be believed, is never an empty one") {
    NEEDS_SERVERS;
    const Program program = GENERATE(Program::bind, Program::knot, Program::pdns);
    INFO("server: " << name_of(program));
    World world(program);
    PluginDriver stranger("dns", world.config("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    // Where PowerDNS and Knot cannot sign, they answer unsigned; both are as little believed as a wrong one.
    const bool is_pdns = program == Program::pdns, is_bind = program == Program::bind;
    CHECK(stranger.ask(Method::observe, zone, {records[0]}).summary() ==
          "failed(dns." + std::string(is_pdns ? "unsigned" : "bad-signature") + ") call failed");
    CHECK(world.plugin.ask(Method::observe, "example.net", {records[0]}).summary() ==
          "failed(dns." + std::string(is_bind ? "refused" : "unsigned") + ") call failed");
    world.server.stop();
    CHECK(world.observe({records[0]}).summary() == "failed(dns.unreachable) call failed");
}

TEST_CASE("an API that refuses, has no such zone or is gone is never an empty zone") {
    NEEDS_SERVERS;
    World world(by_api);
    Json config = Json::parse(world.config());
    config["powerdns"]["apiKey"] = "wrong";
    CHECK_THROWS_WITH(PluginDriver("dns", config.dump(), world.isolation()), ContainsSubstring("401"));
    CHECK(world.plugin.ask(Method::observe, "example.net", {records[0]}).summary() ==
          "failed(dns.refused) call failed");
    world.server.stop();
    CHECK(world.observe({records[0]}).summary() == "failed(dns.unreachable) call failed");
    CHECK(world.apply(records).summary().find("done") == std::string::npos);
}

TEST_CASE("what is switched off in PowerDNS is told nobody, and stays on a write, as do comments") {
    NEEDS_SERVERS;
    World world(by_api);
    const std::string url =
        "http://127.0.0.1:" + std::to_string(api_port) + "/api/v1/servers/localhost/zones/example.org.";
    const auto api = [&](const std::string& arguments) {
        return output_of("curl -sSf -H 'X-API-Key: " + std::string(api_key) + "' " + arguments + " " + url)
            .value_or("");
    };
    const auto record = [](const char* content, bool disabled) {
        return Json{{"content", content}, {"disabled", disabled}};
    };
    const Json by_hand{{"rrsets",
                        {{{"name", "www.example.org."},
                          {"type", "A"},
                          {"ttl", 300},
                          {"changetype", "REPLACE"},
                          {"records", {record("192.0.2.1", false), record("192.0.2.66", true)}},
                          {"comments", {{{"content", "ask Li first"}, {"account", "li"}}}}},
                         {{"name", "off.example.org."},
                          {"type", "A"},
                          {"ttl", 300},
                          {"changetype", "REPLACE"},
                          {"records", {record("192.0.2.67", true)}}}}}};
    write_file(world.server.folder() + "/by-hand", by_hand.dump());
    api("-X PATCH --data-binary @" + world.server.folder() + "/by-hand");

    const std::vector<Ask> ours{rrset("www", "A", {"192.0.2.2"}), rrset("off", "A", {"192.0.2.3"})};
    const Answers seen = world.observe(ours);
    REQUIRE(seen.summary() == "done absent");
    CHECK(Json::parse(seen[0].document)["spec"]["values"] == Json{"192.0.2.1"});
    CHECK(world.apply({changed(ours[0], seen[0].document), ours[1]}, seen.scope.version).summary() ==
          "done done");
    CHECK(world.apply({removal("off", "A")}).summary() == "done");
    CHECK(world.server.dig("www.example.org A") == "192.0.2.2\n");
    CHECK(world.server.dig("off.example.org A").empty());
    const std::string left = api("");
    for (const char* kept : {"192.0.2.66", "192.0.2.67", "ask Li first"}) {
        INFO(kept);
        CHECK(left.find(kept) != std::string::npos);
    }
}

TEST_CASE("a server is known by what it calls itself, by what the config calls it, or by its address") {
    NEEDS_SERVERS;
    const Program program = GENERATE(Program::bind, Program::pdns);
    World world(program);
    const std::string target = world.plugin.provider().target();
    const bool has_no_name = program == Program::bind; // unless server-id is configured
    CHECK((target == "dns:127.0.0.1:" + std::to_string(dns_port)) == has_no_name);
    Json config = Json::parse(world.config());
    config["rfc2136"]["identity"] = "primary-1";
    PluginDriver named("dns", config.dump());
    CHECK(named.provider().target() == "dns:primary-1");
}

TEST_CASE("every algorithm that a server offers for keys signs and verifies") {
    NEEDS_SERVERS;
    const std::string algorithm =
        GENERATE("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-md5");
    INFO(algorithm);
    World world(Program::bind, {.algorithm = algorithm, .records = {}, .notifies = false});
    CHECK(world.apply(records).summary() == "done done done done");
}

TEST_CASE("a snapshot brings back the zone as it was") {
    ON_EACH_BACKEND;
    World world(backend);
    REQUIRE(world.apply(records).summary() == "done done done done");
    const std::string snapshot = world.all();
    const std::string seen = world.observe({records[0]})[0].document;
    REQUIRE(world
                .apply({removal("api", "CNAME"), changed(rrset("www", "A", {"192.0.2.99"}), seen),
                        rrset("new", "A", {"192.0.2.5"})})
                .end.ok);
    REQUIRE(world.all() != snapshot);
    PluginDriver fresh("dns", world.config(), world.isolation());
    CHECK(fresh.ask(Method::restore, zone, {}, snapshot).end.ok);
    CHECK(world.all() == snapshot);
}

TEST_CASE("what one installation has marked another one neither lists nor writes") {
    ON_EACH_BACKEND;
    World world(backend);
    const auto owned_by = [&](const char* owner) {
        Json config = Json::parse(world.config());
        if (*owner) config["owner"] = owner;
        return PluginDriver("dns", config.dump(), world.isolation());
    };
    PluginDriver edge = owned_by("edge-1"), office = owned_by("office"), nobody = owned_by("");
    const std::vector<Ask> asks{records[0], records[2], records[3], rrset("*.dev", "A", {"192.0.2.9"})};
    const Answers before = edge.ask(Method::observe, zone, asks);
    const Answers written = edge.ask(Method::apply, zone, asks, {}, before.scope.version);
    REQUIRE(written.summary() == "done done done done");
    CHECK(written.scope.version == edge.ask(Method::observe, zone, asks).scope.version);
    for (const char* name : {"www._a", "api._cname", "_txt", "*.dev._a"})
        CHECK(world.server.dig(name + std::string("._holdfast.example.org TXT")) == "\"owner=edge-1\"\n");
    CHECK(edge.ask(Method::apply, zone, asks, {}, written.scope.version).summary() ==
          "unchanged unchanged unchanged unchanged");

    const auto listed = [](PluginDriver& plugin) {
        std::vector<std::string> out;
        const std::string options = Json{{"kind", record_set}}.dump();
        for (const auto& [index, answer] : plugin.ask(Method::list, zone, {}, options).items)
            out.push_back(answer.identity);
        return out;
    };
    const std::vector<std::string> of_nobody{R"(["nonce","TXT"])", R"(["ns1","A"])", R"(["old","CNAME"])"};
    CHECK(listed(office) == of_nobody);
    CHECK(listed(nobody) == of_nobody);
    CHECK(listed(edge).size() == 7);
    for (PluginDriver* const other : {&office, &nobody}) {
        const Answers seen = other->ask(Method::observe, zone, {records[0]});
        REQUIRE(seen.summary() == "done");
        CHECK(other
                  ->ask(Method::apply, zone,
                        {changed(rrset("www", "A", {"192.0.2.66"}), seen[0].document),
                         rrset("free", "A", {"192.0.2.1"})},
                        {}, seen.scope.version)
                  .summary() == "failed(dns.marked) skipped");
        CHECK(other->ask(Method::apply, zone, {removal("www", "A")}).summary() == "failed(dns.marked)");
    }
    CHECK(world.server.dig("www.example.org A").find("192.0.2.66") == std::string::npos);
    CHECK(world.server.dig("free.example.org A").empty());

    REQUIRE(edge.ask(Method::apply, zone, {removal("www", "A")}).summary() == "done");
    CHECK(world.server.dig("www._a._holdfast.example.org TXT").empty());
    CHECK(office.ask(Method::apply, zone, {rrset("www", "A", {"192.0.2.66"})}).summary() == "done");
    CHECK(world.server.dig("www._a._holdfast.example.org TXT") == "\"owner=office\"\n");
}

TEST_CASE("more than one message's worth of changes arrives whole") {
    ON_EACH_BACKEND;
    World world(backend);
    std::vector<Ask> many;
    for (int i = 0; i < 1201; ++i)
        many.push_back(
            rrset("host-" + std::to_string(i), "TXT", {std::string(120, 'x') + std::to_string(i)}));
    const Answers answers = world.apply(many, world.observe(many).scope.version);
    CHECK(answers.end.ok);
    CHECK(answers.items.size() == many.size());
    for (const auto& [index, answer] : answers.items) REQUIRE(answer.outcome == Outcome::done);
    CHECK(answers.scope.version == world.observe({many[0]}).scope.version);
}

TEST_CASE("the worker process and the calling process give the same answers") {
    NEEDS_SERVERS;
    World world(Program::bind);
    PluginDriver worker("dns", world.config(), Isolation::worker);
    CHECK(worker.ask(Method::apply, zone, records).summary() == "done done done done");
    const Answers there = worker.ask(Method::observe, zone, records), here = world.observe(records);
    REQUIRE(there.summary() == here.summary());
    for (std::uint32_t i = 0; i < records.size(); ++i) CHECK(there[i].document == here[i].document);
    CHECK(there.scope.version == here.scope.version);
}

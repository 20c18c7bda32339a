// What networks and servers do wrong: an error each, and nothing is lost or taken for gone.

#include "asks.hpp"
#include "servers.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"
#include "tampering_proxy.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::string many_records() {
    std::string out;
    for (int i = 0; i < 1201; ++i)
        out += "h" + std::to_string(i) + " IN TXT \"" + std::string(200, 'x') + "\"\n";
    return out;
}

std::string config_through_proxy(const NameServer& server) {
    Json config = Json::parse(server.provider_config(true));
    config["rfc2136"]["port"] = TamperingProxy::port;
    return config.dump();
}

} // namespace

TEST_CASE("a transfer that is cut or changed on its way is an error, never a smaller zone") {
    if (const auto why = obstacle()) return skip(*why);
    const Program program = GENERATE(Program::bind, Program::knot);
    INFO("server: " << name_of(program));
    NameServer server(program, {.algorithm = "hmac-sha256", .records = many_records(), .notifies = false});
    TamperingProxy proxy(dns_port);
    PluginDriver plugin("dns", config_through_proxy(server));
    const Ask last = rrset("h1200", "TXT", {});
    REQUIRE(plugin.ask(Method::observe, zone, {last}).summary() == "done");
    struct Row {
        Tamper tamper;
        const char* code;
    };
    for (const Row& row : std::vector<Row>{{Tamper::cut_transfer, "dns.no-answer"},
                                           {Tamper::cut_in_message, "dns.no-answer"},
                                           {Tamper::strip_signature, "dns.unsigned"},
                                           {Tamper::flip_bit, "dns.bad-signature"},
                                           {Tamper::swap_messages, "dns.bad-signature"},
                                           {Tamper::servfail_answer, "dns.unsigned"}}) {
        proxy.set(row.tamper);
        INFO("expecting " << row.code);
        CHECK(plugin.ask(Method::observe, zone, {last}).summary() ==
              "failed(" + std::string(row.code) + ") call failed");
    }
    proxy.set(Tamper::nothing);
    CHECK(plugin.ask(Method::observe, zone, {last}).summary() == "done");
}

TEST_CASE("a server that fails in the middle of a change is an error, and nothing of the zone is lost") {
    if (const auto why = obstacle()) return skip(*why);
    NameServer server(Program::bind);
    TamperingProxy proxy(dns_port);
    PluginDriver plugin("dns", config_through_proxy(server));
    const std::vector<Ask> wanted{rrset("www", "A", {"192.0.2.1"}), removal("old", "CNAME")};
    const std::string version = plugin.ask(Method::observe, zone, wanted).scope.version;
    proxy.set(Tamper::servfail_answer);
    const Answers answers = plugin.ask(Method::apply, zone, wanted, {}, version);
    for (const std::uint32_t item : {0U, 1U}) {
        CHECK(answers[item].outcome != Outcome::done);
        CHECK(answers[item].diagnostics.has_errors());
    }
    proxy.set(Tamper::nothing);
    CHECK(server.dig("www.example.org A").empty());
    CHECK(server.dig("old.example.org CNAME") == "ns1.example.org.\n");
    CHECK(plugin.ask(Method::apply, zone, wanted, {}, version).summary() == "done done");
}

TEST_CASE("an update whose answer is lost is neither done nor failed, and doing it again is harmless") {
    if (const auto why = obstacle()) return skip(*why);
    NameServer server(Program::bind);
    TamperingProxy proxy(dns_port);
    PluginDriver plugin("dns", config_through_proxy(server));
    const std::vector<Ask> wanted{rrset("www", "A", {"192.0.2.1"})};
    proxy.set(Tamper::drop_answer);
    CHECK(plugin.ask(Method::apply, zone, wanted).summary() == "unknown(dns.no-answer)");
    CHECK(server.dig("www.example.org A") == "192.0.2.1\n");
    proxy.set(Tamper::nothing);
    const std::string seen = plugin.ask(Method::observe, zone, wanted)[0].document;
    CHECK(plugin.ask(Method::apply, zone, {changed(wanted[0], seen)}).summary() == "unchanged");
}

TEST_CASE("a foreign edit between two messages of one change ends it, and nothing of it is overwritten") {
    if (const auto why = obstacle()) return skip(*why);
    NameServer server(Program::bind);
    TamperingProxy proxy(dns_port);
    PluginDriver plugin("dns", config_through_proxy(server));
    std::vector<Ask> many;
    for (int i = 1000; i < 2201; ++i)
        many.push_back(rrset("h" + std::to_string(i), "TXT", {std::string(100, 'x')}));
    const std::string version = plugin.ask(Method::observe, zone, many).scope.version;
    proxy.after_next_update([&] { server.foreign_edit("update add h2200.example.org. 60 TXT theirs"); });
    const Answers answers = plugin.ask(Method::apply, zone, many, {}, version);
    CHECK(answers[0].outcome == Outcome::done);
    CHECK(answers[1200].outcome == Outcome::failed);
    CHECK(answers[1200].diagnostics.list().at(0).retry == Retry::conflict);
    CHECK(answers.scope.version.empty()); // the next apply looks again
    CHECK(server.dig("h2200.example.org TXT") == "\"theirs\"\n");
    CHECK(server.dig("h1000.example.org TXT").size() == 103);
}

TEST_CASE("a refused update changes nothing, and says what to allow") {
    if (const auto why = obstacle()) return skip(*why);
    NameServer server(Program::bind);
    const std::string configuration = server.folder() + "/named.conf";
    std::string text = read_file(configuration);
    const std::string policy = "update-policy { grant test-key zonesub ANY; };";
    text.replace(text.find(policy), policy.size(), "");
    write_file(configuration, text);
    server.stop();
    server.start();
    PluginDriver plugin("dns", server.provider_config());
    const Answers answers = plugin.ask(Method::apply, zone, {rrset("www", "A", {"192.0.2.1"})});
    CHECK(answers.summary() == "failed(dns.refused)");
    CHECK(answers[0].diagnostics.list()[0].hint.find("update-policy") != std::string::npos);
    CHECK(server.dig("www.example.org A").empty());
}

TEST_CASE("the secrets of the config are in no answer") {
    if (const auto why = obstacle()) return skip(*why);
    NameServer server(Program::bind);
    for (const char* secret : {"not base64!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}) {
        try {
            PluginDriver plugin("dns", server.provider_config(true, secret));
            const Answers answers = plugin.ask(Method::observe, zone, {rrset("www", "A", {})});
            for (const Diagnostic& why : answers[0].diagnostics)
                CHECK((why.message + why.hint).find(secret) == std::string::npos);
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find(secret) == std::string::npos);
        }
    }
}

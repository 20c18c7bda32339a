// Counters, quotas, limits and what else rules name, against the kernel: what is counted stays, and what
// cannot be changed in place is made anew alone.

#include <algorithm>
#include <cstdlib>
#include <random>
#include <sstream>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

#define NEEDS_THE_KERNEL                                                                                     \
    if (const auto why = obstacle()) return skip(*why)

namespace {

// Each spelled in a way that the kernel does not give back; rules first, though objects have to be made
// before.
const std::vector<Ask> accounting{
    chain("output",
          {"udp dport 9 counter name hits", "udp dport 9 quota name month counter", "udp dport 9 counter",
           "udp dport 10 limit name slow counter accept", "ct helper set \"ftp\"",
           "meta l4proto udp ct timeout set \"short\"", "ct expectation set \"data\"",
           "counter name udp dport map { 11 : \"hits\", 12 : \"hits\" }",
           "limit name ip daddr map @by_address"},
          {{"hook", "output"}}),
    set("by_address", {{"type", "ipv4_addr"},
                       {"data", "limit"},
                       {"elements", {"192.0.2.2 : \"slow\"", "192.0.2.1 : \"fast\""}}}),
    object("Counter", "hits"),
    object("Quota", "month", {{"quota", "over 1048576 bytes"}}),
    object("Limit", "slow", {{"rate", "60/minute burst 5 packets"}}),
    object("Limit", "fast", {{"rate", "over 1024 kbytes/second"}}),
    object("CtHelper", "ftp", {{"type", "ftp"}, {"protocol", "tcp"}, {"l3proto", "ip"}}),
    object("CtTimeout", "short", {{"protocol", "udp"}, {"policy", {{"replied", 70}, {"unreplied", 10}}}}),
    object("CtTimeout", "usual", {{"protocol", "tcp"}}),
    object("CtExpectation", "data",
           {{"protocol", "udp"}, {"dport", 9876}, {"timeout", "120s"}, {"size", 12}, {"l3proto", "ip"}}),
    object("Synproxy", "proxy", {{"mss", 1460}, {"wscale", 7}, {"sackPerm", true}}),
    chain("guard", {"tcp dport 80 synproxy name proxy"}),
};

const Ask& named(const std::string& name) {
    return *std::find_if(accounting.begin(), accounting.end(),
                         [&](const Ask& ask) { return ask.identity == "\"" + name + "\""; });
}

void send_udp(int port, int count, std::size_t size) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string payload(size, 'x');
    for (int i = 0; i < count; ++i)
        (void)sendto(fd, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    close(fd);
}

std::string counted(const std::string& what) { return nft_output("list " + what); }

std::vector<std::string> notes_of(const Answer& answer) {
    if (answer.detail.empty()) return {};
    return Json::parse(answer.detail).value("notes", std::vector<std::string>());
}

// The table's lines: objects are listed in the order in which they were made.
std::vector<std::string> sorted_listing() {
    std::vector<std::string> lines;
    std::istringstream in(nft_output("-s list table inet edge"));
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::string snapshot_of(Firewall& firewall) {
    return firewall.plugin.ask(Method::snapshot, table, {}).scope.private_data;
}

} // namespace

TEST_CASE("objects come before what names them and go after it, in one transaction and any order") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    std::vector<Ask> items = accounting;
    std::mt19937 random(5);
    for (int round = 0; round < 4; ++round) {
        std::shuffle(items.begin(), items.end(), random);
        firewall.must_apply(items);
        REQUIRE(firewall.differing(items).empty());
        const Answers again = firewall.apply(items);
        for (const auto& [index, answer] : again.items) REQUIRE(answer.outcome == Outcome::unchanged);
        std::shuffle(items.begin(), items.end(), random);
        std::vector<Ask> gone;
        for (const Ask& item : items) gone.push_back(removal(item));
        firewall.must_apply(gone);
        REQUIRE(nft_output("list table inet edge") == "table inet edge {\n}\n");
    }
}

TEST_CASE("objects are compared as the kernel lists them") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const Answers wanted = firewall.canonicalize(accounting);
    const auto canonical = [&](const std::string& name) {
        for (std::uint32_t i = 0; i < accounting.size(); ++i)
            if (&named(name) == &accounting[i]) return spec_of(wanted[i]);
        return Json();
    };
    CHECK(canonical("month")["quota"] == "over 1 mbytes");
    CHECK(canonical("slow")["rate"] == "60/minute");
    CHECK(canonical("fast")["rate"] == "over 1 mbytes/second");
    CHECK(canonical("short")["policy"] == Json{{"replied", 70}, {"unreplied", 10}});
    CHECK(canonical("usual")["policy"] == Json::object());
    CHECK(canonical("data")["timeout"] == "2m");
    CHECK(canonical("proxy")["timestamp"] == false);
    CHECK(canonical("proxy")["sackPerm"] == true);
    CHECK(nft_output("list tables").empty());
}

TEST_CASE("what is counted is no drift, and stays whatever else changes") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply(accounting);
    send_udp(9, 3, 72); // of 100 bytes each
    CHECK_THAT(counted("counter inet edge hits"), ContainsSubstring("packets 3 bytes 300"));
    CHECK_THAT(counted("quota inet edge month"), ContainsSubstring("over 1 mbytes used 300 bytes"));
    CHECK(firewall.differing(accounting).empty());

    const std::string handle = handle_of("output", "quota name");
    std::vector<Ask> changed = accounting;
    changed[0] = chain("output",
                       {"udp dport 9 counter name hits", "udp dport 99 drop",
                        "udp dport 9 quota name month counter", "limit name ip daddr map @by_address"},
                       {{"hook", "output"}});
    changed[3] = object("Quota", "month", {{"quota", "2 mbytes"}});
    const std::vector<std::string> notes = notes_of(firewall.canonicalize(changed)[3]);
    CHECK(notes == std::vector<std::string>{"it is changed in place, and what is used stays"});
    firewall.must_apply(changed);
    CHECK(firewall.differing(changed).empty());
    CHECK_THAT(counted("counter inet edge hits"), ContainsSubstring("packets 3 bytes 300"));
    CHECK_THAT(counted("quota inet edge month"), ContainsSubstring("2 mbytes used 300 bytes"));
    CHECK(handle_of("output", "quota name") == handle);

    REQUIRE(nft("add quota inet edge month { over 5 mbytes ; }")); // a foreign change is drift
    CHECK(firewall.differing(changed) == std::vector<std::size_t>{3});
    firewall.must_apply({changed[3]});
    CHECK_THAT(counted("quota inet edge month"), ContainsSubstring("2 mbytes used 300 bytes"));
}

TEST_CASE("a limit is made anew alone, with what names it, and the plan says what is lost") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    REQUIRE(nft("add table inet edge { limit slow { rate 1/hour ; comment \"theirs\" ; }; }"));
    firewall.must_apply(accounting);
    REQUIRE(
        nft("add element inet edge by_address { 198.51.100.1 : \"slow\" }")); // somebody's, and no document's
    REQUIRE(nft("add map inet edge theirs { type inet_service : limit; elements = { 5 : \"slow\" }; }"));
    send_udp(9, 2, 72);
    const std::string hits = handle_of("output", "\"hits\""),
                      plain = handle_of("output", "udp dport 9 counter packets");
    const Ask faster = object("Limit", "slow", {{"rate", "2/second burst 30 packets"}});
    CHECK(notes_of(firewall.canonicalize({faster})[0]) ==
          std::vector<std::string>{
              "it cannot be changed in place and is made anew in the same transaction, with a "
              "full burst, and the rule that names it counts from zero"});
    CHECK(firewall.apply({faster}).summary() == "done");
    CHECK_THAT(counted("limit inet edge slow"), ContainsSubstring("rate 2/second burst 30 packets"));
    CHECK_THAT(counted("limit inet edge slow"), ContainsSubstring("comment \"theirs\""));
    CHECK(handle_of("output", "\"hits\"") == hits);
    CHECK(handle_of("output", "udp dport 9 counter packets") == plain);
    CHECK_THAT(counted("chain inet edge output"),
               ContainsSubstring("udp dport 9 counter packets 2 bytes 200"));
    CHECK_THAT(counted("map inet edge by_address"), ContainsSubstring("198.51.100.1 : \"slow\""));
    CHECK_THAT(counted("map inet edge by_address"), ContainsSubstring("192.0.2.2 : \"slow\""));
    CHECK_THAT(counted("map inet edge theirs"), ContainsSubstring("5 : \"slow\""));
    // The rules are where they were, so nothing but the foreign element is left to correct.
    std::vector<Ask> now = accounting;
    now[4] = faster;
    CHECK(firewall.differing(now) == std::vector<std::size_t>{1});
    now[4] = accounting[4];
    firewall.must_apply(now); // the map and the limit at once
    CHECK(firewall.differing(now).empty());
}

TEST_CASE("what connection tracking is told changes as well, where an add would do nothing") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply(accounting);
    const std::vector<Ask> changed{
        object("CtHelper", "ftp", {{"type", "tftp"}, {"protocol", "udp"}}),
        object("CtTimeout", "short", {{"protocol", "udp"}, {"policy", {{"unreplied", 11}}}}),
        object("CtExpectation", "data",
               {{"protocol", "udp"}, {"dport", 9877}, {"timeout", "2m"}, {"size", 12}, {"l3proto", "ip"}}),
        object("Synproxy", "proxy", {{"mss", 1400}, {"wscale", 9}, {"timestamp", true}}),
    };
    CHECK(firewall.apply(changed).summary() == "done done done done");
    CHECK(firewall.differing(changed).empty());
    const std::vector<Ask> rest{accounting[0], accounting[1], accounting[2], accounting.back()};
    CHECK(firewall.differing(rest).empty());
}

TEST_CASE("objects that nobody declares stay, and keep a table from being removed") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply(accounting);
    REQUIRE(nft("add counter inet edge foreign { packets 4 bytes 400 ; }"));
    REQUIRE(nft("add quota inet edge hits { over 4 mbytes used 1 mbytes ; }")); // a name of its own kind
    firewall.must_apply({chain("output", Json::array(), {{"hook", "output"}})});
    firewall.must_apply(accounting);
    CHECK_THAT(counted("counter inet edge foreign"), ContainsSubstring("packets 4 bytes 400"));
    CHECK_THAT(counted("quota inet edge hits"), ContainsSubstring("over 4 mbytes used 1 mbytes"));
    std::vector<Ask> gone{
        removal({.kind = "firewall.holdfast.dev/v1alpha1/Table", .identity = "\"inet edge\""})};
    for (const Ask& item : accounting) gone.push_back(removal(item));
    const Answers refused = firewall.apply(gone);
    REQUIRE(refused[0].diagnostics.size() == 1);
    CHECK(refused[0].diagnostics.list()[0].message ==
          "table inet edge still holds counter foreign, quota hits");
    // One that a rule still names does not go either, and is the one that is blamed.
    const Answers busy = firewall.apply({removal(named("hits"))});
    REQUIRE(busy.summary() == "failed(firewall.refused)");
    CHECK_THAT(busy[0].diagnostics.list()[0].hint, ContainsSubstring("still uses it"));
}

TEST_CASE("a snapshot brings back what was counted, also of a quota that is used up") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    std::vector<Ask> items = accounting;
    items[3] = object("Quota", "month", {{"quota", "over 250 bytes"}});
    firewall.must_apply(items);
    REQUIRE(nft("add rule inet edge output udp dport 9 quota over 250 bytes"));
    send_udp(9, 3, 72);
    CHECK_THAT(counted("quota inet edge month"), ContainsSubstring("over 250 bytes used 250 bytes"));
    const std::string snapshot = snapshot_of(firewall);
    const std::vector<std::string> before = sorted_listing();
    REQUIRE_FALSE(snapshot.empty());

    REQUIRE(nft("flush chain inet edge output"));
    REQUIRE(nft("delete counter inet edge hits"));
    REQUIRE(nft("delete quota inet edge month"));
    REQUIRE(nft("add counter inet edge later"));
    PluginDriver fresh("firewall", "{}");
    REQUIRE(fresh.ask(Method::restore, table, {}, snapshot).end.ok);
    CHECK(sorted_listing() == before);
    CHECK_THAT(counted("counter inet edge hits"), ContainsSubstring("packets 3 bytes 300"));
    CHECK_THAT(counted("quota inet edge month"), ContainsSubstring("over 250 bytes used 250 bytes"));

    send_udp(9, 1, 72); // what is there is not set back
    REQUIRE(nft("add rule inet edge output drop"));
    REQUIRE(fresh.ask(Method::restore, table, {}, snapshot).end.ok);
    CHECK_THAT(counted("counter inet edge hits"), ContainsSubstring("packets 4 bytes 400"));

    REQUIRE(nft("delete table inet edge")); // then all of it is made anew
    REQUIRE(fresh.ask(Method::restore, table, {}, snapshot).end.ok);
    CHECK_THAT(counted("counter inet edge hits"), ContainsSubstring("packets 3 bytes 300"));
    CHECK_THAT(counted("quota inet edge month"), ContainsSubstring("over 250 bytes used 250 bytes"));
    CHECK(firewall.differing({items.begin() + 1, items.end()}).empty());
}

TEST_CASE("what is listed of objects can be declared, and needs no change") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply(accounting);
    send_udp(9, 2, 72);
    std::vector<Ask> imported;
    for (const char* kind :
         {"Counter", "Quota", "Limit", "CtHelper", "CtTimeout", "CtExpectation", "Synproxy", "Flowtable"}) {
        const std::string id = std::string("firewall.holdfast.dev/v1alpha1/") + kind;
        const Answers answers = firewall.plugin.ask(Method::list, table, {}, Json{{"kind", id}}.dump());
        REQUIRE(answers.end.ok);
        for (const auto& [index, answer] : answers.items)
            imported.push_back({.kind = answer.kind,
                                .identity = answer.identity,
                                .declared = answer.document,
                                .action = ItemAction::create});
    }
    CHECK(imported.size() == 9);
    CHECK(firewall.ask(Method::validate, imported).summary().find("failed") == std::string::npos);
    CHECK(firewall.differing(imported).empty());
    for (const Ask& ask : imported) CHECK(ask.declared.find("used") == std::string::npos);
}

TEST_CASE("each wrong object is told with its place and what to do") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const std::vector<Ask> wrong{object("Quota", "q", {{"quota", "over a lot"}}),
                                 object("Limit", "l", {{"rate", "5/fortnight"}}),
                                 object("CtHelper", "h", {{"type", "nosuch"}, {"protocol", "tcp"}}),
                                 object("CtTimeout", "t", {{"protocol", "tcp"}, {"policy", {{"bogus", 3}}}}),
                                 object("Counter", "log"),
                                 object("Counter", "good")};
    const Answers answers = firewall.canonicalize(wrong);
    for (std::uint32_t i = 0; i < 5; ++i) {
        INFO(wrong[i].declared);
        REQUIRE(answers[i].outcome == Outcome::failed);
        CHECK(answers[i].diagnostics.list()[0].code == "firewall.refused");
        CHECK(answers[i].diagnostics.list()[0].pointer == "/spec");
    }
    CHECK_THAT(answers[2].diagnostics.list()[0].hint, ContainsSubstring("nf_conntrack_ftp"));
    CHECK(answers[5].outcome == Outcome::done);
}

TEST_CASE("a flow table gets and loses devices in place, and is made anew for all else") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    REQUIRE(nft("add table inet edge"));
    if (!nft("add flowtable inet edge probe { hook ingress priority 0 ; devices = { lo } ; }"))
        return skip("this kernel has no flow tables (CONFIG_NF_FLOW_TABLE)");
    REQUIRE(nft("delete flowtable inet edge probe"));
    for (const char* name : {"hft0", "hft1", "hft2"})
        REQUIRE(std::system((std::string("PATH=$PATH:/sbin ip link add ") + name + " type dummy").c_str()) ==
                0);
    const auto fast = [](Json fields) { return object("Flowtable", "fast", std::move(fields)); };
    const Ask forward =
        chain("forward", {"ip protocol tcp counter", "meta l4proto { tcp, udp } flow add @fast counter"},
              {{"hook", "forward"}});
    firewall.must_apply({forward, fast({{"devices", {"hft1", "hft0"}}, {"priority", 0}})});
    const std::string handle = handle_of("forward", "@fast");
    const Ask other = fast({{"devices", {"hft2", "hft1"}}});
    CHECK(notes_of(firewall.canonicalize({other})[0]).empty());
    CHECK(firewall.apply({other}).summary() == "done");
    CHECK(firewall.differing({forward, other}).empty());
    CHECK(handle_of("forward", "@fast") == handle);
    const Ask counting = fast({{"devices", {"hft2"}}, {"priority", "filter + 5"}, {"counter", true}});
    CHECK(notes_of(firewall.canonicalize({counting})[0]).size() == 1);
    CHECK(firewall.apply({counting}).summary() == "done");
    CHECK(firewall.differing({forward, counting}).empty());
    const Answers lost = firewall.canonicalize({fast({{"devices", {"hft9"}}})});
    if (lost[0].outcome != Outcome::done) // newer kernels wait for the device
        CHECK_THAT(lost[0].diagnostics.list()[0].hint, ContainsSubstring("a device does not exist"));
    const std::string snapshot = snapshot_of(firewall);
    REQUIRE(nft("delete table inet edge"));
    PluginDriver fresh("firewall", "{}");
    REQUIRE(fresh.ask(Method::restore, table, {}, snapshot).end.ok);
    CHECK(firewall.differing({forward, counting}).empty());
    firewall.must_apply({removal(counting), removal(forward)});
}

// The firewall plugin against the kernel's own nf_tables: what it writes, and what it leaves alone.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <sstream>

#include "kernel.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;

#define NEEDS_THE_KERNEL                                                                                     \
    if (const auto why = obstacle()) return skip(*why)

namespace {

// Each spelled in a way that the kernel does not give back.
const std::vector<Ask> edge{
    chain("input",
          {"tcp dport { 443, 80, 22 } accept",
           "ip saddr @blocked drop",
           "ct state new,established accept",
           "ip saddr 10.9.9.9/16 counter jump office",
           "meta l4proto tcp tcp dport ssh accept",
           {{"name", "ping"}, {"rule", "ip protocol icmp icmp type echo-request accept"}},
           "tcp dport {8080} reject with tcp reset",
           "meta skuid root limit rate 5/second accept"},
          input_hook()),
    chain("office", {"iif lo accept", "tcp dport 0x1f90 accept comment \"one, two\""}),
    set("blocked",
        {{"type", "ipv4_addr"}, {"flags", {"interval"}}, {"elements", {"192.0.2.7", "10.1.2.3/8"}}}),
    set("merged", {{"type", "ipv4_addr"},
                   {"flags", {"interval"}},
                   {"autoMerge", true},
                   {"elements", {"10.0.0.0/24", "10.0.1.0/24", "10.0.0.7"}}}),
    set("services", {{"type", "inet_proto . inet_service"},
                     {"flags", {"interval"}},
                     {"elements", {"tcp . http", "udp . 8000-8010"}}}),
    set("verdicts", {{"type", "ipv4_addr"}, {"data", "verdict"}, {"elements", {"192.0.2.1 : jump office"}}}),
    set("seen",
        {{"type", "ipv4_addr"}, {"flags", {"timeout", "dynamic"}}, {"timeout", "3600s"}, {"size", 1000}}),
};

std::vector<std::string> rules_of(const std::string& chain_name) {
    std::vector<std::string> out;
    const std::string listing = nft_output(std::string("-s list chain ") + table + " " + chain_name);
    for (std::size_t at = 0; at < listing.size();) {
        const std::size_t end = listing.find('\n', at);
        const std::string line = listing.substr(at, end - at);
        if (line.rfind("\t\t", 0) == 0 && line.find(" hook ") == line.npos) out.push_back(line.substr(2));
        at = end + 1;
    }
    return out;
}

} // namespace

TEST_CASE("what the kernel would list is what it does list, in one transaction and any order") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    CHECK(firewall.observe(edge).summary() == "absent absent absent absent absent absent absent");
    const Json wanted = spec_of(firewall.canonicalize(edge)[0]);
    CHECK(wanted["rules"] ==
          Json{"tcp dport { 22, 80, 443 } accept", "ip saddr @blocked drop",
               "ct state established,new accept", "ip saddr 10.9.0.0/16 counter jump office",
               "tcp dport 22 accept", "ip protocol icmp icmp type echo-request accept comment \"ping\"",
               "tcp dport 8080 reject with tcp reset", "meta skuid 0 limit rate 5/second accept"});
    CHECK(wanted["priority"] == "filter");
    CHECK(nft_output("list tables").empty()); // asking wrote nothing
    firewall.must_apply(edge);
    CHECK(firewall.differing(edge).empty());
    CHECK(firewall.apply(edge).summary() ==
          "unchanged unchanged unchanged unchanged unchanged unchanged unchanged");
}

TEST_CASE("all typos are told at once, each with its place") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const std::vector<Ask> wrong{
        chain("input",
              {"tcp dport 22 accept", "tcp dport httttp accept", "tcp dprt 22 accept", "jump nowhere"},
              input_hook("drop")),
        chain("good", {"accept"}),
        set("blocked", {{"type", "ipv4_addr"}, {"elements", {"192.0.2.1", "192.0.2.300"}}}),
        set("odd", {{"type", "no_such_type"}}),
    };
    const Answers answers = firewall.canonicalize(wrong);
    const auto places = [&](std::uint32_t i) {
        std::vector<std::string> out;
        for (const Diagnostic& why : answers[i].diagnostics) out.push_back(why.pointer);
        std::sort(out.begin(), out.end());
        return out;
    };
    CHECK(places(0) == std::vector<std::string>{"/spec/rules/1", "/spec/rules/2", "/spec/rules/3"});
    CHECK(answers[1].outcome == Outcome::done);
    CHECK(places(2) == std::vector<std::string>{"/spec/elements/1"});
    CHECK(places(3) == std::vector<std::string>{"/spec/type"});
}

TEST_CASE("a foreign edit between observe and apply is not overwritten") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply(edge);
    const std::vector<Ask> change{chain("office", {"drop"})};
    const Answers before = firewall.observe(change);
    REQUIRE(nft("add rule inet edge office udp dport 53 accept"));
    const Answers refused = firewall.apply(change, before);
    REQUIRE(refused.summary() == "failed(firewall.conflict)");
    CHECK(refused[0].diagnostics.list()[0].retry == Retry::conflict);
    CHECK_THAT(nft_output("list chain inet edge office"), ContainsSubstring("udp dport 53 accept"));
    firewall.must_apply(change);

    // An edit elsewhere moves the same generation, and is nobody's conflict.
    const Answers again = firewall.observe({chain("office", {"accept"})});
    REQUIRE(nft("add table ip docker"));
    REQUIRE(nft("add rule inet edge input udp dport 53 accept"));
    CHECK(firewall.apply({chain("office", {"accept"})}, again).summary() == "done");
}

TEST_CASE("one refused item leaves everything as it was, and is the one that is blamed") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply(edge);
    const std::string before = nft_output("list ruleset");
    // Only where it is called from does the kernel see that this chain is no place for masquerade.
    const std::vector<Ask> changes{
        chain("input", {"jump office"}, input_hook("drop")),
        set("blocked",
            edge[2].declared.empty()
                ? Json()
                : Json{{"type", "ipv4_addr"}, {"flags", {"interval"}}, {"elements", Json::array()}}),
        chain("office", {"masquerade"})};
    const Answers answers = firewall.apply(changes);
    CHECK_FALSE(answers[0].outcome == Outcome::done);
    CHECK(answers.summary().find("failed(firewall.refused)") != std::string::npos);
    CHECK(answers.summary().find("done") == std::string::npos);
    CHECK(nft_output("list ruleset") == before);
}

TEST_CASE("rules that stay keep their handles and counters, whatever happens around them") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    std::vector<std::string> rules;
    for (int i = 0; i < 12; ++i) rules.push_back("tcp dport " + std::to_string(1000 + i) + " counter accept");
    firewall.must_apply({chain("input", rules, input_hook())});
    const std::string handle = handle_of("input", "tcp dport 1005 ");
    REQUIRE(nft("replace rule inet edge input handle " + handle +
                " tcp dport 1005 counter packets 7 bytes 700 accept"));
    std::mt19937 random(20261123);
    for (int round = 0; round < 60; ++round) {
        std::vector<std::string> wanted = rules;
        const auto index = [&] { return random() % wanted.size(); };
        switch (round % 4) {
            case 0: std::rotate(wanted.begin(), wanted.begin() + 1, wanted.end()); break;
            case 1: wanted.erase(wanted.begin() + static_cast<long>(index())); break;
            case 2:
                wanted.insert(wanted.begin() + static_cast<long>(index()),
                              "udp dport " + std::to_string(1 + round) + " drop");
                break;
            default: std::swap(wanted[index()], wanted[index()]); break;
        }
        firewall.must_apply({chain("input", wanted, input_hook(round % 2 ? "drop" : "accept"))});
        for (std::string& text : wanted)
            text = text.substr(0, text.find(" counter")) +
                   text.substr(text.find(" counter") == text.npos ? text.size() : text.find(" counter"));
        REQUIRE(rules_of("input") == wanted);
        if (std::find(wanted.begin(), wanted.end(), rules[5]) == wanted.end()) break; // it was taken out
        rules = wanted;
        rules.erase(std::remove_if(rules.begin(), rules.end(),
                                   [](const std::string& r) { return r.rfind("udp", 0) == 0; }),
                    rules.end());
    }
    firewall.must_apply({chain("input", {"accept", "tcp dport 1 counter accept", "drop"}, input_hook())});
    const std::string kept = handle_of("input", "tcp dport 1 ");
    REQUIRE(nft("replace rule inet edge input handle " + kept +
                " tcp dport 1 counter packets 7 bytes 700 accept"));
    const std::string now = handle_of("input", "tcp dport 1 ");
    firewall.must_apply(
        {chain("input", {"udp dport 1 accept", "tcp dport 1 counter accept", "udp dport 2 drop"},
               input_hook("drop"))});
    CHECK(handle_of("input", "tcp dport 1 ") == now);
    CHECK_THAT(nft_output("list chain inet edge input"), ContainsSubstring("packets 7 bytes 700"));
}

TEST_CASE("elements that others put into a set stay, also where the set is made anew") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const Json f2b{{"type", "ipv4_addr"}, {"flags", {"timeout"}}};
    const std::vector<Ask> items{set("f2b", f2b),
                                 chain("input", {"ip saddr @f2b drop", "tcp dport 22 accept"}, input_hook())};
    firewall.must_apply(items);
    REQUIRE(
        nft("add element inet edge f2b { 192.0.2.66 timeout 1h, 192.0.2.67 timeout 1h comment \"sshd\" }"));
    const std::string handle = handle_of("input", "tcp dport 22");
    Answers seen = firewall.observe(items);
    CHECK(firewall.apply({items[1]}).summary() == "unchanged");
    Json larger = f2b;
    larger["size"] = 5000;
    larger["timeout"] = "2h";
    firewall.must_apply({set("f2b", larger)});
    const std::string listing = nft_output("list table inet edge");
    CHECK_THAT(listing, ContainsSubstring("size 5000"));
    CHECK_THAT(listing, ContainsSubstring("192.0.2.66") && ContainsSubstring("192.0.2.67"));
    CHECK_THAT(listing, ContainsSubstring("comment \"sshd\""));
    CHECK(handle_of("input", "tcp dport 22") == handle); // the rule that names it was put back, no other
    CHECK(rules_of("input") == std::vector<std::string>{"ip saddr @f2b drop", "tcp dport 22 accept"});
}

TEST_CASE("an element comes into a set and goes by itself, and a foreign one is drift") {
    NEEDS_THE_KERNEL;
    const bool is_interval = GENERATE(false, true);
    Firewall firewall;
    const auto with = [&](Json elements) {
        Json more{{"type", "ipv4_addr"}, {"elements", std::move(elements)}};
        if (is_interval) more["flags"] = {"interval"};
        return set("blocked", more);
    };
    firewall.must_apply({with({"192.0.2.1", "192.0.2.2"}), chain("office", {"ip saddr @blocked drop"})});
    const std::string handle = handle_of("office", "@blocked");
    firewall.must_apply({with({"192.0.2.2", "192.0.2.3 comment \"three\""})});
    CHECK(firewall.differing({with({"192.0.2.3 comment \"three\"", "192.0.2.2"})}).empty());
    REQUIRE(nft("add element inet edge blocked { 198.51.100.1 }"));
    CHECK(firewall.differing({with({"192.0.2.2", "192.0.2.3 comment \"three\""})}).size() == 1);
    firewall.must_apply({with({"192.0.2.2", "192.0.2.3"})}); // the comment goes as well
    const std::string listing = nft_output("list set inet edge blocked");
    CHECK_THAT(listing, ContainsSubstring("192.0.2.2") && ContainsSubstring("192.0.2.3"));
    CHECK_THAT(listing, !ContainsSubstring("198.51.100.1") && !ContainsSubstring("three"));
    firewall.must_apply({with(Json::array())});
    CHECK_THAT(nft_output("list set inet edge blocked"), !ContainsSubstring("elements"));
    CHECK(handle_of("office", "@blocked") == handle);
}

TEST_CASE("a foreign write between reading and writing elements makes the kernel refuse") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply({set("blocked", {{"type", "ipv4_addr"}, {"elements", {"192.0.2.1"}}})});
    const std::vector<Ask> change{set("blocked", {{"type", "ipv4_addr"}, {"elements", {"192.0.2.2"}}})};
    const Answers before = firewall.observe(change);
    REQUIRE(nft("add element inet edge blocked { 198.51.100.1 }"));
    CHECK(firewall.apply(change, before).summary() == "failed(firewall.conflict)");
    CHECK_THAT(nft_output("list set inet edge blocked"), ContainsSubstring("198.51.100.1"));
}

TEST_CASE("Rule documents add to a chain of somebody else, in their order, and nothing else moves") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    REQUIRE(nft("add table inet edge { chain user { tcp dport 1 accept; tcp dport 2 accept; }; }"));
    const std::string first = handle_of("user", "tcp dport 1 ");
    std::vector<Ask> rules{rule("user", "late", 20, "tcp dport 20 accept"),
                           rule("user", "early", -1, "tcp dport 3 drop"),
                           rule("user", "soon", 10, "tcp dport 10 accept")};
    firewall.must_apply(rules);
    CHECK(rules_of("user") == std::vector<std::string>{"tcp dport 3 drop comment \"hf -1 early\"",
                                                       "tcp dport 1 accept", "tcp dport 2 accept",
                                                       "tcp dport 10 accept comment \"hf 10 soon\"",
                                                       "tcp dport 20 accept comment \"hf 20 late\""});
    CHECK(handle_of("user", "tcp dport 1 ") == first);
    CHECK(firewall.differing(rules).empty());

    SECTION("one that was moved is put back") {
        REQUIRE(nft("delete rule inet edge user handle " + handle_of("user", "early")));
        REQUIRE(nft("add rule inet edge user tcp dport 3 drop comment \"hf -1 early\""));
        CHECK(firewall.differing(rules) == std::vector<std::size_t>{1});
    }
    SECTION("one that stands there twice stands there once") {
        REQUIRE(nft("add rule inet edge user tcp dport 20 accept comment \"hf 20 late\""));
        CHECK(firewall.differing(rules) == std::vector<std::size_t>{0});
    }
    firewall.must_apply(rules);
    CHECK(firewall.differing(rules).empty());
    CHECK(rules_of("user").size() == 5);
    for (Ask& ask : rules) ask = removal(ask);
    firewall.must_apply(rules);
    CHECK(rules_of("user") == std::vector<std::string>{"tcp dport 1 accept", "tcp dport 2 accept"});
    CHECK(handle_of("user", "tcp dport 1 ") == first);
}

TEST_CASE("a chain that is not shared has no guests, and says so") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const Ask closed = chain("user", {"accept"}), guest = rule("user", "guest", 0, "drop");
    const Ask open = chain("user", {"accept"}, {{"shared", true}});
    CHECK(firewall.apply({closed, guest}).summary() == "skipped failed(firewall.not-shared)");
    firewall.must_apply({open, guest});
    CHECK(firewall.differing({open, guest}).empty());
    CHECK(firewall.apply({removal(open)}).summary() == "failed(firewall.in-use)");
    CHECK(firewall.differing({closed}).size() == 1); // a smuggled rule is drift
    firewall.must_apply({closed});
    CHECK(rules_of("user") == std::vector<std::string>{"accept"});
}

TEST_CASE("a chain gets another priority, hook or policy without a gap") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply({chain("input", {"tcp dport 22 accept"}, input_hook())});
    const Json more =
        GENERATE(Json{{"hook", "input"}, {"priority", 10}}, Json{{"hook", "output"}, {"policy", "drop"}},
                 Json{{"hook", "none"}}, Json{{"hook", "input"}, {"policy", "drop"}},
                 Json{{"hook", "prerouting"}, {"type", "nat"}, {"priority", "dstnat"}});
    const Ask changed = chain("input", {"tcp dport 22 accept"}, more);
    CHECK(firewall.differing({changed}).size() == 1);
    firewall.must_apply({changed});
    CHECK(firewall.differing({changed}).empty());
    CHECK(rules_of("input") == std::vector<std::string>{"tcp dport 22 accept"});
}

TEST_CASE("a table goes only when it is empty, and with everything in one transaction") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    firewall.must_apply({edge[1], edge[2]});
    const Ask whole{.kind = "firewall.holdfast.dev/v1alpha1/Table",
                    .identity = "\"inet edge\"",
                    .declared = "",
                    .action = ItemAction::remove};
    const Answers refused = firewall.apply({whole, removal(edge[1])});
    CHECK(refused.summary() == "failed(firewall.not-empty) skipped");
    CHECK_THAT(refused[0].diagnostics.list()[0].message, ContainsSubstring("Set blocked"));
    CHECK(firewall.apply({whole, removal(edge[1]), removal(edge[2])}).summary() == "done done done");
    CHECK(nft_output("list tables").empty());
    CHECK(firewall.apply({whole, removal(edge[1])}).summary() == "unchanged unchanged");
}

TEST_CASE("a snapshot brings the table back; counters and elements since then stay where they can") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const auto snapshot = [&] { return firewall.plugin.ask(Method::snapshot, table, {}).scope.private_data; };
    const std::string nothing = snapshot();
    firewall.must_apply(edge);
    firewall.must_apply(
        {chain("user", {"accept"}, {{"shared", true}}), rule("user", "guest", 3, "udp dport 3 accept")});
    REQUIRE(nft("add counter inet edge hits"));
    REQUIRE(nft("add element inet edge seen { 192.0.2.9 timeout 1h }"));
    const std::string something = snapshot(), before = nft_output("-s list ruleset");
    REQUIRE(nft("add table ip docker"));
    REQUIRE(nft("add element inet edge seen { 192.0.2.10 timeout 1h }"));
    const std::string kept = handle_of("input", "tcp dport 8080");

    REQUIRE(nft("insert rule inet edge input drop"));
    REQUIRE(nft("flush chain inet edge office"));
    REQUIRE(nft("add set inet edge more { type ipv4_addr; }"));
    REQUIRE(nft("delete element inet edge blocked { 192.0.2.7 }"));
    PluginDriver fresh("firewall", "{}");
    REQUIRE(fresh.ask(Method::restore, table, {}, something).end.ok);
    CHECK(handle_of("input", "tcp dport 8080") == kept);
    CHECK_THAT(nft_output("list set inet edge seen"), ContainsSubstring("192.0.2.10"));
    CHECK(firewall.differing(edge).empty());
    CHECK_THAT(nft_output("list chain inet edge user"), ContainsSubstring("hf 3 guest"));
    CHECK_THAT(nft_output("list table inet edge"), !ContainsSubstring("set more"));

    REQUIRE(nft("delete table inet edge")); // then all of it is made anew
    REQUIRE(fresh.ask(Method::restore, table, {}, something).end.ok);
    REQUIRE(fresh.ask(Method::restore, table, {}, something).end.ok); // twice is harmless
    REQUIRE(nft("delete table ip docker"));
    // Chains come in the order in which they were made.
    const auto sorted_lines = [](std::string text) {
        for (std::size_t at; (at = text.find(" expires ")) != text.npos;)
            text.erase(at, text.find_first_of(",\n}", at + 9) - at);
        std::vector<std::string> lines;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);) lines.push_back(line);
        std::sort(lines.begin(), lines.end());
        return lines;
    };
    CHECK(sorted_lines(nft_output("-s list ruleset")) == sorted_lines(before));
    REQUIRE(fresh.ask(Method::restore, table, {}, nothing).end.ok);
    CHECK(nft_output("list tables").empty());
}

TEST_CASE("a rule cannot smuggle in a second command") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    const std::string text = GENERATE("accept\ndelete table inet other", "accept; flush ruleset", "accept \\",
                                      "accept comment \"open", "accept }", "{ accept", "accept # \"");
    CHECK(firewall.ask(Method::validate, {chain("office", {text})}).summary() ==
          "failed(firewall.not-one-line)");
}

TEST_CASE("the worker process filters in the namespace that the config names") {
    NEEDS_THE_KERNEL;
    Firewall here;
    REQUIRE(nft("add table inet here"));
    PluginDriver worker("firewall", R"({"netns": "/proc/self/ns/net", "tables": ["inet edge"]})",
                        Isolation::worker);
    std::vector<Ask> items = edge;
    CHECK(worker.ask(Method::apply, table, items).summary() == "done done done done done done done");
    CHECK(here.differing(edge).empty());
    CHECK(worker.ask(Method::observe, "inet here", {edge[1]}).summary().find("failed") != std::string::npos);
    PluginDriver lost("firewall", R"({"netns": "no-such-namespace"})");
    CHECK_FALSE(lost.ask(Method::observe, table, {edge[1]}).end.ok); // unreadable is not absent
}

TEST_CASE("a namespace that is made anew under its name is entered anew") {
    NEEDS_THE_KERNEL;
    TempFolder folder;
    const std::string path = folder / "netns";
    std::filesystem::create_symlink("/proc/self/ns/net", path);
    Firewall firewall(Json{{"netns", path}}.dump());
    firewall.must_apply({edge[1]});
    const std::unique_ptr<FILE, int (*)(FILE*)> other(
        popen("exec unshare -n sh -c 'echo $$; exec sleep 60'", "r"), &pclose);
    int pid = 0;
    REQUIRE(std::fscanf(other.get(), "%d", &pid) == 1);
    std::filesystem::remove(path);
    std::filesystem::create_symlink("/proc/" + std::to_string(pid) + "/ns/net", path);
    CHECK(firewall.observe({edge[1]}).summary() == "absent");
    std::filesystem::remove(path);
    CHECK_FALSE(firewall.observe({edge[1]}).end.ok);
    kill(pid, SIGKILL);
}

TEST_CASE("what is listed can be declared, and needs no change") {
    NEEDS_THE_KERNEL;
    Firewall firewall;
    REQUIRE(nft("add table inet edge { comment \"kept\"; }"));
    firewall.must_apply(edge);
    firewall.must_apply(
        {chain("user", {"accept"}, {{"shared", true}}), rule("user", "guest", 4, "udp dport 1 drop")});
    REQUIRE(nft("add table ip other { chain c { type filter hook input priority 5; policy accept; tcp dport "
                "1 drop; }; }"));
    std::vector<Ask> imported;
    for (const char* kind : {"Table", "Set", "Chain", "Rule"}) {
        const std::string id = std::string("firewall.holdfast.dev/v1alpha1/") + kind;
        const Answers answers = firewall.plugin.ask(Method::list, table, {}, Json{{"kind", id}}.dump());
        REQUIRE(answers.end.ok);
        for (const auto& [index, answer] : answers.items)
            imported.push_back({.kind = answer.kind,
                                .identity = answer.identity,
                                .declared = answer.document,
                                .action = ItemAction::create});
    }
    CHECK(imported.size() == 1 + 5 + 3 + 1);
    CHECK(firewall.ask(Method::validate, imported).summary().find("failed") == std::string::npos);
    CHECK(firewall.differing(imported).empty());
    const Answers everywhere =
        firewall.plugin.ask(Method::list, "", {}, R"({"kind":"firewall.holdfast.dev/v1alpha1/Chain"})");
    CHECK(everywhere.items.size() == 4);
}

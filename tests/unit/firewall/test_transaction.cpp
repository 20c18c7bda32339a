#include <algorithm>
#include <random>

#include "firewall/order.hpp"
#include "firewall/transaction.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::firewall;

namespace {

const TableName edge{"inet", "edge"};

LiveTable live_table() {
    LiveTable table;
    table.exists = true;
    table.chains["in"] = {{"filter", "input", "", "filter", "accept"},
                          {{"ip saddr @s drop", 1}, {"tcp dport 22 accept", 2}, {"jump office", 3}}};
    table.chains["office"] = {{}, {{"accept", 4}}};
    table.sets["s"] = {false, {"type ipv4_addr"}, std::vector<std::string>{"192.0.2.1", "192.0.2.2"}};
    return table;
}

Change chain_change(std::size_t item, const std::string& name, const LiveChain& chain) {
    return {item, {Kind::chain, "", name}, false, chain_spec(edge, name, chain)};
}

std::vector<std::string> lines_of(const std::vector<Change>& changes, const LiveTable& live = live_table()) {
    const Transaction transaction(edge, live, changes);
    std::vector<std::string> out;
    const std::string& text = transaction.script().text();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

using Lines = std::vector<std::string>;

Change object_change(std::size_t item, Kind kind, const std::string& name, const LiveObject& object) {
    return {item, {kind, "", name}, false, object_spec(kind, edge, name, object)};
}

} // namespace

TEST_CASE("as many rules as possible stay, in the order that is wanted") {
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        std::vector<std::string> live, wanted;
        for (std::size_t i = random() % 12; i > 0; --i)
            live.push_back(std::string(1, static_cast<char>('a' + random() % 8)));
        wanted = live;
        for (std::size_t i = random() % 4; i > 0; --i) {
            if (!wanted.empty() && random() % 2)
                wanted.erase(wanted.begin() + static_cast<long>(random() % wanted.size()));
            wanted.insert(wanted.begin() + static_cast<long>(random() % (wanted.size() + 1)),
                          std::string(1, static_cast<char>('a' + random() % 12)));
        }
        const auto kept = kept_places(wanted, live);
        REQUIRE(kept.size() == wanted.size());
        std::size_t last = no_place;
        for (std::size_t i = 0; i < kept.size(); ++i) {
            if (kept[i] == no_place) continue;
            REQUIRE(live[kept[i]] == wanted[i]);
            REQUIRE((last == no_place || kept[i] > last));
            last = kept[i];
        }
        const auto same = kept_places(live, live);
        REQUIRE(std::find(same.begin(), same.end(), no_place) == same.end());
    }
}

TEST_CASE("what is as it should be needs no command") {
    const LiveTable live = live_table();
    CHECK(lines_of({chain_change(0, "in", live.chains.at("in")),
                    {1, {Kind::set, "", "s"}, false, set_spec(edge, "s", live.sets.at("s"))},
                    {2, {Kind::chain, "", "gone"}, true, nullptr}})
              .empty());
}

TEST_CASE("a rule goes before the next that stays, or to the end, and the rest keeps its handle") {
    LiveChain wanted = live_table().chains.at("in");
    wanted.rules = {
        {"udp dport 1 drop"}, {"tcp dport 22 accept"}, {"udp dport 2 drop"}, {"jump office"}, {"log"}};
    wanted.base.policy = "drop";
    CHECK(lines_of({chain_change(0, "in", wanted)}) ==
          Lines{"delete rule inet edge in handle 1", "add chain inet edge in { policy drop; }",
                "insert rule inet edge in position 2 udp dport 1 drop",
                "insert rule inet edge in position 3 udp dport 2 drop", "add rule inet edge in log"});
}

TEST_CASE("a set that has to be made anew lets the rules go that name it, and they come back") {
    LiveTable live = live_table();
    Json spec = set_spec(edge, "s", live.sets.at("s"));
    spec["timeout"] = "1h";
    spec.erase("elements"); // others' then, and kept
    CHECK(lines_of({{0, {Kind::set, "", "s"}, false, spec}}) ==
          Lines{"delete rule inet edge in handle 1", "delete set inet edge s",
                "add set inet edge s { type ipv4_addr; timeout 1h; }",
                "add element inet edge s { 192.0.2.1, 192.0.2.2 }",
                "insert rule inet edge in position 2 ip saddr @s drop"});
}

TEST_CASE("an element comes and goes by itself, and nothing else is in the transaction") {
    const LiveTable live = live_table();
    Json spec = set_spec(edge, "s", live.sets.at("s"));
    spec["elements"] = {"192.0.2.2", "192.0.2.3 comment \"x\""};
    const std::vector<Change> changes{{0, {Kind::set, "", "s"}, false, spec}};
    CHECK(lines_of(changes) == Lines{"delete element inet edge s { 192.0.2.1 }",
                                     "add element inet edge s { 192.0.2.3 comment \"x\" }"});
    const Transaction transaction(edge, live, changes);
    REQUIRE(transaction.only_elements());
    CHECK(transaction.only_elements()->at("s").removed == Lines{"192.0.2.1"});
    const std::vector<Change> more{changes[0], {1, {Kind::chain, "", "office"}, true, nullptr}};
    CHECK_FALSE(Transaction(edge, live, more).only_elements());
}

TEST_CASE("removals go backwards: rules, then sets, then chains") {
    CHECK(lines_of({{0, {Kind::chain, "", "office"}, true, nullptr},
                    {1, {Kind::set, "", "s"}, true, nullptr},
                    {2, {Kind::chain, "", "in"}, true, nullptr}}) ==
          Lines{"flush chain inet edge in", "flush chain inet edge office", "delete set inet edge s",
                "delete chain inet edge in", "delete chain inet edge office"});
}

TEST_CASE("a table is made where it is missing, and never added again, which would wake it up") {
    const auto made = lines_of({chain_change(0, "office", live_table().chains.at("office"))}, LiveTable{});
    CHECK(made ==
          Lines{"add table inet edge", "add chain inet edge office ", "add rule inet edge office accept"});
    for (const std::string& line : lines_of({{0, {Kind::chain, "", "office"}, true, nullptr}}))
        CHECK(line.find("add table") == line.npos);
    const Change dormant{
        0, {Kind::table, "", "inet edge"}, false, {{"table", "inet edge"}, {"dormant", true}}};
    CHECK(lines_of({dormant}) == Lines{"add table inet edge { flags dormant; }"});
}

TEST_CASE("a misplaced guest is known by the rules around it") {
    const auto misplaced = [](std::vector<std::string> texts) {
        std::vector<LiveRule> rules;
        for (std::string& text : texts) rules.push_back({std::move(text), 0});
        std::string out;
        for (const Standing& one : standing_of(rules)) out += one.is_misplaced ? 'x' : '.';
        return out;
    };
    const std::string early = tagged("a", {-1, "e"}), late = tagged("b", {5, "l"}),
                      later = tagged("c", {9, "z"});
    CHECK(misplaced({early, "own", "own", late, later}) == ".....");
    CHECK(misplaced({"own", early, late}) == ".x.");
    CHECK(misplaced({early, late, "own"}) == ".x.");
    CHECK(misplaced({"own", "own"}) == "..");
    const std::string swapped = misplaced({"own", later, late});
    CHECK(std::count(swapped.begin(), swapped.end(), 'x') == 1);
}

TEST_CASE("objects are made before what names them, and go after it") {
    const LiveObject counter, limit{{"rate 5/second"}};
    LiveTable live = live_table();
    LiveChain office{{}, {{"counter name \"hits\" limit name \"slow\" accept", 0}}};
    const std::vector<Change> made{chain_change(0, "office", office),
                                   object_change(1, Kind::limit, "slow", limit),
                                   object_change(2, Kind::counter, "hits", counter)};
    CHECK(lines_of(made) ==
          Lines{"flush chain inet edge office", "add counter inet edge hits ",
                "add limit inet edge slow { rate 5/second; }",
                "add rule inet edge office counter name \"hits\" limit name \"slow\" accept"});
    live.objects = {{"counter hits", {{"packets 4 bytes 400"}}}, {"limit slow", limit}};
    live.chains["office"] = office;
    CHECK(lines_of({made[1], made[2]}, live).empty()); // what is counted is no difference
    CHECK(lines_of({{0, {Kind::counter, "", "hits"}, true, nullptr},
                    {1, {Kind::chain, "", "office"}, true, nullptr}},
                   live) == Lines{"flush chain inet edge office", "delete counter inet edge hits",
                                  "delete chain inet edge office"});
}

TEST_CASE("a quota changes in place; a limit makes room with the rules and elements that name it") {
    LiveTable live = live_table();
    live.objects = {{"quota month", {{"comment \"x\"", "over 1 mbytes"}}},
                    {"limit slow", {{"rate 5/second"}}}};
    live.chains["in"].rules = {{"quota name \"month\" drop", 1},
                               {"limit name \"slow\" accept comment \"a\"", 2},
                               {"accept comment \"limit name \"", 3}};
    live.sets["m"] = {true,
                      {"type ipv4_addr : limit"},
                      std::vector<std::string>{"192.0.2.1 : \"fast\"", "192.0.2.2 : \"slow\""}};
    live.sets["q"] = {true, {"type ipv4_addr : quota"}, std::vector<std::string>{"192.0.2.2 : \"slow\""}};
    CHECK(lines_of({object_change(0, Kind::quota, "month", {{"2 mbytes"}})}, live) ==
          Lines{"add quota inet edge month { 2 mbytes; }"});
    CHECK(lines_of({object_change(0, Kind::limit, "slow", {{"rate 6/second"}})}, live) ==
          Lines{"delete rule inet edge in handle 2", "delete element inet edge m { 192.0.2.2 }",
                "delete limit inet edge slow", "add limit inet edge slow { rate 6/second; }",
                "add element inet edge m { 192.0.2.2 : \"slow\" }",
                "insert rule inet edge in position 3 limit name \"slow\" accept comment \"a\""});
    // The map changes in the same transaction: each element goes once, and comes where it is declared.
    const auto with = [&](std::vector<std::string> elements) {
        LiveSet set = live.sets["m"];
        set.elements = std::move(elements);
        const Change map{1, {Kind::set, "", "m"}, false, set_spec(edge, "m", set)};
        std::string out;
        for (const std::string& line :
             lines_of({object_change(0, Kind::limit, "slow", {{"rate 6/second"}}), map}, live))
            if (line.find(" element ") != line.npos || line.find("flush map") != line.npos)
                out += line + "\n";
        return out;
    };
    CHECK(with({"192.0.2.1 : \"fast\""}) == "delete element inet edge m { 192.0.2.2 }\n");
    CHECK(with({"192.0.2.2 : \"slow\"", "192.0.2.3 : \"slow\""}) ==
          "flush map inet edge m\n"
          "add element inet edge m { 192.0.2.3 : \"slow\", 192.0.2.2 : \"slow\" }\n");
}

TEST_CASE("a flow table gets and loses devices in place") {
    const std::vector<std::string> lines{"hook ingress priority filter", "devices = { a, b }", "counter"};
    LiveTable live = live_table();
    live.objects["flowtable fast"] = {lines};
    live.chains["office"].rules = {{"flow add @fast", 4}, {"flow add @faster", 5}};
    const auto to = [&](std::vector<std::string> now) {
        return lines_of({object_change(0, Kind::flowtable, "fast", {std::move(now)})}, live);
    };
    CHECK(to({lines[0], "devices = { b, \"a\" }", lines[2]}).empty());
    CHECK(
        to({lines[0], "devices = { b, c }", lines[2]}) ==
        Lines{
            "delete flowtable inet edge fast { hook ingress priority filter; devices = { \"a\" }; counter; }",
            "add flowtable inet edge fast { hook ingress priority filter; devices = { \"c\" }; counter; }"});
    CHECK(to({lines[0], lines[1]}) ==
          Lines{"delete rule inet edge office handle 4", "delete flowtable inet edge fast",
                "add flowtable inet edge fast { hook ingress priority filter; devices = { \"a\", \"b\" }; }",
                "insert rule inet edge office position 5 flow add @fast"});
}

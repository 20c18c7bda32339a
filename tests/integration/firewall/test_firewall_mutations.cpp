// Hundreds of random changes behind the plugin's back: exactly what was touched is reported and corrected, in
// one pass, and what is others' stays.

#include <algorithm>
#include <random>
#include <set>

#include "kernel.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// What Docker and fail2ban would have there.
void make_foreign() {
    REQUIRE(
        nft("add table ip docker { chain DOCKER { type nat hook prerouting priority -100; policy accept; "
            "tcp dport 8080 counter accept; }; set peers { type ipv4_addr; elements = { 172.17.0.2 }; }; }"));
    REQUIRE(nft("add element inet edge f2b { 198.51.100.7 timeout 10h, 198.51.100.8 timeout 10h }"));
    REQUIRE(nft("add counter inet edge theirs { packets 4 bytes 400 ; }"));
}

// What is counted, whatever the quota is.
std::string used_of_quota() {
    const std::string listing = nft_output("list quota inet edge month");
    const std::size_t at = listing.find(" used ");
    return at == listing.npos ? "" : listing.substr(at, listing.find('\n', at) - at);
}

std::string foreign_state() {
    std::string f2b = nft_output("list set inet edge f2b");
    for (std::size_t at; (at = f2b.find(" expires ")) != f2b.npos;)
        f2b.erase(at, f2b.find_first_of(",\n}", at + 9) - at);
    return nft_output("-a list table ip docker") + f2b + nft_output("list counters table inet edge") +
           used_of_quota();
}

class Mutator {
public:
    Mutator(std::vector<Ask> items, unsigned seed) : items_(std::move(items)), random_(seed) {}

    // Changes something, and gives the items that are touched by it; none for what only looks like a change.
    std::set<std::size_t> mutate() {
        switch (below(13)) {
            case 0: return add_rule("input", 0, "add");
            case 1: return add_rule("input", 0, "insert");
            case 2: return add_rule("office", 1, "insert");
            case 3: return delete_rule("input", 0);
            case 4: return move_rule("input", 0);
            case 5: return respell_rule();
            case 6: return change_policy();
            case 7: return change_elements();
            case 8: return touch_guest();
            case 9: return change_quota();
            case 10: return change_limit();
            case 11: return change_object_map();
            default: return touch_foreign();
        }
    }

    std::string done; // for people who read a failure

private:
    std::size_t below(std::size_t limit) { return random_() % limit; }
    bool run(const std::string& command) {
        done += command + "\n";
        return nft(command);
    }

    struct Rule {
        std::string text, handle;
    };
    // Those of the chain itself.
    std::vector<Rule> rules(const std::string& chain_name) {
        std::vector<Rule> out;
        const std::string listing = nft_output("-s -a list chain inet edge " + chain_name);
        for (std::size_t at = 0; at < listing.size();) {
            const std::size_t end = listing.find('\n', at);
            const std::string line = listing.substr(at, end - at);
            const std::size_t mark = line.rfind(" # handle ");
            if (line.rfind("\t\t", 0) == 0 && mark != line.npos && line.find("\"hf ") == line.npos)
                out.push_back({line.substr(2, mark - 2), line.substr(mark + 10)});
            at = end + 1;
        }
        return out;
    }

    std::set<std::size_t> add_rule(const std::string& chain_name, std::size_t item, const std::string& verb) {
        REQUIRE(run(verb + " rule inet edge " + chain_name + " udp dport " +
                    std::to_string(1 + below(60000)) + " counter drop"));
        return {item};
    }

    std::set<std::size_t> delete_rule(const std::string& chain_name, std::size_t item) {
        const auto all = rules(chain_name);
        if (all.empty()) return {};
        REQUIRE(run("delete rule inet edge " + chain_name + " handle " + all[below(all.size())].handle));
        return {item};
    }

    std::set<std::size_t> move_rule(const std::string& chain_name, std::size_t item) {
        const auto all = rules(chain_name);
        if (all.size() < 2) return {};
        const Rule first = all.front();
        if (std::all_of(all.begin(), all.end(), [&](const Rule& r) { return r.text == first.text; }))
            return {};
        REQUIRE(
            run("add rule inet edge " + chain_name + " position " + all.back().handle + " " + first.text));
        REQUIRE(run("delete rule inet edge " + chain_name + " handle " + first.handle));
        return {item};
    }

    // The same rule in other words, under another handle: no difference.
    std::set<std::size_t> respell_rule() {
        for (const Rule& rule : rules("input")) {
            if (rule.text != "tcp dport { 22, 80, 443 } accept") continue;
            REQUIRE(run("replace rule inet edge input handle " + rule.handle +
                        " tcp dport { https, http, ssh } accept"));
            return {};
        }
        return {};
    }

    std::set<std::size_t> change_policy() {
        REQUIRE(run("add chain inet edge input { policy drop; }"));
        return {0};
    }

    std::set<std::size_t> change_elements() {
        const std::string address = "192.0.2." + std::to_string(100 + below(100));
        if (below(2)) {
            REQUIRE(run("add element inet edge blocked { " + address + " }"));
        } else {
            REQUIRE(run("flush set inet edge blocked"));
        }
        return {2};
    }

    std::set<std::size_t> touch_guest() {
        const std::string listing = nft_output("-a list chain inet edge user");
        const std::size_t at = listing.find("hf 10 soon\" # handle ");
        if (at == listing.npos) return {};
        const std::string handle = listing.substr(at + 21, listing.find('\n', at) - at - 21);
        if (below(2)) {
            REQUIRE(run("delete rule inet edge user handle " + handle));
        } else {
            REQUIRE(run("replace rule inet edge user handle " + handle +
                        " tcp dport 99 drop comment \"hf 10 soon\""));
        }
        return {4};
    }

    std::set<std::size_t> change_quota() {
        REQUIRE(run("add quota inet edge month { " + std::to_string(2 + below(1000)) + " mbytes ; }"));
        return {7};
    }

    // Nobody but us changes a limit that a rule names: the kernel would refuse. So its rule goes first.
    std::set<std::size_t> change_limit() {
        REQUIRE(run("flush chain inet edge slow"));
        REQUIRE(run("delete limit inet edge slow"));
        if (below(2)) return {8, 9};
        REQUIRE(run("add limit inet edge slow { rate " + std::to_string(20 + below(1000)) + "/second ; }"));
        return {8, 9};
    }

    std::set<std::size_t> change_object_map() {
        if (below(2)) {
            REQUIRE(run("flush map inet edge counters"));
        } else {
            REQUIRE(run("add element inet edge counters { 192.0.2." + std::to_string(100 + below(100)) +
                        " : \"theirs\" }"));
        }
        return {10};
    }

    std::set<std::size_t> touch_foreign() {
        REQUIRE(run("add set inet edge foreign" + std::to_string(below(1000)) + " { type ipv4_addr; }"));
        return {};
    }

    const std::vector<Ask> items_;
    std::mt19937 random_;
};

} // namespace

TEST_CASE("after hundreds of foreign changes exactly what was touched is corrected, and nothing else") {
    if (const auto why = obstacle()) return skip(*why);
    Firewall firewall;
    const std::vector<Ask> items{
        chain("input",
              {"tcp dport { 443, 80, 22 } accept",
               "ip saddr @f2b drop",
               "ip saddr @blocked counter drop",
               "ct state established,related accept",
               {{"name", "office"}, {"rule", "ip saddr 10.9.9.9/16 jump office"}}},
              input_hook()),
        chain("office", {"tcp dport ssh accept"}),
        set("blocked",
            {{"type", "ipv4_addr"}, {"flags", {"interval"}}, {"elements", {"192.0.2.7", "10.1.2.3/8"}}}),
        chain("user", {"ct state invalid drop"}, {{"shared", true}}),
        rule("user", "soon", 10, "tcp dport 10 accept"),
        rule("user", "late", 20, "tcp dport 20 accept"),
        set("f2b", {{"type", "ipv4_addr"}, {"flags", {"timeout"}}}),
        object("Quota", "month", {{"quota", "over 1048576 bytes"}}),
        object("Limit", "slow", {{"rate", "600/minute"}}),
        chain("slow", {"limit name slow quota name month accept"}),
        set("counters", {{"type", "ipv4_addr"}, {"data", "counter"}, {"elements", {"192.0.2.1 : \"hits\""}}}),
        object("Counter", "hits"),
    };
    REQUIRE(nft("add table inet edge { counter hits { packets 7 bytes 700 ; }; quota month { 9 mbytes used 5 "
                "bytes ; }; }"));
    firewall.must_apply(items);
    make_foreign();
    const std::string foreign = foreign_state();
    Mutator mutator(items, 4711);
    int changes = 0;
    for (int round = 0; round < 110; ++round) {
        std::set<std::size_t> touched;
        mutator.done.clear();
        for (int i = 0; i <= round % 4; ++i, ++changes) touched.merge(mutator.mutate());
        INFO("round " << round << "\n" << mutator.done);
        const std::vector<std::size_t> reported = firewall.differing(items);
        // What several changes undid again is no difference: reported is never more than touched.
        for (const std::size_t i : reported) REQUIRE(touched.count(i) == 1);
        if (round % 4 == 0) REQUIRE(reported == std::vector<std::size_t>(touched.begin(), touched.end()));
        std::vector<Ask> todo;
        for (const std::size_t i : reported) todo.push_back(items[i]);
        if (!todo.empty()) firewall.must_apply(todo);
        REQUIRE(firewall.differing(items).empty());
        REQUIRE(foreign_state() == foreign);
    }
    CHECK(changes >= 250);
}

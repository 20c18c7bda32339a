// What the firewall plugin costs beside nft doing the same, in a network namespace of its own. Ratios of one
// run; prints the table and exits 1 where a limit is missed. Needs root, or user namespaces.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "correction.hpp"
#include "firewall/canonical.hpp"
#include "firewall/live.hpp"
#include "firewall/transaction.hpp"
#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast::firewall;

namespace {

using Clock = std::chrono::steady_clock;

bool all_hold = true;

void row(const std::string& what, double ours, double theirs, double limit) {
    const double ratio = ours / theirs;
    const bool holds = ratio <= limit;
    all_hold &= holds;
    fmt::print("{:58} {:9.1f} ms {:9.1f} ms {:7.3f}  limit {}{}\n", what, ours, theirs, ratio, limit,
               holds ? "" : "  MISSED");
}

double ms_of(const std::function<void()>& body) {
    const auto begin = Clock::now();
    body();
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double median(std::vector<double> times) {
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

void must(bool holds, const char* what) {
    if (holds) return;
    fmt::print(stderr, "firewall_bench: {}\n", what);
    std::exit(1);
}

void nft(const std::string& command) {
    must(std::system(("PATH=$PATH:/usr/sbin nft " + command).c_str()) == 0, command.c_str());
}

std::string rule(int i) {
    return fmt::format("ip saddr 10.{}.{}.{} tcp dport {} accept", i >> 16 & 255, i >> 8 & 255, i & 255,
                       1000 + i % 60000);
}

std::string address(int i) { return fmt::format("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255); }

void transaction_of_rules(int count, const std::string& file) {
    const TableName table{"inet", "edge"};
    std::ofstream out(file);
    out << "table inet edge {\nchain office {\n";
    Json rules = Json::array();
    for (int i = 0; i < count; ++i) {
        out << rule(i) << "\n";
        rules.push_back(rule(i));
    }
    out << "}\n}\n";
    out.close();
    const std::vector<Change> changes{{0,
                                       {Kind::chain, "", "office"},
                                       false,
                                       {{"table", "inet edge"}, {"name", "office"}, {"rules", rules}}}};
    Live live({NamespaceThread::Where::Kind::of_process, "", "holdfast-bench"});
    std::vector<double> ours, theirs;
    for (int i = 0; i < 5; ++i) {
        theirs.push_back(ms_of([&] { nft("-f " + file); }));
        nft("delete table inet edge");
        ours.push_back(ms_of([&] {
            const LiveTable& now = live.read(table, [](const std::string&, const LiveSet&) { return true; });
            const Transaction transaction(table, now, changes);
            must(live.run(transaction.script().text()).ok, "the transaction failed");
        }));
        nft("delete table inet edge");
    }
    row(fmt::format("transaction of {} rules, beside nft -f", count), median(ours), median(theirs), 1.3);
}

// The whole of it: repository to kernel, and a second pass that finds nothing to do.
void whole_apply(int count, const std::string& file) {
    test::Playground play;
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: edge}\n"
               "spec: {plugin: firewall}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
               "metadata: {name: fw}\nspec: {path: fw, providers: {firewall.holdfast.dev: edge}}\n");
    std::string text = "apiVersion: firewall.holdfast.dev/v1alpha1\nkind: Chain\nmetadata: {name: office}\n"
                       "spec:\n  table: inet edge\n  name: office\n  rules:\n";
    for (int i = 0; i < count; ++i) text += "  - " + rule(i) + "\n";
    play.write("fw/chain.yaml", text);
    play.commit();
    std::vector<double> loads;
    for (int i = 0; i < 5; ++i) {
        loads.push_back(ms_of([&] { nft("-f " + file); }));
        nft("delete table inet edge");
    }
    const double theirs = median(loads);
    const double ours = ms_of([&] {
        must(play.holdfast({"apply", "--yes"}).exit_code == 0, "apply failed");
    });
    must(play.holdfast({"plan", "--exit-code"}).exit_code == 0, "the second plan is not empty");
    nft("insert rule inet edge office drop");
    must(play.holdfast({"plan", "--exit-code"}).exit_code == 2, "a foreign rule is not seen");
    nft("delete table inet edge");
    row(fmt::format("whole apply of {} rules, beside nft -f", count), ours, theirs, 6);
}

void one_element(int count, const std::string& file) {
    const TableName table{"inet", "edge"};
    std::ofstream out(file);
    out << "table inet edge {\nset big { type ipv4_addr; elements = { ";
    Json elements = Json::array();
    for (int i = 0; i < count; ++i) {
        out << address(i) << ", ";
        elements.push_back(address(i));
    }
    out << "}\n}\nset ranges { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }\n}\n}\n";
    out.close();
    const double theirs = ms_of([&] { nft("-f " + file); });
    Live live({NamespaceThread::Where::Kind::of_process, "", "holdfast-bench"});
    Scratch scratch;
    const auto read = [&]() -> const LiveTable& {
        return live.read(table, [](const std::string& name, const LiveSet&) { return name == "big"; });
    };
    read();
    elements.push_back("192.0.2.1");
    std::sort(elements.begin(), elements.end());
    Json spec = set_spec(table, "big", read().sets.at("big"));
    spec["elements"] = elements;
    const std::vector<Change> changes{{0, {Kind::set, "", "big"}, false, spec}};
    const Transaction transaction(table, read(), changes);
    const auto* texts = transaction.only_elements();
    must(texts && texts->at("big").added.size() == 1 && texts->at("big").removed.empty(),
         "more than one element would be sent");
    const std::map<std::string, std::vector<std::string>> after{
        {"big", elements.get<std::vector<std::string>>()}};
    const double ours = ms_of([&] {
        const auto added = scratch.encode(table, read(), "big", texts->at("big").added);
        must(added.has_value(), "the element cannot be encoded");
        must(live.write_elements(table, {{"big", {}, *added}}, after) == 0, "the element cannot be written");
    });
    nft("get element inet edge big '{ 192.0.2.1 }' >/dev/null");
    row(fmt::format("one element into a set of {}, beside loading that set", count), ours, theirs, 0.1);
    nft("delete table inet edge");
}

// From a foreign change to the kernel holding what Git says again, by a daemon that watches.
void corrected() {
    test::Playground play;
    play.write("holdfast.yaml", "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: "
                                "edge}\nspec: {plugin: firewall}\n"
                                "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: fw}\n"
                                "spec: {path: fw, interval: 1h, providers: {firewall.holdfast.dev: edge}}\n");
    std::string text = "apiVersion: firewall.holdfast.dev/v1alpha1\nkind: Set\nmetadata: {name: blocked}\n"
                       "spec:\n  table: inet edge\n  name: blocked\n  type: ipv4_addr\n  elements:\n";
    for (int i = 0; i < 100; ++i) text += "  - " + address(i + 1) + "\n";
    play.write("fw/set.yaml", text);
    play.commit();
    const TableName table{"inet", "edge"};
    Live live({NamespaceThread::Where::Kind::of_process, "", "holdfast-bench"});
    bench::ForeignChange change;
    change.make = [](int round) {
        const auto start = Clock::now();
        nft("delete element inet edge blocked '{ " + address(round + 1) + " }'");
        return start;
    };
    change.is_as_declared = [&](int) {
        const LiveTable& now = live.read(table, [](const std::string&, const LiveSet&) { return true; });
        return now.exists && now.sets.count("blocked") && now.sets.at("blocked").elements->size() == 100;
    };
    const double median_ms = bench::median_correction_ms(play, change);
    row("foreign change to corrected, median of 50, beside 100 ms", median_ms, 100, 1);
}

} // namespace

TEST_CASE("the firewall plugin beside nft") {
    if (const auto why = holdfast::test::enter_network_namespace()) return holdfast::test::skip(*why);
    const holdfast::TempFolder folder;
    transaction_of_rules(10000, folder / "rules.nft");
    whole_apply(10000, folder / "rules.nft");
    one_element(100000, folder / "set.nft");
    corrected();
    CHECK(all_hold);
}

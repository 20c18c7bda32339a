// The firewall spike through the engine's plugin host, against the kernel, in a namespace of our own.

#include <cstdlib>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;
using Json = nlohmann::json;

namespace {

const char* const table = "inet web";

Ask item(const char* kind, const std::string& name, Json spec, ItemAction action = ItemAction::create) {
    spec["table"] = table;
    spec["name"] = name;
    const Json document{{"apiVersion", "nft.spike.holdfast.dev/v1alpha1"}, {"kind", kind}, {"spec", spec}};
    return {.kind = std::string("nft.spike.holdfast.dev/v1alpha1/") + kind,
            .identity = "\"" + name + "\"",
            .declared = action == ItemAction::remove ? "" : document.dump(),
            .action = action};
}

Ask chain(const std::string& name, std::vector<std::string> rules, Json base = nullptr) {
    Json spec{{"rules", rules}};
    if (!base.is_null()) spec["base"] = base;
    return item("Chain", name, spec);
}

Ask set(const std::string& name, std::vector<std::string> elements) {
    return item("Set", name, {{"type", "ipv4_addr"}, {"flags", {"interval"}}, {"elements", elements}});
}

Json input_base(const char* priority, const char* policy) {
    return {{"type", "filter"}, {"hook", "input"}, {"priority", priority}, {"policy", policy}};
}

bool nft(const std::string& command) {
    return std::system(("PATH=$PATH:/usr/sbin nft '" + command + "'").c_str()) == 0;
}

// In an empty ruleset, whatever the case before left there.
struct Kernel {
    Kernel() { REQUIRE(nft("flush ruleset")); }
    PluginDriver plugin{"spike-nft", "{}"};

    Answers observe(const std::vector<Ask>& items) { return plugin.ask(Method::observe, table, items); }
    Answers canonicalize(const std::vector<Ask>& items) {
        return plugin.ask(Method::canonicalize, table, items);
    }
    Answers apply(const std::vector<Ask>& items, const std::string& version = {}) {
        return plugin.ask(Method::apply, table, items, {}, version);
    }
    // Everything there is, as the engine may ask for it before and after.
    std::string all() { return plugin.ask(Method::snapshot, table, {}).scope.private_data; }
};

// Each spelled in a way that the kernel does not give back.
const std::vector<Ask> web{
    chain("input",
          {"tcp dport { 443, 80, 22 } accept", "ip saddr @blocked drop", "ct state new,established accept",
           "ip saddr 10.9.9.9/16 counter jump office", "meta l4proto tcp tcp dport ssh accept"},
          input_base("0", "accept")),
    chain("office", {"tcp dport {8080} accept comment \"one; two\""}),
    set("blocked", {"192.0.2.7", "10.0.0.0/8"}),
};

} // namespace

#define NEEDS_A_NAMESPACE                                                                                    \
    if (const auto why = enter_network_namespace()) return skip(*why)

TEST_CASE("what the kernel would store is what it does store, in one transaction and any order") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    const Answers before = kernel.observe(web);
    CHECK(before.summary() == "absent absent absent");

    const Answers wanted = kernel.canonicalize(web);
    REQUIRE(wanted.summary() == "done done done");
    const Json rules = Json::parse(wanted[0].document).at("/spec/rules"_json_pointer);
    CHECK(rules == Json{"tcp dport { 22, 80, 443 } accept", "ip saddr @blocked drop",
                        "ct state established,new accept", "ip saddr 10.9.0.0/16 counter jump office",
                        "tcp dport 22 accept"});
    CHECK(kernel.observe(web).summary() == "absent absent absent"); // asking wrote nothing

    CHECK(kernel.apply(web, before.scope.version).summary() == "done done done");
    const Answers after = kernel.observe(web);
    REQUIRE(after.summary() == "done done done");
    const Answers again = kernel.canonicalize(web);
    for (std::uint32_t i = 0; i < web.size(); ++i) {
        CHECK(after[i].document == wanted[i].document);
        CHECK(again[i].document == wanted[i].document);
    }
}

TEST_CASE("a foreign edit between observe and apply is not overwritten") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    REQUIRE(kernel.apply(web).summary() == "done done done");
    const std::string version = kernel.observe(web).scope.version;
    REQUIRE(nft("add rule inet web office udp dport 53 accept"));

    const Answers refused = kernel.apply({chain("office", {"drop"})}, version);
    REQUIRE(refused.summary() == "failed(nft.conflict)");
    CHECK(refused[0].diagnostics.list()[0].retry == Retry::conflict);
    CHECK_THAT(kernel.all(), ContainsSubstring("udp dport 53 accept"));

    CHECK(kernel.apply({chain("office", {"drop"})}, kernel.observe(web).scope.version).summary() == "done");
}

TEST_CASE("a second apply in the same table goes by the version that the first one left") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    const std::string observed = kernel.observe(web).scope.version;
    const std::string left = kernel.apply(web, observed).scope.version;
    CHECK(kernel.apply({chain("office", {"drop"})}, observed).summary() == "failed(nft.conflict)");
    CHECK(kernel.apply({chain("office", {"drop"})}, left).summary() == "done");
}

TEST_CASE("an edit of another table, which moves the generation as well, is no conflict") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    REQUIRE(kernel.apply(web).summary() == "done done done");
    const std::string version = kernel.observe(web).scope.version;
    REQUIRE(nft("add table ip docker"));
    CHECK(kernel.apply({chain("office", {"drop"})}, version).summary() == "done");
}

TEST_CASE("one bad item leaves everything as it was, and is the one that is blamed") {
    NEEDS_A_NAMESPACE;
    const std::string bad_rule =
        GENERATE("jump nowhere", "tcp dport http-alt-alt accept", "ip saddr @nothing drop");
    Kernel kernel;
    REQUIRE(kernel.apply(web).summary() == "done done done");
    const std::string before = kernel.all();
    const std::vector<Ask> changes{chain("office", {"drop"}), chain("worse", {"accept", bad_rule}),
                                   set("blocked", {})};
    CHECK(kernel.apply(changes).summary() == "skipped failed(nft.refused) skipped");
    CHECK(kernel.all() == before);
}

TEST_CASE("a chain and the set that it names go in one batch, in whichever order they are given") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    REQUIRE(kernel.apply(web).summary() == "done done done");
    const auto gone = [](const char* kind, const char* name) {
        return item(kind, name, {}, ItemAction::remove);
    };
    const std::vector<Ask> deletes{gone("Set", "blocked"), gone("Chain", "office"), gone("Chain", "input")};
    CHECK(kernel.apply(deletes).summary() == "done done done");
    CHECK(kernel.observe(web).summary() == "absent absent absent");
    CHECK(kernel.apply(deletes).summary() == "done done done"); // again is harmless
}

TEST_CASE("a chain's policy changes in place, its priority means replace") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    REQUIRE(kernel.apply({chain("input", {}, input_base("filter", "accept"))}).summary() == "done");
    CHECK(kernel.canonicalize({chain("input", {}, input_base("filter", "drop"))}).summary() == "done");
    const Answers replaced = kernel.canonicalize({chain("input", {}, input_base("10", "accept"))});
    CHECK(replaced.summary() == "must-replace");
    CHECK(replaced[0].detail == R"({"paths":["/spec/base/priority"]})");
    CHECK(kernel.apply({chain("input", {}, input_base("filter", "drop"))}).summary() == "done");
}

TEST_CASE("a snapshot brings back the table as it was, also where it was not there") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    const std::string nothing = kernel.all();
    REQUIRE(kernel.apply(web).summary() == "done done done");
    const std::string something = kernel.all();
    REQUIRE(nft("add table ip docker"));

    REQUIRE(nft("delete table inet web"));
    PluginDriver fresh("spike-nft", "{}");
    CHECK(fresh.ask(Method::restore, table, {}, something).end.ok);
    CHECK(kernel.all() == something);
    CHECK(fresh.ask(Method::restore, table, {}, nothing).end.ok);
    CHECK(kernel.observe(web).summary() == "absent absent absent");
    CHECK(nft("list table ip docker")); // foreign tables stay
}

TEST_CASE("a rule cannot smuggle in a second command") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    const std::string rule =
        GENERATE("accept\ndelete table inet other", "accept; flush ruleset", "accept \\");
    CHECK(kernel.plugin.ask(Method::validate, table, {chain("office", {rule})}).summary() ==
          "failed(nft.not-one-rule)");
}

TEST_CASE("the worker process filters in the namespace of the engine that started it") {
    NEEDS_A_NAMESPACE;
    Kernel kernel;
    PluginDriver worker("spike-nft", "{}", Isolation::worker);
    const Answers wanted = worker.ask(Method::canonicalize, table, web);
    CHECK(worker.ask(Method::apply, table, web).summary() == "done done done");
    const Answers observed = kernel.observe(web);
    REQUIRE(observed.summary() == "done done done");
    for (std::uint32_t i = 0; i < web.size(); ++i) CHECK(observed[i].document == wanted[i].document);
}

// Sets of routes against the real kernel: asked as the engine asks the plugin, and as a person uses them.

#include <algorithm>
#include <random>
#include <set>

#include <nlohmann/json.hpp>

#include "net.hpp"
#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/hinted.hpp"
#include "support/playground.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;
using Json = nlohmann::json;
using ::test::Playground;
using ::test::Ran;

#define IN_A_NETWORK                                                                                         \
    if (const auto why = no_network()) return skip(*why);                                                    \
    const Net net

namespace {

const std::string config = R"({"tables":{"main":254,"vpn":100},"sets":{"blocked":80,"feed":81}})";
const std::string kind = "routing.holdfast.dev/v1alpha1/RouteSet";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A set as the engine knows it: asked for with what was last seen of it.
class Set {
public:
    Set(PluginDriver& plugin, Json spec, const std::string& family = "ipv4") : plugin_(plugin) {
        spec_ = std::move(spec);
        scope_ = Json{spec_["name"], spec_.value("table", "main"), family}.dump();
    }
    Json& spec() { return spec_; }
    const std::string& scope() const { return scope_; }
    Ask ask(ItemAction action = ItemAction::none) const {
        const Json document{
            {"apiVersion", "routing.holdfast.dev/v1alpha1"}, {"kind", "RouteSet"}, {"spec", spec_}};
        return {.kind = kind,
                .identity = scope_,
                .declared = action == ItemAction::remove ? "" : document.dump(),
                .observed = seen_.document,
                .version = seen_.version,
                .action = action};
    }
    // Null where there is none.
    Json look() {
        const Answers answers = plugin_.ask(Method::observe, scope_, {ask()});
        seen_ = answers[0];
        return seen_.document.empty() ? Json() : Json::parse(seen_.document).at("spec");
    }
    std::string apply(ItemAction action) {
        const Answers answers = plugin_.ask(Method::apply, scope_, {ask(action)});
        last_ = answers[0];
        return answers.summary();
    }
    std::string put() { return apply(look().is_null() ? ItemAction::create : ItemAction::update); }
    const Answer& last() const { return last_; }
    std::string why() const {
        return last_.diagnostics.empty() ? "" : last_.diagnostics.list().front().message;
    }

private:
    PluginDriver& plugin_;
    Json spec_;
    std::string scope_;
    Answer seen_, last_;
};

Json some(int from, int to) {
    Json out = Json::array();
    for (int i = from; i < to; ++i)
        out.push_back("10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24");
    return out;
}

std::size_t count_of(const std::string& words) {
    const std::string text = routes(words);
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The kernel's notifications of what `body` does: a line each.
template <typename Body>
std::vector<std::string> told_by_kernel(Body body) {
    TempFolder folder;
    const std::string log = folder / "log";
    const char* const argv[] = {"stdbuf", "-oL", "ip", "monitor", "route", nullptr};
    std::vector<std::string> out;
    {
        BackgroundProgram monitor(argv, log);
        // It listens once it has told of something.
        for (int i = 0; i < 500 && read_file(log).empty(); ++i)
            run("ip route replace 10.255.255.0/24 via 192.0.2.9; sleep 0.02; ip route del 10.255.255.0/24");
        body();
        run("ip route replace 10.255.254.0/24 via 192.0.2.9; ip route del 10.255.254.0/24");
        for (int i = 0; i < 500 && !has(read_file(log), "Deleted 10.255.254.0/24"); ++i)
            std::this_thread::sleep_for(10ms);
    }
    std::istringstream lines(read_file(log));
    for (std::string line; std::getline(lines, line);)
        if (has(line, "10.") && !has(line, "10.255.25")) out.push_back(line);
    return out;
}

void use_kernel(Playground& play, const std::string& ownership = "owned") {
    play.write("holdfast.yaml",
               "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: kernel}\n"
               "spec: {plugin: routing, ownership: " +
                   ownership +
                   ", config: {sets: {blocked: 80, feed: 81}}}\n---\n"
                   "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: edge}\n"
                   "spec: {path: edge, providers: {routing.holdfast.dev: kernel}}\n");
}

void write_feed(Playground& play, const std::set<int>& destinations) {
    std::string text = "apiVersion: routing.holdfast.dev/v1alpha1\nkind: RouteSet\nmetadata: {name: feed}\n"
                       "spec:\n  name: feed\n  via: 192.0.2.2\n  to:\n";
    for (const int i : destinations) text += "  - " + some(i, i + 1)[0].get<std::string>() + "\n";
    play.write("edge/feed.yaml", text);
}

} // namespace

TEST_CASE("a set is made, seen as declared, and written only where it differs") {
    IN_A_NETWORK;
    PluginDriver plugin("routing", config);
    Set set(plugin, {{"name", "feed"}, {"via", "192.0.2.2"}, {"to", some(0, 600)}});
    CHECK(set.look().is_null());
    CHECK(set.put() == "done");
    CHECK(count_of("route show proto 81") == 600);
    CHECK(has(routes("route show 10.1.7.0/24"), "10.1.7.0/24 via 192.0.2.2 dev v0 proto 81"));
    const Json seen = set.look();
    CHECK(seen["to"] == some(0, 600));
    CHECK(seen["nexthops"] == Json::parse(R"([{"dev":"v0","via":"192.0.2.2"}])"));
    CHECK_FALSE(seen.contains("strays"));
    CHECK(set.put() == "unchanged");

    set.spec()["to"] = some(1, 601);
    const auto told = told_by_kernel([&] { CHECK(set.put() == "done"); });
    CHECK(told.size() == 2);
    CHECK(set.look()["to"] == some(1, 601));

    set.spec()["via"] = "192.0.2.3";
    CHECK(set.put() == "done");
    CHECK(count_of("route show proto 81 via 192.0.2.3") == 600);
    set.look();
    CHECK(set.apply(ItemAction::remove) == "done");
    CHECK(count_of("route show proto 81") == 0);
    CHECK(set.apply(ItemAction::remove) == "unchanged");
}

TEST_CASE("sets of IPv6 and of other tables are told apart, by one number as well") {
    IN_A_NETWORK;
    PluginDriver plugin("routing", config);
    Set v4(plugin, {{"name", "blocked"}, {"type", "blackhole"}, {"to", {"10.0.0.0/8", "198.18.0.0/15"}}});
    Set v6(plugin, {{"name", "blocked"}, {"type", "unreachable"}, {"to", {"fd00::/8"}}}, "ipv6");
    Set ways(plugin,
             {{"name", "feed"},
              {"nexthops", Json::parse(R"([{"via":"2001:db8::2"},{"via":"2001:db8::3","weight":2}])")},
              {"to", {"fd01::/32", "fd02::/32"}}},
             "ipv6");
    Set vpn(plugin, {{"name", "blocked"}, {"table", "vpn"}, {"dev", "v1"}, {"to", {"10.0.0.0/8"}}});
    for (Set* set : {&v4, &v6, &ways, &vpn}) CHECK(set->put() == "done");
    for (Set* set : {&v4, &v6, &ways, &vpn}) CHECK(set->put() == "unchanged");
    CHECK(has(routes("route show table 100"), "10.0.0.0/8 dev v1 proto 80"));
    CHECK(has(routes("-6 route show"), "unreachable fd00::/8"));
    ways.spec()["nexthops"] = Json::parse(R"([{"via":"2001:db8::4"},{"via":"2001:db8::3"}])");
    CHECK(ways.put() == "done");
    CHECK(ways.put() == "unchanged");
    ways.spec().erase("nexthops");
    ways.spec()["dev"] = "v0";
    CHECK(ways.put() == "done");
    CHECK(ways.put() == "unchanged");
    const Answers listed = plugin.ask(Method::list, "", {}, Json{{"kind", kind}}.dump());
    CHECK(listed.end.ok);
    v4.look();
    CHECK(v4.apply(ItemAction::remove) == "done");
    for (Set* set : {&v6, &ways, &vpn}) CHECK(set->put() == "unchanged");
}

TEST_CASE("what goes another way under the set's number is drift, and is set right") {
    IN_A_NETWORK;
    PluginDriver plugin("routing", config);
    Set set(plugin, {{"name", "feed"}, {"via", "192.0.2.2"}, {"to", some(0, 20)}});
    REQUIRE(set.put() == "done");
    REQUIRE(run("ip route replace 10.0.3.0/24 via 192.0.2.7 proto 81; ip route del 10.0.4.0/24\n"
                "ip route add 10.0.99.0/24 via 192.0.2.2 proto 81\n"
                "ip route append 10.0.5.0/24 via 192.0.2.8 proto 81\n"
                "ip route add 10.0.6.0/24 via 192.0.2.2 metric 9 proto 81"));
    const Json seen = set.look();
    CHECK(seen["to"].size() == 19); // of twenty two are not there, and one is too much
    CHECK(seen["strays"].size() == 3);
    CHECK(seen["strays"][0] == "10.0.3.0/24 type unicast via 192.0.2.7 dev v0 metric 0");
    const Answers canonical = plugin.ask(Method::canonicalize, set.scope(), {set.ask()});
    CHECK(Json::parse(canonical[0].document)["spec"]["strays"] == Json::array());
    CHECK(set.put() == "done");
    CHECK(set.look()["to"] == some(0, 20));
    CHECK(count_of("route show proto 81") == 20);
}

TEST_CASE("what somebody else made is left alone, and the rest of the set is written") {
    IN_A_NETWORK;
    PluginDriver plugin("routing", config);
    REQUIRE(run("ip route add 10.0.3.0/24 via 192.0.2.7 proto bgp; ip route add 10.0.4.0/24 via 192.0.2.7\n"
                "ip route add 10.0.4.0/24 via 192.0.2.8 metric 5 proto dhcp"));
    const std::string before = routes("route show | grep -v 'proto 81'");
    Set set(plugin, {{"name", "feed"}, {"via", "192.0.2.2"}, {"to", some(0, 20)}});
    CHECK(set.put() == "partial(routing.foreign)");
    CHECK(has(set.why(),
              "the route to 10.0.3.0/24 (table main, metric 0) is there already, made by bgp (and 1 more"));
    CHECK(set.look()["to"].size() == 18);
    CHECK(routes("route show | grep -v 'proto 81'") == before);
    set.spec()["metric"] = 7;
    CHECK(set.put() == "done");
    CHECK(set.put() == "unchanged");
    CHECK(set.apply(ItemAction::remove) == "done");
    CHECK(routes("route show") == before);
}

TEST_CASE("a set that changed since it was observed is not written, and a refusal names the first route") {
    IN_A_NETWORK;
    PluginDriver plugin("routing", config);
    Set set(plugin, {{"name", "feed"}, {"via", "192.0.2.2"}, {"to", some(0, 5)}});
    REQUIRE(set.put() == "done");
    set.look();
    REQUIRE(run("ip route replace 10.0.3.0/24 via 192.0.2.7 proto 81"));
    set.spec()["via"] = "192.0.2.3";
    CHECK(set.apply(ItemAction::update) == "failed(routing.conflict)");
    CHECK(set.apply(ItemAction::remove) == "failed(routing.conflict)");
    CHECK(set.apply(ItemAction::create) == "failed(routing.conflict)");
    CHECK(has(routes("route show 10.0.3.0/24"), "192.0.2.7"));
    set.spec()["via"] = "172.31.0.1";
    CHECK(set.put() == "failed(routing.gateway)");
    CHECK(has(set.why(), "and 4 more of RouteSet feed"));
    REQUIRE(run("ip route flush proto 81"));
    CHECK(set.apply(ItemAction::update) == "failed(routing.conflict)");
    set.spec()["via"] = "192.0.2.2";
    CHECK(set.put() == "done");
    set.spec()["dev"] = "v0";
    REQUIRE(run("ip link set v0 down"));
    CHECK(has(set.put(), "failed(routing.")); // until it is up
    CHECK(set.last().diagnostics.list().front().retry == Retry::after);
    REQUIRE(run("ip link set v0 up"));
    CHECK(set.put() == "done");
}

TEST_CASE("a foreign edit of a set is hinted by its scope; our own and those of others are not") {
    IN_A_NETWORK;
    Hinted hinted;
    PluginDriver plugin("routing", config);
    Set set(plugin, {{"name", "feed"}, {"via", "192.0.2.2"}, {"to", some(0, 5)}});
    const Ask ask = set.ask();
    const Item interest{.kind = ask.kind, .identity = ask.identity};
    REQUIRE(plugin.provider().watch(set.scope(), {&interest, 1}, hinted.on_hint()).ok());
    CHECK(set.put() == "done");
    CHECK_FALSE(hinted.comes_within(200ms));
    REQUIRE(run("ip route add 10.77.0.0/16 via 192.0.2.2 proto bgp; ip route add 10.78.0.0/16 via 192.0.2.2 "
                "proto 80"));
    CHECK_FALSE(hinted.comes_within(200ms));
    REQUIRE(run("ip route del 10.0.3.0/24"));
    const auto hint = hinted.next();
    REQUIRE(hint);
    CHECK(hint->scope == set.scope());
    REQUIRE(run("ip link set v0 down")); // takes routes with it without a word
    CHECK(hinted.comes());
    REQUIRE(plugin.provider().watch(set.scope(), {}, hinted.on_hint()).ok());
    REQUIRE(run("ip link set v0 up"));
    CHECK_FALSE(hinted.comes_within(200ms));
    plugin.provider().unwatch();
}

TEST_CASE("a snapshot of a set brings it back, strays as well, and nothing else") {
    IN_A_NETWORK;
    PluginDriver plugin("routing", config);
    Set set(plugin, {{"name", "feed"}, {"via", "192.0.2.2"}, {"to", some(0, 50)}});
    REQUIRE(set.put() == "done");
    REQUIRE(run("ip route replace 10.0.3.0/24 via 192.0.2.7 proto 81; ip route add 10.0.77.0/24 via "
                "192.0.2.2 proto bgp"));
    const std::string before = routes("route show");
    const Answers taken = plugin.ask(Method::snapshot, set.scope(), {});
    REQUIRE(taken.end.ok);
    const std::string snapshot = taken.scope.private_data;
    REQUIRE(run("ip route flush proto 81; ip route add 10.0.88.0/24 via 192.0.2.2 proto 81"));
    CHECK(plugin.ask(Method::restore, set.scope(), {}, snapshot).end.ok);
    CHECK(routes("route show") == before);
    CHECK_FALSE(plugin.ask(Method::restore, set.scope(), {}, R"({"format":"routing/1"})").end.ok);
    // That there was none is a state as well.
    Set other(plugin, {{"name", "blocked"}, {"type", "blackhole"}, {"to", {"10.200.0.0/16"}}});
    const std::string nothing = plugin.ask(Method::snapshot, other.scope(), {}).scope.private_data;
    REQUIRE(other.put() == "done");
    CHECK(plugin.ask(Method::restore, other.scope(), {}, nothing).end.ok);
    CHECK(routes("route show") == before);
}

TEST_CASE("a set comes after the routes that it needs, is imported, and goes with its document") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play, "exclusive");
    const std::string to_gateway = "apiVersion: routing.holdfast.dev/v1alpha1\nkind: Route\nmetadata: {name: "
                                   "gateway}\nspec: {to: 172.31.0.0/24, dev: v0}\n";
    play.write("edge/gateway.yaml", to_gateway);
    play.write("edge/a-set.yaml",
               "apiVersion: routing.holdfast.dev/v1alpha1\nkind: RouteSet\nmetadata: {name: a}\n"
               "spec: {name: feed, via: 172.31.0.1, to: [10.1.0.0/16, 10.2.0.0/16]}\n");
    play.commit();
    const Ran first = play.holdfast({"apply", "--yes"});
    INFO(first.out << first.err);
    CHECK(first.exit_code == 0);
    CHECK(count_of("route show proto 81 via 172.31.0.1") == 2);

    // In an exclusive stack the operator's sets are all declared, or go.
    REQUIRE(run("ip route add blackhole 10.9.0.0/16 proto 80; ip route add blackhole 10.8.0.0/16 proto 99"));
    const Ran imported = play.holdfast({"import", "kernel"});
    INFO(imported.out << imported.err);
    CHECK(has(imported.out, "kind: RouteSet"));
    CHECK(has(imported.out, "10.9.0.0/16"));
    const Ran plan = play.holdfast({"plan"});
    INFO(plan.out << plan.err);
    CHECK(has(plan.out, "blocked"));
    CHECK_FALSE(has(plan.out, "10.8.0.0"));
    const Ran pruned = play.holdfast({"apply", "--yes"});
    INFO(pruned.out << pruned.err);
    CHECK(pruned.exit_code == 0);
    CHECK(routes("route show proto 80") == "");
    CHECK(count_of("route show proto 99") == 1);

    play.remove("edge/a-set.yaml");
    play.commit();
    const Ran gone = play.holdfast({"apply", "--yes"});
    INFO(gone.out << gone.err);
    CHECK(gone.exit_code == 0);
    CHECK(routes("route show proto 81") == "");
    CHECK(count_of("route show proto 72") == 1);
}

TEST_CASE("the daemon sets a set right at once, and makes it again when its link is back") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    write_feed(play, {0, 1, 2, 3, 4, 5, 6, 7});
    play.commit();
    ::test::DaemonProcess daemon(play, "  interval: 1h\n");
    daemon.start_and_wait();
    const auto are_right = [] {
        return ::test::comes_true([] {
            return count_of("route show proto 81") == 8 && count_of("route show proto 81 via 192.0.2.2") == 8;
        });
    };
    REQUIRE(are_right());
    std::this_thread::sleep_for(500ms); // until it watches
    for (const char* edit : {"del 10.0.3.0/24", "add 10.0.33.0/24 via 192.0.2.2 proto 81",
                             "replace 10.0.4.0/24 via 192.0.2.7 proto 81"}) {
        INFO(edit);
        REQUIRE(run(std::string("ip route ") + edit));
        CHECK(are_right());
    }
    REQUIRE(run("ip link set v0 down; sleep 0.2; ip link set v0 up"));
    CHECK(are_right());
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE("of random edits of a set exactly these are undone, and others' routes stay") {
    IN_A_NETWORK;
    Playground play;
    use_kernel(play);
    std::mt19937 random(20261124);
    std::set<int> declared;
    for (int i = 0; i < 300; ++i) declared.insert(i);
    const auto commit = [&] {
        write_feed(play, declared);
        play.commit();
    };
    const auto apply = [&] {
        const Ran ran = play.holdfast({"apply", "--yes"});
        INFO(ran.out << ran.err);
        REQUIRE(ran.exit_code == 0);
        return ran.out;
    };
    commit();
    apply();
    for (int round = 0; round < 10; ++round) {
        std::string commands =
            "ip route add 172.16." + std::to_string(round) + ".0/24 via 192.0.2.2 proto bgp\n";
        for (const int i : declared) {
            const std::string to = some(i, i + 1)[0];
            switch (random() % 12) {
                case 0: commands += "ip route del " + to + "\n"; break;
                case 1: commands += "ip route replace " + to + " via 192.0.2.7 proto 81\n"; break;
                case 2: commands += "ip route append " + to + " via 192.0.2.8 proto 81\n"; break;
                case 3: commands += "ip route add blackhole " + to + " metric 3 proto 81\n"; break;
                case 4: commands += "ip route add " + to + " via 192.0.2.9 metric 4 proto bgp\n"; break;
                default: break;
            }
        }
        INFO("round " << round << "\n" << commands);
        REQUIRE(run("set -e\n" + commands));
        if (round % 2 == 1) { // and Git changes at the same time
            for (int i = 0; i < 5; ++i) declared.erase(static_cast<int>(random() % 250));
            declared.insert(300 + round);
            commit();
        }
        apply();
        std::string expected;
        std::set<std::string> lines;
        for (const int i : declared)
            lines.insert(some(i, i + 1)[0].get<std::string>() + " via 192.0.2.2 dev v0 proto 81");
        const std::string live = output_of("ip route show proto 81 | sed 's/ *$/ proto 81/'").value_or("");
        std::istringstream in(live);
        std::set<std::string> found;
        for (std::string line; std::getline(in, line);) found.insert(line);
        CHECK(found == lines);
        CHECK(has(apply(), "Nothing to do"));
        // A twin is not seen by packets, and is drift all the same.
        REQUIRE(run("ip route append 10.0.250.0/24 via 192.0.2.8 proto 81"));
        CHECK(has(play.holdfast({"plan"}).out, "10.0.250.0/24 type unicast via 192.0.2.8 dev v0 metric 0"));
        apply();
        run("ip route show proto bgp | grep -v 172.16 | while read r; do ip route del $r proto bgp; done");
    }
    CHECK(count_of("route show proto bgp") == 10);
}

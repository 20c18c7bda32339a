// A plugin that says "ordered" takes a chain of dependencies as one call.

#include "base/text.hpp"
#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using std::chrono::milliseconds;
using Fault = FakeFault::Kind;

namespace {

using Lines = std::vector<std::string>;

std::vector<FakeCall> apply_calls(World& world, const std::string& provider = "east") {
    std::vector<FakeCall> calls;
    for (const FakeCall& call : world.targets[provider].calls)
        if (call.method == Method::apply) calls.push_back(call);
    return calls;
}

Lines applied(World& world, const std::string& provider = "east") {
    Lines lines;
    for (const FakeCall& call : apply_calls(world, provider)) lines.push_back(join(call.items, ", "));
    return lines;
}

std::string link_name(int i) { return "l" + std::to_string(100 + i); }

void declare_chain(World& world, int links, ThingSpec spec = {}) {
    for (int i = 0; i < links; ++i) {
        spec.after.clear();
        if (i > 0) spec.after = {link_name(i - 1)};
        world.declare(link_name(i), spec).policy.adopt = Adopt::never;
    }
}

World ordered_world(bool is_atomic = false) {
    World world;
    for (auto& [name, plugin] : world.plugins) {
        plugin.atomic = is_atomic;
        plugin.ordered = true;
    }
    return world;
}

void check_journal_is_closed(World& world) { CHECK(world.store.open_steps("web").empty()); }

void check_nothing_left_to_do(World& world) {
    Process next(world);
    for (const Change& change : next.plan().changes) {
        INFO(to_string(change.address));
        CHECK(change.action == Action::none);
    }
}

} // namespace

TEST_CASE("a chain is one call of an ordered plugin, between two transactions") {
    World world = ordered_world(GENERATE(false, true));
    declare_chain(world, 20);
    Process process(world);
    std::size_t intents = 0;
    process.plan();
    process.provider().before_item = [&](const Item&) {
        if (intents == 0) intents = world.store.journal.size();
    };
    std::size_t started = 0;
    process.events.started = [&](std::size_t) { ++started; };
    const int commits_before = world.store.commits;
    CHECK(process.execute_plan().ok());
    CHECK(world.store.commits - commits_before == 2);
    CHECK(intents == 20); // all of them durable before the first write
    CHECK(started == 20);
    const std::vector<FakeCall> calls = apply_calls(world);
    REQUIRE(calls.size() == 1);
    CHECK(calls[0].after[0].empty());
    for (std::uint32_t i = 1; i < 20; ++i) CHECK(calls[0].after[i] == std::vector<std::uint32_t>{i - 1});
    check_journal_is_closed(world);
    check_nothing_left_to_do(world);
}

TEST_CASE("a plugin that does not say that it is ordered gets a call a link, and never hears of `after`") {
    World world;
    declare_chain(world, 5);
    Process process(world);
    CHECK(process.apply().ok());
    CHECK(applied(world).size() == 5);
    for (const FakeCall& call : apply_calls(world)) CHECK(call.after == decltype(call.after){{}});
}

TEST_CASE("what joins a call is all that lacks nothing but members of it, in plan order") {
    World world = ordered_world();
    SECTION("trees and diamonds") {
        world.declare("a");
        world.declare("b", {.after = {"a"}});
        world.declare("c", {.after = {"a"}});
        world.declare("d", {.after = {"b", "c"}});
        world.declare("e");
        CHECK(Process(world).apply().ok());
        const std::vector<FakeCall> calls = apply_calls(world);
        REQUIRE(calls.size() == 1);
        // Free changes and joined ones are one order: containment is honoured by it.
        for (std::size_t i = 0; i < 5; ++i) {
            const std::string& item = calls[0].items[i];
            const std::size_t wanted = item == "create \"d\""                             ? 2
                                       : item == "create \"b\"" || item == "create \"c\"" ? 1
                                                                                          : 0;
            INFO(item);
            CHECK(calls[0].after[i].size() == wanted);
            for (const std::uint32_t before : calls[0].after[i]) CHECK(before < i);
        }
    }
    SECTION("not what also waits for another scope or another provider") {
        world.declare("a");
        world.declare("b", {.room = "attic", .after = {"a"}});
        world.declare("c", {.after = {"a", "b"}});
        world.declare("d", {.after = {"c"}});
        world.declare("x", {.provider = "west", .after = {"d"}});
        world.declare("y", {.after = {"x"}});
        CHECK(Process(world).apply().ok());
        CHECK(applied(world) ==
              Lines{"create \"a\"", "create \"b\"", "create \"c\", create \"d\"", "create \"y\""});
        CHECK(applied(world, "west") == Lines{"create \"x\""});
    }
    SECTION("not beyond a gate") {
        world.declare("a");
        world.declare("b", {.after = {"a"}}).policy.wave = 1;
        world.declare("c", {.after = {"b"}}).policy.wave = 1;
        CHECK(Process(world).apply().ok());
        CHECK(applied(world) == Lines{"create \"a\"", "create \"b\", create \"c\""});
    }
    SECTION("as many as the plugin takes at once") {
        world.plugins["east"].max_items = 4;
        declare_chain(world, 10);
        CHECK(Process(world).apply().ok());
        const std::vector<FakeCall> calls = apply_calls(world);
        REQUIRE(calls.size() == 3);
        CHECK(calls[0].items.size() == 4);
        CHECK(calls[1].items.size() == 4);
        CHECK(calls[1].after[0].empty()); // what it comes after was done by the call before
        CHECK(calls[2].items.size() == 2);
    }
    SECTION("as many bytes as the plugin takes at once") {
        declare_chain(world, 6);
        world.plugins["east"].max_bytes = 3 * world.declared.begin()->second.declared.json.size() + 20;
        CHECK(Process(world).apply().ok());
        CHECK(applied(world).size() == 2);
    }
    check_nothing_left_to_do(world);
}

TEST_CASE("what has to be healthy before its dependents start is told so in the call, or ends it") {
    const bool is_atomic = GENERATE(false, true), has_health = GENERATE(true, false);
    World world = ordered_world(is_atomic);
    Description& plugin = world.plugins["east"];
    plugin.extensions = {"holdfast.health/1"};
    for (KindInfo& kind : plugin.kinds) kind.has_health = has_health;
    declare_chain(world, 3);
    CHECK(Process(world).apply().ok());
    const bool asks = has_health && is_atomic; // a transaction cannot look in between
    CHECK(applied(world).size() == (asks ? 3 : 1));
    CHECK(world.targets["east"].calls_of(Method::health) == (asks ? 2 : 0));
    check_journal_is_closed(world);
}

TEST_CASE("what follows a link that is not healthy yet waits until it is") {
    World world = ordered_world();
    world.plugins["east"].extensions = {"holdfast.health/1"};
    declare_chain(world, 4);
    Process process(world);
    const bool gets_well = GENERATE(true, false);
    process.plan();
    process.provider().after_write = [&](FakeObject& object) {
        if (object.identity != "\"" + link_name(1) + "\"") return;
        if (gets_well)
            object.polls_until_healthy = 2; // the first is the write's own
        else
            object.health = "degraded";
    };
    const ExecutionReport report = process.execute_plan();
    if (gets_well) {
        CHECK(report.ok());
        CHECK(applied(world) == Lines{"create \"l100\", create \"l101\", create \"l102\", create \"l103\"",
                                      "create \"l102\", create \"l103\""});
        CHECK(world.targets["east"].calls_of(Method::health) == 2);
        check_nothing_left_to_do(world);
    } else {
        CHECK(applied(world).size() == 1);
        CHECK(world.targets["east"].total_writes() == 2); // neither of those behind it
        CHECK(report.results[1].state == StepState::done);
        for (std::size_t held : {2, 3}) {
            CHECK(report.results[held].state == StepState::skipped);
            CHECK(report.results[held].diagnostics.list().front().code == "execute.not-healthy");
        }
    }
    check_journal_is_closed(world);
}

TEST_CASE("a link that fails for good skips what depends on it, and nothing else") {
    World world = ordered_world();
    declare_chain(world, 5);
    world.declare("far", {.room = "attic", .after = {link_name(4)}});
    world.declare("alone");
    world.declare("beside", {.after = {link_name(0)}});
    Process process(world);
    process.plan();
    process.provider().add({.kind = Fault::fail, .identity = "\"l102\"", .message = "the disk is full"});
    const ExecutionReport report = process.execute_plan();
    CHECK(!report.ok());
    for (const char* name : {"l100", "l101", "alone", "beside"}) {
        INFO(name);
        CHECK(process.result(report, name).state == StepState::done);
        CHECK(world.entry(name)->state == EntryState::applied);
    }
    CHECK(process.result(report, "l102").state == StepState::failed);
    for (const char* name : {"l103", "l104", "far"}) {
        INFO(name);
        CHECK(process.result(report, name).state == StepState::skipped);
        REQUIRE(process.result(report, name).diagnostics.size() == 1);
        const Diagnostic& why = process.result(report, name).diagnostics.list().front();
        CHECK(why.code == "execute.skipped");
        CHECK_THAT(why.message, ContainsSubstring("Thing/l102 failed: the disk is full"));
        CHECK(!world.entry(name));
    }
    CHECK(applied(world).size() == 1);
    check_journal_is_closed(world);
    CHECK(Process(world).apply().ok());
    check_nothing_left_to_do(world);
}

TEST_CASE("what follows a link that is tried again waits with it, and its attempts do not count") {
    World world = ordered_world();
    declare_chain(world, 5);
    Process process(world);
    process.plan();
    process.provider().add({.kind = Fault::fail, .identity = "\"l101\"", .retry = Retry::after, .times = 3});
    process.provider().add({.kind = Fault::fail, .identity = "\"l103\"", .retry = Retry::after, .times = 3});
    std::size_t started = 0;
    process.events.started = [&](std::size_t) { ++started; };
    const ExecutionReport report = process.execute_plan();
    CHECK(report.ok());
    CHECK(started == 5);
    const Lines lines = applied(world);
    REQUIRE(lines.size() == 7);
    CHECK(lines[1] == "create \"l101\", create \"l102\", create \"l103\", create \"l104\"");
    CHECK(lines[6] == "create \"l103\", create \"l104\"");
    for (int i = 0; i < 5; ++i) CHECK(world.writes(link_name(i)).creates == 1);
    check_journal_is_closed(world);
}

TEST_CASE("a link that gives up takes down what waited with it") {
    World world = ordered_world();
    declare_chain(world, 3);
    Process process(world);
    process.plan();
    process.provider().add(
        {.kind = Fault::fail, .identity = "\"l100\"", .retry = Retry::after, .times = 100});
    const ExecutionReport report = process.execute_plan();
    CHECK(has_code(process.result(report, "l100"), "execute.gave-up"));
    CHECK(process.result(report, "l102").state == StepState::skipped);
    CHECK_THAT(process.result(report, "l102").diagnostics.list().front().message, ContainsSubstring("l100"));
    CHECK(world.store.ledger.empty());
    check_journal_is_closed(world);
}

TEST_CASE("a reply that is lost in the middle of a chain is looked into, and the rest of the chain follows") {
    const Fault kind = GENERATE(Fault::lose_reply, Fault::lose_request);
    World world = ordered_world(GENERATE(false, true));
    declare_chain(world, 5);
    Process process(world);
    process.plan();
    process.provider().add({.kind = kind, .identity = "\"l102\""});
    CHECK(process.execute_plan().ok());
    for (int i = 0; i < 5; ++i) CHECK(world.writes(link_name(i)).creates == 1);
    check_journal_is_closed(world);
    check_nothing_left_to_do(world);
}

TEST_CASE("what is in doubt while the one before it fails is found out about, and not sent again") {
    World world = ordered_world();
    declare_chain(world, 3);
    Process process(world);
    process.plan();
    // Somebody else makes the first one, and then the worker is lost: of all three nobody knows.
    process.provider().before_item = [&](const Item& item) {
        FakeObject foreign{.kind = std::string(item.kind), .scope = "hall", .identity = "\"l100\""};
        foreign.document = tree_of(make_thing("l100", {.value = "by hand"}).declared);
        world.targets["east"].objects[FakeTarget::key(item.kind, "hall", "\"l100\"")] = foreign;
    };
    process.provider().add({.kind = Fault::lose_request, .identity = "\"l100\""});
    const ExecutionReport report = process.execute_plan();
    CHECK(has_code(process.result(report, "l100"), "execute.half-done"));
    for (const char* name : {"l101", "l102"}) {
        INFO(name);
        CHECK(process.result(report, name).state == StepState::skipped);
        CHECK(has_code(process.result(report, name), "execute.skipped"));
        CHECK(!world.entry(name));
        CHECK(world.writes(name).creates == 0);
    }
    CHECK(applied(world).size() == 1);
    check_journal_is_closed(world);
}

TEST_CASE("in an atomic scope a chain fails as a whole, or comes again as a whole") {
    World world = ordered_world(true);
    declare_chain(world, 4);
    Process process(world);
    process.plan();
    SECTION("for good") {
        process.provider().add({.kind = Fault::fail, .identity = "\"l102\""});
        const ExecutionReport report = process.execute_plan();
        CHECK(process.result(report, "l102").state == StepState::failed);
        for (const char* name : {"l100", "l101", "l103"})
            CHECK(process.result(report, name).state == StepState::skipped);
        CHECK_THAT(process.result(report, "l100").diagnostics.list().front().message,
                   ContainsSubstring("l102 failed, and their scope is written whole or not at all"));
        CHECK(world.targets["east"].objects.empty());
        CHECK(world.store.ledger.empty());
    }
    SECTION("for now") {
        process.provider().add({.kind = Fault::fail, .identity = "\"l102\"", .retry = Retry::after});
        CHECK(process.execute_plan().ok());
        REQUIRE(applied(world).size() == 2);
        CHECK(applied(world)[0] == applied(world)[1]);
    }
    check_journal_is_closed(world);
}

TEST_CASE("destroying a chain runs it backwards, in one call") {
    World world = ordered_world();
    declare_chain(world, 4);
    CHECK(Process(world).apply().ok());
    Process process(world);
    process.destroy = true;
    process.approved = process.plan().hash;
    process.plan();
    SECTION("undisturbed") {
        CHECK(process.execute_plan().ok());
        CHECK(applied(world) == Lines{"delete \"l103\", delete \"l102\", delete \"l101\", delete \"l100\""});
        CHECK(world.store.ledger.empty());
    }
    SECTION("one that cannot be deleted keeps what it stands on") {
        process.provider().add({.kind = Fault::fail, .identity = "\"l102\""});
        const ExecutionReport report = process.execute_plan();
        CHECK(process.result(report, "l103").state == StepState::done);
        CHECK(process.result(report, "l101").state == StepState::skipped);
        for (const char* name : {"l100", "l101", "l102"}) {
            INFO(name);
            CHECK(world.object(name));
            CHECK(world.entry(name)->state == EntryState::applied);
        }
    }
    check_journal_is_closed(world);
}

TEST_CASE("prunes wait until the last link of a chain is made, unless the scope is atomic") {
    const bool is_atomic = GENERATE(false, true);
    World world = ordered_world(is_atomic);
    world.declare("old");
    CHECK(Process(world).apply().ok());
    world.declared.clear();
    declare_chain(world, 3);
    Process process(world);
    process.plan();
    SECTION("made") {
        CHECK(process.execute_plan().ok());
        CHECK(applied(world).size() == (is_atomic ? 1 : 2));
        CHECK(!world.object("old"));
    }
    SECTION("not made") {
        process.provider().add({.kind = Fault::fail, .identity = "\"l102\""});
        CHECK(!process.execute_plan().ok());
        CHECK(world.object("old"));
        CHECK(world.entry("old")->state == EntryState::applied);
    }
    check_journal_is_closed(world);
}

TEST_CASE("replaces take part: the first half of one may come after others, what follows it waits for both") {
    World world = ordered_world();
    declare_chain(world, 3, {.size = "small"});
    CHECK(Process(world).apply().ok());
    declare_chain(world, 3, {.value = "2", .size = "large"});
    world.declare("l100", {.value = "2", .size = "small"});
    Process process(world);
    CHECK(process.apply().ok());
    CHECK(applied(world) ==
          Lines{"update \"l100\", delete \"l101\"", "create \"l101\", delete \"l102\"", "create \"l102\""});
    check_nothing_left_to_do(world);
}

TEST_CASE("stopped while a link waits to be tried again, the rest of the chain was never begun") {
    World world = ordered_world();
    declare_chain(world, 4);
    Process process(world);
    process.plan();
    std::stop_source stop;
    process.provider().add({.kind = Fault::fail, .identity = "\"l101\"", .retry = Retry::after});
    process.events.ended = [&](std::size_t, const StepResult&) { stop.request_stop(); };
    const ExecutionReport report = process.execute_plan(stop.get_token());
    CHECK(report.interrupted);
    CHECK(world.entry("l100")->state == EntryState::applied);
    for (const char* name : {"l101", "l102", "l103"}) CHECK(!world.entry(name));
    check_journal_is_closed(world);
    CHECK(Process(world).apply().ok());
    for (int i = 0; i < 4; ++i) CHECK(world.writes(link_name(i)).creates == 1);
}

TEST_CASE("a plugin may say how long to wait before the next attempt, within reason") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    const milliseconds start = process.clock.elapsed();
    SECTION("longer than the pause would be") {
        process.provider().add(
            {.kind = Fault::fail, .retry = Retry::after, .retry_after = milliseconds(7000)});
        CHECK(process.execute_plan().ok());
        CHECK(process.clock.elapsed() - start >= milliseconds(7000));
        CHECK(process.clock.elapsed() - start < milliseconds(8000));
    }
    SECTION("after a conflict as well") {
        process.provider().add(
            {.kind = Fault::fail, .retry = Retry::conflict, .retry_after = milliseconds(7000)});
        CHECK(process.execute_plan().ok());
        CHECK(process.clock.elapsed() - start >= milliseconds(7000));
    }
    SECTION("a pause that is shorter than ours changes nothing") {
        process.provider().add({.kind = Fault::fail, .retry = Retry::after, .retry_after = milliseconds(1)});
        CHECK(process.execute_plan().ok());
        CHECK(process.clock.elapsed() - start >= milliseconds(100));
    }
    SECTION("a day is too long") {
        process.provider().add(
            {.kind = Fault::fail, .retry = Retry::after, .retry_after = std::chrono::hours(24)});
        CHECK(process.execute_plan().ok());
        CHECK(process.clock.elapsed() - start >= process.options.max_retry_after);
        CHECK(process.clock.elapsed() - start < process.options.max_retry_after + milliseconds(1000));
    }
}

namespace {

struct Story {
    const char* name;
    void (*before)(World&);
    void (*after)(World&);
    bool destroy = false;
};

const Story stories[] = {
    {"a chain is made", [](World&) {}, [](World& world) { declare_chain(world, 5); }},
    {"a chain is destroyed", [](World& world) { declare_chain(world, 5); }, [](World&) {}, true},
    {"a chain is replaced", [](World& world) { declare_chain(world, 3, {.size = "small"}); },
     [](World& world) {
         declare_chain(world, 3, {.value = "2", .size = "large"});
         world.declare("l100", {.value = "2", .size = "small"});
     }},
    {"a name is handed on from one link to the next", [](World& world) { declare_chain(world, 2); },
     [](World& world) {
         world.declared.clear();
         world.declare("moved", {.value = "2", .name = "l100"});
         world.declare("l100", {.value = "2", .after = {"moved"}, .name = "another"});
         world.declare("l101", {.value = "2", .after = {"l100"}});
     }},
};

// What stands in the end, by entry, and how often each object was made.
std::string ending(World& world) {
    std::string text;
    for (const auto& [address, entry] : world.store.ledger)
        text += to_string(address) + " " + entry.object.identity + "\n";
    for (auto& [name, target] : world.targets) {
        for (auto& [key, object] : target.objects) text += name + " has " + key + "\n";
        for (auto& [key, writes] : target.writes)
            if (writes.creates > 0) text += key + " was made " + std::to_string(writes.creates) + " times\n";
    }
    return text;
}

void run(Process& process) {
    if (process.destroy) process.approved = process.plan().hash;
    process.plan();
    process.execute_plan();
}

} // namespace

TEST_CASE(
    "killed at any item or commit of a call with a chain in it, the next run ends as an undisturbed one") {
    const Story& story = GENERATE(from_range(std::begin(stories), std::end(stories)));
    const bool is_atomic = GENERATE(false, true);
    INFO(story.name << (is_atomic ? ", atomic" : ""));
    World before = ordered_world(is_atomic);
    story.before(before);
    CHECK(Process(before).apply().ok());
    story.after(before);
    auto process_in = [&](World& world) {
        auto process = std::make_unique<Process>(world);
        process->destroy = story.destroy;
        return process;
    };
    World undisturbed = before;
    run(*process_in(undisturbed));
    const std::string expected = ending(undisturbed);
    int kills = 0;
    for (const int where : {0, 1, 2, 3}) {
        for (int n = 1;; ++n) {
            World world = before;
            auto process = process_in(world);
            if (where < 2)
                process->provider().die_at_item(n, where == 1);
            else
                world.store.die_at_commit(n,
                                          where == 2 ? FakeStore::Moment::before : FakeStore::Moment::after);
            bool died = false;
            try {
                run(*process);
            } catch (const Killed&) {
                died = true;
            }
            if (!died) break;
            ++kills;
            INFO("killed at " << (where < 2 ? "item " : "commit ") << n
                              << (where % 2 ? ", after" : ", before"));
            world.store.revive();
            auto next = process_in(world);
            run(*next);
            CHECK(ending(world) == expected);
        }
    }
    CHECK(kills >= 8);
}

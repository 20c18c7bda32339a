#include <thread>

#include "base/text.hpp"
#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using std::chrono::milliseconds;
using Fault = FakeFault::Kind;

namespace {

std::vector<std::string> applied(const World& world, const std::string& provider = "east") {
    std::vector<std::string> calls;
    for (const FakeCall& call : world.targets.at(provider).calls)
        if (call.method == Method::apply) calls.push_back(call.scope + ": " + join(call.items, ", "));
    return calls;
}

StepState last_journalled(const World& world, const std::string& name) {
    StepState state = StepState::intended;
    for (const JournalStep& step : world.store.journal)
        if (step.address == address_of(name)) state = step.state;
    return state;
}

} // namespace

TEST_CASE("what is ready in a scope goes out as one call, in plan order; a second scope gets its own") {
    World world;
    for (const char* name : {"a", "b", "c"}) world.declare(name);
    for (const char* name : {"x", "y"}) world.declare(name, {.room = "attic"});
    Process process(world);
    CHECK(process.apply().ok());
    CHECK(applied(world) == std::vector<std::string>{"attic: create \"x\", create \"y\"",
                                                     "hall: create \"a\", create \"b\", create \"c\""});
}

TEST_CASE("a call takes no more items than the plugin does at once") {
    World world;
    world.plugins["east"].max_items = 2;
    for (const char* name : {"a", "b", "c"}) world.declare(name);
    Process process(world);
    CHECK(process.apply().ok());
    CHECK(applied(world) ==
          std::vector<std::string>{"hall: create \"a\", create \"b\"", "hall: create \"c\""});
}

TEST_CASE(
    "the intent is durable before the effect: entry and journal are there when the provider is called") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    std::optional<EntryState> entry;
    std::size_t steps = 0;
    process.provider().before_item = [&](const Item&) {
        if (world.entry("a")) entry = world.entry("a")->state;
        steps = world.store.journal.size();
    };
    CHECK(process.execute_plan().ok());
    CHECK(entry == EntryState::creating);
    CHECK(steps == 1);
    REQUIRE(world.entry("a"));
    CHECK(world.entry("a")->state == EntryState::applied);
}

TEST_CASE("an entry tells what is declared, what stands, and where it came from") {
    World world;
    const Leaf leaf = world.declare("a");
    Process process(world);
    CHECK(process.apply().ok());
    const LedgerEntry& entry = *world.entry("a");
    CHECK(entry.declared == leaf.declared.json);
    CHECK(entry.declared_hash == leaf.declared.hash);
    CHECK_THAT(entry.observed, ContainsSubstring("\"uid\""));
    CHECK(entry.version == "1");
    CHECK(entry.commit == "c0ffee");
    CHECK(entry.author == "Ana Souza");
    CHECK(entry.file == "web/a.yaml");
    CHECK(entry.line == 3);
    CHECK(entry.pass == "pass-1");
    CHECK(entry.plugin_version == "1.2.3");
    CHECK(entry.applied_at_ms == process.clock.now_ms());
    CHECK(entry.settled.is_none());
}

TEST_CASE("a chain costs one transaction a link, and each link waits for the one before") {
    World world;
    const int links = 20;
    for (int i = 0; i < links; ++i) {
        ThingSpec spec;
        if (i > 0) spec.after = {"l" + std::to_string(100 + i - 1)};
        world.declare("l" + std::to_string(100 + i), spec);
    }
    Process process(world);
    process.plan();
    const int commits_before = world.store.commits;
    CHECK(process.execute_plan().ok());
    CHECK(world.store.commits - commits_before == links + 1);
    CHECK(applied(world).size() == links);
}

TEST_CASE("deletes are a second call, but in an atomic scope part of the one") {
    const bool is_atomic = GENERATE(false, true);
    World world;
    world.plugins["east"] = fake_description(is_atomic);
    world.declare("old");
    CHECK(Process(world).apply().ok());
    world.declared.clear();
    world.declare("new");
    Process process(world);
    CHECK(process.apply().ok());
    CHECK(world.object("new"));
    CHECK(!world.object("old"));
    CHECK(!world.entry("old"));
    const bool in_one_call = applied(world).size() == 1;
    // The planner's gate puts prunes behind the writes of a scope that is not atomic.
    if (!is_atomic) CHECK(!in_one_call);
}

TEST_CASE("what may be tried again is, with growing pauses, and the attempts are counted") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    const milliseconds start = process.clock.elapsed();
    SECTION("until it works") {
        process.provider().add({.kind = Fault::fail, .retry = Retry::after, .times = 3});
        CHECK(process.execute_plan().ok());
        const milliseconds waited =
            process.clock.elapsed() - start; // 200, 400, 800, each with half as jitter
        CHECK(waited >= milliseconds(700));
        CHECK(waited <= milliseconds(1400));
        CHECK(applied(world).size() == 4);
        CHECK(last_journalled(world, "a") == StepState::done);
    }
    SECTION("until the attempts are used up") {
        process.provider().add({.kind = Fault::fail, .retry = Retry::after, .times = 100});
        const ExecutionReport report = process.execute_plan();
        CHECK(!report.ok());
        CHECK(applied(world).size() == 5);
        CHECK(has_code(process.result(report, "a"), "execute.gave-up"));
        CHECK(has_code(process.result(report, "a"), "fake.refused"));
        CHECK(!world.entry("a"));
        CHECK(world.store.open_steps("web").empty());
    }
}

TEST_CASE("while one scope waits to try again, the others go on") {
    World world;
    world.declare("a", {.room = "attic"});
    world.declare("b", {.room = "barn"});
    Process process(world);
    process.plan();
    process.provider().add({.kind = Fault::fail, .identity = "\"a\"", .retry = Retry::after});
    CHECK(process.execute_plan().ok());
    CHECK(applied(world) ==
          std::vector<std::string>{"attic: create \"a\"", "barn: create \"b\"", "attic: create \"a\""});
}

TEST_CASE("a failure stops what depends on it and the prunes of its scope, and nothing else") {
    World world;
    world.declare("gone");
    world.declare("gone-too", {.room = "attic"});
    CHECK(Process(world).apply().ok());
    world.declared.clear();
    world.declare("bad");
    world.declare("child", {.room = "attic", .after = {"bad"}});
    world.declare("grandchild", {.room = "barn", .after = {"child"}});
    world.declare("fine");
    world.declare("elsewhere", {.provider = "west"});
    Process process(world);
    process.plan();
    process.provider().add({.kind = Fault::fail, .identity = "\"bad\"", .message = "the disk is full"});
    const ExecutionReport report = process.execute_plan();
    CHECK(!report.ok());
    CHECK(process.result(report, "bad").state == StepState::failed);
    CHECK(process.result(report, "child").state == StepState::skipped);
    CHECK(process.result(report, "grandchild").state == StepState::skipped);
    CHECK_THAT(process.result(report, "grandchild").diagnostics.list().front().message,
               ContainsSubstring("web:fake.holdfast.dev/Thing/bad failed: the disk is full"));
    CHECK(process.result(report, "gone").state == StepState::skipped);
    CHECK(process.result(report, "fine").state == StepState::done);
    CHECK(process.result(report, "elsewhere").state == StepState::done);
    CHECK(world.object("gone"));
    CHECK(world.entry("gone"));
    CHECK(!world.entry("bad"));
    CHECK(last_journalled(world, "bad") == StepState::failed);
    const Diagnostic& problem = process.result(report, "bad").diagnostics.list().front();
    CHECK(problem.subject == "web:fake.holdfast.dev/Thing/bad");
    CHECK(to_string(problem.span) == "web/bad.yaml:3:1");
}

TEST_CASE(
    "after a conflict the object is read again: the same fields are written over, others make it stale") {
    World world;
    world.declare("a", {.value = "1"});
    world.declare("child", {.after = {"a"}});
    CHECK(Process(world).apply().ok());
    world.declare("a", {.value = "2"});
    world.declare("child", {.value = "2", .after = {"a"}});
    Process process(world);
    process.plan();
    FakeObject& object = world.targets["east"].objects.at("fake.holdfast.dev/v1/Thing|hall|\"a\"");
    ++object.version;
    SECTION("only the status moved") {
        set_at(object.document, "/status/seen", "yes");
        const ExecutionReport report = process.execute_plan();
        CHECK(report.ok());
        CHECK(world.writes("a").updates == 1);
        CHECK(world.entry("a")->version == "3");
    }
    SECTION("somebody changed what is compared") {
        set_at(object.document, "/spec/value", "by hand");
        const ExecutionReport report = process.execute_plan();
        CHECK(has_code(process.result(report, "a"), "execute.stale"));
        CHECK(process.result(report, "child").state == StepState::skipped);
        CHECK(world.writes("a").updates == 0);
        CHECK_THAT(world.entry("a")->declared, ContainsSubstring("\"value\":\"1\""));
    }
    SECTION("somebody did already what was planned") {
        set_at(object.document, "/spec/value", "2");
        const ExecutionReport report = process.execute_plan();
        CHECK(report.ok());
        CHECK(process.result(report, "a").state == StepState::unchanged);
        CHECK(world.writes("a").updates == 0);
        CHECK_THAT(world.entry("a")->declared, ContainsSubstring("\"value\":\"2\""));
    }
    SECTION("somebody removed it") {
        world.targets["east"].objects.erase("fake.holdfast.dev/v1/Thing|hall|\"a\"");
        CHECK(has_code(process.result(process.execute_plan(), "a"), "execute.stale"));
    }
}

TEST_CASE("an object that somebody else made meanwhile is not taken for ours") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    FakeObject foreign{.kind = "fake.holdfast.dev/v1/Thing", .scope = "hall", .identity = "\"a\""};
    foreign.document = tree_of(world.declared.at("a").declared);
    world.targets["east"].objects["fake.holdfast.dev/v1/Thing|hall|\"a\""] = foreign;
    const ExecutionReport report = process.execute_plan();
    CHECK(has_code(process.result(report, "a"), "execute.stale"));
    CHECK(!world.entry("a"));
}

TEST_CASE("a lost reply is looked into, and nothing is done twice") {
    World world;
    world.declare("stays");
    world.declare("goes");
    CHECK(Process(world).apply().ok());
    world.declared.erase("goes");
    world.declare("stays", {.value = "2"});
    world.declare("comes");
    const std::string name = GENERATE(as<std::string>(), "stays", "goes", "comes");
    const Fault kind = GENERATE(Fault::lose_reply, Fault::lose_request);
    Process process(world);
    process.plan();
    process.provider().add({.kind = kind, .identity = "\"" + name + "\""});
    const ExecutionReport report = process.execute_plan();
    INFO(name);
    CHECK(report.ok());
    CHECK(world.writes("comes").creates == 1);
    CHECK(world.writes("stays").creates == 1);
    CHECK(world.writes("stays").updates == 1);
    CHECK(world.writes("goes").deletes == 1);
    CHECK(!world.entry("goes"));
    CHECK(world.entry("comes")->state == EntryState::applied);
    CHECK(world.store.open_steps("web").empty());
}

TEST_CASE("what cannot be read after a lost reply stays unknown, and the next run finds out") {
    World world;
    world.declare("a").policy.adopt = Adopt::never;
    {
        Process process(world);
        process.plan();
        process.provider().add({.kind = Fault::lose_reply});
        process.provider().add({.kind = Fault::unreadable, .times = 100});
        const ExecutionReport report = process.execute_plan();
        CHECK(process.result(report, "a").state == StepState::unknown);
        CHECK(has_code(process.result(report, "a"), "execute.unread"));
        CHECK(world.entry("a")->state == EntryState::creating);
    }
    CHECK(Process(world).apply().ok());
    CHECK(world.writes("a").creates == 1);
    CHECK(world.entry("a")->state == EntryState::applied);
}

TEST_CASE("what was half written is recorded as it stands, and the next run completes it") {
    World world;
    SECTION("a create: told by the plugin") {
        world.declare("a").policy.adopt = Adopt::never;
        Process process(world);
        process.plan();
        process.provider().add({.kind = Fault::partial});
        const ExecutionReport report = process.execute_plan();
        CHECK(process.result(report, "a").state == StepState::partial);
        CHECK(world.entry("a")->state == EntryState::creating);
        CHECK_THAT(world.entry("a")->observed, ContainsSubstring("\"uid\""));
    }
    SECTION("an update: what is declared stays what was applied last") {
        world.declare("a");
        CHECK(Process(world).apply().ok());
        world.declare("a", {.value = "2"});
        Process process(world);
        process.plan();
        process.provider().add({.kind = Fault::partial});
        CHECK(process.result(process.execute_plan(), "a").state == StepState::partial);
        CHECK(world.entry("a")->state == EntryState::applied);
        CHECK_THAT(world.entry("a")->declared, ContainsSubstring("\"value\":\"1\""));
        CHECK_THAT(world.entry("a")->observed, !ContainsSubstring("\"value\""));
    }
    const int half_updates = world.writes("a").updates;
    CHECK(Process(world).apply().ok());
    CHECK(world.writes("a").creates == 1);
    CHECK(world.writes("a").updates == half_updates + 1);
}

TEST_CASE(
    "in an atomic scope a failure leaves everything; whoever may come again comes again with the others") {
    World world;
    world.plugins["east"] = fake_description(true);
    for (const char* name : {"a", "b", "c"}) world.declare(name);
    Process process(world);
    process.plan();
    SECTION("for good") {
        process.provider().add({.kind = Fault::fail, .identity = "\"b\""});
        const ExecutionReport report = process.execute_plan();
        CHECK(process.result(report, "b").state == StepState::failed);
        CHECK(process.result(report, "a").state == StepState::skipped);
        CHECK_THAT(process.result(report, "a").diagnostics.list().front().message,
                   ContainsSubstring("Thing/b failed"));
        CHECK(world.targets["east"].objects.empty());
        CHECK(world.store.ledger.empty());
    }
    SECTION("for now") {
        process.provider().add({.kind = Fault::fail, .identity = "\"b\"", .retry = Retry::after});
        CHECK(process.execute_plan().ok());
        CHECK(applied(world).size() == 2);
        CHECK(applied(world)[0] == applied(world)[1]);
    }
    SECTION("with the reply lost") {
        process.provider().add({.kind = Fault::lose_reply, .identity = "\"b\""});
        CHECK(process.execute_plan().ok());
        CHECK(world.writes("a").creates == 1);
        CHECK(world.writes("c").creates == 1);
    }
}

TEST_CASE("a replace is two journalled steps") {
    World world;
    world.declare("a", {.size = "small"});
    CHECK(Process(world).apply().ok());
    auto steps = [&] {
        std::vector<std::string> lines;
        for (const JournalStep& step : world.store.journal)
            if (step.pass != "pass-1")
                lines.push_back(std::string(to_string(step.action)) + " " +
                                std::to_string(static_cast<int>(step.state)));
        return lines;
    };
    world.declare("a", {.size = "large"});
    Process process(world);
    process.plan();
    REQUIRE(process.made.changes.front().action == Action::replace);
    SECTION("the old one goes first") {
        CHECK(process.execute_plan().ok());
        CHECK(steps() == std::vector<std::string>{"delete 0", "delete 1", "create 0", "create 1"});
        CHECK(world.writes("a").creates == 2);
        CHECK(world.writes("a").deletes == 1);
    }
    SECTION("the old one cannot be removed: it stays, entry and all") {
        process.provider().add({.kind = Fault::fail, .identity = "\"a\""});
        CHECK(!process.execute_plan().ok());
        CHECK(world.entry("a")->state == EntryState::applied);
        CHECK(world.writes("a").deletes == 0);
    }
    SECTION("the new one cannot be made") {
        process.provider().before_item = [&](const Item& item) {
            if (item.action == ItemAction::remove)
                process.provider().add({.kind = Fault::fail, .identity = "\"b\""});
        };
        process.made.changes.front().object.identity = "\"b\"";
        const ExecutionReport report = process.execute_plan();
        CHECK(has_code(process.result(report, "a"), "execute.half-replaced"));
        CHECK(!world.entry("a"));
        CHECK(!world.object("a"));
    }
}

TEST_CASE("create-first keeps the old object, deposed, until the new one stands") {
    World world;
    world.declare("a", {.name = "old"});
    CHECK(Process(world).apply().ok());
    world.declare("a", {.name = "new"}).policy.replace = ReplaceOrder::create_first;
    Process process(world);
    process.plan();
    REQUIRE(process.made.changes.size() == 1);
    REQUIRE(process.made.changes.front().action == Action::replace);
    REQUIRE(process.made.changes.front().create_first);
    const Address deposed = deposed_address(address_of("a"), 1);
    SECTION("all is well") {
        std::optional<LedgerEntry> seen;
        process.provider().before_item = [&](const Item& item) {
            if (item.action == ItemAction::create) seen = world.store.entry(deposed);
        };
        CHECK(process.execute_plan().ok());
        REQUIRE(seen);
        CHECK(seen->state == EntryState::deposed);
        CHECK(applied(world) == std::vector<std::string>{"hall: create \"new\"", "hall: delete \"old\""});
    }
    SECTION("the new one cannot be made: all is as before") {
        process.provider().add({.kind = Fault::fail, .identity = "\"new\""});
        CHECK(!process.execute_plan().ok());
        CHECK(world.entry("a")->object.identity == "\"old\"");
        CHECK(world.entry("a")->state == EntryState::applied);
        CHECK(world.store.ledger.size() == 1);
        CHECK(Process(world).apply().ok());
    }
    SECTION("the old one cannot be removed: the next run removes it") {
        process.provider().add({.kind = Fault::fail, .identity = "\"old\""});
        CHECK(process.result(process.execute_plan(), "a").state == StepState::partial);
        CHECK(world.entry("a")->object.identity == "\"new\"");
        CHECK(world.store.entry(deposed)->state == EntryState::deposed);
        CHECK(Process(world).apply().ok());
    }
    SECTION("killed between the two") {
        process.provider().add({.kind = Fault::die_before, .identity = "\"old\""});
        CHECK_THROWS_AS(process.execute_plan(), Killed);
        CHECK(Process(world).apply().ok());
    }
    CHECK(world.targets["east"].objects.size() == 1);
    CHECK(world.store.ledger.size() == 1);
    CHECK(world.writes("new").creates == 1);
}

TEST_CASE("what only concerns the ledger calls no provider") {
    World world;
    world.declare("a");
    world.declare("b", {.value = "2"});
    CHECK(Process(world).apply().ok());
    SECTION("two documents swap their names: entries follow their objects, with their history") {
        world.declared.clear();
        world.declare("a", {.value = "2", .name = "b"});
        world.declare("b", {.value = "1", .name = "a"});
        Process process(world);
        CHECK(process.apply().ok());
        CHECK(world.entry("a")->object.identity == "\"b\"");
        CHECK(world.entry("b")->object.identity == "\"a\"");
        CHECK(applied(world).empty());
        CHECK(world.store.ledger.size() == 2);
    }
    SECTION("a chain of renames") {
        world.declared.clear();
        world.declare("b", {.name = "a"});
        world.declare("c", {.value = "2", .name = "b"});
        Process process(world);
        CHECK(process.apply().ok());
        CHECK(world.entry("b")->object.identity == "\"a\"");
        CHECK(world.entry("c")->object.identity == "\"b\"");
        CHECK(applied(world).empty());
    }
    SECTION("renamed onto the name of a document that goes") {
        world.declared.clear();
        world.declare("b", {.name = "a"});
        Process process(world);
        CHECK(process.apply().ok());
        CHECK(world.entry("b")->object.identity == "\"a\"");
        CHECK(!world.object("b"));
        CHECK(world.object("a"));
        CHECK(world.store.ledger.size() == 1);
    }
    SECTION("the ledger is lost: equal objects are adopted") {
        world.store.ledger.clear();
        Process process(world);
        CHECK(process.apply().ok());
        CHECK(applied(world).empty());
        CHECK(world.entry("b")->state == EntryState::applied);
        CHECK_THAT(world.entry("b")->observed, ContainsSubstring("\"uid\""));
    }
    SECTION("the object is gone already: the entry is forgotten") {
        world.declared.erase("b");
        world.targets["east"].objects.erase("fake.holdfast.dev/v1/Thing|hall|\"b\"");
        Process process(world);
        CHECK(process.apply().ok());
        CHECK(applied(world).empty());
        CHECK(!world.entry("b"));
    }
}

TEST_CASE("dependents wait until what they depend on is healthy") {
    World world;
    world.plugins["east"].extensions = {"holdfast.health/1"};
    world.declare("a");
    world.declare("child", {.after = {"a"}});
    Process process(world);
    process.plan();
    auto when_made = [&](const std::function<void(FakeObject&)>& change) {
        // Runs before the next call; the object of the one before stands by then.
        process.provider().before_health = [&world, change] {
            change(world.targets["east"].objects.at("fake.holdfast.dev/v1/Thing|hall|\"a\""));
        };
    };
    SECTION("it becomes so") {
        when_made([](FakeObject& object) {
            object.polls_until_healthy = object.polls_until_healthy == 0 ? 3 : object.polls_until_healthy;
        });
        process.provider().before_health_once = true;
        const ExecutionReport report = process.execute_plan();
        CHECK(report.ok());
        CHECK(world.targets["east"].calls_of(Method::health) == 4);
        CHECK(process.clock.elapsed() >= milliseconds(1000 + 700));
    }
    SECTION("it does not within the time it has") {
        when_made([](FakeObject& object) { object.polls_until_healthy = 1'000'000; });
        const ExecutionReport report = process.execute_plan();
        CHECK(process.result(report, "a").state == StepState::done);
        CHECK(process.result(report, "child").state == StepState::skipped);
        CHECK(has_code(process.result(report, "child"), "execute.not-healthy"));
        CHECK(process.clock.elapsed() >= milliseconds(300'000));
        CHECK(process.clock.elapsed() < milliseconds(340'000));
        CHECK(!report.ok());
    }
    SECTION("it is degraded: nobody waits for that") {
        when_made([](FakeObject& object) { object.health = "degraded"; });
        const ExecutionReport report = process.execute_plan();
        CHECK(has_code(process.result(report, "child"), "execute.not-healthy"));
        CHECK(process.clock.elapsed() == milliseconds(1000));
    }
    SECTION("nobody asks where nothing depends on it") {
        world.declared.erase("child");
        process.plan();
        CHECK(process.execute_plan().ok());
        CHECK(world.targets["east"].calls_of(Method::health) == 0);
    }
}

TEST_CASE("stopped, nothing new is sent, and what is not known stays open in the journal") {
    World world;
    world.declare("a").policy.adopt = Adopt::never;
    world.declare("b", {.after = {"a"}});
    std::stop_source stop;
    {
        Process process(world);
        process.plan();
        SECTION("before the start") {
            stop.request_stop();
            const ExecutionReport report = process.execute_plan(stop.get_token());
            CHECK(report.interrupted);
            CHECK(applied(world).empty());
            CHECK(world.store.journal.empty());
        }
        SECTION("while a call runs") {
            process.provider().add({.kind = Fault::hang});
            process.provider().before_item = [&](const Item&) { stop.request_stop(); };
            const ExecutionReport report = process.execute_plan(stop.get_token());
            CHECK(report.interrupted);
            CHECK(!report.ok());
            CHECK(process.result(report, "a").state == StepState::unknown);
            CHECK(process.result(report, "b").state == StepState::intended);
            CHECK(world.store.open_steps("web").size() == 1);
            CHECK(world.entry("a")->state == EntryState::creating);
        }
        SECTION("while it waits to try again: what failed is known") {
            process.provider().add({.kind = Fault::fail, .retry = Retry::after});
            process.provider().before_item = [&](const Item&) { stop.request_stop(); };
            const ExecutionReport report = process.execute_plan(stop.get_token());
            CHECK(report.interrupted);
            CHECK(process.result(report, "a").state == StepState::failed);
            CHECK(!world.entry("a"));
            CHECK(world.store.open_steps("web").empty());
        }
    }
    CHECK(Process(world).apply().ok());
    CHECK(world.writes("a").creates == 1);
}

TEST_CASE("a call that passes its deadline is looked into like any other without an answer") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    process.provider().delay = milliseconds(130'000);
    const ExecutionReport report = process.execute_plan();
    CHECK(!report.ok());
    CHECK(has_code(process.result(report, "a"), "execute.gave-up"));
    CHECK(!world.entry("a"));
}

TEST_CASE("no secret reaches ledger or journal in plain text") {
    World world;
    world.declare("a", {.password = "hunter2"});
    world.declare("b", {.password = "hunter3"});
    {
        Process process(world);
        CHECK(process.apply().ok());
    }
    world.declare("a", {.value = "2", .password = "hunter4"});
    world.declare("b", {.value = "2", .password = "hunter5"});
    Process process(world);
    process.options.mask = [](std::string_view text) {
        return text.find("hunter") == std::string_view::npos ? std::string(text) : std::string("masked");
    };
    process.plan();
    process.provider().add(
        {.kind = Fault::fail, .identity = "\"b\"", .message = "no such password: hunter5"});
    const ExecutionReport report = process.execute_plan();
    CHECK(process.result(report, "b").diagnostics.list().front().message == "masked");
    for (const auto& [address, entry] : world.store.ledger) {
        CHECK_THAT(entry.declared + entry.observed, !ContainsSubstring("hunter"));
        CHECK_THAT(entry.observed, ContainsSubstring("$secret"));
    }
    for (const JournalStep& step : world.store.journal)
        CHECK_THAT(step.changes + step.message, !ContainsSubstring("hunter"));
}

TEST_CASE("a store that cannot go on ends the execution with its error") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    world.store.fail_at_commit(1);
    CHECK_THROWS_AS(process.execute_plan(), Error);
    CHECK(applied(world).empty());
}

TEST_CASE("changed outputs are told, others are not") {
    World world;
    world.declare("a");
    {
        Process process(world);
        CHECK(process.result(process.apply(), "a").output_changed);
    }
    world.declare("a", {.value = "2"});
    {
        Process process(world);
        CHECK(!process.result(process.apply(), "a").output_changed);
    }
    world.targets["east"]
        .objects.at("fake.holdfast.dev/v1/Thing|hall|\"a\"")
        .document.as_map()
        .erase("status");
    world.declare("a", {.value = "3"});
    Process process(world);
    CHECK(process.result(process.apply(), "a").output_changed);
}

TEST_CASE("a document that is no JSON is a warning: the write was done") {
    World world;
    world.declare("a");
    Process process(world);
    process.plan();
    process.provider().add({.kind = Fault::odd_answer});
    const ExecutionReport report = process.execute_plan();
    CHECK(report.ok());
    CHECK(has_code(process.result(report, "a"), "execute.bad-document"));
    CHECK(world.entry("a")->observed.empty());
}

TEST_CASE("what is parked or blocked is not touched, nor what depends on it") {
    World world;
    for (const char* name : {"a", "c"}) world.declare(name);
    world.declare("b", {.after = {"a"}});
    Process process(world);
    process.plan();
    const auto readiness = GENERATE(Readiness::parked, Readiness::blocked);
    for (Change& change : process.made.changes) {
        if (change.address == address_of("a")) change.readiness = readiness;
        if (change.address == address_of("b")) change.after = {0};
    }
    REQUIRE(process.made.changes[0].address == address_of("a"));
    const ExecutionReport report = process.execute_plan();
    CHECK(report.ok());
    CHECK(process.result(report, "a").state == StepState::intended);
    CHECK(process.result(report, "b").state == StepState::intended);
    CHECK(has_code(process.result(report, "b"), "execute.held-back"));
    CHECK(process.result(report, "c").state == StepState::done);
    CHECK(applied(world) == std::vector<std::string>{"hall: create \"c\""});
}

TEST_CASE("a provider that is not open fails what is its own") {
    World world;
    world.declare("a", {.provider = "east"});
    world.declare("w", {.provider = "west"});
    Process process(world);
    process.plan();
    process.close("west");
    const ExecutionReport report = process.execute_plan();
    CHECK(has_code(process.result(report, "w"), "execute.no-provider"));
    CHECK(process.result(report, "a").state == StepState::done);
}

TEST_CASE("events come once a thing is durable, each change starts and ends once") {
    World world;
    world.declare("a");
    world.declare("b", {.after = {"a"}});
    Process process(world);
    process.plan();
    std::vector<std::string> told;
    process.events.started = [&](std::size_t i) {
        told.push_back("started " + process.made.changes[i].address.id.name);
    };
    process.events.ended = [&](std::size_t i, const StepResult& result) {
        CHECK(result.state == StepState::done);
        CHECK(world.entry(process.made.changes[i].address.id.name)->state == EntryState::applied);
        told.push_back("ended " + process.made.changes[i].address.id.name);
    };
    CHECK(process.execute_plan().ok());
    CHECK(told == std::vector<std::string>{"started a", "started b", "ended a", "ended b"});
}

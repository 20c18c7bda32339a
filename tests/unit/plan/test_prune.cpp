#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// One object that is recorded and stands, but is declared no more; beside it one that is settled.
World world_with_leftover(LedgerEntry*& leftover) {
    World world;
    world.settle("kept", R"({"path":"kept"})");
    world.hold("old", R"({"path":"old"})");
    leftover = &world.record("old", R"({"path":"old"})");
    return world;
}

bool deletes_something(const Plan& plan) {
    for (const Change& change : plan.changes)
        if ((change.action == Action::remove || change.action == Action::replace) &&
            change.readiness == Readiness::ready)
            return true;
    return false;
}

} // namespace

TEST_CASE("what is no longer declared is removed, with the place where it was declared last") {
    LedgerEntry* leftover;
    World world = world_with_leftover(leftover);
    const Plan plan = world.plan();
    const Change& change = change_of(plan, "old");
    CHECK(change.action == Action::remove);
    CHECK(change.readiness == Readiness::ready);
    CHECK(change.origin.file == "web/old.yaml");
    CHECK(change.reasons.at(0) == "no longer declared");
}

TEST_CASE("what the policy or the ledger keeps is not removed") {
    struct Row {
        std::string about;
        void (*change)(World&, LedgerEntry&);
        Action action;
        Readiness readiness;
    };
    const Row row = GENERATE(values<Row>({
        {"protected", [](World&, LedgerEntry& e) { e.protect = true; }, Action::remove, Readiness::parked},
        {"orphaned", [](World&, LedgerEntry& e) { e.deletion = Deletion::orphan; }, Action::forget,
         Readiness::ready},
        {"prune is off", [](World& w, LedgerEntry&) { w.stack.prune = false; }, Action::none,
         Readiness::ready},
        {"additive", [](World& w, LedgerEntry&) { w.provider().ownership = Ownership::additive; },
         Action::forget, Readiness::ready},
        {"all prunes are blocked",
         [](World& w, LedgerEntry&) { w.input.all_prunes_blocked = "web/x.yaml is broken"; }, Action::remove,
         Readiness::blocked},
        {"orphaned, but not certain",
         [](World& w, LedgerEntry& e) {
             e.deletion = Deletion::orphan;
             w.input.all_prunes_blocked = "web/x.yaml is broken";
         },
         Action::remove, Readiness::blocked},
        {"its document did not load", [](World& w, LedgerEntry&) { w.input.unloaded = {file_id("old")}; },
         Action::remove, Readiness::blocked},
        {"its scope was not read",
         [](World& w, LedgerEntry&) {
             w.input.unread_scopes = {{"files", ""}};
         },
         Action::remove, Readiness::blocked},
        {"its read failed", [](World& w, LedgerEntry&) { w.fail_to_read("old"); }, Action::remove,
         Readiness::blocked},
        {"its provider is gone", [](World&, LedgerEntry& e) { e.provider = "unknown"; }, Action::remove,
         Readiness::blocked},
        {"another leaf of its scope is blocked", [](World& w, LedgerEntry&) { w.fail_to_read("kept"); },
         Action::remove, Readiness::blocked},
        {"a leaf whose object is not known yet may be it",
         [](World& w, LedgerEntry&) {
             w.declare("new", "{}").waits = {{address("x"), "status"}};
         },
         Action::remove, Readiness::blocked},
    }));
    LedgerEntry* leftover;
    World world = world_with_leftover(leftover);
    row.change(world, *leftover);
    const Plan plan = world.plan();
    INFO(row.about << "\n" << all_text(plan));
    CHECK(change_of(plan, "old").action == row.action);
    CHECK(change_of(plan, "old").readiness == row.readiness);
    CHECK_FALSE(deletes_something(plan));
    if (row.readiness == Readiness::blocked) CHECK_FALSE(change_of(plan, "old").diagnostics.empty());
}

TEST_CASE("what is gone already is forgotten") {
    World world;
    world.record("old", R"({"path":"old"})").protect = GENERATE(false, true);
    const Plan plan = world.plan();
    CHECK(change_of(plan, "old").action == Action::forget);
    CHECK(change_of(plan, "old").readiness == Readiness::ready);
}

TEST_CASE("what another stack declares moves there instead of being deleted") {
    LedgerEntry* leftover;
    World world = world_with_leftover(leftover);
    world.input.declared_elsewhere.emplace(leftover->object.key(), Address{"other", file_id("theirs")});
    const Plan plan = world.plan();
    CHECK(change_of(plan, "theirs").action == Action::move);
    CHECK(change_of(plan, "theirs").address.stack == "other");
    CHECK(change_of(plan, "theirs").moved_from == address("old"));
    CHECK_FALSE(deletes_something(plan));
}

TEST_CASE("a lost ledger prunes nothing") {
    World world;
    world.hold("old", R"({"path":"old"})");
    world.declare("kept", R"({"path":"kept"})");
    world.hold("kept", R"({"path":"kept"})");
    const Plan plan = world.plan();
    CHECK(plan.changes.size() == 1);
    CHECK(change_of(plan, "kept").action == Action::adopt);
}

TEST_CASE("foreign objects go only where the scope is exclusive, and only when that is certain") {
    World world;
    world.settle("kept", R"({"path":"kept"})");
    auto foreign = [](const std::string& path) {
        return ForeignObject{"files",
                             "host.holdfast.dev/v1alpha1",
                             {"machine-1", "", "host.holdfast.dev/File", "\"" + path + "\""},
                             "{}"};
    };
    world.input.foreign = {foreign("kept"), foreign("stray")};
    SECTION("owned") { CHECK(world.plan().changes.empty()); }
    world.provider().ownership = Ownership::exclusive;
    SECTION("exclusive") {
        const Plan plan = world.plan();
        REQUIRE(plan.changes.size() == 1);
        CHECK(change_of(plan, "stray").action == Action::remove);
        CHECK(deletes_something(plan));
    }
    SECTION("a document that did not load may declare it") {
        world.input.unloaded = {file_id("other")};
        CHECK_FALSE(deletes_something(world.plan()));
    }
    SECTION("another stack declares it") {
        world.input.declared_elsewhere.emplace(foreign("stray").object.key(), Address{"other", file_id("x")});
        CHECK(world.plan().changes.empty());
    }
    SECTION("left out") {
        world.input.exclude = {"File/stray"};
        CHECK(world.plan().changes.empty());
    }
    SECTION("many are parked") {
        for (int i = 0; i < 20; ++i) world.input.foreign.push_back(foreign("s" + std::to_string(i)));
        const Plan plan = world.plan();
        CHECK(plan.counts.parked == 21);
    }
}

TEST_CASE("a replaced object goes after its successor, until it is gone") {
    World world;
    world.declare("a", R"({"path":"new"})");
    LedgerEntry& deposed = world.record("a", R"({"path":"old"})");
    deposed.address = deposed_address(deposed.address, 1);
    deposed.state = EntryState::deposed;
    SECTION("it stands") {
        world.hold("old", R"({"path":"old"})");
        const Plan plan = world.plan();
        REQUIRE(plan.changes.size() == 2);
        CHECK(plan.changes[0].action == Action::create);
        CHECK(plan.changes[1].action == Action::remove);
        CHECK(plan.changes[1].readiness == Readiness::ready);
        CHECK(plan.changes[1].after == std::vector<std::size_t>{0});
    }
    SECTION("it is gone") { CHECK(change_of(world.plan(), "a#deposed-1").action == Action::forget); }
}

TEST_CASE("a replace that was killed after deposing goes on where the old object still stands") {
    World world;
    world.declare("a", R"({"path":"a","type":"file"})");
    LedgerEntry& deposed = world.record("a", R"({"path":"a","type":"fifo"})");
    deposed.address = deposed_address(deposed.address, 1);
    deposed.state = EntryState::deposed;
    SECTION("it stands") {
        world.hold("a", R"({"path":"a","type":"fifo"})");
        const Plan plan = world.plan();
        REQUIRE(plan.changes.size() == 1);
        CHECK(plan.changes[0].action == Action::replace);
        CHECK(plan.changes[0].moved_from == deposed.address);
    }
    SECTION("it is gone") {
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::create);
        CHECK(change_of(plan, "a#deposed-1").action == Action::forget);
    }
    SECTION("nobody could see") {
        world.fail_to_read("a");
        const Plan plan = world.plan();
        CHECK(plan.counts.blocked == 2);
        CHECK_FALSE(deletes_something(plan));
    }
    SECTION("the new one stands, under the same identity") {
        world.record("a", R"({"path":"a","type":"file"})");
        world.hold("a", R"({"path":"a","type":"file"})");
        const Plan plan = world.plan();
        REQUIRE(plan.changes.size() == 1);
        CHECK(plan.changes[0].action == Action::forget);
    }
}

TEST_CASE("destroy removes everything that is recorded, once its plan is approved") {
    World world;
    world.settle("a", R"({"path":"a"})");
    world.input.recorded.back().after = {address("b")};
    world.settle("b", R"({"path":"b"})");
    world.settle("keep", R"({"path":"keep"})");
    world.input.recorded.back().deletion = Deletion::orphan;
    world.input.destroy = true;
    Plan plan = world.plan();
    CHECK(plan.counts.remove == 2);
    CHECK(plan.counts.parked == 2);
    CHECK(change_of(plan, "keep").action == Action::forget);
    CHECK_THAT(all_text(plan), ContainsSubstring("destroy removes everything"));
    CHECK(place_in(plan, "a") < place_in(plan, "b"));
    CHECK(change_of(plan, "b").after == std::vector<std::size_t>{place_in(plan, "a")});
    world.input.approved = plan.hash;
    CHECK(world.plan().counts.parked == 0);
}

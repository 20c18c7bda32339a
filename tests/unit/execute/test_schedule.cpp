#include "execute/schedule.hpp"

#include "support/catch.hpp"

using namespace holdfast;

namespace {

using Indices = std::vector<std::size_t>;

// One change per entry of `after`.
Plan plan_of(const std::vector<Indices>& after) {
    Plan plan;
    for (const Indices& before : after) {
        Change change;
        change.action = Action::create;
        change.after = before;
        plan.changes.push_back(change);
    }
    return plan;
}

Indices changes_of(const std::vector<Schedule::Held>& held) {
    Indices changes;
    for (const Schedule::Held& item : held) changes.push_back(item.change);
    return changes;
}

} // namespace

TEST_CASE("a change is handed out once, when all that it comes after is satisfied") {
    const Plan plan = plan_of({{}, {}, {0, 1}, {2}});
    Schedule schedule(plan);
    CHECK(schedule.take_ready() == Indices{0, 1});
    CHECK(schedule.take_ready().empty());
    schedule.satisfy(1);
    CHECK(schedule.take_ready().empty());
    CHECK(schedule.is_awaited(0));
    schedule.satisfy(0);
    CHECK(schedule.take_ready() == Indices{2});
    CHECK(!schedule.is_awaited(0));
}

TEST_CASE("foresight names what success would free, given the success of what was named before") {
    Plan plan = plan_of({{}, {0}, {0}, {1, 2}, {3}});
    plan.gates = {{.name = "gate", .after = {0}}};
    plan.changes[4].after_gates = {0};
    Schedule schedule(plan);
    schedule.take_ready();
    Schedule::Foresight foresight(schedule);
    CHECK(foresight.freed_by(0) == Indices{1, 2});
    CHECK(foresight.freed_by(1).empty());
    CHECK(foresight.freed_by(2) == Indices{3});
    CHECK(foresight.freed_by(3).empty()); // the gate stays shut
    CHECK(schedule.take_ready().empty()); // nothing has happened yet
}

TEST_CASE("what was done together with what it comes after is not handed out any more") {
    const Plan plan = plan_of({{}, {0}, {1}, {2}});
    Schedule schedule(plan);
    schedule.take_ready();
    SECTION("all of it") {
        for (const std::size_t change : {0, 1, 2}) schedule.satisfy(change);
        CHECK(schedule.take_ready() == Indices{3});
    }
    SECTION("until one failed for itself") {
        CHECK(changes_of(schedule.fail(1)) == Indices{2, 3});
        schedule.satisfy(0);
        CHECK(schedule.take_ready().empty());
    }
}

TEST_CASE("what depends on a failure is held back transitively, in plan order, with the culprit's name") {
    const Plan plan = plan_of({{}, {0}, {}, {1, 2}});
    Schedule schedule(plan);
    schedule.take_ready();
    const std::vector<Schedule::Held> held = schedule.fail(0);
    CHECK(changes_of(held) == Indices{1, 3});
    CHECK(held[1].culprit == 0);
    schedule.satisfy(2);
    CHECK(schedule.take_ready().empty());
    CHECK(schedule.fail(0).empty());
}

TEST_CASE("a failure holds back the prunes of its scope, but a prune's failure does not") {
    Plan plan = plan_of({{}, {}, {}, {0}});
    plan.changes[1].action = plan.changes[2].action = plan.changes[3].action = Action::remove;
    plan.changes[2].object.scope = "elsewhere";
    SECTION("a create") {
        Schedule schedule(plan);
        CHECK(changes_of(schedule.fail(0)) == Indices{1, 3});
        CHECK(schedule.take_ready() == Indices{2});
    }
    SECTION("a prune") {
        Schedule schedule(plan);
        CHECK(schedule.fail(1).empty());
    }
}

TEST_CASE("a gate opens once everything before it is done, and stays shut after a failure") {
    Plan plan = plan_of({{}, {}, {}});
    plan.gates = {{.name = "first", .after = {0}}, {.name = "second", .after = {1}, .after_gates = {0}}};
    plan.changes[2].after_gates = {1};
    Schedule schedule(plan);
    CHECK(schedule.take_ready() == Indices{0, 1});
    SECTION("all done") {
        schedule.satisfy(1);
        CHECK(schedule.take_ready().empty());
        schedule.satisfy(0);
        CHECK(schedule.take_ready() == Indices{2});
    }
    SECTION("one failed") {
        schedule.satisfy(1);
        CHECK(changes_of(schedule.fail(0)) == Indices{2});
        CHECK(schedule.take_ready().empty());
    }
}

TEST_CASE("parked changes hold no gate, blocked and waiting ones do") {
    Plan plan = plan_of({{}, {}});
    plan.gates = {{.name = "gate", .after = {0}}};
    plan.changes[1].after_gates = {0};
    SECTION("parked") {
        plan.changes[0].readiness = Readiness::parked;
        CHECK(Schedule(plan).take_ready() == Indices{1});
    }
    SECTION("blocked") {
        plan.changes[0].readiness = Readiness::blocked;
        Schedule schedule(plan);
        CHECK(schedule.take_ready().empty());
        CHECK(changes_of(schedule.held_by_plan()) == Indices{1});
    }
    SECTION("waiting") {
        plan.changes[0].action = Action::wait;
        CHECK(Schedule(plan).take_ready().empty());
    }
    SECTION("nothing to do") {
        plan.changes[0].action = Action::none;
        CHECK(Schedule(plan).take_ready() == Indices{1});
    }
}

// Deletes run the recorded order backwards (law 6).

#include <algorithm>

#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::string spec(const std::string& path) { return "{\"path\":\"" + path + "\"}"; }

// Recorded, still there, and declared by nobody; the objects stand in scopes of their own.
LedgerEntry& leave(World& world, const std::string& name, std::vector<Address> after = {},
                   std::int32_t wave = 0) {
    world.stack.limits = {.share_from = 100'000, .all_from = 100'000, .max_leaves = 100'000};
    world.hold(name, spec(name));
    LedgerEntry& entry = world.record(name, spec(name));
    entry.object.scope = "scope of " + name;
    entry.after = std::move(after);
    entry.wave = wave;
    return entry;
}

std::vector<std::string> names_of(const Plan& plan) {
    std::vector<std::string> names;
    for (const Change& change : plan.changes) names.push_back(change.address.id.name);
    return names;
}

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("what came after another is deleted before it, in a prune as in a destroy") {
    World world;
    world.input.destroy = GENERATE(false, true);
    leave(world, "a");
    leave(world, "b", {address("a")});
    leave(world, "c", {address("b"), address("gone long ago")});
    const Plan plan = world.plan();
    CHECK(names_of(plan) == Names{"c", "b", "a"});
    CHECK(change_of(plan, "b").after == std::vector<std::size_t>{0});
    CHECK(change_of(plan, "a").after == std::vector<std::size_t>{1});
}

TEST_CASE("the highest wave is deleted first, each wave behind one gate") {
    World world;
    leave(world, "a", {}, -1);
    leave(world, "b");
    leave(world, "c", {}, 2);
    const Plan plan = world.plan();
    CHECK(names_of(plan) == Names{"c", "b", "a"});
    REQUIRE(plan.gates.size() == 2);
    CHECK(plan.gates[0].name == "the deletes of wave 2");
    CHECK(change_of(plan, "c").after_gates.empty());
    CHECK(change_of(plan, "a").after_gates == std::vector<std::size_t>{1});
}

TEST_CASE("a delete is in no lower wave than what it came after") {
    World world;
    leave(world, "a", {}, 5);
    leave(world, "b", {address("a")});
    leave(world, "c", {address("b")}, -2);
    CHECK(names_of(world.plan()) == Names{"c", "b", "a"});
    CHECK(world.plan().counts.blocked == 0);
}

TEST_CASE("entries that contradict each other are deleted all the same, always in the same order") {
    World world;
    leave(world, "a", {address("c")});
    leave(world, "b", {address("a")}, 1);
    leave(world, "c", {address("b")});
    leave(world, "d", {address("a"), address("d")});
    leave(world, "e", {}, 3);
    const Plan plan = world.plan();
    CHECK(plan.counts.remove == 5);
    CHECK(plan.counts.blocked == 0);
    CHECK(place_in(plan, "d") < place_in(plan, "a"));
    // The search begins at "a": that "b" came after it closes the ring, and is left out.
    CHECK(place_in(plan, "a") < place_in(plan, "c"));
    CHECK(place_in(plan, "c") < place_in(plan, "b"));
    std::reverse(world.input.recorded.begin(), world.input.recorded.end());
    CHECK(names_of(world.plan()) == names_of(plan));
}

TEST_CASE("a document that was depended on as a whole goes after what needed any of it, through one gate") {
    World world;
    for (const char* part : {"x", "y"}) leave(world, part).address = address("zone");
    for (std::size_t i : {0, 1}) world.input.recorded[i].address.id.part = i == 0 ? "x" : "y";
    leave(world, "user", {address("zone")});
    leave(world, "zealot", {address("zone")});
    const Plan plan = world.plan();
    REQUIRE(plan.gates.size() == 1);
    CHECK(plan.gates[0].is_dependency);
    CHECK(plan.gates[0].after.size() == 2);
    CHECK(change_of(plan, "zone#x").after_gates == std::vector<std::size_t>{0});
    CHECK(place_in(plan, "zealot") < place_in(plan, "zone#x"));
}

TEST_CASE("what is gone already passes the order on to what it came after") {
    World world;
    leave(world, "a");
    leave(world, "b", {address("a")}).deletion = Deletion::orphan;
    leave(world, "c", {address("b")}).deletion = Deletion::orphan;
    leave(world, "d", {address("c")});
    SECTION("the order holds") {
        const Plan plan = world.plan();
        CHECK(plan.counts.forget == 2);
        CHECK(place_in(plan, "d") < place_in(plan, "a"));
        REQUIRE(plan.gates.size() == 2);
        CHECK(plan.gates[1].after_gates == std::vector<std::size_t>{0});
    }
    SECTION("what is parked holds what it needs") {
        world.input.recorded.back().protect = true;
        const Plan plan = world.plan();
        CHECK(change_of(plan, "d").readiness == Readiness::parked);
        CHECK(change_of(plan, "a").readiness == Readiness::parked);
    }
}

TEST_CASE("a delete that cannot be done keeps what it needs") {
    World world;
    leave(world, "a");
    leave(world, "b", {address("a")});
    leave(world, "free");
    SECTION("since it is blocked") {
        world.fail_to_read("b");
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").readiness == Readiness::blocked);
        CHECK(change_of(plan, "free").readiness == Readiness::ready);
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.prune-blocked") &&
                                       ContainsSubstring("waits for web:host.holdfast.dev/File/b"));
    }
    SECTION("since it was left out") {
        world.input.exclude = {"File/b"};
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").readiness == Readiness::blocked);
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.dependency-excluded"));
    }
}

TEST_CASE("a leaf that needed it is brought to what it needs now before the delete") {
    World world;
    leave(world, "a");
    world.settle("b", R"({"path":"b","text":"new"})");
    world.input.recorded.back().after = {address("a")};
    SECTION("if it changes") {
        world.hold("b", R"({"path":"b","text":"old"})");
        const Plan plan = world.plan();
        CHECK(change_of(plan, "b").action == Action::update);
        CHECK(change_of(plan, "a").after == std::vector<std::size_t>{place_in(plan, "b")});
    }
    SECTION("if it does not, there is nothing to wait for") {
        CHECK(change_of(world.plan(), "a").after.empty());
    }
    SECTION("in its own scope it does so anyway") {
        world.hold("b", R"({"path":"b","text":"old"})");
        world.input.recorded[0].object.scope = "";
        CHECK(change_of(world.plan(), "a").after.empty());
    }
}

TEST_CASE("a container does not go before what it holds, where that has to wait") {
    World world;
    leave(world, "olddir").object.kind = "host.holdfast.dev/Directory";
    world.input.recorded[0].address = address("olddir", "Directory");
    world.hold("olddir", spec("olddir"), "Directory");
    leave(world, "inside");
    leave(world, "user", {address("inside")});
    world.input.recorded[0].object.scope = world.input.recorded[1].object.scope = "shared";
    SECTION("through a gate") {
        const Plan plan = world.plan();
        CHECK(names_of(plan) == Names{"user", "inside", "olddir"});
        REQUIRE(plan.gates.size() == 1);
        CHECK(plan.gates[0].after == std::vector<std::size_t>{1});
        CHECK(change_of(plan, "olddir").after_gates == std::vector<std::size_t>{0});
    }
    SECTION("unless it says that it came after it") {
        world.input.recorded[0].after = {address("inside")};
        const Plan plan = world.plan();
        CHECK(place_in(plan, "olddir") < place_in(plan, "inside"));
        CHECK(plan.counts.blocked == 0);
    }
}

TEST_CASE("a name that is taken over does not close a ring with the order of deletes") {
    World world;
    // "a" takes the object of "b" over; what stood at "a" is pruned, and so is what came after that.
    LedgerEntry& old = leave(world, "a");
    old.object.scope = "";
    world.hold("second", spec("second"));
    world.record("b", R"({"path":"second","text":"was"})");
    world.declare("a", R"({"path":"second","text":"is"})");
    leave(world, "user", {address("a")}, 2).object.scope = "";
    const Plan plan = world.plan();
    CHECK(plan.changes.size() == 3);
    CHECK(plan.counts.blocked == 0);
    CHECK(place_in(plan, "user") < plan.changes.size());
}

TEST_CASE("the order of deletes is linear in what was recorded") {
    const std::size_t count = 2000;
    World world;
    world.input.destroy = true;
    world.input.recorded.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<Address> after;
        if (i % 50 != 0) after.push_back(world.input.recorded[i - 1].address);
        leave(world, numbered("n", i), after, static_cast<std::int32_t>(i % 50));
    }
    const Plan plan = world.plan();
    std::size_t edges = 0;
    for (const Change& change : plan.changes) edges += change.after.size() + change.after_gates.size();
    for (const Gate& gate : plan.gates) edges += gate.after.size() + gate.after_gates.size();
    CHECK(plan.counts.remove == count);
    CHECK(edges < 4 * count);
    CHECK(place_in(plan, "n49") < place_in(plan, "n0"));
}

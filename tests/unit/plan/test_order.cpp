#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::string spec(const std::string& path) { return "{\"path\":\"" + path + "\"}"; }

} // namespace

TEST_CASE("a leaf comes after what it depends on, however the names sort") {
    World world;
    world.declare("a", spec("a")).depends_on = {address("b")};
    world.declare("b", spec("b")).depends_on = {address("c")};
    world.declare("c", spec("c"));
    const Plan plan = world.plan();
    CHECK(place_in(plan, "c") < place_in(plan, "b"));
    CHECK(place_in(plan, "b") < place_in(plan, "a"));
    CHECK(change_of(plan, "a").after == std::vector<std::size_t>{place_in(plan, "b")});
}

TEST_CASE("what has no change is a satisfied dependency") {
    World world;
    world.settle("b", spec("b"));
    world.declare("a", spec("a")).depends_on = {address("b")};
    CHECK(change_of(world.plan(), "a").after.empty());
}

TEST_CASE("a dependency on a whole document waits for all of its leaves, through one gate") {
    World world;
    for (const char* part : {"x", "y", "z"}) world.declare("zone", spec(part)).address.id.part = part;
    for (const char* name : {"a", "b"}) world.declare(name, spec(name)).depends_on = {address("zone")};
    const Plan plan = world.plan();
    REQUIRE(plan.gates.size() == 1);
    CHECK(plan.gates[0].after.size() == 3);
    CHECK(change_of(plan, "a").after_gates == std::vector<std::size_t>{0});
    CHECK(place_in(plan, "zone#z") < place_in(plan, "a"));
}

TEST_CASE("an unknown dependency blocks its leaf and suggests a name") {
    World world;
    world.declare("a", spec("a")).depends_on = {address("motf")};
    world.declare("motd", spec("motd"));
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").readiness == Readiness::blocked);
    CHECK(change_of(plan, "motd").readiness == Readiness::ready);
    CHECK_THAT(all_text(plan), ContainsSubstring("plan.unknown-dependency") &&
                                   ContainsSubstring("File/motd?") && ContainsSubstring("web/a.yaml:1"));
}

TEST_CASE("a ring names every member and its place, and stops only its members and dependents") {
    World world;
    world.declare("a", spec("a")).depends_on = {address("b")};
    world.declare("b", spec("b")).depends_on = {address("c")};
    world.declare("c", spec("c")).depends_on = {address("a")};
    world.declare("d", spec("d")).depends_on = {address("c")};
    world.declare("self", spec("self")).depends_on = {address("self")};
    world.declare("free", spec("free"));
    const Plan plan = world.plan();
    CHECK(plan.counts.blocked == 5);
    CHECK(change_of(plan, "free").readiness == Readiness::ready);
    CHECK(plan.diagnostics.size() == 2);
    CHECK_THAT(all_text(plan),
               ContainsSubstring("File/a (web/a.yaml:1) -> host.holdfast.dev/File/b (web/b.yaml:1) -> "
                                 "host.holdfast.dev/File/c (web/c.yaml:1) -> host.holdfast.dev/File/a"));
    CHECK_THAT(all_text(plan), ContainsSubstring("plan.dependency-blocked"));
}

TEST_CASE("a failed leaf stops what depends on it and nothing else") {
    World world;
    world.declare("a", spec("a"));
    world.fail_to_read("a");
    world.declare("b", spec("b")).depends_on = {address("a")};
    world.declare("c", spec("c")).depends_on = {address("b")};
    world.declare("d", spec("d"));
    const Plan plan = world.plan();
    CHECK(change_of(plan, "b").readiness == Readiness::blocked);
    CHECK(change_of(plan, "c").readiness == Readiness::blocked);
    CHECK(change_of(plan, "d").readiness == Readiness::ready);
    CHECK_THAT(all_text(plan),
               ContainsSubstring("waits for web:host.holdfast.dev/File/a (web/a.yaml:1), which is blocked"));
}

TEST_CASE("lower waves come first, each behind one gate") {
    World world;
    world.declare("a", spec("a")).policy.wave = 2;
    world.declare("b", spec("b")).policy.wave = -1;
    world.declare("c", spec("c"));
    const Plan plan = world.plan();
    CHECK(place_in(plan, "b") == 0);
    CHECK(place_in(plan, "c") == 1);
    REQUIRE(plan.gates.size() == 2);
    CHECK(plan.gates[0].name == "wave -1");
    CHECK(plan.gates[1].after_gates == std::vector<std::size_t>{0});
    CHECK(change_of(plan, "b").after_gates.empty());
    CHECK(change_of(plan, "a").after_gates == std::vector<std::size_t>{1});
}

TEST_CASE("a leaf is in no lower wave than what it depends on") {
    World world;
    world.declare("a", spec("a")).depends_on = {address("b")};
    world.declare("b", spec("b")).policy.wave = 5;
    const Plan plan = world.plan();
    CHECK(plan.counts.blocked == 0);
    CHECK(place_in(plan, "b") < place_in(plan, "a"));
}

TEST_CASE("containers are made first and removed last") {
    World world;
    world.declare("a", spec("d/a"));
    world.declare("z", spec("d"), "Directory");
    world.record("oldfile", spec("o/a"));
    world.record("olddir", spec("o"), "Directory");
    world.hold("o/a", spec("o/a"));
    world.hold("o", spec("o"), "Directory");
    const Plan plan = world.plan();
    CHECK(place_in(plan, "z") < place_in(plan, "a"));
    CHECK(place_in(plan, "a") < place_in(plan, "oldfile"));
    CHECK(place_in(plan, "oldfile") < place_in(plan, "olddir"));
}

TEST_CASE("a scope's prunes wait for its creates and updates") {
    World world;
    world.declare("new", spec("new"));
    world.record("old", spec("old"));
    world.hold("old", spec("old"));
    SECTION("behind a gate") {
        const Plan plan = world.plan();
        REQUIRE(plan.gates.size() == 1);
        CHECK(plan.gates[0].after == std::vector<std::size_t>{place_in(plan, "new")});
        CHECK(change_of(plan, "old").after_gates == std::vector<std::size_t>{0});
    }
    SECTION("in an atomic scope in the same apply") {
        world.description.atomic = true;
        CHECK(world.plan().gates.empty());
    }
    SECTION("not for another scope's") {
        world.input.recorded[0].object.scope = "elsewhere";
        CHECK(world.plan().gates.empty());
    }
    SECTION("and are blocked with them") {
        world.description.atomic = GENERATE(false, true);
        world.declare("bad", spec("bad")).depends_on = {};
        world.input.leaves.back().scope = "another";
        world.fail_to_read("bad");
        world.input.leaves[0].depends_on = {address("bad")};
        const Plan plan = world.plan();
        CHECK(change_of(plan, "new").readiness == Readiness::blocked);
        CHECK(change_of(plan, "old").readiness == Readiness::blocked);
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.prune-blocked"));
    }
}

TEST_CASE("only what is named is planned, and what needs more than that says so") {
    World world;
    world.declare("a", spec("a")).depends_on = {address("b")};
    world.declare("b", spec("b"));
    world.declare("zone", spec("z")).address.id.part = "www/A";
    SECTION("--only an id") {
        world.input.only = {"host.holdfast.dev/File/b"};
        const Plan plan = world.plan();
        CHECK(plan.changes.size() == 1);
        CHECK(has_change(plan, "b"));
    }
    SECTION("--only a document, for its leaves") {
        world.input.only = {"File/zone"};
        CHECK(has_change(world.plan(), "zone"));
    }
    SECTION("--exclude a glob") {
        world.input.exclude = {"File/[ab]"};
        CHECK(world.plan().changes.size() == 1);
    }
    SECTION("a dependency that was left out blocks") {
        world.input.only = {"web:host.holdfast.dev/File/a"};
        const Plan plan = world.plan();
        REQUIRE(plan.changes.size() == 1);
        CHECK(plan.changes[0].readiness == Readiness::blocked);
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.dependency-excluded"));
    }
}

TEST_CASE("edges stay linear, and a long chain is no harder than many free leaves") {
    const std::size_t count = 2000;
    World world;
    world.input.leaves.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        Leaf& leaf = world.declare(numbered("n", i), spec(numbered("p", i)));
        leaf.policy.wave = static_cast<std::int32_t>(i % 50);
        if (i % 50 != 0) leaf.depends_on = {world.input.leaves[i - 1].address};
    }
    const Plan plan = world.plan();
    std::size_t edges = 0;
    for (const Change& change : plan.changes) edges += change.after.size() + change.after_gates.size();
    for (const Gate& gate : plan.gates) edges += gate.after.size() + gate.after_gates.size();
    CHECK(plan.changes.size() == count);
    CHECK(edges < 4 * count);
}

#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// `recorded` objects of a kind that stand, of which `removed` are declared no more.
void fill(World& world, std::size_t recorded, std::size_t removed, const std::string& kind = "File") {
    for (std::size_t i = 0; i < recorded; ++i) {
        const std::string path = kind + std::to_string(i), spec = "{\"path\":\"" + path + "\"}";
        world.record("n" + path, spec, kind);
        world.hold(path, spec, kind);
        if (i >= removed) world.declare("n" + path, spec, kind);
    }
}

} // namespace

TEST_CASE("deletes are parked exactly beyond the limits") {
    struct Row {
        std::size_t recorded, removed;
        bool is_parked;
    };
    const Row row = GENERATE(values<Row>({
        {1, 1, false}, // two of a kind may all go
        {2, 2, false},
        {3, 3, true},   // all of at least three
        {9, 8, false},  // nine are too few for a share
        {10, 3, false}, // 30 %
        {10, 4, true},
        {400, 100, false},
        {400, 101, true}, // more than a hundred
    }));
    World world;
    fill(world, row.recorded, row.removed);
    const Plan plan = world.plan();
    CAPTURE(row.recorded, row.removed);
    CHECK(plan.counts.remove == row.removed);
    CHECK(plan.counts.parked == (row.is_parked ? row.removed : 0));
}

TEST_CASE("the limits are the stack's to change") {
    World world;
    fill(world, 10, 4);
    world.stack.limits.max_share = 0.5;
    CHECK(world.plan().counts.parked == 0);
}

TEST_CASE("only the kind that is hit is parked, and creates go on") {
    World world;
    fill(world, 3, 3);
    fill(world, 10, 1, "Directory");
    world.declare("new", R"({"path":"new"})");
    const Plan plan = world.plan();
    CHECK(plan.counts.parked == 3);
    CHECK(change_of(plan, "nDirectory0").readiness == Readiness::ready);
    CHECK(change_of(plan, "new").readiness == Readiness::ready);
}

TEST_CASE("objects created in the same plan do not thin out a mass delete") {
    World world;
    fill(world, 10, 4);
    for (int i = 0; i < 100; ++i)
        world.declare("new" + std::to_string(i), "{\"path\":\"new" + std::to_string(i) + "\"}");
    CHECK(world.plan().counts.parked == 4);
}

TEST_CASE("blocked deletes count, so that a mass delete does not pass in slices") {
    World world;
    fill(world, 10, 4);
    world.fail_to_read("File0");
    const Plan plan = world.plan();
    CHECK(plan.counts.blocked == 1);
    CHECK(plan.counts.parked == 3);
}

TEST_CASE("deleting what holds data is always parked, a replace too") {
    World world;
    fill(world, 20, 1, "Database");
    const bool is_renamed_kind = GENERATE(false, true);
    if (is_renamed_kind) world.input.recorded[0].api_version = "host.holdfast.dev/v1";
    CHECK(world.plan().counts.parked == 1);
}

TEST_CASE("a kind that the plugin describes no more counts as one that holds data") {
    World world;
    fill(world, 20, 1, "Gone");
    CHECK(change_of(world.plan(), "nGone0").readiness == Readiness::parked);
}

TEST_CASE("an emptied tree parks whatever it would remove") {
    World world;
    fill(world, 1, 1);
    world.input.tree_is_empty = true;
    const Plan plan = world.plan();
    CHECK(plan.counts.parked == 1);
    CHECK(plan.is_parked());
}

TEST_CASE("what depends on something parked waits with it") {
    World world;
    world.kind("Database").immutable = {"/spec/size"};
    world.settle("db", R"({"path":"db","size":1})", "Database");
    world.hold("db", R"({"path":"db","size":2})", "Database");
    world.declare("app", R"({"path":"app"})").depends_on = {address("db", "Database")};
    world.declare("page", R"({"path":"page"})").depends_on = {address("app")};
    world.declare("other", R"({"path":"other"})");
    Plan plan = world.plan();
    CHECK(change_of(plan, "db").readiness == Readiness::parked);
    CHECK(change_of(plan, "page").readiness == Readiness::parked);
    CHECK(change_of(plan, "other").readiness == Readiness::ready);
    CHECK_THAT(all_text(plan), ContainsSubstring("waits for web:host.holdfast.dev/Database/db"));

    SECTION("until that plan's hash is approved") {
        world.input.approved = plan.hash;
        plan = world.plan();
        CHECK(plan.counts.parked == 0);
    }
    SECTION("and no other plan's") {
        world.input.approved = plan.hash;
        world.hold("db", R"({"path":"db","size":3})", "Database");
        CHECK(world.plan().counts.parked == 3);
    }
}

#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

TEST_CASE("drift is what differs although the declaration did not change") {
    World world;
    world.settle("a", R"({"path":"a","mode":"0644"})");
    world.hold("a", R"({"path":"a","mode":"0666"})");
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").is_drift);
    CHECK(change_of(plan, "a").fields.at(0).by_drift);
    CHECK(plan.counts.drifted == 1);
}

TEST_CASE("a changed declaration is no drift, but a field that also drifted says so") {
    World world;
    world.record("a", R"({"path":"a","mode":"0644","owner":"root"})");
    world.declare("a", R"({"path":"a","mode":"0644","owner":"www"})");
    world.hold("a", R"({"path":"a","mode":"0666","owner":"root"})");
    const Plan plan = world.plan();
    const Change& change = change_of(plan, "a");
    CHECK_FALSE(change.is_drift);
    REQUIRE(change.fields.size() == 2);
    CHECK(change.fields[0].by_drift);
    CHECK_FALSE(change.fields[1].by_drift);
}

TEST_CASE("drift is corrected, reported or ignored, by change and by deletion") {
    struct Row {
        DriftPolicy policy;
        bool is_deleted;
        std::size_t changes, drifted;
        Action action;
    };
    const Row row = GENERATE(values<Row>({
        {DriftPolicy::correct, false, 1, 1, Action::update},
        {DriftPolicy::correct, true, 1, 1, Action::create},
        {DriftPolicy::report, false, 1, 1, Action::none},
        {DriftPolicy::report, true, 1, 1, Action::none},
        {DriftPolicy::ignore, false, 0, 0, Action::none},
        {DriftPolicy::ignore, true, 0, 0, Action::none},
    }));
    World world;
    world.record("a", R"({"path":"a","mode":"0644"})");
    world.declare("a", R"({"path":"a","mode":"0644"})").policy.drift = row.policy;
    if (!row.is_deleted) world.hold("a", R"({"path":"a","mode":"0666"})");
    const Plan plan = world.plan();
    CAPTURE(to_string(row.policy), row.is_deleted);
    REQUIRE(plan.changes.size() == row.changes);
    CHECK(plan.counts.drifted == row.drifted);
    if (row.changes == 0) return;
    CHECK(plan.changes[0].action == row.action);
    CHECK(plan.changes[0].readiness == Readiness::ready);
    const std::vector<FieldChange>& fields = plan.changes[0].fields;
    CHECK((fields.empty() || !fields[0].before) == row.is_deleted);
    if (row.is_deleted) CHECK_THAT(all_text(plan), ContainsSubstring("was deleted outside Git"));
}

TEST_CASE("a rename goes through where drift is left alone") {
    World world;
    world.record("old", R"({"path":"a","mode":"0644"})").declared_hash =
        make_document(
            json(R"({"apiVersion":"host.holdfast.dev/v1alpha1","kind":"File","metadata":{"name":"new"},
                               "spec":{"path":"a","mode":"0644"}})"))
            .hash;
    world.declare("new", R"({"path":"a","mode":"0644"})").policy.drift =
        GENERATE(DriftPolicy::report, DriftPolicy::ignore);
    world.hold("a", R"({"path":"a","mode":"0666"})");
    CHECK(change_of(world.plan(), "new").action == Action::move);
}

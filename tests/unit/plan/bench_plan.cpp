// How long planning takes: test_plan "[bench]", in a release build. Not part of the suite, since a shared
// machine makes any limit on time a test that fails for nothing.

#include <cstdio>
#include <ctime>

#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string spec(std::size_t i) {
    return "{\"path\":\"srv/data/" + std::to_string(i) + "\",\"mode\":\"0644\",\"owner\":\"root\"}";
}

Plan timed(const char* what, World& world, std::size_t count) {
    const double start = cpu_seconds();
    Plan plan = make_plan(world.input);
    const double spent = cpu_seconds() - start;
    std::printf("%-46s %8.1f ms %7.2f us each\n", what, spent * 1e3,
                spent * 1e6 / static_cast<double>(count));
    return plan;
}

void remember(World& world, const Plan& plan) {
    for (const SettledLeaf& settled : plan.settled)
        world.input.recorded[settled.recorded].settled = settled.hash;
}

} // namespace

TEST_CASE("planning time", "[.bench]") {
    const std::size_t count = 100'000;
    World world;
    for (std::size_t i = 0; i < count; ++i) world.settle("n" + std::to_string(i), spec(i));
    remember(world, world.plan());
    CHECK(timed("100,000 leaves, settled", world, count).counts.unchanged == count);
    for (LedgerEntry& entry : world.input.recorded) entry.settled = {};
    CHECK(timed("100,000 leaves, equal but compared", world, count).counts.unchanged == count);

    World changed = world;
    remember(changed, timed("100,000 leaves, compared again", world, count));
    changed.input.observed_leaves[count / 2].raw_hash = sha256("hidden");
    changed.input.observed_leaves[count / 2].document = R"({"spec":{"path":"srv/data/50000","mode":"0600"}})";
    CHECK(timed("100,000 leaves, one changed", changed, count).counts.update == 1);

    World fresh;
    for (std::size_t i = 0; i < count; ++i) fresh.declare("n" + std::to_string(i), spec(i));
    fresh.plan();
    CHECK(timed("100,000 creates", fresh, count).counts.create == count);
    for (std::size_t i = 1; i < count; ++i)
        fresh.input.leaves[i].depends_on = {fresh.input.leaves[i - 1].address};
    CHECK(timed("100,000 creates, one chain", fresh, count).counts.create == count);
    for (std::size_t i = 0; i < count; ++i) {
        fresh.input.leaves[i].depends_on.clear();
        fresh.input.leaves[i].policy.wave = static_cast<std::int32_t>(i % 10);
    }
    CHECK(timed("100,000 creates in ten waves", fresh, count).counts.create == count);
    for (std::size_t size : {1000U}) {
        World chain;
        for (std::size_t i = 0; i < size; ++i) chain.declare("n" + std::to_string(i), spec(i));
        chain.plan();
        timed("1,000 creates", chain, size);
        for (std::size_t i = 1; i < size; ++i)
            chain.input.leaves[i].depends_on = {chain.input.leaves[i - 1].address};
        timed("1,000 creates, one chain", chain, size);
    }
}

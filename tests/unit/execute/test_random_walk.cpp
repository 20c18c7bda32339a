// Random small worlds, random faults: whatever happens, once the faults stop two runs are enough, the
// second plan is empty, nothing is orphaned, and no object was created while it stood.

#include <random>

#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;

namespace {

class Walk {
public:
    explicit Walk(unsigned seed) : random_(seed) {
        world_.plugins["west"] = fake_description(true);
        world_.plugins["east"].max_items = 1 + below(5);
        world_.plugins["east"].ordered = seed % 2 == 0;
        world_.plugins["west"].ordered = seed % 3 == 0;
    }

    void step() {
        declare_something();
        Process process(world_);
        process.options.attempts = 3;
        process.options.random_seed = random_();
        process.plan();
        for (std::size_t faults = below(4); faults > 0; --faults) add_fault(process);
        if (below(3) == 0)
            world_.store.die_at_commit(1 + static_cast<int>(below(6)),
                                       below(2) ? FakeStore::Moment::before : FakeStore::Moment::after);
        try {
            process.execute_plan();
        } catch (const Killed&) {
        }
        world_.store.revive();
    }

    void settle() {
        for (int run = 0; run < 2; ++run) Process(world_).apply();
        Process process(world_);
        for (const Change& change : process.plan().changes) {
            INFO(to_string(change.address) << " " << to_string(change.action));
            CHECK(change.action == Action::none);
        }
        check_world();
    }

private:
    std::size_t below(std::size_t n) { return random_() % n; }
    static std::string name_of(std::size_t i) { return "t" + std::to_string(i); }

    void declare_something() {
        world_.declared.clear();
        for (std::size_t i = 0; i < 8; ++i) {
            if (below(4) == 0) continue;
            ThingSpec spec;
            spec.provider = i % 2 ? "east" : "west";
            spec.room = i % 3 ? "hall" : "attic";
            spec.value = std::to_string(below(3));
            spec.size = below(3) ? "small" : "large";
            if (i > 0 && below(3) == 0 && world_.declared.contains(name_of(i - 1)))
                spec.after = {name_of(i - 1)};
            // Of the same provider, and often of the same scope.
            if (i > 1 && below(2) == 0 && world_.declared.contains(name_of(i - 2)))
                spec.after.push_back(name_of(i - 2));
            world_.declare(name_of(i), spec);
        }
    }

    void add_fault(Process& process) {
        using Kind = FakeFault::Kind;
        static constexpr Kind kinds[] = {Kind::fail,         Kind::partial,    Kind::lose_reply,
                                         Kind::lose_request, Kind::die_before, Kind::die_after,
                                         Kind::unreadable};
        FakeFault fault;
        fault.kind = kinds[below(std::size(kinds))];
        // An atomic scope has no halves.
        const bool is_west = below(2) == 0;
        if (is_west && fault.kind == Kind::partial) fault.kind = Kind::fail;
        fault.identity = below(2) ? "" : "\"" + name_of(below(8)) + "\"";
        fault.retry = below(2) ? Retry::after : Retry::never;
        fault.times = 1 + static_cast<int>(below(4));
        process.provider(is_west ? "west" : "east").add(fault);
    }

    void check_world() {
        std::set<Hash> recorded;
        for (const auto& [address, entry] : world_.store.ledger) {
            INFO(to_string(address));
            CHECK(entry.state == EntryState::applied);
            recorded.insert(entry.object.key());
        }
        std::size_t standing = 0;
        for (const auto& [provider, target] : world_.targets) {
            standing += target.objects.size();
            for (const auto& [key, object] : target.objects) {
                INFO(key);
                const TargetObject name{"target-of-" + provider, object.scope, "fake.holdfast.dev/Thing",
                                        object.identity};
                CHECK(recorded.contains(name.key()));
            }
            // The fake refuses to create what exists, so this also says that nobody else's delete was
            // counted.
            for (const auto& [key, writes] : target.writes) {
                INFO(key);
                CHECK(writes.creates - writes.deletes == (target.objects.contains(key) ? 1 : 0));
            }
        }
        CHECK(standing == world_.declared.size());
        CHECK(recorded.size() == standing);
    }

    std::mt19937 random_;
    World world_;
};

} // namespace

TEST_CASE("random walks through faults and deaths always come to rest") {
    for (unsigned seed = 1; seed <= 90; ++seed) {
        INFO("seed " << seed);
        Walk walk(seed);
        for (int step = 0; step < 6; ++step) walk.step();
        walk.settle();
    }
}

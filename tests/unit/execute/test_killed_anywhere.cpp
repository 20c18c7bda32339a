// Law 3: killed at any instant, the next pass finds out what happened, finishes, and neither loses nor
// doubles anything. "Any instant" is every commit, before and after it is durable, and every item that a
// provider writes, before and after its effect.

#include <optional>
#include <random>

#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;

namespace {

// 50 leaves on two providers, three scopes each, one of the providers atomic.
ThingSpec spec_of(int i, const std::string& value) {
    ThingSpec spec;
    spec.provider = i % 2 ? "east" : "west";
    spec.room = "room-" + std::to_string(i % 3);
    spec.value = value;
    spec.size = "small";
    if (i % 5 == 0) spec.password = "hunter" + std::to_string(i);
    return spec;
}

std::string name_of(int i) { return (i < 10 ? "t0" : "t") + std::to_string(i); }

// Nothing is adopted: an object without an entry would be an error, not a thing to pick up quietly.
void declare(World& world, int i, const ThingSpec& spec) {
    world.declare(name_of(i), spec).policy.adopt = Adopt::never;
}

// Ordered plugins take chains as one call, so there are chains: of up to seven in each scope.
enum class Plugins { plain, ordered };

World world_before(Plugins plugins) {
    World world;
    world.plugins["west"] = fake_description(true);
    for (auto& [name, plugin] : world.plugins) plugin.ordered = plugins == Plugins::ordered;
    for (int i = 0; i < 40; ++i) declare(world, i, spec_of(i, "old"));
    Process process(world);
    REQUIRE(process.apply().ok());
    // From here on: 10 go, 10 are new, a third of the rest is updated, some are replaced, with dependencies.
    world.declared.clear();
    for (int i = 10; i < 60; ++i) {
        ThingSpec spec = spec_of(i, i % 3 == 0 ? "new" : "old");
        if (i % 7 == 0 && i < 40) spec.size = "large";
        if (i % 11 == 0 && i < 40) spec.name = "renamed-" + std::to_string(i);
        if (i > 12 && i % 4 == 0) spec.after = {name_of(i - 1), name_of(i - 2)};
        if (i >= 16 && plugins == Plugins::ordered) spec.after.push_back(name_of(i - 6));
        declare(world, i, spec);
    }
    return world;
}

// What has to be equal at the end: documents without what the target numbers, and the counts of creates.
std::map<std::string, std::string> standing_objects(const World& world) {
    std::map<std::string, std::string> standing;
    for (const auto& [name, target] : world.targets)
        for (const auto& [key, object] : target.objects) {
            Value document = object.document;
            erase_at(document, "/status/uid");
            standing[name + "|" + key] = to_json(document);
        }
    return standing;
}
std::map<std::string, int> creates(const World& world) {
    std::map<std::string, int> counts;
    for (const auto& [name, target] : world.targets)
        for (const auto& [key, writes] : target.writes)
            if (writes.creates) counts[name + "|" + key] = writes.creates;
    return counts;
}

void check_nothing_is_orphaned(const World& world) {
    std::set<std::string> recorded;
    for (const auto& [address, entry] : world.store.ledger) {
        INFO(to_string(address));
        CHECK(entry.state == EntryState::applied);
        recorded.insert(entry.provider + "|" +
                        FakeTarget::key(entry.api_version + "/" + address.id.kind, entry.object.scope,
                                        entry.object.identity));
    }
    std::set<std::string> standing;
    for (const auto& [key, document] : standing_objects(world)) standing.insert(key);
    CHECK(recorded == standing);
}

void check_converged(World& world) {
    Process process(world);
    process.plan();
    for (const Change& change : process.made.changes) {
        INFO(to_string(change.address));
        CHECK(change.action == Action::none);
    }
}

// True if the process died, as it was told to.
template <typename Arrange>
bool dies(World& world, const Arrange& arrange) {
    Process process(world);
    process.plan();
    arrange(process);
    try {
        process.execute_plan();
        return false;
    } catch (const Killed&) {
        return true;
    }
}

struct Expected {
    explicit Expected(Plugins plugins) : before(world_before(plugins)), undisturbed(before) {
        Process process(undisturbed);
        REQUIRE(process.apply().ok());
        objects = standing_objects(undisturbed);
        created = creates(undisturbed);
    }
    World before, undisturbed;
    std::map<std::string, std::string> objects;
    std::map<std::string, int> created;
};
const Expected& expected(Plugins plugins) {
    static const Expected plain(Plugins::plain), ordered(Plugins::ordered);
    return plugins == Plugins::plain ? plain : ordered;
}

void check_as_undisturbed(const World& world, Plugins plugins) {
    CHECK(standing_objects(world) == expected(plugins).objects);
    CHECK(creates(world) == expected(plugins).created);
}

std::string problems_of(const ExecutionReport& report) {
    std::string text;
    for (const StepResult& result : report.results)
        for (const Diagnostic& diagnostic : result.diagnostics) text += render(diagnostic);
    return text;
}

void check_recovers(World& world, Plugins plugins) {
    world.store.revive();
    Process next(world);
    const ExecutionReport report = next.apply();
    INFO(problems_of(report));
    CHECK(report.ok());
    check_as_undisturbed(world, plugins);
    check_nothing_is_orphaned(world);
    check_converged(world);
}

} // namespace

TEST_CASE("an undisturbed run of the 50 leaves converges and records everything") {
    const Plugins plugins = GENERATE(Plugins::plain, Plugins::ordered);
    World world = expected(plugins).undisturbed;
    check_nothing_is_orphaned(world);
    check_converged(world);
    CHECK(standing_objects(world).size() == 50);
}

TEST_CASE(
    "killed at any commit, before or after it is durable, the next run ends where an undisturbed one does") {
    const Plugins plugins = GENERATE(Plugins::plain, Plugins::ordered);
    const auto moment = GENERATE(FakeStore::Moment::before, FakeStore::Moment::after);
    int kills = 0;
    for (int n = 1;; ++n) {
        World world = expected(plugins).before;
        const bool died = dies(world, [&](Process&) { world.store.die_at_commit(n, moment); });
        if (!died) break;
        ++kills;
        INFO("killed at commit " << n << (moment == FakeStore::Moment::before ? ", before" : ", after"));
        check_recovers(world, plugins);
    }
    CAPTURE(kills);
    CHECK(kills >= 3);
}

TEST_CASE("killed at any item of a provider, before or after its effect, the next run ends the same") {
    const Plugins plugins = GENERATE(Plugins::plain, Plugins::ordered);
    const bool after_effect = GENERATE(false, true);
    const std::string provider = GENERATE(as<std::string>(), "east", "west");
    int kills = 0;
    for (int n = 1;; ++n) {
        World world = expected(plugins).before;
        const bool died =
            dies(world, [&](Process& process) { process.provider(provider).die_at_item(n, after_effect); });
        if (!died) break;
        ++kills;
        INFO("killed at item " << n << " of " << provider << (after_effect ? ", after" : ", before"));
        check_recovers(world, plugins);
    }
    CAPTURE(kills);
    CHECK(kills >= 10);
}

TEST_CASE("with the reply to any item lost, the same run ends where an undisturbed one does") {
    const Plugins plugins = GENERATE(Plugins::plain, Plugins::ordered);
    const std::string provider = GENERATE(as<std::string>(), "east", "west");
    for (int i = 0; i < 60; ++i) {
        World world = expected(plugins).before;
        Process process(world);
        process.provider(provider).add(
            {.kind = FakeFault::Kind::lose_reply, .identity = "\"" + name_of(i) + "\""});
        INFO("the reply to " << name_of(i) << " is lost");
        const ExecutionReport report = process.apply();
        INFO(problems_of(report));
        CHECK(report.ok());
        check_as_undisturbed(world, plugins);
        check_nothing_is_orphaned(world);
    }
}

TEST_CASE("a field that an update may have set is unset once it is declared no longer") {
    using Kind = FakeFault::Kind;
    const Kind fate = GENERATE(Kind::die_before, Kind::die_after, Kind::fail);
    World world;
    ThingSpec spec;
    world.declare("a", spec);
    REQUIRE(Process(world).apply().ok());
    const std::string recorded = world.store.ledger.begin()->second.declared;

    spec.password = "hunter2";
    world.declare("a", spec);
    {
        Process process(world);
        FakeFault fault;
        fault.kind = fate;
        fault.retry = Retry::never;
        process.provider().add(fault);
        process.plan();
        bool was_killed = false;
        try {
            process.execute_plan();
        } catch (const Killed&) {
            was_killed = true;
        }
        CHECK(was_killed == (fate != Kind::fail));
        world.store.revive();
    }
    if (fate == Kind::fail) CHECK(world.store.ledger.begin()->second.declared == recorded);

    spec.password.clear();
    world.declare("a", spec);
    REQUIRE(Process(world).apply().ok());
    const auto standing = world.targets["east"].objects.begin()->second;
    CHECK(find_at(standing.document, "/spec/password") == nullptr);
    Process process(world);
    for (const Change& change : process.plan().changes) CHECK(change.action == Action::none);
    // Pure bookkeeping, as the pass does it where nothing is to be written (rewrite_entries).
    if (fate != Kind::die_before) CHECK(world.store.ledger.begin()->second.declared == recorded);
}

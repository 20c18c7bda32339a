// Several writers on one target, and scopes that are written whole or owned whole, through the real programs.

#include <filesystem>

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;
using Lines = std::vector<std::string>;

namespace {

std::string provider(MemoryWorld& world, const std::string& plugin, const std::string& more_config,
                     const std::string& more = {}) {
    return "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\nspec: {plugin: " +
           plugin + ", config: {file: " + (world.place.target() / "objects").string() +
           ", callLog: " + (world.place.folder() / "calls").string() + more_config + "}" + more + "}\n";
}

std::string stack(const std::string& name, const std::string& group) {
    return "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + name +
           "}\nspec: {path: " + name + ", providers: {" + group + ".holdfast.dev: memory}}\n";
}

// Two stacks whose objects lie in one scope of one target.
void two_stacks(MemoryWorld& world, const std::string& more_config) {
    world.place.write("holdfast.yaml", provider(world, "memory", more_config) + stack("front", "memory") +
                                           stack("back", "memory"));
    for (const char* name : {"a", "b", "c", "d"}) {
        world.place.write("front/" + std::string(name) + ".yaml",
                          MemoryWorld::document("front-" + std::string(name), "value: x"));
        world.place.write("back/" + std::string(name) + ".yaml",
                          MemoryWorld::document("back-" + std::string(name), "value: x"));
    }
    world.place.commit();
}

// Runs shell commands in which "$@" is holdfast with its options, and $0 the call log.
Ran shell(MemoryWorld& world, const std::string& script) {
    return world.place.holdfast_under({"sh", "-c", script, (world.place.folder() / "calls").string()}, {});
}

const std::string until_it_writes = "until grep -q create \"$0\" 2>/dev/null; do sleep 0.02; done; ";

void check_each_made_once(MemoryWorld& world) {
    const Lines writes = world.writes();
    CAPTURE(writes);
    for (const std::string side : {"front", "back"})
        for (const std::string name : {"a", "b", "c", "d"})
            CHECK(count(writes, "create \"" + side + "-" + name + "\"") == 1);
}

void check_nothing_to_do(MemoryWorld& world) {
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 0);
    const Ran check = world.place.holdfast({"store", "check"});
    CAPTURE(check.out, check.err);
    CHECK(check.exit_code == 0);
}

void configure(MemoryWorld& world, const std::string& plugin, const std::string& more_config,
               const std::string& more = {}) {
    world.place.write("holdfast.yaml", provider(world, plugin, more_config, more) + stack("app", plugin));
}

void atomic_object(MemoryWorld& world, const std::string& name, const std::string& spec) {
    std::string text = MemoryWorld::document(name, spec);
    text.replace(text.find("memory."), 7, "memory-atomic.");
    world.place.write("app/" + name + ".yaml", text);
}

std::string foreign(const std::string& name) {
    return R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":")" + name +
           R"("},"spec":{"value":"theirs"},"status":{"generation":1,"health":"healthy","value":"theirs"}})";
}

} // namespace

TEST_CASE("two stacks on one scope: while one writes, the other is refused and told who writes") {
    MemoryWorld world;
    two_stacks(world, ", delayMs: 400");
    const Ran ran =
        shell(world, "\"$@\" apply --yes -s front >/dev/null 2>&1 & first=$!; " + until_it_writes +
                         "\"$@\" apply --yes -s back; second=$?; wait $first; "
                         "echo first=$? second=$second pid=$first");
    CAPTURE(ran.out, ran.err);
    CHECK_THAT(ran.out, ContainsSubstring("first=0 second=1"));
    CHECK_THAT(ran.err, ContainsSubstring("store.locked") && ContainsSubstring("scope") &&
                            ContainsSubstring("pid " + test::word_after(ran.out, "pid=")));
    CHECK(world.stored("front-a") != "<none>");
    CHECK(world.stored("back-a") == "<none>");
    const Ran later = world.apply();
    CAPTURE(later.out, later.err);
    CHECK(later.exit_code == 0);
    check_each_made_once(world);
    check_nothing_to_do(world);
}

TEST_CASE("two stacks on one scope at the very same time: each ends well or is refused, nothing is doubled") {
    MemoryWorld world;
    two_stacks(world, ", delayMs: 20");
    const Ran ran = shell(world, "\"$@\" apply --yes -s front >/dev/null 2>\"$0.first\" & first=$!; "
                                 "\"$@\" apply --yes -s back; second=$?; wait $first; first=$?; "
                                 "cat \"$0.first\" >&2; echo first=$first second=$second");
    CAPTURE(ran.out, ran.err);
    const bool both = ran.out.find("first=0 second=0") != std::string::npos;
    if (!both) {
        CHECK_THAT(ran.out, ContainsSubstring("first=0 second=1") || ContainsSubstring("first=1 second=0"));
        CHECK_THAT(ran.err, ContainsSubstring("store.locked"));
    }
    CHECK(world.apply().exit_code == 0);
    check_each_made_once(world);
    check_nothing_to_do(world);
}

TEST_CASE("the lock of a killed process does not keep the next one waiting, and what it began is finished") {
    MemoryWorld world;
    two_stacks(world, ", delayMs: 200");
    const Ran ran =
        shell(world, "\"$@\" apply --yes -s front >/dev/null 2>&1 & first=$!; " + until_it_writes +
                         "kill -KILL $first; wait $first; \"$@\" apply --yes -s back; "
                         "echo second=$?");
    CAPTURE(ran.out, ran.err);
    CHECK_THAT(ran.out, ContainsSubstring("second=0"));
    CHECK(world.stored("back-d") != "<none>");
    two_stacks(world, "");
    const Ran later = world.apply();
    CAPTURE(later.out, later.err);
    CHECK(later.exit_code == 0);
    for (const std::string name : {"a", "b", "c", "d"}) CHECK(world.stored("front-" + name) != "<none>");
    check_nothing_to_do(world);
}

TEST_CASE("an atomic scope: the culprit failed, the others are skipped, and the next run does it all") {
    MemoryWorld world;
    configure(world, "memory-atomic", "");
    for (const char* name : {"a", "b", "c", "d", "e"}) atomic_object(world, name, "value: one");
    world.applied();
    world.writes();

    configure(world, "memory-atomic", ", failItems: ['\"b\"']");
    atomic_object(world, "a", "value: two");
    atomic_object(world, "b", "value: two");
    atomic_object(world, "f", "value: one");
    world.place.remove("app/d.yaml");
    const Ran refused = world.apply();
    CAPTURE(refused.out, refused.err);
    CHECK(refused.exit_code == 1);
    CHECK(world.writes() == Lines{"refuse \"b\""});
    CHECK_THAT(refused.err,
               ContainsSubstring("app/b.yaml:1:1: error: ") && ContainsSubstring("[memory-atomic.refused]"));
    for (const char* skipped : {"app/a.yaml:1:1: error: not done", "app/f.yaml:1:1: error: not done",
                                "app/d.yaml:1:1: error: not done", "Object/b failed"})
        CHECK_THAT(refused.err, ContainsSubstring(skipped));
    CHECK_THAT(refused.err, !ContainsSubstring("app/c.yaml") && !ContainsSubstring("app/e.yaml"));

    configure(world, "memory-atomic", "");
    world.applied();
    CHECK(world.writes() == Lines{"update \"a\"", "update \"b\"", "create \"f\"", "delete \"d\""});
    check_nothing_to_do(world);
}

TEST_CASE("exclusive ownership: the plan shows foreign objects and an apply removes them") {
    MemoryWorld world;
    configure(world, "memory", "", ", ownership: exclusive");
    for (int i = 0; i < 10; ++i) world.object("o" + std::to_string(i), "value: x");
    world.applied();
    world.by_hand("intruder", foreign("intruder"));
    world.writes();
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 2);
    CHECK_THAT(plan.out, ContainsSubstring("- Object/intruder") && ContainsSubstring("nobody declares it"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(world.writes() == Lines{"delete \"intruder\""});
    CHECK(world.stored("intruder") == "<none>");
    check_nothing_to_do(world);
}

TEST_CASE("exclusive ownership: many foreign objects park like any other mass delete") {
    MemoryWorld world;
    configure(world, "memory", "", ", ownership: exclusive");
    for (int i = 0; i < 10; ++i) world.object("o" + std::to_string(i), "value: x");
    world.applied();
    for (int i = 0; i < 6; ++i) {
        const std::string name = "intruder" + std::to_string(i);
        world.by_hand(name, foreign(name));
    }
    world.object("o0", "value: changed");
    world.writes();
    const Ran parked = world.apply();
    CAPTURE(parked.out, parked.err);
    CHECK(parked.exit_code == 3);
    CHECK(world.writes() == Lines{"update \"o0\""});
    // What was done is no part of the plan any more, so apply names no hash; plan does.
    CHECK_THAT(parked.out, !ContainsSubstring("holdfast approve") && ContainsSubstring("`holdfast plan`"));
    const std::string hash = test::word_after(world.plan().out, "holdfast approve ");
    REQUIRE_FALSE(hash.empty());
    CHECK(world.place.holdfast({"approve", hash}).exit_code == 0);
    world.applied();
    CHECK(world.writes().size() == 6);
    CHECK(world.stored("intruder5") == "<none>");
    check_nothing_to_do(world);
}

TEST_CASE("exclusive ownership: a list that cannot be read removes nothing and is an error") {
    MemoryWorld world;
    configure(world, "memory", "", ", ownership: exclusive");
    for (int i = 0; i < 4; ++i) world.object("o" + std::to_string(i), "value: x");
    world.applied();
    world.by_hand("intruder", foreign("intruder"));
    world.writes();
    configure(world, "memory", ", failList: true", ", ownership: exclusive");
    world.place.remove("app/o3.yaml");
    world.object("o0", "value: changed");
    for (const bool applies : {false, true}) {
        const Ran ran = applies ? world.apply() : world.plan();
        CAPTURE(applies, ran.out, ran.err);
        CHECK(ran.exit_code == 1);
        CHECK_THAT(ran.err, ContainsSubstring("told not to list"));
    }
    CHECK(world.writes() == Lines{"update \"o0\""});
    CHECK(world.stored("intruder") != "<none>");
    CHECK(world.stored("o3") != "<none>");
}

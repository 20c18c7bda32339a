// References between documents, through the real programs: what is not known yet waits and is planned for
// real in the same apply; what cannot be read holds.

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;

namespace {

std::string output(const std::string& name, const std::string& path, const std::string& stack = {}) {
    return "\"${{ outputs['" + stack + "memory.holdfast.dev/Object/" + name + "'].status." + path + " }}\"";
}

// c0 <- c1 <- ... <- c4, each with the value of the one before.
void declare_chain(MemoryWorld& world, const std::string& first) {
    world.object("c0", "value: " + first);
    for (int i = 1; i < 5; ++i)
        world.object("c" + std::to_string(i), "value: " + output("c" + std::to_string(i - 1), "value"));
}

} // namespace

TEST_CASE("a chain of five creates converges in one apply, and the plan says who waits for whom") {
    MemoryWorld world;
    declare_chain(world, "first");
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 2);
    CHECK_THAT(plan.out, ContainsSubstring("waits for"));
    CHECK_THAT(plan.out, ContainsSubstring("Object/c3"));

    world.applied();
    CHECK_THAT(world.stored("c4"), ContainsSubstring("\"value\":\"first\""));
    CHECK(world.writes() == std::vector<std::string>{"create \"c0\"", "create \"c1\"", "create \"c2\"",
                                                     "create \"c3\"", "create \"c4\""});
    const Ran again = world.plan();
    CAPTURE(again.out, again.err);
    CHECK(again.exit_code == 0);
    world.applied();
    CHECK(world.writes().empty());
}

TEST_CASE("a changed output plans its dependents again in the same apply") {
    MemoryWorld world;
    declare_chain(world, "first");
    world.applied();
    world.writes();
    world.object("c0", "value: second");
    world.applied();
    CHECK_THAT(world.stored("c4"), ContainsSubstring("\"value\":\"second\""));
    CHECK(world.writes() == std::vector<std::string>{"update \"c0\"", "update \"c1\"", "update \"c2\"",
                                                     "update \"c3\"", "update \"c4\""});
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("drift of a producer's output is corrected together with what took it") {
    MemoryWorld world;
    declare_chain(world, "first");
    world.applied();
    world.by_hand("c0",
                  R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":"c0"},)"
                  R"("spec":{"value":"hand"},"status":{"value":"hand","generation":2,"health":"healthy"}})");
    world.applied();
    CHECK_THAT(world.stored("c0"), ContainsSubstring("\"value\":\"first\""));
    CHECK_THAT(world.stored("c1"), ContainsSubstring("\"value\":\"first\""));
    CHECK_THAT(world.stored("c4"), ContainsSubstring("\"value\":\"first\""));
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("variables keep their type, and an unknown one is an error with a suggestion") {
    MemoryWorld world;
    world.configure("", "vars: {count: 3, zone: north}");
    world.object("a", "size: \"${{ vars.count }}\", value: \"in ${{ vars.zone }}, $${{ vars.zone }}\"");
    world.applied();
    CHECK_THAT(world.stored("a"), ContainsSubstring("\"size\":3"));
    CHECK_THAT(world.stored("a"), ContainsSubstring("in north, ${{ vars.zone }}"));
    world.object("b", "value: \"${{ vars.zome }}\"");
    const Ran ran = world.plan();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err,
               ContainsSubstring("reference.unknown-variable") && ContainsSubstring("did you mean \"zone\""));
    CHECK_THAT(ran.err, ContainsSubstring("app/b.yaml:5:"));
}

TEST_CASE("an unknown producer is an error with a suggestion, and everything else proceeds") {
    MemoryWorld world;
    world.object("alpha", "value: x");
    world.object("b", "value: " + output("alpa", "value"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("reference.unknown-producer") && ContainsSubstring("Object/alpha"));
    CHECK_THAT(ran.err, ContainsSubstring("app/b.yaml:5:"));
    CHECK(world.stored("alpha") != "<none>");
    CHECK(world.stored("b") == "<none>");
}

TEST_CASE("a path that a producer does not have is said to be missing, and the apply does not end well") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("b", "value: " + output("a", "adress"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.stored("a") != "<none>");
    CHECK(world.stored("b") == "<none>");
    CHECK_THAT(ran.out + ran.err, ContainsSubstring("adress"));
    const Ran again = world.apply();
    CAPTURE(again.out, again.err);
    CHECK(again.exit_code == 1);
}

TEST_CASE("references in a circle are an error that names the circle") {
    MemoryWorld world;
    world.object("a", "value: " + output("b", "value"));
    world.object("b", "value: " + output("a", "value"));
    world.object("free", "value: x");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("reference.cycle"));
    CHECK(world.stored("a") == "<none>");
}

TEST_CASE("while a producer cannot be read its last recorded outputs hold") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("b", "value: " + output("a", "value"));
    world.applied();
    world.writes();
    world.configure("failObserve: ['\"a\"']");
    world.object("b", "size: 1, value: " + output("a", "value"));
    world.object("c", "value: " + output("a", "value"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1); // a cannot be read, and that is said
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"x\""));
    CHECK(count(world.writes(), "delete \"a\"") == 0);
    world.configure("");
    world.applied();
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a consumer of a failed producer is left undone, and the next apply finishes it") {
    MemoryWorld world("failItems: ['\"a\"']");
    world.object("a", "value: x");
    world.object("b", "value: " + output("a", "value"));
    world.object("other", "value: other");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.stored("b") == "<none>");
    CHECK(world.stored("other") != "<none>");
    world.configure("");
    world.applied();
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"x\""));
    CHECK(world.plan().exit_code == 0);
}

namespace {

void declare_two_stacks(MemoryWorld& world, const std::string& order) {
    world.configure("");
    const std::string config = " {file: " + (world.place.target() / "objects").string() + "}";
    world.place.write("more/holdfast-is-not-read-here.txt", "");
    world.place.write("holdfast.yaml",
                      "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                      "spec: {plugin: memory, config:" +
                          config +
                          "}\n---\n"
                          "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n"
                          "spec: {path: app, providers: {memory.holdfast.dev: memory}" +
                          order +
                          "}\n---\n"
                          "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: base}\n"
                          "spec: {path: base, providers: {memory.holdfast.dev: memory}}\n");
    world.place.write("base/p.yaml", MemoryWorld::document("p", "value: one"));
    world.object("q", "value: " + output("p", "value", "base:"));
}

} // namespace

TEST_CASE("outputs of another stack arrive in one apply, and again when they change") {
    const std::string order = GENERATE("", ", dependsOn: [base]");
    CAPTURE(order);
    MemoryWorld world;
    declare_two_stacks(world, order);
    world.applied();
    CHECK_THAT(world.stored("q"), ContainsSubstring("\"value\":\"one\""));
    CHECK(world.plan().exit_code == 0);
    world.place.write("base/p.yaml", MemoryWorld::document("p", "value: two"));
    world.applied();
    CHECK_THAT(world.stored("q"), ContainsSubstring("\"value\":\"two\""));
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("outputs of an unknown document of another stack are an error") {
    MemoryWorld world;
    declare_two_stacks(world, ", dependsOn: [base]");
    world.object("q", "value: " + output("pp", "value", "base:"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("reference.unknown-producer"));
}

TEST_CASE("a parked producer leaves its consumers as they are and the exit code is 3") {
    MemoryWorld world;
    world.object("v", "size: 1", "", "Volume");
    world.place.write(
        "app/b.yaml",
        MemoryWorld::document("b", "value: \"${{ outputs['memory.holdfast.dev/Volume/v'].status.value }}\""));
    world.applied();
    world.object("v", "size: 2, value: other", "", "Volume");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 3);
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"v\""));
    const Ran approve = world.place.holdfast({"approve", test::word_after(ran.out, "holdfast approve ")});
    CAPTURE(approve.out, approve.err);
    CHECK(approve.exit_code == 0);
    const Ran then = world.apply();
    CAPTURE(then.out, then.err);
    CHECK(then.exit_code == 0);
    CHECK_THAT(world.stored("v", "Volume"), ContainsSubstring("\"size\":2"));
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"other\""));
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a refresh is noticed by a document that also takes an output that changes") {
    MemoryWorld world;
    world.object("config", "value: one");
    world.object("service", "value: " + output("config", "value"),
                 "holdfast.dev/refresh-on: memory.holdfast.dev/Object/config");
    world.applied();
    CHECK(world.plan().exit_code == 0);
    world.object("config", "value: two");
    world.applied();
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 0);
}

TEST_CASE("replaces that changed outputs cause are under the blast limits, however many rounds they take") {
    MemoryWorld world;
    world.object("o0", "value: x");
    // o1 takes o0's generation as its immutable size, o2 takes that of o1, and so on: one replace a round.
    for (int i = 1; i < 12; ++i)
        world.object("o" + std::to_string(i), "size: " + output("o" + std::to_string(i - 1), "generation"));
    world.applied();
    world.writes();
    world.object("o0", "value: changed");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    std::size_t deleted = 0;
    for (const std::string& line : world.writes()) deleted += line.starts_with("delete");
    CHECK(deleted == 3); // of twelve, more than that is more than 30 %
    CHECK(ran.exit_code == 3);
}

TEST_CASE("replace names a document that waits for an output in the same apply") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("b", "value: " + output("a", "value"));
    world.applied();
    world.writes();
    world.object("a", "value: other");
    const Ran ran = world.apply({"--replace", "memory.holdfast.dev/Object/b"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    const auto writes = world.writes();
    CHECK(count(writes, "delete \"b\"") == 1);
    CHECK(count(writes, "create \"b\"") == 1);
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"other\""));
    CHECK(world.plan().exit_code == 0);
}

// What a plan says besides its changes, through the real program.

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::MemoryWorld;
using test::Ran;

namespace {

const std::string object = "memory.holdfast.dev/Object/";

std::size_t occurrences(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
    return count;
}

} // namespace

TEST_CASE("a removal is told with the commit that removed the file, and who made it") {
    MemoryWorld world;
    for (const std::string name : {"a", "b", "c", "d"}) world.object(name, "value: x");
    world.applied();
    world.place.remove("app/a.yaml");
    const std::string removal = world.place.commit("Remove a");
    world.object("b", "value: other");
    world.place.commit("Go on");
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK_THAT(plan.out, ContainsSubstring("- Object/a  no longer declared since " + removal.substr(0, 7) +
                                           " (Ana Souza)"));
    const Ran json = world.plan({"--json"});
    CAPTURE(json.out);
    CHECK_THAT(json.out, ContainsSubstring("\"undeclared\"") && ContainsSubstring("\"id\": \"" + removal) &&
                             ContainsSubstring("\"file_is_gone\": true"));
}

TEST_CASE("of a document taken out of a file that stays, only the file's last change is told") {
    MemoryWorld world;
    const std::string one = MemoryWorld::document("one", "value: x");
    world.place.write("app/all.yaml", one + "---\n" + MemoryWorld::document("two", "value: x") + "---\n" +
                                          MemoryWorld::document("three", "value: x"));
    world.object("four", "value: x");
    world.applied();
    world.place.write("app/all.yaml", one + "---\n" + MemoryWorld::document("three", "value: x"));
    const std::string change = world.place.commit("Take two out");
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK_THAT(plan.out, ContainsSubstring("no longer declared, its file last changed in " +
                                           change.substr(0, 7) + " (Ana Souza)"));
    world.place.write("app/all.yaml", one);
    const Ran uncommitted = world.place.holdfast({"plan", "--working-tree"});
    CAPTURE(uncommitted.out);
    CHECK_THAT(uncommitted.out, ContainsSubstring("no longer declared") && !ContainsSubstring("its file"));
}

TEST_CASE("who takes outputs of what is about to change is shown as planned again") {
    MemoryWorld world;
    const auto output = [](const std::string& name) {
        return "value: \"${{ outputs['" + object + name + "'].status.value }}\"";
    };
    world.object("a", "value: one");
    world.object("b", output("a"));
    world.object("c", output("b"));
    world.object("d", output("a") + ", note: one");
    world.object("e", "value: x");
    world.applied();
    world.object("a", "value: two");
    world.object("d", output("a") + ", note: two");
    world.place.commit();
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK_THAT(plan.out, ContainsSubstring(". Object/b  is planned again after Object/a"));
    CHECK_THAT(plan.out, ContainsSubstring(". Object/c  is planned again after Object/b"));
    CHECK_THAT(plan.out, ContainsSubstring("~ Object/d"));
    CHECK(occurrences(plan.out, "is planned again after Object/a") == 2); // b and d
    CHECK_THAT(plan.out, ContainsSubstring("2 to update; 2 are planned again later."));
    const Ran json = world.plan({"--json"});
    CHECK_THAT(json.out, ContainsSubstring("\"planned_again\": [") &&
                             ContainsSubstring("\"address\": \"app:" + object + "c\""));
    const Ran only = world.plan({"--exclude", object + "b"});
    CAPTURE(only.out);
    CHECK_THAT(only.out, !ContainsSubstring(". Object/b") && !ContainsSubstring(". Object/c"));
    world.applied();
    check_converged(world);
}

TEST_CASE("what is wrong with a stack is said once, on standard error") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("b", "value: x");
    const auto [how, code] = GENERATE(table<std::string, std::string>({
        {"broken", "[manifest.syntax]"},
        {"no such path", "[git.no-path]"},
        {"unknown dependency", "[plan.unknown-dependency]"},
        {"ring", "[plan.cycle]"},
    }));
    CAPTURE(how);
    if (how == "broken") world.place.write("app/bad.yaml", "kind: [\n");
    if (how == "no such path")
        for (const std::string name : {"a", "b"}) world.place.remove("app/" + name + ".yaml");
    if (how == "unknown dependency")
        world.object("b", "value: x", "holdfast.dev/depends-on: " + object + "nobody");
    if (how == "ring") {
        world.object("a", "value: x", "holdfast.dev/depends-on: " + object + "b");
        world.object("b", "value: x", "holdfast.dev/depends-on: " + object + "a");
    }
    world.place.commit();
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 1);
    CHECK(occurrences(plan.out, code) == 0);
    CHECK(occurrences(plan.err, code) == 1);
}

TEST_CASE("what is kept because its document has errors does not look like a delete") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("b", "value: x");
    world.applied();
    world.object("a", "size: many");
    world.place.commit();
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 1);
    CHECK_THAT(plan.out, ContainsSubstring("! Object/a  kept") && !ContainsSubstring("- Object/a"));
    CHECK_THAT(plan.out, !ContainsSubstring("to delete") && ContainsSubstring("1 is blocked."));
}

// What stands on the target under one name goes on standing when its documents get others.

#include <algorithm>
#include <fstream>
#include <sstream>

#include "partial_world.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

void write_bundles(PartialWorld& world, const std::string& a, const std::string& b) {
    world.write("app/a.yaml", PartialWorld::document("a", "objects: {" + a + "}", {}, "Bundle"));
    world.write("app/b.yaml", PartialWorld::document("b", "objects: {" + b + "}", {}, "Bundle"));
    world.commit();
}

void converge(PartialWorld& world) {
    for (int pass = 0; pass < 2; ++pass) { // the second remembers that all is equal
        const StackOutcome outcome = world.pass(Reach::everything);
        INFO(problems_of(outcome));
        REQUIRE(outcome.result == (pass == 0 ? StackResult::applied : StackResult::unchanged));
    }
    world.new_calls();
}

std::vector<std::string> writes_of(PartialWorld& world) {
    std::vector<std::string> calls = world.new_calls();
    std::erase_if(calls, [](const std::string& call) { return call.starts_with("observe"); });
    return calls;
}

} // namespace

TEST_CASE("a leaf that moves to another document as it is keeps its object") {
    PartialWorld world;
    write_bundles(world, "x: {value: v}, y: {}", "z: {}");
    converge(world);
    write_bundles(world, "y: {}", "x: {value: v}, z: {}");
    const StackOutcome moved = world.pass(Reach::everything);
    INFO(problems_of(moved));
    CHECK(moved.result == StackResult::applied);
    CHECK(lines_of_changes(moved).size() == 1);
    CHECK(writes_of(world).empty());
    CHECK(world.pass(Reach::everything).result == StackResult::unchanged);
}

TEST_CASE("a leaf that another provider of the same target gets keeps its object") {
    PartialWorld world;
    world.write("app/a.yaml", PartialWorld::document("a", "value: v"));
    world.commit();
    converge(world);
    std::ostringstream text;
    text << std::ifstream(world.repository.path() + "/holdfast.yaml").rdbuf();
    std::string project = text.str();
    std::string other = project.substr(0, project.find("---"));
    other.replace(other.find("name: memory"), 12, "name: other");
    for (std::size_t at = 0; (at = project.find(".dev: memory", at)) != std::string::npos;)
        project.replace(at, 12, ".dev: other");
    world.write("holdfast.yaml", other + "---\n" + project);
    world.commit();
    const StackOutcome outcome = world.pass(Reach::everything);
    INFO(problems_of(outcome));
    CHECK(outcome.problems.empty());
    CHECK(writes_of(world).empty());
    CHECK(world.pass(Reach::everything).result == StackResult::unchanged);
    const std::vector<std::string> ledger = world.ledger();
    REQUIRE(ledger.size() == 1);
    CHECK_THAT(ledger.front(), ContainsSubstring(" other "));
}

TEST_CASE("what waits for outputs of a leaf that is parked is parked, and no error") {
    PartialWorld world;
    const auto write = [&](const std::string& scope, const std::string& more) {
        world.write("app/a.yaml", PartialWorld::document("a", "scope: " + scope, {}, "Volume") + more);
        world.commit();
    };
    write("old", "");
    converge(world);
    write("new", "---\n" + PartialWorld::document("b", "value: \"${{ outputs['memory.holdfast.dev/Volume/"
                                                       "a'].status.value }}\""));
    const StackOutcome outcome = world.pass(Reach::everything);
    INFO(problems_of(outcome));
    CHECK(outcome.result == StackResult::parked);
    CHECK_FALSE(outcome.problems.has_errors());
    CHECK(writes_of(world).empty());
}

TEST_CASE("refresh-on may name one leaf of a document that compiles to several") {
    PartialWorld world;
    const auto write = [&](const std::string& x, const std::string& y) {
        world.write("app/a.yaml",
                    PartialWorld::document("a", "objects: {x: {value: " + x + "}, y: {value: " + y + "}}", {},
                                           "Bundle"));
        world.write("app/b.yaml",
                    PartialWorld::document("b", "value: v",
                                           "holdfast.dev/refresh-on: memory.holdfast.dev/Bundle/a#x"));
        world.commit();
    };
    const auto has_refreshed = [&] {
        const StackOutcome outcome = world.pass(Reach::everything);
        INFO(problems_of(outcome));
        REQUIRE(outcome.problems.empty());
        const std::vector<std::string> calls = writes_of(world);
        return std::find(calls.begin(), calls.end(), "refresh \"b\"") != calls.end();
    };
    write("one", "one");
    CHECK_FALSE(has_refreshed()); // it is made, and knows what it was made after
    write("one", "two");
    CHECK_FALSE(has_refreshed());
    write("two", "two");
    CHECK(has_refreshed());
}

TEST_CASE("a document that a plugin stumbles over while compiling takes no other document with it") {
    PartialWorld world;
    for (const std::string name : {"a", "b", "c"})
        world.write(
            "app/" + name + ".yaml",
            PartialWorld::document(
                name, "objects: {" + name + "1: {value: one}, " + name + "2: {value: two}}", {}, "Bundle"));
    world.write("app/bad.yaml", PartialWorld::document("bad", "stumbles: true", {}, "Bundle"));
    world.commit();
    const StackOutcome outcome = world.pass(Reach::everything);
    INFO(problems_of(outcome));
    REQUIRE(outcome.problems.list().size() == 1);
    CHECK(outcome.problems.list().front().code == "memory.stumbled");
    CHECK(outcome.problems.list().front().span.file == "app/bad.yaml");
    CHECK(lines_of_changes(outcome).size() == 6);
    CHECK(writes_of(world).size() == 6);
}

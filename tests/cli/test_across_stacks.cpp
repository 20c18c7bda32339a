// What a document of one stack may name of another: depends-on, refresh-on and moved-from.

#include <sstream>

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;
using Lines = std::vector<std::string>;

namespace {

const std::string object = "memory.holdfast.dev/Object/";
const std::string on_p = "holdfast.dev/depends-on: 'base:" + object + "p'";

// holdfast.yaml with one provider, and stacks: their names, each its path as well, with keys of their specs.
using Stacks = std::vector<std::pair<std::string, std::string>>;
void use_stacks(MemoryWorld& world, const Stacks& stacks, const std::string& more_config = {}) {
    std::string text = "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                       "spec: {plugin: memory, config: {file: " +
                       (world.place.target() / "objects").string() +
                       ", callLog: " + (world.place.folder() / "calls").string() + more_config + "}}\n";
    for (const auto& [stack, more] : stacks)
        text += "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + stack +
                "}\nspec: {path: " + stack + ", providers: {memory.holdfast.dev: memory}" + more + "}\n";
    world.place.write("holdfast.yaml", text);
}

// Stack `app` (path app) before stack `base` (path base), on one provider.
void use_two_stacks(MemoryWorld& world, const std::string& more_config = {},
                    const std::string& more_of_base = {}) {
    use_stacks(world, {{"app", ""}, {"base", more_of_base}}, more_config);
}

void in_base(MemoryWorld& world, const std::string& name, const std::string& spec,
             const std::string& annotations = {}, const std::string& kind = "Object") {
    world.place.write("base/" + name + ".yaml", MemoryWorld::document(name, spec, annotations, kind));
}

Ran apply_one(MemoryWorld& world, const std::string& stack) {
    world.place.commit();
    return world.place.holdfast({"apply", "--yes", "-s", stack});
}

} // namespace

TEST_CASE("a dependency on another stack orders the two, and the plan says what waits") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "p", "value: x");
    world.object("q", "value: x", on_p);
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 2);
    CHECK_THAT(plan.out, ContainsSubstring("waits for base:") && ContainsSubstring("Object/p"));
    world.applied();
    CHECK(world.writes() == Lines{"create \"p\"", "create \"q\""});
    check_converged(world);
}

TEST_CASE("a dependency on a bundle of another stack waits for all its leaves") {
    MemoryWorld world;
    use_two_stacks(world, ", failItems: ['\"y\"']");
    in_base(world, "bundle", "objects: {x: {value: one}, y: {value: two}}", "", "Bundle");
    world.object("q", "value: x", "holdfast.dev/depends-on: 'base:memory.holdfast.dev/Bundle/bundle'");
    CHECK(world.apply().exit_code == 1);
    CHECK(world.stored("x") != "<none>");
    CHECK(world.stored("q") == "<none>");
    CHECK(apply_one(world, "app").exit_code == 1); // x is recorded, y is not
    CHECK(world.stored("q") == "<none>");
    use_two_stacks(world);
    world.applied();
    CHECK(world.stored("q") != "<none>");
    check_converged(world);
}

TEST_CASE("without the other stack a dependency is satisfied by what is recorded there") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "p", "value: x");
    world.object("q", "value: x", on_p);
    world.object("free", "value: x");
    const Ran early = apply_one(world, "app");
    CAPTURE(early.out, early.err);
    CHECK(early.exit_code == 1);
    CHECK_THAT(early.err, ContainsSubstring("apply that stack first") && ContainsSubstring("app/q.yaml"));
    CHECK(world.stored("q") == "<none>");
    CHECK(world.stored("free") != "<none>");
    CHECK(apply_one(world, "base").exit_code == 0);
    CHECK(apply_one(world, "app").exit_code == 0);
    CHECK(world.stored("q") != "<none>");
    check_converged(world);
}

TEST_CASE("what depends on a leaf of another stack that fails is left undone, and the rest is done") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "p", "value: x");
    world.object("q", "value: x", on_p);
    world.object("free", "value: x");
    const std::string how = GENERATE("at first", "later", "invalid", "broken");
    CAPTURE(how);
    if (how != "at first") {
        world.applied();
        in_base(world, "p",
                how == "invalid"  ? "value: invalid"
                : how == "broken" ? "size: many"
                                  : "value: changed");
        world.object("q", "value: changed", on_p);
        world.object("free", "value: changed");
        world.writes();
    }
    if (how == "at first" || how == "later") use_two_stacks(world, ", failItems: ['\"p\"']");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    const Lines writes = world.writes();
    CHECK(count(writes, "create \"q\"") + count(writes, "update \"q\"") == 0);
    CHECK(count(writes, "create \"free\"") + count(writes, "update \"free\"") == 1);
    use_two_stacks(world);
    in_base(world, "p", "value: changed");
    world.applied();
    CHECK(count(world.writes(), how == "at first" ? "create \"q\"" : "update \"q\"") == 1);
    check_converged(world);
}

TEST_CASE("an unknown dependency on another stack is an error with its place, and the rest is done") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "p", "value: x");
    const auto [address, meant] = GENERATE(table<std::string, std::string>({
        {"base:" + object + "pp", "did you mean base:" + object + "p?"},
        {"bas:" + object + "p", "did you mean base?"},
    }));
    world.object("q", "value: x", "holdfast.dev/depends-on: '" + address + "'");
    world.object("free", "value: x");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out, ContainsSubstring("plan.unknown-dependency") && ContainsSubstring("app/q.yaml"));
    CHECK_THAT(ran.out, ContainsSubstring(meant));
    CHECK(world.stored("q") == "<none>");
    CHECK(world.stored("free") != "<none>");
    CHECK(world.stored("p") != "<none>");
}

TEST_CASE("stacks that wait for each other are reported with the way around, and the rest is done") {
    MemoryWorld world;
    const std::string how = GENERATE("by annotations", "by dependsOn", "by a reference");
    CAPTURE(how);
    use_two_stacks(world, "", how == "by dependsOn" ? ", dependsOn: [app]" : "");
    in_base(world, "p", "value: x",
            how == "by annotations" ? "holdfast.dev/depends-on: 'app:" + object + "r'" : "");
    if (how == "by a reference")
        in_base(world, "s", "value: \"${{ outputs['app:" + object + "r'].status.value }}\"");
    world.object("q", "value: x", on_p);
    world.object("r", "value: x");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.out, ContainsSubstring("stack.cycle") && ContainsSubstring("app -> base -> app"));
    CHECK(world.stored("q") == "<none>");
    CHECK(world.stored("r") != "<none>");
}

TEST_CASE("what is no id and no address is refused") {
    MemoryWorld world;
    use_two_stacks(world);
    world.object("q", "value: x", "holdfast.dev/depends-on: 'Base:" + object + "p'");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("manifest.bad-annotation") && ContainsSubstring("stack:id"));
}

TEST_CASE("refresh-on acts on what another stack declared when it was applied") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "p", "value: one");
    in_base(world, "bundle", "objects: {x: {value: one}}", "", "Bundle");
    world.object("service", "value: x",
                 "holdfast.dev/refresh-on: 'base:" + object + "p base:memory.holdfast.dev/Bundle/bundle'");
    world.applied();
    check_converged(world);
    SECTION("in one apply") {
        in_base(world, "p", "value: two");
        world.applied();
        CHECK(world.writes() == Lines{"update \"p\"", "refresh \"service\""});
    }
    SECTION("a leaf of a bundle") {
        in_base(world, "bundle", "objects: {x: {value: two}}", "", "Bundle");
        world.applied();
        CHECK(world.writes() == Lines{"update \"x\"", "refresh \"service\""});
    }
    SECTION("one stack after the other") {
        in_base(world, "p", "value: two");
        CHECK(apply_one(world, "app").exit_code == 0);
        CHECK(world.writes().empty());
        CHECK(apply_one(world, "base").exit_code == 0);
        CHECK(apply_one(world, "app").exit_code == 0);
        CHECK(world.writes() == Lines{"update \"p\"", "refresh \"service\""});
    }
    check_converged(world);
}

TEST_CASE("moved-from takes what another stack has recorded, and that one deletes nothing") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "old", "value: x");
    in_base(world, "keep", "value: x");
    world.object("own", "value: x");
    world.applied();
    world.writes();
    world.place.remove("base/old.yaml");
    world.object("new", "value: x", "holdfast.dev/moved-from: 'base:" + object + "old'");
    SECTION("both at once") {
        world.place.commit();
        const Ran plan = world.place.holdfast({"--json", "plan", "-s", "base"});
        CAPTURE(plan.out);
        CHECK_THAT(plan.out, ContainsSubstring("takes it over"));
        world.applied();
    }
    SECTION("the old one first") {
        CHECK(apply_one(world, "base").exit_code == 0);
        CHECK(world.writes().empty());
        CHECK(apply_one(world, "app").exit_code == 0);
        CHECK(apply_one(world, "base").exit_code == 0);
    }
    SECTION("the new one first") {
        CHECK(apply_one(world, "app").exit_code == 0);
        CHECK(apply_one(world, "base").exit_code == 0);
    }
    SECTION("from a saved plan") {
        world.place.commit();
        const std::string saved = (world.place.folder() / "saved").string();
        CHECK(world.place.holdfast({"plan", "--out", saved}).exit_code == 0);
        const Ran ran = world.place.holdfast({"apply", "--plan", saved});
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 0);
    }
    CHECK(world.writes() == Lines{"delete \"old\"", "create \"new\""}); // a replace, in the new stack
    const Ran why = world.place.holdfast({"why", "app:" + object + "new"});
    CAPTURE(why.out, why.err);
    CHECK_THAT(why.out, ContainsSubstring("delete   done") && ContainsSubstring("create   done"));
    check_converged(world);
    world.place.write("app/new.yaml", MemoryWorld::document("new", "value: x")); // the annotation may go
    check_converged(world);
}

TEST_CASE("moved-from of what the other stack still declares, or cannot say, takes nothing") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "old", "value: x");
    in_base(world, "keep", "value: x");
    world.object("own", "value: x");
    world.applied();
    world.writes();
    world.object("new", "value: x", "holdfast.dev/moved-from: 'base:" + object + "old'");
    SECTION("declared") {
        world.applied();
        CHECK(world.writes() == Lines{"create \"new\""});
        CHECK(world.stored("old") != "<none>");
        check_converged(world);
    }
    SECTION("broken") {
        world.place.remove("base/old.yaml");
        world.place.write("base/bad.yaml", "kind: [\n");
        const Ran ran = world.apply();
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 1);
        CHECK(world.writes().empty());
        CHECK_THAT(ran.out, ContainsSubstring("reference.moved-from-broken"));
        world.place.remove("base/bad.yaml");
        world.applied();
        CHECK(world.writes() == Lines{"delete \"old\"", "create \"new\""});
        check_converged(world);
    }
}

TEST_CASE("moved-from of a document that waits for an output takes its entry once it is known") {
    MemoryWorld world;
    world.object("a", "value: one");
    world.object("old", "value: one");
    world.object("keep", "value: x");
    world.applied();
    world.writes();
    world.place.remove("app/old.yaml");
    world.object("a", "value: two");
    world.object("new", "value: \"${{ outputs['" + object + "a'].status.value }}\"",
                 "holdfast.dev/moved-from: " + object + "old");
    world.applied();
    CHECK(world.writes() == Lines{"update \"a\"", "delete \"old\"", "create \"new\""});
    check_converged(world);
}

namespace {

// The lines that hold `part`, less the white space and commas around them.
Lines lines_with(const std::string& text, const std::string& part) {
    Lines lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (line.find(part) == std::string::npos) continue;
        const std::size_t from = line.find_first_not_of(" "), to = line.find_last_not_of(" ,");
        lines.push_back(line.substr(from, to + 1 - from));
    }
    return lines;
}

// All plans that an output names, or all but that of one stack.
void approve_all(MemoryWorld& world, const std::string& out, const std::string& but = {}) {
    std::string rest = out;
    for (const std::string word = "holdfast approve "; rest.find(word) != std::string::npos;) {
        const std::string hash = test::word_after(rest, word);
        const bool is_left = !but.empty() && rest.starts_with(but + " ");
        rest = rest.substr(rest.find(word) + word.size());
        const std::size_t next = rest.find("\n\n");
        rest = next == std::string::npos ? "" : rest.substr(next + 2);
        if (is_left) continue;
        const Ran approve = world.place.holdfast({"approve", hash});
        CAPTURE(approve.out, approve.err);
        REQUIRE(approve.exit_code == 0);
    }
}

// q of stack app needs p of stack base.
void use_app_over_base(MemoryWorld& world, const std::string& how, const std::string& more = {}) {
    use_stacks(world, {{"app", more + (how == "dependsOn" ? ", dependsOn: [base]" : "")}, {"base", more}});
    in_base(world, "p", "value: x");
    const std::string value = "${{ outputs['base:" + object + "p'].status.value }}";
    world.object("q", how == "reference" ? "value: \"" + value + "\"" : "value: x",
                 how == "annotation" ? on_p : "");
    world.applied();
    REQUIRE(world.writes() == Lines{"create \"p\"", "create \"q\""});
}

} // namespace

TEST_CASE("of several stacks, destroy takes what depends on others first") {
    MemoryWorld world;
    const std::string how = GENERATE("dependsOn", "annotation", "reference");
    CAPTURE(how);
    use_app_over_base(world, how);
    const Ran parked = world.place.holdfast({"destroy", "--yes"});
    CAPTURE(parked.out, parked.err);
    CHECK(parked.exit_code == 3);
    approve_all(world, parked.out);
    const Ran done = world.place.holdfast({"destroy", "--yes"});
    CAPTURE(done.out, done.err);
    CHECK(done.exit_code == 0);
    CHECK(world.writes() == Lines{"delete \"q\"", "delete \"p\""});
}

TEST_CASE("while a stack that depends on another cannot be destroyed, the other one is left as it is") {
    MemoryWorld world;
    use_app_over_base(world, "annotation");
    const Ran parked = world.place.holdfast({"destroy", "--yes"});
    CAPTURE(parked.out, parked.err);
    SECTION("because it is not approved") {
        approve_all(world, parked.out, "app");
        const Ran ran = world.place.holdfast({"destroy", "--yes"});
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 3);
        CHECK_THAT(ran.err, ContainsSubstring("stack.still-needed"));
        CHECK(world.writes().empty());
    }
    SECTION("because a delete fails") {
        use_two_stacks(world, ", failItems: ['\"q\"']");
        world.place.commit();
        const Ran again = world.place.holdfast({"destroy", "--yes"});
        approve_all(world, again.out);
        const Ran ran = world.place.holdfast({"destroy", "--yes"});
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 1);
        CHECK_THAT(ran.err, ContainsSubstring("stack.still-needed"));
        CHECK(world.stored("p") != "<none>");
    }
    SECTION("but alone, by its name, it can be") {
        approve_all(world, parked.out);
        const Ran ran = world.place.holdfast({"destroy", "--yes", "-s", "base"});
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 0);
        CHECK(world.writes() == Lines{"delete \"p\""});
    }
}

TEST_CASE("stacks that are removed together with their objects go in reverse as well") {
    MemoryWorld world;
    // By their names `app` would come first.
    use_stacks(world, {{"app", ", deletion: delete"}, {"base", ", deletion: delete"}});
    world.object("q", "value: x");
    in_base(world, "p", "value: x", "holdfast.dev/depends-on: 'app:" + object + "q'");
    world.applied();
    world.writes();
    use_stacks(world, {});
    const Ran parked = world.apply();
    CAPTURE(parked.out, parked.err);
    approve_all(world, parked.out);
    world.applied();
    CHECK(world.writes() == Lines{"delete \"p\"", "delete \"q\""});
}

TEST_CASE("a leaf that goes to another stack in one run is moved once, by the stack that declares it now") {
    MemoryWorld world;
    use_two_stacks(world);
    // Either stack has its turn first.
    const auto [from, to] = GENERATE(table<std::string, std::string>({{"app", "base"}, {"base", "app"}}));
    CAPTURE(from, to);
    for (const std::string& stack : {from, to})
        world.place.write(stack + "/own.yaml", MemoryWorld::document(stack + "-own", "value: x"));
    world.place.write(from + "/mover.yaml", MemoryWorld::document("mover", "value: x"));
    world.applied();
    world.place.remove(from + "/mover.yaml");
    world.place.write(to + "/mover.yaml", MemoryWorld::document("mover", "value: x"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK_THAT(ran.out, ContainsSubstring(to + ": 1 moved"));
    CHECK_THAT(ran.out, !ContainsSubstring(from + ": 1 moved"));
    const std::string mover = to + ":" + object + "mover";
    const Ran history = world.place.holdfast({"--json", "history", mover});
    CAPTURE(history.out);
    CHECK(count(lines_with(history.out, "\"action\""), "\"action\": \"move\"") == 1);
    const Ran passes = world.place.holdfast({"history"});
    CAPTURE(passes.out);
    CHECK(lines_with(passes.out, "apply").size() == 3); // two at first, one that moves
    const Ran why = world.place.holdfast({"why", mover});
    CAPTURE(why.out);
    CHECK_THAT(why.out, ContainsSubstring("move     done"));
    check_converged(world);
}

TEST_CASE("a move that the old stack's pass has made is told with that pass") {
    MemoryWorld world;
    use_two_stacks(world);
    in_base(world, "own", "value: x");
    in_base(world, "mover", "value: x");
    world.object("other", "value: x");
    world.applied();
    world.place.remove("base/mover.yaml");
    world.object("mover", "value: x");
    CHECK(apply_one(world, "base").exit_code == 0);
    const Ran why = world.place.holdfast({"--json", "why", "app:" + object + "mover"});
    CAPTURE(why.out);
    CHECK_THAT(why.out,
               ContainsSubstring("\"action\": \"move\"") && ContainsSubstring("\"stack\": \"base\""));
    CHECK(apply_one(world, "app").exit_code == 0);
    check_converged(world);
}

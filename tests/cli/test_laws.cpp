// The laws of a pass (DESIGN section 5), one by one, through the real programs and the provider `memory`,
// whose call log proves what was written and what was not.

#include <chrono>
#include <filesystem>
#include <thread>

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;
using Lines = std::vector<std::string>;

namespace {

const std::string object_id = "memory.holdfast.dev/Object/";

std::string hand_written(const std::string& name, const std::string& spec,
                         const std::string& kind = "Object") {
    return R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":")" + kind + R"(","metadata":{"name":")" +
           name + R"("},"spec":)" + spec + R"(,"status":{"generation":7,"health":"healthy","value":"hand"}})";
}

void declare(MemoryWorld& world, int number, const std::string& spec = "value: x") {
    for (int i = 0; i < number; ++i) world.object("o" + std::to_string(i), spec);
}

void approve_what(MemoryWorld& world, const Ran& parked) {
    const std::string hash = test::word_after(parked.out, "holdfast approve ");
    CAPTURE(parked.out);
    REQUIRE_FALSE(hash.empty());
    const Ran approve = world.place.holdfast({"approve", hash});
    CAPTURE(approve.out, approve.err);
    REQUIRE(approve.exit_code == 0);
}

} // namespace

// ---- 1 and 5: failure is not absence, and stops only what depends on it

TEST_CASE("a leaf that cannot be read is neither made nor deleted, and the rest proceeds") {
    MemoryWorld world;
    declare(world, 5);
    world.applied();
    world.writes();
    world.configure("failObserve: ['\"o0\"', '\"o1\"']");
    world.place.remove("app/o1.yaml");
    world.object("o2", "value: changed");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.writes() == Lines{"update \"o2\""});
    CHECK(world.stored("o1") != "<none>");
    world.configure("");
    world.applied();
    CHECK(world.stored("o1") == "<none>");
    check_converged(world);
}

TEST_CASE("what a failed leaf holds up is left undone, the rest is done, and the next apply finishes") {
    MemoryWorld world("failItems: ['\"o0\"']");
    declare(world, 4);
    world.object("after", "value: x", "holdfast.dev/depends-on: " + object_id + "o0");
    world.object("behind", "value: x", "holdfast.dev/depends-on: " + object_id + "after");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("memory.refused") && ContainsSubstring("app/o0.yaml"));
    CHECK(world.stored("o3") != "<none>");
    CHECK(world.stored("after") == "<none>");
    CHECK(world.stored("behind") == "<none>");
    const Ran history = world.place.holdfast({"history"});
    CAPTURE(history.out);
    CHECK_THAT(history.out, ContainsSubstring("failed"));
    world.configure("");
    world.writes();
    world.applied();
    CHECK(world.writes() == Lines{"create \"o0\"", "create \"after\"", "create \"behind\""});
    check_converged(world);
}

TEST_CASE("all bad documents are reported in one run and the good ones are applied") {
    MemoryWorld world;
    world.object("bad1", "value: invalid");
    world.object("bad2", "size: many");
    world.object("good", "value: x");
    world.object("bad3", "value: x", "holdfast.dev/wave: soon");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    for (const char* file : {"Object/bad1", "app/bad2.yaml:", "app/bad3.yaml:"})
        CHECK_THAT(ran.out + ran.err, ContainsSubstring(file));
    CHECK(world.stored("good") != "<none>");
    CHECK(world.stored("bad1") == "<none>");
}

// ---- 2: blast radius

TEST_CASE("mass deletes park while the rest proceeds, --yes does not help, and approval does") {
    MemoryWorld world;
    declare(world, 10);
    world.applied();
    world.writes();
    for (int i = 0; i < 4; ++i) world.place.remove("app/o" + std::to_string(i) + ".yaml");
    world.object("new", "value: x");
    const Ran parked = world.apply();
    CAPTURE(parked.out, parked.err);
    CHECK(parked.exit_code == 3);
    CHECK(world.writes() == Lines{"create \"new\""});
    const Ran again = world.apply();
    CHECK(again.exit_code == 3);
    CHECK(world.writes().empty());
    approve_what(world, again);
    world.applied();
    CHECK(world.writes().size() == 4);
    check_converged(world);
}

TEST_CASE("an approval is of one plan: a larger one parks again") {
    MemoryWorld world;
    declare(world, 10);
    world.applied();
    for (int i = 0; i < 4; ++i) world.place.remove("app/o" + std::to_string(i) + ".yaml");
    const Ran parked = world.plan();
    approve_what(world, parked);
    world.place.remove("app/o4.yaml");
    world.writes();
    CHECK(world.apply().exit_code == 3);
    CHECK(world.writes().empty());
}

TEST_CASE("deleting or replacing a stateful object parks") {
    MemoryWorld world;
    world.object("v", "size: 1", "", "Volume");
    world.object("w", "size: 1", "", "Volume");
    world.applied();
    world.writes();
    world.object("v", "size: 2", "", "Volume");
    world.place.remove("app/w.yaml");
    const Ran parked = world.apply();
    CAPTURE(parked.out, parked.err);
    CHECK(parked.exit_code == 3);
    CHECK(world.writes().empty());
    approve_what(world, parked);
    world.applied();
    CHECK_THAT(world.stored("v", "Volume"), ContainsSubstring("\"size\":2"));
    CHECK(world.stored("w", "Volume") == "<none>");
    check_converged(world);
}

TEST_CASE("the limits are the stack's to change") {
    MemoryWorld world;
    declare(world, 10);
    world.applied();
    world.configure("", "limits: {maxShare: 0.5}");
    for (int i = 0; i < 4; ++i) world.place.remove("app/o" + std::to_string(i) + ".yaml");
    world.applied();
    CHECK(world.stored("o0") == "<none>");
    check_converged(world);
}

TEST_CASE("destroy parks, and removes everything once its hash is approved") {
    MemoryWorld world;
    declare(world, 3);
    world.applied();
    const Ran parked = world.place.holdfast({"destroy", "--yes"});
    CAPTURE(parked.out, parked.err);
    CHECK(parked.exit_code == 3);
    CHECK(world.stored("o0") != "<none>");
    approve_what(world, parked);
    const Ran done = world.place.holdfast({"destroy", "--yes"});
    CAPTURE(done.out, done.err);
    CHECK(done.exit_code == 0);
    CHECK(world.stored("o0") == "<none>");
}

// ---- 3: intent before effect

TEST_CASE("a worker that dies before or after a write, or whose reply is lost, doubles and loses nothing") {
    const std::string fault = GENERATE("crashOn", "crashAfter", "loseReply");
    const std::string what = GENERATE("create", "update", "delete", "replace");
    CAPTURE(fault, what);
    MemoryWorld world;
    if (what != "create") world.object("a", "size: 1, value: one");
    world.object("b", "value: x");
    world.applied();
    world.writes();
    world.configure(fault + ": ['\"a\"']");
    if (what == "delete")
        world.place.remove("app/a.yaml");
    else
        world.object("a", what == "replace" ? "size: 2, value: one" : "size: 1, value: two");
    world.object("c", "value: x", what == "delete" ? "" : "holdfast.dev/depends-on: " + object_id + "a");
    const Ran first = world.apply();
    CAPTURE(first.out, first.err);
    const Ran second = world.apply();
    CAPTURE(second.out, second.err);
    CHECK(second.exit_code == 0);
    const Lines writes = world.writes();
    CAPTURE(writes);
    CHECK(count(writes, "create \"c\"") == 1);
    if (fault != "crashOn")
        CHECK(count(writes, "create \"a\"") == (what == "create" || what == "replace" ? 1 : 0));
    if (what == "delete")
        CHECK(world.stored("a") == "<none>");
    else if (what == "replace")
        CHECK_THAT(world.stored("a"), ContainsSubstring("\"size\":2"));
    else
        CHECK_THAT(world.stored("a"), ContainsSubstring("\"value\":\"two\""));
    CHECK(world.stored("c") != "<none>");
    check_converged(world);
}

TEST_CASE("a busy target is tried again in the same pass") {
    MemoryWorld world("failures: 2, retryAfterMs: 5");
    declare(world, 2);
    world.applied();
    const Lines writes = world.writes();
    CHECK(count(writes, "create \"o0\"") == 3);
    check_converged(world);
}

TEST_CASE("a journal that a killed process left open is closed by the next pass, also with nothing to do") {
    MemoryWorld world("delayMs: 3000");
    world.object("a", "value: x");
    world.place.commit();
    const Ran killed = world.place.holdfast_under({"timeout", "-s", "KILL", "1.5"}, {"apply", "--yes"});
    CHECK(killed.exit_code != 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    world.by_hand("a", hand_written("a", R"({"value":"x"})")); // as if the write had arrived after all
    world.configure("");
    const Ran next = world.apply();
    CAPTURE(next.out, next.err);
    CHECK(next.exit_code == 0);
    CHECK(count(world.writes(), "create \"a\"") <= 1);
    const Ran history = world.place.holdfast({"--json", "history"});
    CHECK_THAT(history.out, ContainsSubstring("interrupted") && !ContainsSubstring("\"running\""));
    const Ran why = world.place.holdfast({"--json", "why", object_id + "a"});
    CAPTURE(why.out);
    CHECK_THAT(why.out, ContainsSubstring("adopt"));
    check_converged(world);
    // Removing it is not a create that was forgotten: it is ours.
    world.place.remove("app/a.yaml");
    world.object("b", "value: x");
    world.applied();
    CHECK(world.stored("a") == "<none>");
}

// ---- 4: what was looked at is what gets applied

TEST_CASE("a saved plan applies as it was saved, or not at all") {
    MemoryWorld world;
    const std::string file = (world.place.folder() / "plan.json").string();
    declare(world, 2);
    CHECK(world.plan({"--out", file}).exit_code == 2);
    SECTION("unchanged, it is applied") {
        const Ran ran = world.place.holdfast({"apply", "--plan", file});
        CAPTURE(ran.out, ran.err);
        CHECK(ran.exit_code == 0);
        check_converged(world);
    }
    SECTION("an unrelated commit does not make it stale") {
        world.place.write("README.md", "read me");
        world.place.commit();
        CHECK(world.place.holdfast({"apply", "--plan", file}).exit_code == 0);
        check_converged(world);
    }
    SECTION("another declared document does") {
        world.object("more", "value: x");
        world.place.commit();
        const Ran ran = world.place.holdfast({"apply", "--plan", file});
        CHECK(ran.exit_code == 1);
        CHECK_THAT(ran.err, ContainsSubstring("plan.stale"));
        CHECK(world.writes().empty());
    }
    SECTION("a change of the target does") {
        world.by_hand("o0", hand_written("o0", R"({"value":"x"})"));
        const Ran ran = world.place.holdfast({"apply", "--plan", file});
        CHECK(ran.exit_code == 1);
        CHECK_THAT(ran.err, ContainsSubstring("plan.stale"));
        CHECK(world.writes().empty());
    }
}

TEST_CASE("a saved plan with a parked part applies the rest and ends with 3") {
    MemoryWorld world;
    world.object("v", "size: 1", "", "Volume");
    world.applied();
    world.writes();
    world.place.remove("app/v.yaml");
    world.object("a", "value: x");
    const std::string file = (world.place.folder() / "plan.json").string();
    const Ran plan = world.plan({"--out", file});
    CHECK(plan.exit_code == 3);
    const Ran ran = world.place.holdfast({"apply", "--plan", file});
    CAPTURE(plan.out, ran.out, ran.err);
    CHECK(ran.exit_code == 3);
    CHECK(world.writes() == Lines{"create \"a\""});
    CHECK(world.stored("v", "Volume") != "<none>");
}

TEST_CASE("a saved plan with references applies what the outputs turn out to be") {
    MemoryWorld world;
    const std::string file = (world.place.folder() / "plan.json").string();
    world.object("a", "value: x");
    world.object("b", "value: \"${{ outputs['memory.holdfast.dev/Object/a'].status.value }}\"");
    world.plan({"--out", file});
    const Ran ran = world.place.holdfast({"apply", "--plan", file});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"x\""));
    check_converged(world);
}

// ---- 6: order

TEST_CASE("waves and dependencies order creates, across scopes, and deletes run backwards") {
    MemoryWorld world;
    world.object("late", "value: x", "holdfast.dev/wave: \"2\"");
    world.object("zero", "value: x, scope: other", "holdfast.dev/wave: \"-1\"");
    world.object("a", "value: x, scope: one", "holdfast.dev/depends-on: " + object_id + "b");
    world.object("b", "value: x, scope: two", "holdfast.dev/depends-on: " + object_id + "c");
    world.object("c", "value: x, scope: one");
    world.applied();
    CHECK(world.writes() ==
          Lines{"create \"zero\"", "create \"c\"", "create \"b\"", "create \"a\"", "create \"late\""});
    for (const char* name : {"a", "b", "c"}) world.place.remove("app/" + std::string(name) + ".yaml");
    world.object("zero", "value: changed, scope: other", "holdfast.dev/wave: \"-1\"");
    world.applied();
    const Lines writes = world.writes();
    CAPTURE(writes);
    REQUIRE(writes.size() == 4);
    CHECK(world.stored("a", "Object", "one") == "<none>");
    check_converged(world);
}

TEST_CASE("a degraded producer holds up what depends on it") {
    MemoryWorld world;
    world.object("a", "value: x, health: degraded");
    world.object("b", "value: x", "holdfast.dev/depends-on: " + object_id + "a");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.stored("a") != "<none>");
    CHECK(world.stored("b") == "<none>");
    world.object("a", "value: x, health: healthy");
    world.applied();
    CHECK(world.stored("b") != "<none>");
    check_converged(world);
}

TEST_CASE("refresh-on acts once on a change, and then no more") {
    MemoryWorld world;
    world.object("config", "value: one");
    world.object("service", "value: x", "holdfast.dev/refresh-on: " + object_id + "config");
    world.applied();
    world.writes();
    check_converged(world);
    world.object("config", "value: two");
    world.applied();
    CHECK(world.writes() == Lines{"update \"config\"", "refresh \"service\""});
    check_converged(world);
}

// ---- 7: prunes

TEST_CASE("renaming every document and moving them to other files deletes and writes nothing") {
    MemoryWorld world;
    world.place.write("app/all.yaml",
                      MemoryWorld::document("bundle",
                                            "objects: {x: {value: one}, y: {value: two}, z: {value: three}}",
                                            "", "Bundle"));
    world.applied();
    world.writes();
    world.place.remove("app/all.yaml");
    world.place.write("app/new.yaml",
                      MemoryWorld::document("other",
                                            "objects: {x: {value: one}, y: {value: two}, z: {value: three}}",
                                            "", "Bundle"));
    world.applied();
    CHECK(world.writes().empty());
    check_converged(world);
    SECTION("and removing one entry of it deletes one object") {
        world.place.write(
            "app/new.yaml",
            MemoryWorld::document("other", "objects: {x: {value: one}, z: {value: three}}", "", "Bundle"));
        world.applied();
        CHECK(world.writes() == Lines{"delete \"y\""});
        check_converged(world);
    }
}

TEST_CASE("a bundle that cannot be read keeps its leaves") {
    MemoryWorld world;
    const auto bundle = [&](const std::string& spec) {
        world.place.write("app/all.yaml", MemoryWorld::document("bundle", spec, "", "Bundle"));
    };
    bundle("objects: {x: {value: one}}");
    world.object("plain", "value: x");
    world.object("plain2", "value: x");
    world.applied();
    world.writes();
    bundle("objects: {x: {value: \"${{ vars.missing }}\"}}");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.writes().empty());
    CHECK(world.stored("x") != "<none>");
    bundle("objects: {x: {value: one}}");
    check_converged(world);
}

TEST_CASE("a bundle that takes an output compiles again when it changes, each leaf once") {
    MemoryWorld world;
    const std::string reference = "\"${{ outputs['memory.holdfast.dev/Object/a'].status.value }}\"";
    world.object("a", "value: one");
    world.place.write("app/all.yaml",
                      MemoryWorld::document("bundle",
                                            "objects: {x: {value: " + reference +
                                                "}, y: {value: same}, z: {note: " + reference + "}}",
                                            "", "Bundle"));
    world.applied();
    CHECK(world.writes() == Lines{"create \"a\"", "create \"x\"", "create \"y\"", "create \"z\""});
    check_converged(world);
    world.object("a", "value: two");
    world.applied();
    CHECK(world.writes() == Lines{"update \"a\"", "update \"x\"", "update \"z\""});
    CHECK_THAT(world.stored("x"), ContainsSubstring("\"value\":\"two\""));
    CHECK_THAT(world.stored("z"), ContainsSubstring("\"note\":\"two\""));
    check_converged(world);
}

TEST_CASE("replace and only take a bundle by its own name") {
    MemoryWorld world;
    world.place.write("app/all.yaml",
                      MemoryWorld::document("bundle", "objects: {x: {value: one}}", "", "Bundle"));
    declare(world, 3);
    const std::string id = "memory.holdfast.dev/Bundle/bundle";
    CHECK(world.apply({"--only", id}).exit_code == 0);
    CHECK(world.writes() == Lines{"create \"x\""});
    world.applied();
    world.writes();
    const Ran replaced = world.apply({"--replace", id});
    CAPTURE(replaced.out, replaced.err);
    CHECK(replaced.exit_code == 0);
    CHECK(world.writes() == Lines{"delete \"x\"", "create \"x\""});
    check_converged(world);
}

TEST_CASE("the plan shows the leaves of a bundle under it") {
    MemoryWorld world;
    world.place.write(
        "app/all.yaml",
        MemoryWorld::document("bundle", "objects: {x: {value: one}, y: {value: two}}", "", "Bundle"));
    const Ran plan = world.plan();
    CAPTURE(plan.out);
    const std::size_t parent = plan.out.find("Bundle/bundle"), x = plan.out.find("+ x"),
                      y = plan.out.find("+ y");
    CHECK(parent < x);
    CHECK(x < y);
    CHECK(y != std::string::npos);
}

TEST_CASE("moving a document to another stack moves its entry and writes nothing") {
    MemoryWorld world;
    const auto two_stacks = [&] {
        world.configure("");
        std::string text = "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: second}\n"
                           "spec: {path: second, providers: {memory.holdfast.dev: memory}}\n";
        world.place.write("second/keep.yaml", MemoryWorld::document("keep", "value: x"));
        const std::string config =
            "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
            "spec: {plugin: memory, config: {file: " +
            (world.place.target() / "objects").string() +
            ", callLog: " + (world.place.folder() / "calls").string() +
            "}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
            "metadata: {name: app}\nspec: {path: app, providers: {memory.holdfast.dev: memory}}\n";
        world.place.write("holdfast.yaml", config + text);
    };
    two_stacks();
    world.object("stays", "value: x");
    world.object("goes", "value: x");
    world.applied();
    world.writes();
    world.place.git({"mv", "app/goes.yaml", "second/goes.yaml"});
    SECTION("both stacks at once") { world.applied(); }
    SECTION("the old one first") {
        world.place.commit();
        CHECK(world.place.holdfast({"apply", "--yes", "-s", "app"}).exit_code == 0);
        CHECK(world.place.holdfast({"apply", "--yes", "-s", "second"}).exit_code == 0);
    }
    SECTION("the new one first") {
        world.place.commit();
        CHECK(world.place.holdfast({"apply", "--yes", "-s", "second"}).exit_code == 0);
        CHECK(world.place.holdfast({"apply", "--yes", "-s", "app"}).exit_code == 0);
    }
    CHECK(world.writes().empty());
    CHECK_THAT(world.place.holdfast({"--json", "why", object_id + "goes"}).out, ContainsSubstring("second:"));
    check_converged(world);
}

TEST_CASE("moved-from renames an object in place of deleting it, where the kind can") {
    MemoryWorld world;
    world.object("old", "value: x");
    world.object("other", "value: x");
    world.applied();
    world.writes();
    world.place.remove("app/old.yaml");
    world.object("new", "value: x", "holdfast.dev/moved-from: " + object_id + "old");
    world.applied();
    // Its identity is its name, so this is a replace: in two steps, the old one is not left behind.
    CHECK(world.stored("old") == "<none>");
    CHECK(world.stored("new") != "<none>");
    check_converged(world);
}

TEST_CASE("two documents for one object are an error that names both") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.place.write("app/b.yaml",
                      MemoryWorld::document("bundle", "objects: {a: {value: other}}", "", "Bundle"));
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("app/a.yaml") && ContainsSubstring("app/b.yaml"));
    CHECK(world.stored("a") == "<none>");
}

TEST_CASE("a lost ledger deletes nothing, and what is equal is adopted without a write") {
    MemoryWorld world;
    declare(world, 4);
    world.applied();
    world.writes();
    std::filesystem::remove_all(world.place.store());
    world.place.remove("app/o3.yaml");
    world.applied();
    CHECK(world.writes().empty());
    CHECK(world.stored("o3") != "<none>");
    check_converged(world);
}

TEST_CASE("prune: false keeps what is no longer declared") {
    MemoryWorld world;
    declare(world, 2);
    world.applied();
    world.writes();
    world.configure("", "prune: false");
    world.place.remove("app/o1.yaml");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(world.writes().empty());
    CHECK(world.stored("o1") != "<none>");
}

// ---- 9: drift

TEST_CASE("drift is corrected, reported or ignored, as the policy says") {
    const auto [policy, plan_exit, is_corrected] = GENERATE(
        table<std::string, int, bool>({{"correct", 2, true}, {"report", 2, false}, {"ignore", 0, false}}));
    CAPTURE(policy);
    MemoryWorld world;
    world.object("a", "value: x", "holdfast.dev/drift: " + policy);
    world.applied();
    world.by_hand("a", hand_written("a", R"({"value":"by hand"})"));
    world.writes();
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == plan_exit);
    const Ran apply = world.apply();
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK((world.writes().size() == 1) == is_corrected);
    world.object("a", "value: declared anew", "holdfast.dev/drift: " + policy);
    world.applied();
    CHECK_THAT(world.stored("a"), ContainsSubstring("declared anew"));
    check_converged(world);
}

TEST_CASE("an ignored field is neither corrected nor drift, and others are") {
    MemoryWorld world;
    world.object("a", "value: x, note: mine, other: z", "holdfast.dev/ignore: /spec/note");
    world.applied();
    world.by_hand("a", hand_written("a", R"({"value":"x","note":"theirs","other":"z"})"));
    check_converged(world);
    world.by_hand("a", hand_written("a", R"({"value":"hand","note":"theirs","other":"z"})"));
    world.applied();
    CHECK_THAT(world.stored("a"), ContainsSubstring("\"value\":\"x\""));
}

TEST_CASE("an object that was deleted by hand is made again") {
    MemoryWorld world;
    declare(world, 2);
    world.applied();
    world.by_hand("o0", "");
    world.writes();
    const Ran drift = world.place.holdfast({"drift", "--exit-code"});
    CAPTURE(drift.out);
    CHECK(drift.exit_code == 2);
    world.applied();
    CHECK(world.writes() == Lines{"create \"o0\""});
    check_converged(world);
}

TEST_CASE("fields that were declared once are unset, fields of others stay") {
    MemoryWorld world;
    world.object("a", "value: x, note: mine");
    world.applied();
    world.by_hand("a", hand_written("a", R"({"value":"x","note":"mine","foreign":"theirs"})"));
    check_converged(world);
    world.object("a", "value: x");
    world.applied();
    CHECK_THAT(world.stored("a"), ContainsSubstring("theirs") && !ContainsSubstring("mine"));
    check_converged(world);
}

// ---- 15: adoption

TEST_CASE("an object that nobody recorded is adopted if equal, always, or never") {
    const auto [policy, spec, exit, adopted] =
        GENERATE(table<std::string, std::string, int, bool>({{"equal", R"({"value":"x"})", 0, true},
                                                             {"equal", R"({"value":"else"})", 1, false},
                                                             {"always", R"({"value":"else"})", 0, true},
                                                             {"never", R"({"value":"x"})", 1, false}}));
    CAPTURE(policy, spec);
    MemoryWorld world;
    world.by_hand("a", hand_written("a", spec));
    world.object("a", "value: x", "holdfast.dev/adopt: " + policy);
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == exit);
    if (exit == 1)
        CHECK_THAT(ran.out + ran.err, ContainsSubstring("plan.exists") && ContainsSubstring("import"));
    CHECK((world.stored("a").find("\"value\":\"x\",") != std::string::npos ||
           world.stored("a").find("\"value\":\"x\"}") != std::string::npos) ==
          (adopted || spec.find("\"x\"") != std::string::npos));
    if (adopted) check_converged(world);
}

TEST_CASE("an observed document is a source of outputs and is never written") {
    MemoryWorld world;
    world.by_hand("theirs", hand_written("theirs", R"({"value":"far"})"));
    world.object("theirs", "value: whatever", "holdfast.dev/observe: \"true\"");
    world.object("mine", "value: \"${{ outputs['memory.holdfast.dev/Object/theirs'].status.value }}\"");
    world.applied();
    CHECK(world.writes() == Lines{"create \"mine\""});
    CHECK_THAT(world.stored("mine"), ContainsSubstring("\"value\":\"hand\""));
    check_converged(world);
    world.place.remove("app/theirs.yaml");
    world.object("mine", "value: own");
    world.applied();
    CHECK(world.stored("theirs") != "<none>");
}

TEST_CASE(
    "two applies at the same time: one waits or says that the store is locked, and nothing is doubled") {
    MemoryWorld world("delayMs: 40");
    declare(world, 10);
    world.place.commit();
    const Ran ran = world.place.holdfast_under(
        {"sh", "-c",
         "\"$@\" >/dev/null 2>\"$0.first\" & p=$!; sleep 0.25; \"$@\"; second=$?; wait $p; first=$?; "
         "cat \"$0.first\" >&2; echo first=$first second=$second",
         (world.place.folder() / "both").string()},
        {"apply", "--yes"});
    CAPTURE(ran.out, ran.err);
    CHECK_THAT(ran.out, ContainsSubstring("first=0 second=1") || ContainsSubstring("first=1 second=0"));
    CHECK_THAT(ran.err, ContainsSubstring("store.locked"));
    const Lines writes = world.writes();
    CHECK(writes.size() == 10);
    check_converged(world);
}

// ---- 16: removal

TEST_CASE("a protected object parks its own delete, also where the protection came after it was made") {
    const bool is_late = GENERATE(false, true);
    CAPTURE(is_late);
    MemoryWorld world;
    const std::string protect = "holdfast.dev/protect: \"true\"";
    world.object("a", "value: x", is_late ? "" : protect);
    world.object("b", "value: x");
    world.applied();
    if (is_late) {
        world.applied(); // settled
        world.object("a", "value: x", protect);
        world.applied();
    }
    world.writes();
    world.place.remove("app/a.yaml");
    const Ran parked = world.apply();
    CAPTURE(parked.out, parked.err);
    CHECK(parked.exit_code == 3);
    CHECK(world.writes().empty());
    approve_what(world, parked);
    world.applied();
    CHECK(world.stored("a") == "<none>");
}

TEST_CASE("deletion: orphan gives an object up without touching it, also where it was said later") {
    const bool is_late = GENERATE(false, true);
    CAPTURE(is_late);
    MemoryWorld world;
    const std::string orphan = "holdfast.dev/deletion: orphan";
    world.object("a", "value: x", is_late ? "" : orphan);
    world.object("b", "value: x");
    world.applied();
    if (is_late) {
        world.applied();
        world.object("a", "value: x", orphan);
        world.applied();
    }
    world.writes();
    world.place.remove("app/a.yaml");
    world.applied();
    CHECK(world.writes().empty());
    CHECK(world.stored("a") != "<none>");
    check_converged(world);
}

TEST_CASE("removing a stack's document orphans its objects, unless deletion: delete was recorded") {
    const bool deletes = GENERATE(false, true);
    CAPTURE(deletes);
    MemoryWorld world;
    world.configure("", deletes ? "deletion: delete" : "");
    declare(world, 3);
    world.applied();
    world.writes();
    world.place.write("holdfast.yaml",
                      "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                      "spec: {plugin: memory, config: {file: " +
                          (world.place.target() / "objects").string() + "}}\n");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    if (deletes) {
        CHECK(ran.exit_code == 3);
        approve_what(world, ran);
        world.applied();
        CHECK(world.stored("o0") == "<none>");
    } else {
        CHECK(ran.exit_code == 0);
        CHECK(world.stored("o0") != "<none>");
    }
    const Ran again = world.apply();
    CAPTURE(again.out, again.err);
    CHECK(again.exit_code == 0);
}

TEST_CASE("removing a provider that has recorded leaves is an error") {
    MemoryWorld world;
    declare(world, 2);
    world.applied();
    world.place.write(
        "holdfast.yaml",
        "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\nspec: {path: app}\n");
    world.place.remove("app/o0.yaml");
    world.place.remove("app/o1.yaml");
    world.place.write("app/.keep", "");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.stored("o0") != "<none>");
}

TEST_CASE("a provider that reaches another target is stopped") {
    MemoryWorld world;
    declare(world, 2);
    world.applied();
    world.writes();
    world.configure("target: elsewhere");
    world.object("new", "value: x");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("target-changed") && StartsWith("holdfast.yaml:1:1: error: ") &&
                            ContainsSubstring("elsewhere a Provider of another name"));
    CHECK(world.writes().empty());
}

// ---- replace

TEST_CASE("an immutable field replaces: delete first, then create, shown with its reason") {
    MemoryWorld world;
    world.object("a", "size: 1");
    world.object("b", "value: x", "holdfast.dev/depends-on: " + object_id + "a");
    world.applied();
    world.writes();
    world.object("a", "size: 2");
    const Ran plan = world.plan();
    CAPTURE(plan.out);
    CHECK_THAT(plan.out, ContainsSubstring("forces replace"));
    world.applied();
    CHECK(world.writes() == Lines{"delete \"a\"", "create \"a\""});
    check_converged(world);
}

TEST_CASE("create-first makes the successor before the old object goes, where they can stand side by side") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("c", "value: x");
    world.applied();
    world.writes();
    // The same document names another object now: a scope is part of what names it.
    world.object("a", "value: x, scope: new", "holdfast.dev/replace: create-first");
    SECTION("undisturbed") {
        world.applied();
        CHECK(world.writes() == Lines{"create \"a\"", "delete \"a\""});
    }
    SECTION("with the worker dying before the delete") {
        world.configure("crashOn: ['\"a\"']");
        world.apply();
        world.apply();
    }
    SECTION("with the old object refusing to go") {
        world.configure("crashAfter: ['\"a\"']");
        world.apply();
        world.configure("");
        world.apply();
    }
    CHECK(world.stored("a", "Object", "new") != "<none>");
    CHECK(world.stored("a") == "<none>");
    check_converged(world);
}

TEST_CASE("what canonicalize says must be replaced is, and not-yet is compared as written") {
    MemoryWorld world;
    world.object("a", "fixed: one");
    world.object("b", "lower: SHOUTS");
    world.object("c", "lower: later");
    world.applied();
    check_converged(world);
    world.object("a", "fixed: two");
    world.applied();
    CHECK(world.writes() == Lines{"delete \"a\"", "create \"a\""});
    check_converged(world);
}

TEST_CASE("another config of a provider may make unequal what was equal") {
    MemoryWorld world;
    world.object("a", "lower: Shouts");
    world.applied();
    check_converged(world);
    world.configure("capitals: true");
    world.applied();
    CHECK(world.writes() == Lines{"update \"a\""});
    check_converged(world);
}

TEST_CASE("replace on the command line replaces what is equal") {
    MemoryWorld world;
    declare(world, 4);
    world.applied();
    world.writes();
    const Ran ran = world.apply({"--replace", object_id + "o1"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(world.writes() == Lines{"delete \"o1\"", "create \"o1\""});
    check_converged(world);
}

TEST_CASE("only and exclude bound what is done, and say what that leaves without its ground") {
    MemoryWorld world;
    declare(world, 3);
    world.object("b", "value: x", "holdfast.dev/depends-on: " + object_id + "o0");
    SECTION("only") {
        const Ran alone = world.apply({"--only", object_id + "b"});
        CHECK(alone.exit_code == 1);
        CHECK_THAT(alone.out + alone.err, ContainsSubstring("plan.dependency-excluded"));
        CHECK(world.writes().empty());
        CHECK(world.apply({"--only", object_id + "b", "--only", object_id + "o0"}).exit_code == 0);
        CHECK(world.writes() == Lines{"create \"o0\"", "create \"b\""});
    }
    SECTION("exclude") {
        CHECK(world.apply({"--exclude", object_id + "o1"}).exit_code == 0);
        CHECK(world.stored("o1") == "<none>");
        CHECK(world.stored("o2") != "<none>");
    }
    world.applied();
    check_converged(world);
}

TEST_CASE("only on the command line does not touch the consumers of what it changes") {
    MemoryWorld world;
    world.object("a", "value: x");
    world.object("b", "value: \"${{ outputs['memory.holdfast.dev/Object/a'].status.value }}\"");
    world.applied();
    world.writes();
    world.object("a", "value: changed");
    const Ran ran = world.apply({"--only", object_id + "a"});
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(world.writes() == Lines{"update \"a\""});
    world.applied();
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"value\":\"changed\""));
    check_converged(world);
}

// ---- 12: traceable

TEST_CASE("why names commit, author, file and line, and the passes that wrote") {
    MemoryWorld world;
    world.object("a", "value: one");
    world.place.commit("Make a");
    CHECK(world.place.holdfast({"apply", "--yes"}).exit_code == 0);
    world.object("a", "value: two");
    world.place.commit("Change a");
    CHECK(world.place.holdfast({"apply", "--yes"}).exit_code == 0);
    const Ran why = world.place.holdfast({"why", object_id + "a"});
    CAPTURE(why.out, why.err);
    CHECK(why.exit_code == 0);
    CHECK_THAT(why.out, ContainsSubstring("app/a.yaml:1") && ContainsSubstring("Ana Souza") &&
                            ContainsSubstring("Change a"));
    CHECK_THAT(why.out, ContainsSubstring("one") && ContainsSubstring("two"));
}

// Documents that are more than one leaf: compiled ones, ones that go to several providers, and both.

#include "plugins/memory/store.hpp"
#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;
using Lines = std::vector<std::string>;

namespace {

const std::string api = "memory.holdfast.dev/v1alpha1";

std::string output(const std::string& name, const std::string& path) {
    return "\"${{ outputs['memory.holdfast.dev/Object/" + name + "'].status." + path + " }}\"";
}

void bundle(MemoryWorld& world, const std::string& objects, const std::string& annotations = {}) {
    world.object("bundle", "objects: {" + objects + "}", annotations, "Bundle");
}

// Provider `memory` and provider `second`, each with a file of its own; documents go to both.
void use_two_providers(MemoryWorld& world, const std::string& more_of_second = {}) {
    std::string text;
    for (const std::string name : {"memory", "second"}) {
        const std::string file =
            (world.place.target() / (name == "memory" ? "objects" : "objects-second")).string();
        text += "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: " + name +
                "}\nspec: {plugin: memory, config: {file: " + file +
                ", callLog: " + (world.place.folder() / "calls").string() +
                (name == "second" ? more_of_second : "") + "}}\n---\n";
    }
    world.place.write("holdfast.yaml", text + "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\n"
                                              "metadata: {name: app}\nspec: {path: app, providers: "
                                              "{memory.holdfast.dev: [memory, second]}}\n");
}

std::string stored_in_second(MemoryWorld& world, const std::string& name) {
    memory::Store objects((world.place.target() / "objects-second").string());
    const memory::Object* object = objects.find(api + "/Object", "", "\"" + name + "\"");
    return object && !object->document.empty() ? std::string(object->document) : "<none>";
}

} // namespace

TEST_CASE("the leaves of a bundle that goes to two providers are told apart") {
    MemoryWorld world;
    use_two_providers(world);
    bundle(world, "x: {value: one}, y: {value: two}");
    world.object("after", "value: x", "holdfast.dev/depends-on: memory.holdfast.dev/Bundle/bundle");
    world.applied();
    for (const char* name : {"x", "y", "after"}) {
        CHECK(world.stored(name) != "<none>");
        CHECK(stored_in_second(world, name) != "<none>");
    }
    check_converged(world);
    const Ran status = world.place.holdfast({"--json", "store", "export"});
    for (const char* part : {"@memory/x", "@memory/y", "@second/x", "@second/y", "@second"})
        CHECK_THAT(status.out, ContainsSubstring("\"part\":\"" + std::string(part) + "\""));

    SECTION("why takes the address of one") {
        const Ran why = world.place.holdfast({"why", "app:memory.holdfast.dev/Bundle/bundle#@second/y"});
        CAPTURE(why.err);
        CHECK(why.exit_code == 0);
        CHECK_THAT(why.out, ContainsSubstring("@second/y"));
    }
    SECTION("an entry that goes is deleted on both") {
        world.object("more", "value: x"); // fewer than all leaves of the kind, or they would park
        world.object("more2", "value: x");
        bundle(world, "x: {value: one}");
        world.applied();
        CHECK(world.stored("y") == "<none>");
        CHECK(stored_in_second(world, "y") == "<none>");
        check_converged(world);
    }
    SECTION("only and replace take the document, or the document on one provider") {
        bundle(world, "x: {value: changed}, y: {value: changed}");
        CHECK(world.apply({"--only", "memory.holdfast.dev/Bundle/bundle#@second"}).exit_code == 0);
        CHECK(world.writes() == Lines{"update \"x\"", "update \"y\""});
        CHECK_THAT(world.stored("x"), ContainsSubstring("one"));
        CHECK_THAT(stored_in_second(world, "x"), ContainsSubstring("changed"));
        CHECK(world.apply({"--only", "memory.holdfast.dev/Bundle/bundle"}).exit_code == 0);
        CHECK_THAT(world.stored("x"), ContainsSubstring("changed"));
        world.writes();
        const Ran replaced = world.apply({"--replace", "memory.holdfast.dev/Bundle/bundle#@memory"});
        CAPTURE(replaced.out, replaced.err);
        CHECK(replaced.exit_code == 0);
        CHECK(world.writes() == Lines{"delete \"x\"", "delete \"y\"", "create \"x\"", "create \"y\""});
    }
}

TEST_CASE("a bundle that goes to one provider more keeps what it has") {
    MemoryWorld world;
    bundle(world, "x: {value: one}, y: {value: two}");
    world.applied();
    world.writes();
    use_two_providers(world);
    world.applied();
    CHECK(world.writes() == Lines{"create \"x\"", "create \"y\""});
    CHECK(stored_in_second(world, "x") != "<none>");
    check_converged(world);
}

TEST_CASE("a bundle on two providers that cannot be read keeps all its leaves") {
    MemoryWorld world;
    use_two_providers(world);
    bundle(world, "x: {value: one}, y: {value: two}, z: {value: three}");
    for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) world.object(name, "value: x");
    world.applied();
    world.writes();
    bundle(world, "x: {value: \"${{ vars.missing }}\"}");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(world.writes().empty());
    CHECK(stored_in_second(world, "y") != "<none>");
}

TEST_CASE("refresh-on takes a document that goes to two providers") {
    MemoryWorld world;
    use_two_providers(world);
    world.object("config", "value: one");
    world.object("service", "value: x", "holdfast.dev/refresh-on: memory.holdfast.dev/Object/config");
    world.applied();
    world.writes();
    world.object("config", "value: two");
    world.applied();
    CHECK(count(world.writes(), "refresh \"service\"") == 2);
    check_converged(world);
}

TEST_CASE("what a bundle no longer compiles to, with new outputs, goes in the same apply") {
    MemoryWorld world;
    for (const char* name : {"o1", "o2", "o3", "o4", "o5", "o6"}) world.object(name, "value: x");
    // All of what the bundle compiles to is an output.
    world.object("a", "value: v, all: {x: {value: one}, y: {value: two}}");
    world.place.write("app/b.yaml", "apiVersion: " + api +
                                        "\nkind: Bundle\nmetadata: {name: bundle}\nspec:\n  objects: "
                                        "\"${{ outputs['memory.holdfast.dev/Object/a'].spec.all }}\"\n");
    world.applied();
    CHECK(world.stored("y") != "<none>");
    check_converged(world);
    SECTION("one of two") {
        world.object("a", "value: v, all: {x: {value: changed}}");
        world.applied();
        CHECK(world.writes() == Lines{"update \"a\"", "update \"x\"", "delete \"y\""});
        check_converged(world);
    }
    SECTION("one, and another name for the object of the other") {
        world.object("a", "value: v, all: {x: {value: one}, z: {value: three}}");
        world.applied();
        CHECK(world.writes() == Lines{"update \"a\"", "create \"z\"", "delete \"y\""});
        check_converged(world);
    }
    SECTION("all of them") {
        world.object("a", "value: v, all: {}");
        world.applied();
        CHECK(world.writes() == Lines{"update \"a\"", "delete \"x\"", "delete \"y\""});
        check_converged(world);
    }
    SECTION("not where a leaf of the document fails") {
        world.configure("failItems: ['\"x\"']");
        world.object("a", "value: v, all: {x: {value: changed}}");
        CHECK(world.apply().exit_code == 1);
        CHECK(world.stored("y") != "<none>");
        world.configure("");
        world.applied();
        CHECK(world.stored("y") == "<none>");
        check_converged(world);
    }
    SECTION("what is left out stays") {
        world.object("a", "value: v, all: {x: {value: changed}}");
        world.place.commit();
        CHECK(world.apply({"--exclude", "memory.holdfast.dev/Bundle/bundle#y"}).exit_code == 0);
        CHECK(world.stored("y") != "<none>");
    }
}

TEST_CASE("more than the limits allow is parked also where new outputs leave it out") {
    MemoryWorld world;
    world.object("a", "value: v, all: {x: {value: one}, y: {value: two}, z: {value: three}}");
    world.place.write("app/b.yaml", "apiVersion: " + api +
                                        "\nkind: Bundle\nmetadata: {name: bundle}\nspec:\n  objects: "
                                        "\"${{ outputs['memory.holdfast.dev/Object/a'].spec.all }}\"\n");
    for (int i = 0; i < 6; ++i) world.object("o" + std::to_string(i), "value: x");
    world.applied();
    world.writes();
    world.object("a", "value: v, all: {}");
    world.place.remove("app/o1.yaml"); // four of ten
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 3);
    CHECK(world.stored("x") != "<none>");
    CHECK_THAT(ran.err, ContainsSubstring("plan.parked-later"));
}

TEST_CASE("a bundle that compiles to nothing once its output is known is no leaf at all") {
    MemoryWorld world;
    world.object("a", "value: v, all: {}");
    world.place.write("app/b.yaml", "apiVersion: " + api +
                                        "\nkind: Bundle\nmetadata: {name: bundle}\nspec:\n  objects: "
                                        "\"${{ outputs['memory.holdfast.dev/Object/a'].spec.all }}\"\n");
    world.applied();
    check_converged(world);
}

TEST_CASE("what depends on a bundle goes on where new outputs leave nothing of the bundle") {
    MemoryWorld world;
    for (const char* name : {"o1", "o2", "o3", "o4", "o5", "o6"}) world.object(name, "value: x");
    world.object("a", "value: one, all: {x: {value: one}}");
    world.place.write("app/b.yaml", "apiVersion: " + api +
                                        "\nkind: Bundle\nmetadata: {name: bundle}\nspec:\n  objects: "
                                        "\"${{ outputs['memory.holdfast.dev/Object/a'].spec.all }}\"\n");
    world.object("after", "value: " + output("a", "value"),
                 "holdfast.dev/depends-on: memory.holdfast.dev/Bundle/bundle");
    world.applied();
    world.writes();
    world.object("a", "value: two, all: {}");
    world.applied();
    CHECK(world.writes() == Lines{"update \"a\"", "update \"after\"", "delete \"x\""});
}

// ---- deletes that wait for leaves with new outputs

TEST_CASE("a failed leaf stops the held deletes of its own scope, and no others") {
    MemoryWorld world;
    const std::string takes = output("a", "value");
    world.object("a", "value: one, scope: north");
    world.object("b", "value: " + takes + ", scope: north");
    world.object("c", "value: " + takes + ", scope: south");
    for (const char* scope : {"north", "south"})
        for (int i = 0; i < 3; ++i) {
            const std::string name = std::string(scope) + std::to_string(i);
            world.object(name, "value: x, scope: " + std::string(scope));
        }
    world.object("bad", "value: x, scope: west");
    world.applied();
    world.writes();
    world.object("a", "value: two, scope: north");
    world.place.remove("app/north0.yaml");
    world.place.remove("app/south0.yaml");
    SECTION("a leaf that has nothing to do with them") {
        world.configure("failItems: ['\"bad\"']");
        world.object("bad", "value: changed, scope: west");
        CHECK(world.apply().exit_code == 1);
        CHECK(world.stored("north0", "Object", "north") == "<none>");
        CHECK(world.stored("south0", "Object", "south") == "<none>");
    }
    SECTION("the leaf that one of them waits for") {
        world.configure("failItems: ['\"c\"']");
        CHECK(world.apply().exit_code == 1);
        CHECK(world.stored("north0", "Object", "north") == "<none>");
        CHECK(world.stored("south0", "Object", "south") != "<none>");
    }
    SECTION("another leaf of the scope of one of them") {
        world.configure("failItems: ['\"south2\"']");
        world.object("south2", "value: changed, scope: south");
        CHECK(world.apply().exit_code == 1);
        CHECK(world.stored("north0", "Object", "north") == "<none>");
        CHECK(world.stored("south0", "Object", "south") != "<none>");
    }
    world.configure("");
    world.applied();
    CHECK(world.stored("south0", "Object", "south") == "<none>");
    check_converged(world);
}

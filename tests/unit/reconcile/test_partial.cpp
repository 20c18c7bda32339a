// Passes that look only at what changed: what they do, what they leave out, and when they do not dare.

#include <algorithm>

#include "partial_world.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using Looked = StackOutcome::Looked;

namespace {

// Twelve objects in twelve files and one in another stack, both at rest.
class TwelveObjects : public PartialWorld {
public:
    TwelveObjects() {
        for (int i = 0; i < 12; ++i) declare("o" + std::to_string(i), "a: 1");
        write("db/base.yaml", document("base", "a: 1"));
        commit();
        settle();
    }
    void declare(const std::string& name, const std::string& spec, const std::string& annotations = {}) {
        write("app/" + name + ".yaml", document(name, spec, annotations));
    }
    void settle() {
        const StackOutcome first = pass(Reach::everything);
        INFO(problems_of(first));
        REQUIRE((first.result == StackResult::applied || first.result == StackResult::unchanged));
        pass(Reach::everything, {}, "db");
        new_calls();
    }
    // The pass after a commit; it must be one over everything, for this reason.
    StackOutcome goes_over_everything(const std::string& why, const std::vector<Touched>& touched = {}) {
        commit();
        StackOutcome outcome = pass(Reach::changed, touched);
        INFO(problems_of(outcome));
        CHECK(outcome.looked == Looked::at_everything);
        CHECK_THAT(outcome.why_everything, ContainsSubstring(why));
        return outcome;
    }
};

} // namespace

TEST_CASE("a stack at rest with nothing new is not looked at, and its provider not called") {
    TwelveObjects world;
    const StackOutcome outcome = world.pass(Reach::changed);
    CHECK(outcome.looked == Looked::at_nothing);
    CHECK(outcome.result == StackResult::unchanged);
    CHECK(outcome.leaves == 12);
    CHECK(outcome.documents == 12);
    REQUIRE(outcome.plan());
    CHECK(outcome.plan()->counts.unchanged == 12);
    CHECK(world.new_calls().empty());

    SECTION("nor after a commit that touches other folders; that commit is what it stands at then") {
        world.write("other/readme.yaml", "nothing: here\n");
        world.commit();
        CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
        CHECK(world.new_calls().empty());
        const auto stacks = world.session().store().stacks();
        REQUIRE(stacks.size() == 2);
        CHECK(stacks.front().last_commit == world.commits.back());
        CHECK(stacks.front().providers == R"({"memory":"memory"})");
    }
}

TEST_CASE("of a commit that changed one document, one document is observed and written") {
    TwelveObjects world;
    world.declare("o7", "a: 2");
    world.commit();
    const StackOutcome outcome = world.pass(Reach::changed);
    INFO(outcome.why_everything);
    CHECK(outcome.looked == Looked::at_part);
    CHECK(outcome.result == StackResult::applied);
    CHECK(outcome.leaves == 12);
    CHECK(outcome.plan()->counts.update == 1);
    const std::vector<std::string> calls = world.new_calls();
    CHECK(std::count(calls.begin(), calls.end(), "update \"o7\"") == 1);
    CHECK(std::count(calls.begin(), calls.end(), "observe 1") == 1);
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
}

TEST_CASE("documents that come and go are made and pruned, and counted") {
    TwelveObjects world;
    world.declare("new", "a: 1");
    world.remove("app/o3.yaml");
    world.commit();
    const StackOutcome outcome = world.pass(Reach::changed);
    INFO(outcome.why_everything << problems_of(outcome));
    CHECK(outcome.looked == Looked::at_part);
    CHECK(outcome.plan()->counts.create == 1);
    CHECK(outcome.plan()->counts.remove == 1);
    CHECK(outcome.leaves == 12);
    CHECK(world.target().size() == 13);
    world.declare("newer", "a: 1");
    world.commit();
    CHECK(world.pass(Reach::changed).leaves == 13);
    CHECK(world.pass(Reach::everything).result == StackResult::unchanged);
}

TEST_CASE("a commit that only removes a document needs no look at the others") {
    TwelveObjects world;
    world.remove("app/o3.yaml");
    world.commit();
    const StackOutcome outcome = world.pass(Reach::changed);
    INFO(outcome.why_everything << problems_of(outcome));
    CHECK(outcome.looked == Looked::at_part);
    CHECK(outcome.result == StackResult::applied);
    CHECK(outcome.leaves == 11);
    CHECK(world.target().size() == 12);
}

TEST_CASE("refresh-on that is added to a leaf that was equal before is acted on") {
    TwelveObjects world;
    world.pass(Reach::everything);
    world.declare("o1", "a: 1", "holdfast.dev/refresh-on: memory.holdfast.dev/Object/o2");
    world.commit();
    const StackOutcome outcome = world.pass(GENERATE(Reach::everything, Reach::changed));
    INFO(problems_of(outcome));
    CHECK(outcome.result == StackResult::applied);
    CHECK(outcome.plan()->counts.refresh == 1);
}

TEST_CASE("a hand edit is seen where somebody tells of it, and otherwise by the next pass over everything") {
    TwelveObjects world;
    world.by_hand("o5", R"({"a":99})");
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
    world.declare("o6", "a: 2");
    world.commit();
    const StackOutcome of_another = world.pass(Reach::changed);
    CHECK(of_another.looked == Looked::at_part);
    CHECK(lines_of_changes(of_another).size() == 1);

    SECTION("told") {
        world.new_calls();
        const StackOutcome outcome = world.pass(Reach::changed, {PartialWorld::touched("o5")});
        INFO(outcome.why_everything);
        CHECK(outcome.looked == Looked::at_part);
        CHECK(outcome.result == StackResult::applied);
        CHECK(outcome.plan()->counts.drifted == 1);
        const std::vector<std::string> calls = world.new_calls();
        CHECK(std::count(calls.begin(), calls.end(), "update \"o5\"") == 1);
    }
    SECTION("by a hint about its scope, which is small") {
        const StackOutcome outcome =
            world.pass(Reach::changed, {{"memory", {.reach = Hint::Reach::scope, .scope = ""}}});
        CHECK(outcome.looked == Looked::at_part);
        CHECK(outcome.plan()->counts.drifted == 1);
    }
    SECTION("by a hint about everything") {
        const StackOutcome outcome = world.pass(Reach::changed, {{"memory", {}}});
        CHECK(outcome.looked == Looked::at_everything);
        CHECK(outcome.plan()->counts.drifted == 1);
    }
    SECTION("untold") {
        const StackOutcome outcome = world.pass(Reach::everything);
        CHECK(outcome.plan()->counts.drifted == 1);
    }
}

TEST_CASE("a hint about what nobody recorded costs nothing") {
    TwelveObjects world;
    CHECK(world.pass(Reach::changed, {PartialWorld::touched("stranger")}).looked == Looked::at_nothing);
    CHECK(world.pass(Reach::changed, {{"unknown-provider", {}}}).looked == Looked::at_nothing);
    CHECK(world.new_calls().empty());
}

TEST_CASE("a hint is not lost with a pass that fails") {
    TwelveObjects world;
    world.configure("failObserve: ['\"o5\"']");
    world.commit();
    world.pass(Reach::everything); // the provider's document is another one
    world.configure();
    world.commit();
    world.settle();
    world.by_hand("o5", R"({"a":99})");
    const StackOutcome planned = world.pass(Reach::changed, {PartialWorld::touched("o5")}, "app", Mode::plan);
    CHECK(planned.result == StackResult::changes);
    CHECK(world.pass(Reach::changed).looked == Looked::at_everything);
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
}

TEST_CASE("whoever takes outputs of what changed is planned with it") {
    TwelveObjects world;
    world.declare("o1", "from: \"${{ outputs['memory.holdfast.dev/Object/o0'].status.value }}\"");
    world.declare("o2", "from: \"${{ outputs['memory.holdfast.dev/Object/o1'].status.generation }}\"");
    world.commit();
    world.settle();
    world.declare("o0", "value: fresh");
    world.commit();
    const StackOutcome outcome = world.pass(Reach::changed);
    INFO(outcome.why_everything << problems_of(outcome));
    CHECK(outcome.looked == Looked::at_part);
    CHECK(outcome.result == StackResult::applied);
    const std::vector<std::string> calls = world.new_calls();
    CHECK(std::count(calls.begin(), calls.end(), "update \"o1\"") == 1);
    CHECK(std::count(calls.begin(), calls.end(), "update \"o2\"") == 1);
    CHECK(world.pass(Reach::everything).result == StackResult::unchanged);
}

TEST_CASE("what makes a part unsafe leads to a pass over everything, and is named") {
    TwelveObjects world;
    SECTION("the Stack document") {
        world.configure({}, {}, "vars: {a: 1}");
        world.goes_over_everything("its Stack document has changed");
    }
    SECTION("a Provider document") {
        world.configure("keeps: /spec/a");
        world.goes_over_everything("provider memory");
        CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
    }
    SECTION("a secret") {
        world.declare("o1", "password: \"${{ secrets.keys.token }}\"");
        world.commit();
        world.settle();
        CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
        world.secret("other-other-other");
        const StackOutcome outcome = world.goes_over_everything("a secret that it takes has changed");
        CHECK(outcome.plan()->counts.update == 1);
    }
    SECTION("an ignore file") {
        world.write("app/.holdfastignore", "o1.yaml\n");
        world.goes_over_everything(".holdfastignore says how other files are read");
    }
    SECTION("a symlink") {
        world.repository.link("app/link.yaml", "o1.yaml");
        world.goes_over_everything("is a symlink");
    }
    SECTION("a document that is only observed") {
        world.declare("o1", "a: 1", "holdfast.dev/observe: \"true\"");
        world.goes_over_everything("only observed");
        world.declare("o2", "a: 2");
        world.goes_over_everything("only observed");
    }
    SECTION("moved-from") {
        world.remove("app/o1.yaml");
        world.declare("p1", "a: 1", "holdfast.dev/moved-from: memory.holdfast.dev/Object/o1");
        world.goes_over_everything("was moved from another name");
    }
    SECTION("an exclusive provider") {
        world.configure({}, "ownership: exclusive");
        world.commit();
        world.settle();
        CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
        world.declare("o1", "a: 2");
        world.goes_over_everything("exclusive");
        world.by_hand("stranger", R"({"a":1})");
        const StackOutcome outcome =
            world.goes_over_everything("ours alone", {PartialWorld::touched("stranger")});
        CHECK(outcome.plan()->counts.remove == 1);
    }
    SECTION("a broken document, and again after it was mended") {
        world.write("app/o1.yaml", "kind: [");
        CHECK(world.goes_over_everything("something is wrong").result == StackResult::failed);
        CHECK(world.goes_over_everything("something is wrong").result == StackResult::failed);
        world.declare("o1", "a: 2");
        world.commit();
        CHECK(world.pass(Reach::changed).looked == Looked::at_part);
    }
    SECTION("a former pass that did not converge") {
        world.declare("o1", "a: 2");
        world.configure("failItems: ['\"o1\"']");
        world.commit();
        CHECK(world.pass(Reach::changed).result == StackResult::failed);
        world.configure();
        world.goes_over_everything("its ledger was written to");
    }
    SECTION("a write to the ledger by somebody else") {
        const Address address{"app", {"memory.holdfast.dev", "Object", "", "o1", ""}};
        world.session().store().commit({.erased = {address}});
        const StackOutcome outcome = world.goes_over_everything("its ledger was written to");
        CHECK(outcome.plan()->counts.adopt == 1);
    }
    SECTION("deletes that have to be approved") {
        for (int i = 0; i < 5; ++i) world.remove("app/o" + std::to_string(i) + ".yaml");
        CHECK(world.goes_over_everything("wait for an approval").result == StackResult::parked);
        CHECK(world.target().size() == 13);
        CHECK(world.goes_over_everything("wait for an approval").result == StackResult::parked);
    }
    SECTION("the same id in two files") {
        world.write("app/copy.yaml", PartialWorld::document("o1", "a: 7"));
        CHECK(world.goes_over_everything("may be declared in two files").result == StackResult::failed);
    }
    SECTION("something depends on what is gone") {
        world.declare("o2", "a: 1", "holdfast.dev/depends-on: memory.holdfast.dev/Object/o1");
        world.commit();
        world.settle();
        world.remove("app/o1.yaml");
        CHECK(world.goes_over_everything("o1").result == StackResult::failed);
    }
    SECTION("an object that moves to another stack") {
        world.remove("app/o1.yaml");
        world.write("db/o1.yaml", PartialWorld::document("o1", "a: 1"));
        const StackOutcome outcome = world.goes_over_everything("stack db may declare an object");
        CHECK(outcome.plan()->counts.move == 1);
        CHECK(world.target().size() == 13);
    }
    SECTION("the last documents") {
        for (int i = 0; i < 12; ++i) world.remove("app/o" + std::to_string(i) + ".yaml");
        world.write("app/readme.txt", "empty");
        CHECK(world.goes_over_everything("nothing would be declared").result == StackResult::parked);
    }
}

TEST_CASE("new objects wait for stacks that are not at rest, and changed ones do not") {
    TwelveObjects world;
    world.write("db/d.yaml", PartialWorld::document("d", "a: 1"));
    world.declare("o1", "a: 2");
    world.commit();
    CHECK(world.pass(Reach::changed).looked == Looked::at_part);
    world.declare("new", "a: 1");
    world.goes_over_everything("stack db may declare");
    world.pass(Reach::changed, {}, "db");
    world.declare("newer", "a: 1");
    world.commit();
    CHECK(world.pass(Reach::changed).looked == Looked::at_part);
}

TEST_CASE("where not all that a stack takes can be told apart, it is always gone over as a whole") {
    TwelveObjects world;
    world.write("db/bundle.yaml",
                PartialWorld::document("many", "objects: {x: {a: 1}, y: {a: 1}}", {}, "Bundle"));
    world.declare("o1", "a: 1", "holdfast.dev/depends-on: \"db:memory.holdfast.dev/Bundle/many\"");
    world.commit();
    world.pass(Reach::everything, {}, "db");
    world.settle();
    CHECK_THAT(world.pass(Reach::changed).why_everything, ContainsSubstring("no single leaf"));
}

TEST_CASE("outputs that another stack changed are taken in") {
    TwelveObjects world;
    world.write("db/d.yaml", PartialWorld::document("d", "value: one"));
    world.declare("o1", "from: \"${{ outputs['db:memory.holdfast.dev/Object/d'].status.value }}\"");
    world.commit();
    world.pass(Reach::everything, {}, "db");
    world.settle();
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
    world.write("db/d.yaml", PartialWorld::document("d", "value: two"));
    world.commit();
    CHECK(world.pass(Reach::changed, {}, "db").looked == Looked::at_part);
    const StackOutcome outcome = world.goes_over_everything("takes from another stack has changed");
    CHECK(outcome.plan()->counts.update == 1);
}

TEST_CASE("a stack with overlays rests while nothing that they read is touched") {
    TwelveObjects world;
    // base/ and parts/ lie outside of the stack's folder.
    world.write("base/kustomization.yaml", "resources: [o.yaml, more]\n");
    world.write("base/o.yaml", PartialWorld::document("based", "a: 1"));
    world.write("base/more/kustomization.yaml", "resources: [m.yaml]\n");
    world.write("base/more/m.yaml", PartialWorld::document("more", "a: 1"));
    for (int i = 0; i < 12; ++i) {
        const std::string name = "p" + std::to_string(i);
        world.write("parts/" + name + ".yaml", PartialWorld::document(name, "a: 1"));
    }
    std::string resources = "resources:\n- ../../base\n";
    for (int i = 0; i < 12; ++i) resources += "- ../../parts/p" + std::to_string(i) + ".yaml\n";
    world.write("app/over/kustomization.yaml", resources + "namePrefix: x-\n");
    world.commit();
    world.settle();
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
    world.write("elsewhere/o.yaml", "a: 1\n");
    world.write("base.yaml", "a: 1\n");
    world.commit();
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);

    const auto is_looked_at = [&](std::size_t updates) {
        const StackOutcome outcome = world.goes_over_everything("from outside of its folder have changed");
        CHECK(outcome.plan()->counts.update == updates);
        world.settle();
        CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
    };
    SECTION("a file of the base") {
        world.write("base/o.yaml", PartialWorld::document("based", "a: 2"));
        is_looked_at(1);
    }
    SECTION("a file of a base of the base") {
        world.write("base/more/m.yaml", PartialWorld::document("more", "a: 2"));
        is_looked_at(1);
    }
    SECTION("one of many files in a folder") {
        world.write("parts/p7.yaml", PartialWorld::document("p7", "a: 2"));
        is_looked_at(1);
    }
    SECTION("a kustomization of another name that was not there") {
        world.write("base/kustomization.yml", "resources: []\n");
        CHECK(world.goes_over_everything("from outside of its folder").result == StackResult::failed);
    }
    SECTION("a folder that became a symlink to an equal one, and then what that leads to") {
        world.write("copy/kustomization.yaml", "resources: [m.yaml]\n");
        world.write("copy/m.yaml", PartialWorld::document("more", "a: 1"));
        world.remove("base/more");
        world.repository.link("base/more", "../copy");
        is_looked_at(0);
        world.write("copy/m.yaml", PartialWorld::document("more", "a: 2"));
        is_looked_at(1);
    }
    SECTION("its own files") {
        world.write("app/over/kustomization.yaml", resources + "namePrefix: x-\nlabels: []\n");
        world.goes_over_everything("has overlays");
    }
}

TEST_CASE("what a symlink leads to outside of the stack's folder is looked at when it changes") {
    TwelveObjects world;
    world.write("shared/o.yaml", PartialWorld::document("shared", "a: 1"));
    world.repository.link("app/link.yaml", "../shared/o.yaml");
    world.commit();
    world.settle();
    CHECK(world.pass(Reach::changed).looked == Looked::at_nothing);
    world.write("shared/o.yaml", PartialWorld::document("shared", "a: 2"));
    CHECK(world.goes_over_everything("from outside of its folder").plan()->counts.update == 1);
}

TEST_CASE(
    "a pass that is told to stop while it looks says so once, and plans nothing of what it has not seen") {
    TwelveObjects world;
    world.declare("o7", "a: 2");
    world.configure("failObserve: ['\"o5\"', '\"o7\"', '\"o9\"']");
    world.commit();
    std::stop_source stop;
    stop.request_stop();
    const StackOutcome stopped = world.pass(Reach::everything, {}, "app", Mode::apply, stop.get_token());
    CHECK(stopped.result == StackResult::failed);
    CHECK_FALSE(stopped.plan());
    CHECK(stopped.problems.list().size() == 1);
    CHECK(stopped.problems.has_errors());
    world.configure();
    world.commit();
    const StackOutcome next = world.pass(Reach::changed);
    CHECK(next.result == StackResult::applied);
    CHECK(next.plan()->counts.update == 1);
}

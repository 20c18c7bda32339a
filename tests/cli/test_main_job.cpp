// The main job, from a commit to a converged target.

#include <filesystem>

#include "support/catch.hpp"
#include "support/playground.hpp"

using test::Playground;
using test::Ran;

TEST_CASE("an apply makes what Git declares, and a second one finds nothing to do") {
    Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "held fast\\n"));
    place.commit("Say hello");

    Ran plan = place.holdfast({"plan", "--exit-code"});
    CAPTURE(plan.err);
    CHECK(plan.exit_code == 2);
    CHECK_THAT(plan.out, ContainsSubstring("1 to create"));
    CHECK(place.read_target("motd") == "<none>");

    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.read_target("motd") == "held fast\n");

    Ran again = place.holdfast({"plan", "--exit-code"});
    CAPTURE(again.out, again.err);
    CHECK(again.exit_code == 0);
}

TEST_CASE("a hand edit is shown as drift and corrected") {
    Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "held fast\\n"));
    place.commit();
    REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);

    place.write_target("motd", "held last\n");
    Ran drift = place.holdfast({"drift", "--exit-code"});
    CAPTURE(drift.out, drift.err);
    CHECK(drift.exit_code == 2);
    CHECK_THAT(drift.out, ContainsSubstring("motd"));
    Ran plan = place.holdfast({"plan"});
    CHECK_THAT(plan.out, ContainsSubstring("outside Git"));
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.read_target("motd") == "held fast\n");
}

TEST_CASE("what is no longer declared is pruned, and files of others are left alone") {
    Playground place;
    place.use_host_plugin();
    for (int i = 0; i < 4; ++i) {
        const std::string name = "f" + std::to_string(i);
        place.write("web/" + name + ".yaml", Playground::file_document(name, name, name));
    }
    place.commit();
    place.write_target("foreign", "somebody else's");
    REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);

    place.remove("web/f2.yaml");
    place.commit("Drop f2");
    Ran plan = place.holdfast({"plan"});
    CHECK_THAT(plan.out, ContainsSubstring("1 to delete"));
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.target_files() == std::vector<std::string>{"f0", "f1", "f3", "foreign"});
    CHECK(place.read_target("foreign") == "somebody else's");
}

TEST_CASE("why names the commit, its author, and the place in Git") {
    Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "etc-motd", "one"));
    const std::string first = place.commit("Say one");
    REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);
    place.write("web/other.yaml", Playground::file_document("other", "other", "x"));
    place.commit("Something else");
    REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);

    Ran why = place.holdfast({"why", "etc-motd"});
    CAPTURE(why.out, why.err);
    CHECK(why.exit_code == 0);
    CHECK_THAT(why.out, ContainsSubstring(first.substr(0, 7)));
    CHECK_THAT(why.out, ContainsSubstring("Say one"));
    CHECK_THAT(why.out, ContainsSubstring("Ana Souza"));
    CHECK_THAT(why.out, ContainsSubstring("web/motd.yaml"));
    CHECK(place.holdfast({"history"}).exit_code == 0);
    CHECK(place.holdfast({"status"}).exit_code == 0);
}

TEST_CASE("an object that exists already is not overwritten before somebody says so") {
    Playground place;
    place.use_host_plugin();
    place.write_target("motd", "by hand\n");
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "held fast\\n"));
    place.commit();
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.out + apply.err, ContainsSubstring("plan.exists"));
    CHECK(place.read_target("motd") == "by hand\n");

    place.write("web/motd.yaml",
                Playground::file_document("motd", "motd", "held fast\\n", "holdfast.dev/adopt: always"));
    place.commit();
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.read_target("motd") == "held fast\n");
}

TEST_CASE("what is imported is adopted without a change") {
    Playground place;
    place.use_host_plugin();
    place.write("web/.keep", "");
    place.commit();
    place.write_target("a.conf", "a = 1\n");
    place.write_target("b.conf", "b = 2\n");
    Ran imported = place.holdfast({"import", "files", "File", "--stack", "web", "--write"});
    CAPTURE(imported.out, imported.err);
    REQUIRE(imported.exit_code == 0);
    place.commit("Import");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    Ran plan = place.holdfast({"plan", "--exit-code"});
    CAPTURE(plan.out);
    CHECK(plan.exit_code == 0);
    CHECK(place.read_target("a.conf") == "a = 1\n");
}

TEST_CASE("a saved plan is what gets applied, or nothing") {
    Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "one"));
    place.commit();
    const std::string file = (place.folder() / "plan.json").string();
    REQUIRE(place.holdfast({"plan", "--out", file}).exit_code == 0);
    SECTION("unrelated commits do not make it stale") {
        place.write("README", "unrelated");
        place.commit();
        Ran apply = place.holdfast({"apply", "--plan", file});
        CAPTURE(apply.out, apply.err);
        CHECK(apply.exit_code == 0);
        CHECK(place.read_target("motd") == "one");
    }
    SECTION("another declaration does") {
        place.write("web/motd.yaml", Playground::file_document("motd", "motd", "two"));
        place.commit();
        Ran apply = place.holdfast({"apply", "--plan", file});
        CHECK(apply.exit_code == 1);
        CHECK_THAT(apply.err, ContainsSubstring("plan.stale"));
        CHECK(place.read_target("motd") == "<none>");
    }
}

TEST_CASE("the working tree can be previewed before it is committed") {
    Playground place;
    place.use_host_plugin();
    place.write("web/motd.yaml", Playground::file_document("motd", "motd", "one"));
    place.commit();
    place.write("web/draft.yaml", Playground::file_document("draft", "draft", "not yet"));
    CHECK_THAT(place.holdfast({"plan"}).out, ContainsSubstring("1 to create"));
    CHECK_THAT(place.holdfast({"plan", "--working-tree"}).out, ContainsSubstring("2 to create"));
}

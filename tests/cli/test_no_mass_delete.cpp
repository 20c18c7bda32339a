// Law 1 and 2: failure is not absence, and nobody deletes much by accident.

#include "support/catch.hpp"
#include "support/playground.hpp"

using test::Playground;
using test::Ran;

namespace {

void make_files(Playground& place, int count) {
    place.use_host_plugin();
    for (int i = 0; i < count; ++i) {
        const std::string name = "f" + std::to_string(i);
        place.write("web/" + name + ".yaml", Playground::file_document(name, name, name));
    }
    place.commit("Declare");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    REQUIRE(apply.exit_code == 0);
    REQUIRE(place.target_files().size() == static_cast<std::size_t>(count));
}

} // namespace

TEST_CASE("an emptied tree parks and deletes nothing, until its hash is approved") {
    Playground place;
    make_files(place, 5);
    for (int i = 0; i < 5; ++i) place.remove("web/f" + std::to_string(i) + ".yaml");
    place.write("web/.keep", "");
    place.commit("Empty it");

    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 3);
    CHECK(place.target_files().size() == 5);

    const std::string words = "holdfast approve ";
    const std::size_t at = apply.out.find(words);
    REQUIRE(at != std::string::npos);
    Ran approve = place.holdfast({"approve", apply.out.substr(at + words.size(), 12)});
    CAPTURE(approve.out, approve.err);
    REQUIRE(approve.exit_code == 0);
    CHECK(place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(place.target_files().empty());
}

TEST_CASE("a path that is wrong is an error and deletes nothing") {
    Playground place;
    make_files(place, 3);
    place.git({"mv", "web", "site"});
    place.commit("Rename the folder only");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK(place.target_files().size() == 3);
}

TEST_CASE("a file that cannot be parsed blocks prunes, and the rest proceeds") {
    Playground place;
    make_files(place, 4);
    place.remove("web/f3.yaml");
    place.write("web/broken.yaml", "apiVersion: [\n");
    place.write("web/new.yaml", Playground::file_document("new", "new", "new"));
    place.commit("Break it");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.out + apply.err, ContainsSubstring("broken.yaml"));
    CHECK(place.read_target("f3") == "f3");
    CHECK(place.read_target("new") == "new");
}

TEST_CASE("a target that cannot be read deletes and creates nothing") {
    Playground place;
    make_files(place, 3);
    std::filesystem::rename(place.target(), place.folder() / "gone");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    std::filesystem::rename(place.folder() / "gone", place.target());
    CHECK(place.target_files().size() == 3);
    CHECK(place.holdfast({"plan", "--exit-code"}).exit_code == 0);
}

TEST_CASE("renaming every document deletes nothing") {
    Playground place;
    make_files(place, 5);
    for (int i = 0; i < 5; ++i) {
        const std::string name = "f" + std::to_string(i);
        place.write("web/" + name + ".yaml", Playground::file_document("renamed-" + name, name, name));
    }
    place.commit("Rename them all");
    Ran plan = place.holdfast({"plan"});
    CAPTURE(plan.out, plan.err);
    CHECK(plan.out.find("to delete") == std::string::npos);
    CHECK(plan.out.find("to create") == std::string::npos);
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.target_files().size() == 5);
    CHECK(place.holdfast({"plan", "--exit-code"}).exit_code == 0);
}

TEST_CASE("a document that moves to another stack moves its entry and deletes nothing") {
    Playground place;
    make_files(place, 4);
    place.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                "spec: {plugin: host, config: {root: " +
                    place.target().string() +
                    "}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                    "spec: {path: web, providers: {host.holdfast.dev: files}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: other}\n"
                    "spec: {path: other, providers: {host.holdfast.dev: files}}\n");
    place.remove("web/f0.yaml");
    place.write("other/f0.yaml", Playground::file_document("f0", "f0", "f0"));
    place.commit("Move f0 to another team");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.target_files().size() == 4);
    Ran plan = place.holdfast({"plan", "--exit-code"});
    CAPTURE(plan.out);
    CHECK(plan.exit_code == 0);
}

TEST_CASE("a lost ledger prunes nothing, and equal objects are adopted") {
    Playground place;
    make_files(place, 4);
    std::filesystem::remove_all(place.store());
    place.remove("web/f3.yaml");
    place.commit("Drop one");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.target_files().size() == 4);
}

TEST_CASE("removing the Stack document leaves its objects, unless deletion was recorded before") {
    Playground place;
    make_files(place, 3);
    const std::string provider =
        "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
        "spec: {plugin: host, config: {root: " +
        place.target().string() + "}}\n";
    place.write("holdfast.yaml", provider);
    place.commit("Drop the stack");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.target_files().size() == 3);
    Ran status = place.holdfast({"--json", "status"});
    CHECK(status.out.find("\"web\"") == std::string::npos);
}

TEST_CASE("removing a Provider that has recorded leaves is an error") {
    Playground place;
    make_files(place, 3);
    place.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: renamed}\n"
                "spec: {plugin: host, config: {root: " +
                    (place.folder() / "elsewhere").string() +
                    "}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                    "spec: {path: web, providers: {host.holdfast.dev: renamed}}\n");
    std::filesystem::create_directory(place.folder() / "elsewhere");
    place.commit("Another provider");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.err, ContainsSubstring("provider.removed"));
    CHECK(place.target_files().size() == 3);
    CHECK(std::filesystem::is_empty(place.folder() / "elsewhere"));
}

TEST_CASE("a provider that reaches another target stops before it writes") {
    Playground place;
    make_files(place, 3);
    std::filesystem::create_directory(place.folder() / "elsewhere");
    place.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                "spec: {plugin: host, config: {root: " +
                    (place.folder() / "elsewhere").string() +
                    "}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                    "spec: {path: web, providers: {host.holdfast.dev: files}}\n");
    place.commit("Point it elsewhere");
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.err, ContainsSubstring("provider.target-changed"));
    CHECK(std::filesystem::is_empty(place.folder() / "elsewhere"));
}

TEST_CASE("destroy waits for its hash to be approved") {
    Playground place;
    make_files(place, 2);
    Ran destroy = place.holdfast({"destroy", "--yes"});
    CAPTURE(destroy.out, destroy.err);
    CHECK(destroy.exit_code == 3);
    CHECK(place.target_files().size() == 2);
}

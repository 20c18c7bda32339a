// A session that lives through many passes: what stays open, what is opened anew, and hints.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "partial_world.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

// Waits for a hint; false after seconds without one.
bool wait_for(const TouchedQueue& queue) {
    for (int i = 0; i < 500 && queue.empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return !queue.empty();
}

} // namespace

TEST_CASE("an instance stays open from pass to pass until its document changes") {
    PartialWorld world;
    world.write("app/a.yaml", PartialWorld::document("a", "a: 1"));
    world.commit();
    world.pass(Reach::everything);
    Session& session = world.session();
    Provider* const first = *session.provider("memory");

    world.write("app/a.yaml", PartialWorld::document("a", "a: 2"));
    world.commit();
    world.pass(Reach::everything);
    CHECK(session.is_open("memory"));
    CHECK(*session.provider("memory") == first);

    world.configure("keeps: /spec/a");
    world.commit();
    REQUIRE(session.move_to());
    CHECK_FALSE(session.is_open("memory"));
    CHECK(world.pass(Reach::everything).result == StackResult::unchanged);

    SECTION("also where a secret in its config is another one") {
        world.configure("token: \"${{ secrets.keys.token }}\"");
        world.commit();
        world.pass(Reach::everything);
        REQUIRE(session.move_to());
        CHECK(session.is_open("memory"));
        world.secret("other-other-other");
        REQUIRE(session.move_to());
        CHECK_FALSE(session.is_open("memory"));
    }
    SECTION("a commit without holdfast.yaml leaves everything as it was") {
        const std::string before = session.commit().id;
        world.remove("holdfast.yaml");
        world.commit();
        CHECK(session.move_to().error().code == "session.no-project");
        CHECK(session.commit().id == before);
        CHECK(session.project().stacks.size() == 2);
    }
}

TEST_CASE("a hand edit of a managed file is hinted, and corrected by a look at that file alone") {
    PartialWorld world;
    const std::string root = world.folder / "root";
    std::filesystem::create_directory(root);
    world.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                "spec: {plugin: host, config: {root: " +
                    root +
                    "}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n"
                    "spec: {path: app, providers: {host.holdfast.dev: files}}\n");
    for (const std::string name : {"one", "two", "three"})
        world.write("app/" + name + ".yaml", "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\n"
                                             "metadata: {name: " +
                                                 name + "}\nspec: {path: " + name +
                                                 ", content: \"held fast\\n\"}\n");
    world.commit();
    const StackOutcome first = world.pass(Reach::everything);
    INFO(problems_of(first));
    REQUIRE(first.result == StackResult::applied);
    TouchedQueue queue;
    const Diagnostics problems =
        world.session().watch({"app"}, [&](const Touched& touched) { queue.add(touched); });
    CHECK(problems.empty());

    std::ofstream(root + "/two") << "quick fix\n";
    REQUIRE(wait_for(queue));
    const std::vector<Touched> touched = queue.take();
    const StackOutcome corrected = world.pass(Reach::changed, touched);
    INFO(corrected.why_everything << problems_of(corrected));
    CHECK(corrected.looked == StackOutcome::Looked::at_part);
    CHECK(corrected.result == StackResult::applied);
    std::ifstream file(root + "/two");
    std::string line;
    std::getline(file, line);
    CHECK(line == "held fast");
    world.session().unwatch();
}

TEST_CASE("a storm of hints becomes one about all of the provider") {
    TouchedQueue queue(3);
    CHECK(queue.empty());
    for (int i = 0; i < 3; ++i) {
        queue.add(PartialWorld::touched("a"));
        queue.add(PartialWorld::touched("b"));
    }
    CHECK(queue.take().size() == 2);
    for (int i = 0; i < 100; ++i) queue.add(PartialWorld::touched("o" + std::to_string(i)));
    queue.add({"other", {.reach = Hint::Reach::scope, .scope = "x"}});
    const std::vector<Touched> taken = queue.take();
    REQUIRE(taken.size() == 2);
    CHECK(taken.front().hint.reach == Hint::Reach::all);
    CHECK(taken.back().provider == "other");
    CHECK(queue.empty());
}

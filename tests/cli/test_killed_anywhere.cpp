// Law 3, with the real programs: whatever moment the process is killed at, the next run finds out what
// happened, finishes, and neither loses nor doubles anything. strace delivers the SIGKILL as the n-th
// system call of a kind begins, so no code of ours knows that it is being tested.

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "support/catch.hpp"
#include "support/memory_world.hpp"
#include "support/playground.hpp"

using test::Playground;
using test::Ran;

namespace {

constexpr int leaf_count = 50;

// 50 files in five groups, each group behind the one before, as updates, creates and deletes of an
// earlier state.
void declare_before(Playground& place) {
    place.use_host_plugin();
    for (int i = 0; i < leaf_count; i += 2) {
        const std::string name = "f" + std::to_string(i);
        place.write("web/" + name + ".yaml", Playground::file_document(name, name, "before " + name));
    }
    for (int i = 0; i < 3; ++i) {
        const std::string name = "old" + std::to_string(i);
        place.write("web/" + name + ".yaml", Playground::file_document(name, name, name));
    }
    place.commit("Before");
    REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);
}

void declare_after(Playground& place) {
    for (int i = 0; i < leaf_count; ++i) {
        const std::string name = "f" + std::to_string(i);
        const std::string before =
            i >= 10 ? "holdfast.dev/depends-on: host.holdfast.dev/File/f" + std::to_string(i - 10) : "";
        place.write("web/" + name + ".yaml", Playground::file_document(name, name, "after " + name, before));
    }
    for (int i = 0; i < 3; ++i) place.remove("web/old" + std::to_string(i) + ".yaml");
    place.commit("After");
}

// What a killed writer left under a temporary name does not count; the next write in that folder removes it.
bool is_leftover(const std::string& file) { return file.starts_with(".holdfast-"); }

std::string everything(const Playground& place) {
    std::ostringstream all;
    for (const std::string& file : place.target_files())
        if (!is_leftover(file)) all << file << "=" << place.read_target(file) << "\n";
    return all.str();
}

bool has_leftovers(const Playground& place) {
    const std::vector<std::string> files = place.target_files();
    return std::any_of(files.begin(), files.end(), is_leftover);
}

bool has_strace() {
    return std::system("command -v strace >/dev/null 2>&1 && strace -o /dev/null true 2>/dev/null") == 0;
}

void kill_at_every(const std::string& call, bool follow_children) {
    if (!has_strace()) {
        WARN("skipped: strace is missing or may not trace here; tests/run.sh installs it");
        return;
    }
    Playground undisturbed;
    declare_before(undisturbed);
    declare_after(undisturbed);
    REQUIRE(undisturbed.holdfast({"apply", "--yes"}).exit_code == 0);
    const std::string wanted = everything(undisturbed);

    bool was_killed = true;
    int step = 0;
    const char* scale = std::getenv("HOLDFAST_TEST_SCALE");
    const int stride = follow_children && !scale ? 7 : 1; // nightly goes through every single one
    for (int n = 1; was_killed; n += stride, ++step) {
        CAPTURE(call, n);
        Playground place;
        declare_before(place);
        declare_after(place);
        std::vector<std::string> strace{"strace", "-qq", "-o", "/dev/null"};
        if (follow_children) strace.push_back("-f");
        strace.insert(strace.end(), {"-e", "trace=" + call, "-e",
                                     "inject=" + call + ":signal=SIGKILL:when=" + std::to_string(n)});
        Ran killed = place.holdfast_under(strace, {"apply", "--yes"});
        was_killed = killed.exit_code != 0;

        Ran next = place.holdfast({"apply", "--yes"});
        CAPTURE(killed.exit_code, killed.err, next.out, next.err);
        REQUIRE(next.exit_code == 0);
        REQUIRE(everything(place) == wanted);
        REQUIRE(place.holdfast({"plan", "--exit-code"}).exit_code == 0);
        REQUIRE(place.holdfast({"store", "check"}).exit_code == 0);
        place.write_target("f0", "by hand");
        REQUIRE(place.holdfast({"apply", "--yes"}).exit_code == 0);
        REQUIRE_FALSE(has_leftovers(place));
    }
    CHECK(step >= 3);
}

} // namespace

TEST_CASE("killed at every journal step, the next run converges to the same end") {
    kill_at_every("fdatasync", false);
}

TEST_CASE("a worker killed at any write to the target is survived") {
    kill_at_every("renameat2,renameat,rename,linkat,unlinkat", true);
}

namespace {

// Creates, an update, a replace, a delete, a chain of references and a bundle: every kind of step there is.
void declare_every_step(test::MemoryWorld& world) {
    world.object("updated", "value: one");
    world.object("replaced", "size: 1");
    world.object("gone", "value: x");
    for (int i = 0; i < 6; ++i) world.object("same" + std::to_string(i), "value: x");
    world.applied();
    world.writes();
    world.object("updated", "value: two");
    world.object("replaced", "size: 2");
    world.place.remove("app/gone.yaml");
    world.object("made", "value: \"${{ outputs['memory.holdfast.dev/Object/updated'].status.value }}\"");
    world.object("behind", "value: \"${{ outputs['memory.holdfast.dev/Object/made'].status.value }}\"");
    world.place.write(
        "app/bundle.yaml",
        test::MemoryWorld::document("bundle", "objects: {x: {value: a}, y: {value: b}}", "", "Bundle"));
    world.place.commit();
}

} // namespace

TEST_CASE("the engine killed at any call to its worker finishes next time, and creates nothing twice") {
    if (!has_strace()) {
        WARN("skipped: strace is missing or may not trace here; tests/run.sh installs it");
        return;
    }
    const std::string call = GENERATE("sendmsg", "fdatasync");
    bool was_killed = true;
    int step = 0;
    for (int n = 1; was_killed; ++n, ++step) {
        CAPTURE(call, n);
        test::MemoryWorld world;
        declare_every_step(world);
        const Ran killed =
            world.place.holdfast_under({"strace", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                                        "inject=" + call + ":signal=SIGKILL:when=" + std::to_string(n)},
                                       {"apply", "--yes"});
        was_killed = killed.exit_code != 0;
        const Ran next = world.place.holdfast({"apply", "--yes"});
        CAPTURE(killed.exit_code, killed.err, next.out, next.err);
        REQUIRE(next.exit_code == 0);
        const auto writes = world.writes();
        CAPTURE(writes);
        for (const char* name : {"made", "behind", "x", "y", "replaced"})
            REQUIRE(test::count(writes, "create \"" + std::string(name) + "\"") == 1);
        REQUIRE_THAT(world.stored("behind"), ContainsSubstring("\"value\":\"two\""));
        REQUIRE_THAT(world.stored("replaced"), ContainsSubstring("\"size\":2"));
        REQUIRE(world.stored("gone") == "<none>");
        REQUIRE(world.place.holdfast({"plan", "--exit-code"}).exit_code == 0);
        REQUIRE(world.place.holdfast({"store", "check"}).exit_code == 0);
    }
    CHECK(step > 3);
}

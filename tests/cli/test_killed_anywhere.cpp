// Law 3, with the real programs: whatever moment the process is killed at, the next run finds out what
// happened, finishes, and neither loses nor doubles anything. strace delivers the SIGKILL as the n-th
// system call of a kind begins, so no code of ours knows that it is being tested.

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "support/catch.hpp"
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
        const std::string before = i >= 10 ? "holdfast.dev/depends-on: host.holdfast.dev/File/f" + std::to_string(i - 10) : "";
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

bool has_strace() { return std::system("command -v strace >/dev/null 2>&1 && strace -o /dev/null true 2>/dev/null") == 0; }

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
    const int stride = follow_children && !scale ? 7 : 1;  // nightly goes through every single one
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

}  // namespace

TEST_CASE("killed at every journal step, the next run converges to the same end") { kill_at_every("fdatasync", false); }

TEST_CASE("a worker killed at any write to the target is survived") { kill_at_every("renameat2,renameat,rename,linkat,unlinkat", true); }

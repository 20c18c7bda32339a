#include <atomic>
#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>

#include "confirm/files.hpp"
#include "guarded.hpp"

namespace holdfast {
namespace {

TEST_CASE("a checkpoint is read as it was written, and by its owner alone") {
    Guarded guarded;
    guarded.checkpoint.scopes[0].config = R"({"token": "s3cret"})";
    guarded.checkpoint.entries = {R"({"type":"entry"})"};
    guarded.checkpoint.is_manual = true;
    REQUIRE(guarded.write());
    const Result<Checkpoint> read = read_checkpoint(guarded.directory());
    REQUIRE(read);
    CHECK(read->stack == "edge");
    CHECK(read->is_manual);
    CHECK(read->timeout_ms == 60'000);
    CHECK(read->entries == guarded.checkpoint.entries);
    REQUIRE(read->scopes.size() == 1);
    CHECK(read->scopes[0].config == R"({"token": "s3cret"})");
    CHECK(read->scopes[0].plugin_hash == guarded.checkpoint.scopes[0].plugin_hash);
    REQUIRE(read->changes.size() == 1);
    CHECK(to_string(read->changes[0].address) == "edge:memory.holdfast.dev/Object/route");
    for (const std::string& name : names_in(guarded.directory())) {
        struct stat status {};
        REQUIRE(stat((guarded.directory() + "/" + name).c_str(), &status) == 0);
        CAPTURE(name);
        CHECK((status.st_mode & 077) == 0);
    }
    struct stat status {};
    REQUIRE(stat(guarded.directory().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("of a thousand confirmations that meet the end of their time, each ends in exactly one way") {
    TempFolder folder;
    int confirmed = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::string directory = folder / std::to_string(i);
        REQUIRE(make_directories(directory));
        { std::ofstream(directory + "/checkpoint.json") << "{}"; }
        std::atomic<int> ready{0}, winners{0};
        const auto give = [&](Verdict verdict) {
            ++ready;
            while (ready < 2) std::this_thread::yield();
            winners += give_verdict(directory, {.verdict = verdict});
        };
        {
            std::jthread person([&] { give(Verdict::confirmed); });
            give(Verdict::expired);
        }
        REQUIRE(winners == 1);
        const Verdict stands = read_verdict(directory).verdict;
        REQUIRE((stands == Verdict::confirmed || stands == Verdict::expired));
        confirmed += stands == Verdict::confirmed;
        REQUIRE_FALSE(give_verdict(directory, {.verdict = Verdict::confirmed}));
        REQUIRE(read_verdict(directory).verdict == stands);
    }
    INFO(confirmed << " of 1000 were confirmed");
    SUCCEED();
}

TEST_CASE("where nothing can be written, nothing is left that looks like a checkpoint") {
    Guarded guarded;
    SECTION("the folder cannot be made") { std::ofstream(confirm_directory(guarded.folder.path())) << "x"; }
    SECTION("the disk is full in the middle of it") {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit small{1U << 16, RLIM_INFINITY}; // the plugin's copy is larger
        REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
        const Status written = guarded.write();
        const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
        REQUIRE_FALSE(written);
        CHECK(written.error().code == "confirm.cannot-write");
        CHECK(names_in(confirm_directory(guarded.folder.path())).empty());
        return;
    }
    const Status written = guarded.write();
    REQUIRE_FALSE(written);
    CHECK(written.error().code == "confirm.cannot-write");
    CHECK(checkpoints_in(guarded.folder.path()).empty());
}

TEST_CASE("a plugin that was upgraded between snapshot and copy is not trusted with it") {
    Guarded guarded;
    guarded.checkpoint.scopes[0].plugin_hash = sha256("another");
    const Status written = guarded.write();
    REQUIRE_FALSE(written);
    CHECK(written.error().code == "confirm.plugin-changed");
    CHECK(checkpoints_in(guarded.folder.path()).empty());
}

TEST_CASE("garbage among the checkpoints is passed over, or named") {
    Guarded guarded;
    REQUIRE(guarded.write());
    const std::string confirm = confirm_directory(guarded.folder.path());
    REQUIRE(make_directories(confirm + "/empty"));
    REQUIRE(make_directories(confirm + "/.half-written"));
    { std::ofstream(confirm + "/.half-written/checkpoint.json") << "{}"; }
    { std::ofstream(confirm + "/a-file") << "x"; }
    CHECK(checkpoints_in(guarded.folder.path()) == std::vector<std::string>{guarded.directory()});

    const std::string broken = GENERATE(
        "", "no json", "{}", R"({"format":"holdfast.checkpoint/1"})",
        R"({"format":"holdfast.checkpoint/1","pass":"p","stack":"s","scopes":[{"plugin_hash":"","snapshot":"../x"}]})");
    CAPTURE(broken);
    { std::ofstream(guarded.directory() + "/checkpoint.json") << broken; }
    const Result<Checkpoint> read = read_checkpoint(guarded.directory());
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "confirm.unreadable");
    CHECK(pending_confirmations(guarded.folder.path()).empty());
}

TEST_CASE("a verdict that cannot be read takes back; a folder that is gone was confirmed") {
    Guarded guarded;
    REQUIRE(guarded.write());
    CHECK(read_verdict(guarded.directory()).verdict == Verdict::none);
    { std::ofstream(guarded.directory() + "/verdict") << "no json"; }
    CHECK(read_verdict(guarded.directory()).verdict == Verdict::revert);
    remove_checkpoint(guarded.directory());
    CHECK(read_verdict(guarded.directory()).verdict == Verdict::confirmed);
}

TEST_CASE("what waits is told until when, and only the stack that waits is confirmed") {
    Guarded guarded;
    REQUIRE(guarded.write());
    const std::string& store = guarded.folder.path();
    REQUIRE(pending_confirmations(store).size() == 1);
    CHECK(pending_confirmations(store)[0].until_ms == 0); // still being applied
    mark_applied(guarded.directory());
    const std::int64_t left = pending_confirmations(store)[0].until_ms - SystemClock().now_ms();
    CHECK(left > 50'000);
    CHECK(left <= 60'500);
    CHECK(pending_confirmations(store)[0].changes ==
          std::vector<std::string>{"update edge:memory.holdfast.dev/Object/route"});
    CHECK(confirm_change(store, "other", "ana", 1).error().code == "confirm.nothing");
    CHECK(confirm_change(store, "edge", "ana", 1));
    CHECK(read_verdict(guarded.directory()).by == "ana");
    CHECK(confirm_change(store, "edge", "ana", 1).error().code == "confirm.nothing");
}

TEST_CASE("what became of a restore is told also where there is no room for all of it") {
    Guarded guarded;
    REQUIRE(guarded.write());
    Reverted reverted{.at_ms = 7, .is_complete = false};
    for (int i = 0; i < 100; ++i) reverted.problems.push_back(std::string(10'000, 'x'));
    REQUIRE(write_reverted(guarded.directory(), reverted));
    const auto read = read_reverted(guarded.directory());
    REQUIRE(read);
    CHECK(read->at_ms == 7);
    CHECK(read->problems.size() == 20);
    // Again, after another attempt.
    REQUIRE(write_reverted(guarded.directory(), {.at_ms = 8, .is_complete = true}));
    CHECK(read_reverted(guarded.directory())->is_complete);
}

TEST_CASE("a folder is removed whole while another process makes and takes away names in it") {
    const TempFolder folder;
    for (int round = 0; round < 50; ++round) {
        const std::string path = folder.path() + "/round-" + std::to_string(round);
        REQUIRE(mkdir(path.c_str(), 0700) == 0);
        const auto name = [&](int i) { return path + "/given-" + std::to_string(i); };
        for (int i = 0; i < 300; ++i) REQUIRE(write_durably(name(i), "").ok());
        std::thread other([&] {
            for (int i = 300; i-- > 0;) unlink(name(i).c_str());
        });
        remove_directory(path);
        other.join();
        CHECK_FALSE(exists(path));
    }
}

} // namespace
} // namespace holdfast

// The program holdfast-supervisor, with the plugin `memory`.

#include <csignal>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.hpp"
#include "confirm/files.hpp"
#include "guarded.hpp"
#include "sys/child_process.hpp"

namespace holdfast {
namespace {

// The process that holds the checkpoint's lock, as /proc/locks cannot tell for OFD locks: by its arguments.
pid_t supervisor_of(const std::string& directory) {
    for (const std::string& name : names_in("/proc")) {
        if (name.find_first_not_of("0123456789") != name.npos) continue;
        std::ifstream file("/proc/" + name + "/cmdline");
        const std::string words((std::istreambuf_iterator<char>(file)), {});
        if (words.find("holdfast-supervisor") == 0 && words.find(directory) != words.npos)
            return static_cast<pid_t>(std::stol(name));
    }
    return 0;
}

int run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program());
    auto child =
        ChildProcess::start({.arguments = std::move(arguments), .environment = {"PATH=/usr/bin:/bin"}});
    REQUIRE(child);
    return (*child)->wait();
}

TEST_CASE("a change that nobody confirms is taken back when its time is over") {
    Guarded guarded(300);
    guarded.change();
    Result<Fd> lifeline = start_supervisor(program(), guarded.directory());
    REQUIRE(lifeline);
    CHECK(is_supervised(guarded.directory()));
    // The time runs from the end of the writing.
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    CHECK(guarded.stands() == "after");
    mark_applied(guarded.directory());
    REQUIRE(comes_true([&] { return read_reverted(guarded.directory()).has_value(); }));
    CHECK(guarded.stands() == "before");
    CHECK(read_reverted(guarded.directory())->is_complete);
    CHECK(read_verdict(guarded.directory()).verdict == Verdict::expired);
    CHECK(comes_true([&] { return !is_supervised(guarded.directory()); }));
}

TEST_CASE("a confirmed change stays, and nothing is left of its checkpoint") {
    Guarded guarded(60'000);
    guarded.change();
    Result<Fd> lifeline = start_supervisor(program(), guarded.directory());
    REQUIRE(lifeline);
    mark_applied(guarded.directory());
    REQUIRE(confirm_change(guarded.folder.path(), "edge", "ana", 1));
    REQUIRE(comes_true([&] { return !exists(guarded.directory()); }));
    CHECK(guarded.stands() == "after");
}

TEST_CASE("an engine that dies while it writes leaves the time to confirm, and no more") {
    Guarded guarded(200);
    guarded.change();
    {
        Result<Fd> lifeline = start_supervisor(program(), guarded.directory());
        REQUIRE(lifeline);
    }
    REQUIRE(comes_true([&] { return read_reverted(guarded.directory()).has_value(); }));
    CHECK(guarded.stands() == "before");
}

TEST_CASE("a supervisor that is told to end takes the change back at once") {
    Guarded guarded(60'000);
    guarded.change();
    Result<Fd> lifeline = start_supervisor(program(), guarded.directory());
    REQUIRE(lifeline);
    const pid_t pid = supervisor_of(guarded.directory());
    REQUIRE(pid > 0);
    CHECK(getpgid(pid) != getpgid(0));
    CHECK(getsid(pid) != getsid(0));
    REQUIRE(kill(pid, SIGHUP) == 0); // that is nothing to it
    REQUIRE(kill(pid, SIGINT) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK(guarded.stands() == "after");
    REQUIRE(kill(pid, SIGTERM) == 0);
    REQUIRE(comes_true([&] { return read_reverted(guarded.directory()).has_value(); }));
    CHECK(guarded.stands() == "before");
}

TEST_CASE("after a boot, what was not confirmed is taken back, and what was is let go of") {
    Guarded guarded;
    guarded.checkpoint.boot_id = "of another boot";
    guarded.change();
    SECTION("not confirmed") {
        CHECK(run({"--boot", guarded.folder.path()}) == 0);
        CHECK(guarded.stands() == "before");
        CHECK(read_reverted(guarded.directory())->is_complete);
        // Once is enough: the engine has not taken it in yet.
        guarded.put("later");
        CHECK(run({"--boot", guarded.folder.path()}) == 0);
        CHECK(guarded.stands() == "later");
    }
    SECTION("confirmed") {
        give_verdict(guarded.directory(), {.verdict = Verdict::confirmed});
        CHECK(run({"--boot", guarded.folder.path()}) == 0);
        CHECK(guarded.stands() == "after");
        CHECK_FALSE(exists(guarded.directory()));
    }
    SECTION("the store is one of several in the folder") {
        const std::string parent = parent_path(guarded.folder.path());
        TempFolder state;
        REQUIRE(symlink(guarded.folder.path().c_str(), (state / "edge-12345").c_str()) == 0);
        CHECK(run({"--boot", state.path()}) == 0);
        CHECK(guarded.stands() == "before");
    }
    SECTION("with garbage beside it") {
        const std::string garbage = confirm_directory(guarded.folder.path()) + "/garbage";
        REQUIRE(make_directories(garbage));
        { std::ofstream(garbage + "/checkpoint.json") << "no json"; }
        CHECK(run({"--boot", guarded.folder.path()}) == 1);
        CHECK(guarded.stands() == "before");
    }
}

TEST_CASE("before there is a network each scope is tried once, and what fails is left for later") {
    Guarded guarded;
    guarded.checkpoint.restore_limit_ms = 600'000;
    guarded.change();
    const std::string away = guarded.objects() + ".away";
    REQUIRE(rename(guarded.objects().c_str(), away.c_str()) == 0);
    REQUIRE(make_directories(guarded.objects())); // no file that could be read
    CHECK(run({"--boot-early", guarded.folder.path()}) == 1);
    CHECK_FALSE(read_reverted(guarded.directory())->is_complete);
    REQUIRE(rmdir(guarded.objects().c_str()) == 0);
    REQUIRE(rename(away.c_str(), guarded.objects().c_str()) == 0);
    SECTION("which is the other unit's turn") { CHECK(run({"--boot", guarded.folder.path()}) == 0); }
    SECTION("or its own") { CHECK(run({"--boot-early", guarded.folder.path()}) == 0); }
    CHECK(guarded.stands() == "before");
    CHECK(read_reverted(guarded.directory())->is_complete);
}

TEST_CASE("a second supervisor leaves the first alone") {
    Guarded guarded(60'000);
    guarded.change();
    Result<Fd> lifeline = start_supervisor(program(), guarded.directory());
    REQUIRE(lifeline);
    const Result<Fd> second = start_supervisor(program(), guarded.directory());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == "confirm.not-armed");
    REQUIRE(start_restore(program(), guarded.directory()));
    CHECK(run({"--boot", guarded.folder.path()}) == 0);
    CHECK(guarded.stands() == "after");
    CHECK(read_verdict(guarded.directory()).verdict == Verdict::none);
    give_verdict(guarded.directory(), {.verdict = Verdict::confirmed});
    CHECK(comes_true([&] { return !exists(guarded.directory()); }));
}

TEST_CASE("a supervisor that was killed is replaced by one that restores now") {
    Guarded guarded(60'000);
    guarded.change();
    Result<Fd> lifeline = start_supervisor(program(), guarded.directory());
    REQUIRE(lifeline);
    const pid_t pid = supervisor_of(guarded.directory());
    REQUIRE(pid > 0);
    REQUIRE(kill(pid, SIGKILL) == 0);
    REQUIRE(comes_true([&] { return !is_supervised(guarded.directory()); }));
    CHECK(guarded.stands() == "after");
    REQUIRE(start_restore(program(), guarded.directory()));
    REQUIRE(comes_true([&] { return read_reverted(guarded.directory()).has_value(); }));
    CHECK(guarded.stands() == "before");
}

TEST_CASE("a restore that cannot be is tried again, and then says what is wrong") {
    Guarded guarded;
    guarded.checkpoint.scopes[0].config = R"({"file": "/nowhere/at/all"})";
    guarded.change();
    CHECK(run({"--now", guarded.directory()}) == 0); // its child goes on
    REQUIRE(comes_true([&] { return read_reverted(guarded.directory()).has_value(); }));
    const auto reverted = read_reverted(guarded.directory());
    CHECK_FALSE(reverted->is_complete);
    REQUIRE(reverted->problems.size() == 1);
    CHECK_THAT(reverted->problems[0],
               ContainsSubstring("provider memory, scope net") && ContainsSubstring("/nowhere/at/all"));
    CHECK(exists(guarded.directory() + "/checkpoint.json"));
}

TEST_CASE("a target that is another one by now is not written") {
    Guarded guarded;
    guarded.checkpoint.scopes[0].target = "memory:another";
    guarded.change();
    CHECK(run({"--restore", guarded.directory(), "0"}) == 1);
    CHECK(guarded.stands() == "after");
}

TEST_CASE("a program that is not there, or is another one, arms nothing") {
    Guarded guarded;
    guarded.change();
    const std::string wrong = GENERATE("/nonexistent/holdfast-supervisor", "/bin/true");
    const Result<Fd> lifeline = start_supervisor(wrong, guarded.directory(), std::chrono::seconds(5));
    REQUIRE_FALSE(lifeline);
    CHECK(lifeline.error().code == "confirm.not-armed");
}

} // namespace
} // namespace holdfast

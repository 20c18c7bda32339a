// Law 10 with holdfastd: what may cut people off stays only where it is confirmed, and a dead daemon confirms
// nothing.

#include "support/catch.hpp"
#include "support/daemon_process.hpp"
#include "support/memory_world.hpp"

using namespace test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

bool has_file(const MemoryWorld& world, const std::string& name) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(world.place.store() / "confirm", error))
        if (fs::exists(entry.path() / name)) return true;
    return false;
}

bool is_over(const MemoryWorld& world) {
    std::error_code error;
    return fs::directory_iterator(world.place.store() / "confirm", error) == fs::directory_iterator();
}

std::string route(MemoryWorld& world) {
    return word_after(world.stored("route", "Object", "net"), "\"value\":\"").substr(0, 3);
}

// Object "route" stands as "old"; its next declaration, "new", is risky.
void begin(MemoryWorld& world, DaemonProcess& daemon, const std::string& timeout) {
    world.configure("", "confirm: {changes: risky, timeout: " + timeout + ", manual: true}");
    world.object("route", "scope: net, value: old");
    world.place.commit();
    daemon.start_and_wait();
    REQUIRE(comes_true([&] { return route(world) == "old"; }));
    world.object("route", "scope: net, value: new, critical: true");
    world.place.commit();
    REQUIRE(comes_true([&] { return has_file(world, "applied"); }));
    REQUIRE(route(world) == "new");
}

} // namespace

TEST_CASE("a change that the daemon made is confirmed by a person") {
    MemoryWorld world;
    DaemonProcess daemon(world.place);
    begin(world, daemon, "10m");
    const Ran status = world.place.holdfast({"status"});
    CHECK_THAT(status.out, ContainsSubstring("holdfast confirm app"));
    const Ran confirm = world.place.holdfast({"confirm", "app"});
    CAPTURE(confirm.out, confirm.err);
    CHECK(confirm.exit_code == 0);
    CHECK(comes_true([&] { return is_over(world); }));
    CHECK(daemon.has_logged("applied 1 change"));
    CHECK(route(world) == "new");
    CHECK(daemon.stop().exit_code == 0);
}

TEST_CASE(
    "a daemon that is killed between apply and confirmation leaves the old state, and a new one keeps it") {
    MemoryWorld world;
    DaemonProcess daemon(world.place);
    begin(world, daemon, "1s");
    daemon.stop(SIGKILL);
    REQUIRE(comes_true([&] { return has_file(world, "reverted.json"); }));
    CHECK(route(world) == "old");
    daemon.start_and_wait();
    CHECK(daemon.has_logged("was taken back at"));
    CHECK(comes_true([&] { return is_over(world); }));
    const Ran status = world.place.holdfast({"status"});
    CAPTURE(status.out);
    CHECK_THAT(status.out, ContainsSubstring("taken back"));
    // Not even when it is asked to.
    CHECK(world.place.holdfast({"sync", "--wait"}).exit_code == 3);
    CHECK(route(world) == "old");
    // Until somebody says so; then it waits for its confirmation again.
    CHECK(world.place.holdfast({"resume", "app"}).exit_code == 0);
    REQUIRE(comes_true([&] { return has_file(world, "applied"); }));
    CHECK(world.place.holdfast({"confirm"}).exit_code == 0);
    CHECK(comes_true([&] { return is_over(world); }));
    CHECK(route(world) == "new");
}

TEST_CASE("a daemon that is stopped takes back what waits, and tries it again when it comes back") {
    MemoryWorld world;
    DaemonProcess daemon(world.place);
    begin(world, daemon, "10m");
    const DaemonProcess::Ended ended = daemon.stop();
    CHECK(ended.exit_code == 0);
    CHECK(ended.took < 5s);
    REQUIRE(comes_true([&] { return route(world) == "old"; }));
    daemon.start_and_wait();
    REQUIRE(comes_true([&] { return has_file(world, "applied"); }));
    CHECK(world.place.holdfast({"confirm"}).exit_code == 0);
    CHECK(comes_true([&] { return is_over(world); }));
    CHECK(route(world) == "new");
}

#include <cstdio>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.hpp"

using namespace holdfast;

namespace {

Store::StackHold suspended(const std::string& stack) {
    return {.stack = stack,
            .is_suspended = true,
            .suspended_by = "ana@box",
            .suspend_reason = "disk \"2\"",
            .suspended_at_ms = 17};
}

// As another process sees it: does anybody hold SQLite's shared lock on the file?
bool is_locked_by_others(const std::string& path) {
    const pid_t child = fork();
    if (child == 0) {
        const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = 0x40000002; // SHARED_FIRST, https://www.sqlite.org/fileformat.html
        lock.l_len = 510;
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 1;
}

} // namespace

TEST_CASE("holds stay until they are taken back, with who and why") {
    TempFolder folder;
    const std::string path = folder / "store.db";
    Store::StackHold pinned = suspended("web");
    pinned.pin = "9d41c0";
    pinned.pinned_by = "li@box";
    pinned.pin_reason = "login";
    pinned.pinned_at_ms = 18;
    {
        auto store = opened(path);
        CHECK(store->holds().empty());
        store->set_hold(suspended("dns"));
        store->set_hold(suspended("web"));
        store->set_hold(pinned);
        store->forget_stack("web"); // a stack that comes back is still held
    }
    auto store = opened(path);
    CHECK(store->holds() == std::vector<Store::StackHold>{suspended("dns"), pinned});
    store->set_hold({.stack = "dns"});
    CHECK(store->holds() == std::vector<Store::StackHold>{pinned});
}

TEST_CASE("holds go with an export") {
    TempFolder folder;
    auto from = opened(folder / "a.db"), to = opened(folder / "b.db");
    from->set_hold(suspended("web"));
    std::vector<std::string> lines;
    from->export_to([&](std::string_view line) { lines.emplace_back(line); });
    std::size_t next = 0;
    const Status imported = to->import_from([&](std::string& line) {
        if (next == lines.size()) return false;
        line = lines[next++];
        return true;
    });
    REQUIRE(imported);
    CHECK(to->holds() == from->holds());
}

// A daemon has several connections, and its sessions come and go.
TEST_CASE("to open and close a store again does not drop the locks of the connection that stays") {
    TempFolder folder;
    const std::string path = folder / "store.db";
    auto stays = opened(path);
    stays->holds();
    REQUIRE(is_locked_by_others(path));
    opened(path)->holds();
    CHECK(is_locked_by_others(path));
    opened(path, true)->holds();
    CHECK(is_locked_by_others(path));
}

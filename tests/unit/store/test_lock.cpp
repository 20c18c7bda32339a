#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.hpp"

using namespace holdfast;

namespace {

// A child that holds a lock until it is killed.
class Holder {
public:
    Holder(const std::string& path, const std::string& name) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        pid_ = fork();
        if (pid_ == 0) {
            auto store = open_store({.path = path});
            auto lock = store ? (*store)->lock(name, "ana@edge-1")
                              : Result<std::unique_ptr<ScopeLock>>(store.error());
            const char answer = lock ? 'y' : 'n';
            if (write(ends[1], &answer, 1) != 1) _exit(1);
            for (;;) pause();
        }
        char answer = 0;
        REQUIRE(read(ends[0], &answer, 1) == 1);
        close(ends[0]);
        close(ends[1]);
        has_it_ = answer == 'y';
    }
    ~Holder() { die(); }
    void die() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    pid_t pid() const { return pid_; }
    bool has_it() const { return has_it_; }

private:
    pid_t pid_ = 0;
    bool has_it_ = false;
};

} // namespace

TEST_CASE("a lock is held once, also by two stores of one process, and names its holder") {
    TempFolder folder;
    const bool in_memory = GENERATE(true, false);
    const std::string path = in_memory ? ":memory:" : folder / "holdfast.db";
    auto store = opened(path);
    std::unique_ptr<Store> second = in_memory ? nullptr : opened(path);
    Store& other = in_memory ? *store : *second;
    auto lock = store->lock("files/etc", "ana@edge-1");
    REQUIRE(lock);
    const auto refused = other.lock("files/etc", "li@edge-1");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "store.locked");
    CHECK(refused.error().retry == Retry::after);
    CHECK_THAT(refused.error().message,
               StartsWith("files/etc is held by ana@edge-1 (pid " + std::to_string(getpid()) + ") since 20"));
    CHECK(other.lock("files/usr", "li@edge-1"));
    lock = failure("x", "x");
    CHECK(other.lock("files/etc", "li@edge-1"));
    CHECK(store->lock("files/etc", "li@edge-1")); // freed by the end of the line before
}

TEST_CASE("a lock outlives the store that gave it") {
    TempFolder folder;
    auto store = opened(folder / "holdfast.db");
    auto lock = store->lock("scope", "ana");
    store.reset();
    CHECK_FALSE(opened(folder / "holdfast.db")->lock("scope", "li"));
}

TEST_CASE("another process's lock is refused, and taken over once that process is dead") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    auto store = opened(path);
    Holder holder(path, "files/etc");
    REQUIRE(holder.has_it());
    const auto refused = store->lock("files/etc", "li@edge-1");
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message,
               ContainsSubstring("held by ana@edge-1 (pid " + std::to_string(holder.pid()) + ")"));
    holder.die();
    const auto taken = store->lock("files/etc", "li@edge-1");
    REQUIRE(taken);
    CHECK_THAT(store->lock("files/etc", "x").error().message, ContainsSubstring("li@edge-1"));
    CHECK_FALSE(Holder(path, "files/etc").has_it());
}

TEST_CASE("a lock's name may be anything") {
    TempFolder folder;
    auto store = opened(folder / "holdfast.db");
    const std::string name =
        GENERATE(as<std::string>{}, "", "../../etc/passwd", "a/b\nc", std::string(5000, 'x'));
    const auto lock = store->lock(name, "ana \"quoted\"");
    REQUIRE(lock);
    CHECK_THAT(store->lock(name, "li").error().message, ContainsSubstring("ana \"quoted\""));
}

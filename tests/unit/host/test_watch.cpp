#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "sandbox.hpp"

using namespace holdfast::testing;

namespace {

// Remembers which paths were hinted at.
class Ear {
public:
    Ear() : sink_{sizeof sink_, this, &hear} {}
    const holdfast_watch_sink* sink() const { return &sink_; }

    // Waits until `path` was hinted at ("*": everything), at most two seconds, and forgets all hints.
    bool hears(const std::string& path) {
        std::unique_lock<std::mutex> lock(mutex_);
        const bool heard =
            changed_.wait_for(lock, std::chrono::seconds(2), [&] { return paths_.count(path) != 0; });
        paths_.clear();
        return heard;
    }
    bool heard_nothing() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return paths_.empty();
    }
    void forget() {
        const std::lock_guard<std::mutex> lock(mutex_);
        paths_.clear();
    }

private:
    static void hear(const holdfast_watch_sink* sink, const holdfast_hint* hint) {
        auto& self = *static_cast<Ear*>(sink->context);
        const std::lock_guard<std::mutex> lock(self.mutex_);
        self.paths_.insert(
            hint->reach == HOLDFAST_HINT_ITEM ? Json::parse(text(hint->identity)).get<std::string>() : "*");
        self.changed_.notify_all();
    }
    holdfast_watch_sink sink_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> paths_;
};

struct Watched : Sandbox {
    Watched() : table(plugin.extension<holdfast_watch>(HOLDFAST_EXT_WATCH)) {}
    ~Watched() { stop(); }
    void watch(const std::vector<std::string>& paths) {
        std::vector<RawItem> items;
        for (const std::string& path : paths) items.push_back(item("File", path));
        const auto results = plugin.run(
            [&](const holdfast_call* call) { return table->watch(plugin.instance, call, ear.sink()); }, items,
            "", "");
        REQUIRE(plugin.status == HOLDFAST_OK);
    }
    void stop() {
        if (plugin.instance) table->stop(plugin.instance);
    }
    const holdfast_watch* table;
    Ear ear;
};

} // namespace

TEST_CASE("every way to change a watched file is hinted at") {
    Watched box;
    box.write("f", "1");
    box.write("other", "1");
    box.watch({"f"});
    SECTION("written in place") { box.write("f", "2"); }
    SECTION("renamed over, as editors do") { fs::rename(box.root / "other", box.root / "f"); }
    SECTION("renamed away") { fs::rename(box.root / "f", box.root / "g"); }
    SECTION("deleted") { fs::remove(box.root / "f"); }
    SECTION("its mode changed") { fs::permissions(box.root / "f", fs::perms::owner_all); }
    SECTION("replaced by a directory") {
        fs::remove(box.root / "f");
        fs::create_directory(box.root / "f");
    }
    CHECK(box.ear.hears("f"));
}

TEST_CASE("a file that does not exist yet is watched, however much of its way is missing") {
    Watched box;
    box.watch({"a/b/c/f"});
    fs::create_directories(box.root / "a/b/c");
    CHECK(box.ear.hears("a/b/c/f"));
    box.ear.forget();
    box.write("a/b/c/f", "1");
    CHECK(box.ear.hears("a/b/c/f"));
}

TEST_CASE("a directory on the way that is removed and made again is watched again") {
    Watched box;
    fs::create_directories(box.root / "a/b");
    box.write("a/b/f", "1");
    box.watch({"a/b/f"});
    for (int round = 0; round < 3; ++round) {
        fs::remove_all(box.root / "a");
        CHECK(box.ear.hears("a/b/f"));
        fs::create_directories(box.root / "a/b");
        CHECK(box.ear.hears("a/b/f"));
        ::usleep(20'000); // let the hints of the directories pass
        box.ear.forget();
        box.write("a/b/f", "1");
        CHECK(box.ear.hears("a/b/f"));
    }
}

TEST_CASE("a directory on the way that is exchanged for another is noticed, and the new one is watched") {
    Watched box;
    fs::create_directories(box.root / "a/b");
    fs::create_directories(box.root / "new/b");
    box.write("a/b/f", "1");
    box.write("new/b/f", "2");
    box.watch({"a/b/f"});
    fs::rename(box.root / "a", box.root / "old");
    CHECK(box.ear.hears("a/b/f"));
    fs::rename(box.root / "new", box.root / "a");
    CHECK(box.ear.hears("a/b/f"));
    ::usleep(20'000);
    box.ear.forget();
    box.write("a/b/f", "3");
    CHECK(box.ear.hears("a/b/f"));
}

TEST_CASE("a way through a symbolic link is watched where it really leads") {
    Watched box;
    fs::create_directories(box.root / "releases/1");
    fs::create_directories(box.root / "releases/2");
    fs::create_directory_symlink("releases/1", box.root / "now");
    box.watch({"now/f"});
    box.write("releases/1/f", "1");
    CHECK(box.ear.hears("now/f"));
    ::usleep(20'000);
    box.ear.forget();
    SECTION("the link is turned") {
        fs::create_directory_symlink("releases/2", box.root / "next");
        fs::rename(box.root / "next", box.root / "now");
        CHECK(box.ear.hears("now/f"));
        ::usleep(20'000);
        box.ear.forget();
        box.write("releases/2/f", "2");
        CHECK(box.ear.hears("now/f"));
    }
    SECTION("its goal is renamed") {
        fs::rename(box.root / "releases/1", box.root / "releases/gone");
        CHECK(box.ear.hears("now/f"));
    }
    SECTION("what its goal lies in is renamed") {
        fs::rename(box.root / "releases", box.root / "gone");
        CHECK(box.ear.hears("now/f"));
    }
}

TEST_CASE("foreign files cause no hints, nor does what is no longer watched, nor anything after stop") {
    Watched box;
    box.write("f", "1");
    box.write("fa", "1");
    box.write("g", "1");
    box.watch({"f", "g"});
    box.watch({"g"});
    box.write("f", "2");
    box.write("fa", "2");
    box.write("g", "2");
    CHECK(box.ear.hears("g"));
    box.stop();
    box.ear.forget();
    box.write("g", "3");
    ::usleep(50'000);
    CHECK(box.ear.heard_nothing());
    box.watch({"g"});
    box.write("g", "4");
    CHECK(box.ear.hears("g"));
}

TEST_CASE("only the file that changed is hinted at") {
    Watched box;
    fs::create_directory(box.root / "d");
    for (const char* path : {"d/a", "d/ab", "d-x"}) box.write(path, "1");
    box.watch({"d/a", "d/ab", "d-x"});
    box.write("d/a", "2");
    CHECK(box.ear.hears("d/a"));
    box.write("d/a", "3");
    ::usleep(50'000);
    box.ear.forget();
    CHECK(box.ear.heard_nothing());
}

TEST_CASE("when the kernel's queue overflows, everything is hinted at and watched again") {
    Watched box;
    box.write("f", "1");
    box.watch({"f"});
    // While the first hint is being taken nobody reads the queue; two names in turn, since equal events
    // merge.
    std::size_t limit = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
    if (limit == 0 || limit > 70'000) return;
    class Deaf {
    public:
        Deaf() : sink_{sizeof sink_, this, &hear} {}
        static void hear(const holdfast_watch_sink* sink, const holdfast_hint* hint) {
            auto& self = *static_cast<Deaf*>(sink->context);
            std::unique_lock<std::mutex> lock(self.mutex);
            if (hint->reach == HOLDFAST_HINT_ALL) self.everything = true;
            ++self.hints;
            self.changed.notify_all();
            self.changed.wait(lock, [&] { return self.awake; });
        }
        holdfast_watch_sink sink_;
        std::mutex mutex;
        std::condition_variable changed;
        bool awake = false, everything = false;
        int hints = 0;
    } deaf;
    box.plugin.run(
        [&](const holdfast_call* call) { return box.table->watch(box.plugin.instance, call, &deaf.sink_); },
        {Sandbox::item("File", "f")}, "", "");
    box.write("f", "2");
    {
        std::unique_lock<std::mutex> lock(deaf.mutex);
        REQUIRE(deaf.changed.wait_for(lock, std::chrono::seconds(2), [&] { return deaf.hints > 0; }));
    }
    const std::string f = box.root / "f", g = box.root / "g";
    for (std::size_t i = 0; i <= limit / 2; ++i) {
        ::chmod(f.c_str(), i % 2 ? 0600 : 0644);
        if (::rename(f.c_str(), g.c_str()) == 0) ::rename(g.c_str(), f.c_str());
    }
    std::unique_lock<std::mutex> lock(deaf.mutex);
    deaf.awake = true;
    deaf.changed.notify_all();
    CHECK(deaf.changed.wait_for(lock, std::chrono::seconds(5), [&] { return deaf.everything; }));
    lock.unlock();
    box.watch({"f"});
    ::usleep(100'000);
    box.ear.forget();
    box.write("f", "3");
    CHECK(box.ear.hears("f"));
}

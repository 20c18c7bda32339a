#pragma once
// Watches paths beneath the root with inotify, and hints at those that something may have happened to.
//
// A path is watched through every directory on the way to it: in each, the name of the next one counts.
// So it does not matter how deep something is created, renamed or replaced, or whether a directory on the
// way exists yet: an event about a name concerns all watched paths that go through it, and their watches
// are placed anew before they are hinted at. Directories that are reached through symbolic links are
// watched on their real way as well. When the kernel's queue overflows, everything is placed anew and
// hinted at.

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <holdfast/provider.hpp>

struct inotify_event;

#include <holdfast/files.hpp>

namespace holdfast::host {

using sdk::Fd;

class Root;

struct Interest {
    std::string path, kind, identity;
};

class Watcher {
public:
    // Throws sdk::Error `host.watch-limit` where the kernel's limits are reached.
    Watcher(const Root& root, sdk::Host host);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Replaces what is watched in `scope`. Throws like the constructor.
    void watch(const std::string& scope, std::vector<Interest> interests, sdk::Hints hints);

private:
    // One inotify watch: which names matter in that directory, and to which watched ways. The empty name
    // is the directory itself.
    struct Place {
        std::unordered_map<std::string, std::set<std::string>> ways;
    };
    struct Item {
        std::string scope, kind, identity;
    };
    // What to tell once the lock is released.
    struct Findings {
        bool everything = false;
        std::map<std::string, std::vector<Item>> items;
    };

    void start();
    void run();
    void read_events(Findings& findings);
    void note(const inotify_event& event, Findings& findings);
    void concern(const std::string& way, Findings& findings);
    void tell(const Findings& findings, const sdk::Hints& hints) const;

    void place_all();
    void place_beneath(const std::string& way);
    void place_way_to(const std::string& path);
    // Watches one directory, "" being the root, for a name in it. False where there is no such directory.
    bool place(const std::string& directory, const std::string& name, const std::string& way);
    void place_real_way(int fd, const std::string& directory);
    int add_watch(int fd, const std::string& directory);
    void subscribe(int place, const std::string& name, const std::string& way);

    const Root& root_;
    const sdk::Host host_;
    Fd inotify_, wake_;
    std::string real_root_;

    std::mutex mutex_;
    std::multimap<std::string, Item> items_; // by path, so that what lies beneath one is a range
    std::unordered_map<int, Place> places_;
    std::unordered_map<std::string, int> placed_; // directories (as written) seen since the last event
    std::unique_ptr<sdk::Hints> hints_;
    unsigned replaced_ = 0;
    std::thread thread_; // last: it uses all of the above
};

} // namespace holdfast::host

#pragma once
// Hints when account files, sudoers fragments or somebody's keys may have changed (inotify). Files are
// replaced by rename, so directories are watched, never files.

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include <holdfast/provider.hpp>

#include "root.hpp"

struct inotify_event;

namespace holdfast::access {

class LinuxWatcher {
public:
    LinuxWatcher(const Root& root, sdk::Host host);
    ~LinuxWatcher();
    LinuxWatcher(const LinuxWatcher&) = delete;
    LinuxWatcher& operator=(const LinuxWatcher&) = delete;

    // The accounts whose keys are watched; nothing: nothing is.
    void watch(std::optional<std::set<std::string>> accounts, sdk::Hints hints);

private:
    enum class Place { etc, sudoers, home, ssh };

    void run();
    void place_all();
    void place(const std::string& path, Place what);
    // True where an event may be about something of ours.
    bool read_events();
    static bool matters(Place place, const inotify_event& event);

    const Root& root_;
    const sdk::Host host_;
    Fd inotify_, wake_;
    std::mutex mutex_;
    std::optional<std::set<std::string>> accounts_;
    std::optional<sdk::Hints> hints_;
    std::map<int, Place> places_;
    std::thread thread_; // last: it uses all of the above
};

} // namespace holdfast::access

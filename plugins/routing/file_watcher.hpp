#pragma once
// Tells when one file changed, appeared, or went: inotify on its directory, since a rename puts another file
// in its place.

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include <holdfast/parts.hpp>

namespace holdfast::routing {

// Owns a thread. `on_change` is called from it.
class FileWatcher {
public:
    // Throws `routing.file` where the directory cannot be watched.
    FileWatcher(const std::string& path, std::function<void()> on_change);
    ~FileWatcher(); // no call after it
    FileWatcher(const FileWatcher&) = delete;
    FileWatcher& operator=(const FileWatcher&) = delete;

private:
    void run();
    bool is_about_it() const;

    std::string name_;
    std::function<void()> on_change_;
    int events_ = -1;
    sdk::Wake wake_;
    std::stop_source stop_;
    std::jthread thread_;
};

} // namespace holdfast::routing

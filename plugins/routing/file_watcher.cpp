#include "file_watcher.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <holdfast/provider.hpp>

namespace holdfast::routing {

FileWatcher::FileWatcher(const std::string& path, std::function<void()> on_change)
    : name_(path.substr(path.rfind('/') + 1)), on_change_(std::move(on_change)) {
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    events_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    const std::uint32_t what =
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF;
    if (events_ < 0 || inotify_add_watch(events_, folder.c_str(), what) < 0) {
        const std::string why = std::strerror(errno);
        if (events_ >= 0) close(events_);
        throw sdk::Error("routing.file", "the folder " + folder + " cannot be watched: " + why,
                         "correct the path in the provider's config, or raise fs.inotify.max_user_watches");
    }
    thread_ = std::jthread([this] { run(); }); // stopped by stop_, which it may ask for from its start
}

FileWatcher::~FileWatcher() {
    stop_.request_stop();
    wake_.wake();
    thread_.join();
    close(events_);
}

void FileWatcher::run() {
    const std::stop_token stop = stop_.get_token();
    while (!stop.stop_requested()) {
        std::array<pollfd, 2> descriptors{pollfd{wake_.fd(), POLLIN, 0}, pollfd{events_, POLLIN, 0}};
        poll(descriptors.data(), descriptors.size(), -1);
        if (stop.stop_requested()) return;
        if (is_about_it()) on_change_();
    }
}

bool FileWatcher::is_about_it() const {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    bool is_it = false;
    for (ssize_t got = 0; (got = read(events_, buffer.data(), buffer.size())) > 0;)
        for (ssize_t at = 0; at < got;) {
            const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            const bool is_lost = (event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF)) != 0;
            if (is_lost || (event->len > 0 && name_ == event->name)) is_it = true;
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        }
    return is_it;
}

} // namespace holdfast::routing

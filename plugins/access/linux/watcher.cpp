#include "watcher.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "access/names.hpp"
#include "table.hpp"

namespace holdfast::access {

namespace {

constexpr std::uint32_t what_counts = IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

} // namespace

LinuxWatcher::LinuxWatcher(const Root& root, sdk::Host host)
    : root_(root),
      host_(host),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC)) {
    if (!inotify_ || !wake_) throw_system(errno, "watch", root.path());
}

LinuxWatcher::~LinuxWatcher() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
}

void LinuxWatcher::watch(std::optional<std::set<std::string>> accounts, sdk::Hints hints) {
    const std::lock_guard<std::mutex> lock(mutex_);
    accounts_ = std::move(accounts);
    hints_ = hints;
    place_all();
    if (thread_.joinable() || !accounts_) return;
    sigset_t all, before; // signals are for the host's own threads
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// A watch that stands already is found again by the kernel, and one that nobody needs any more is given back.
void LinuxWatcher::place_all() {
    std::map<int, Place> before;
    before.swap(places_);
    if (accounts_) {
        place("etc", Place::etc);
        place("etc/sudoers.d", Place::sudoers);
        const auto text = root_.read("etc/passwd");
        for (const std::string& line : split(text.value_or(""), '\n')) {
            const std::string name = line.substr(0, line.find(':'));
            if (!accounts_->count(name)) continue;
            const std::size_t shell = line.rfind(':'), home = line.rfind(':', shell - 1);
            if (shell == std::string::npos || home == std::string::npos || shell == 0) continue;
            const std::string path = without_slash(line.substr(home + 1, shell - home - 1));
            place(path, Place::home);
            place(path + "/.ssh", Place::ssh);
        }
    }
    for (const auto& [number, unused] : before)
        if (!places_.count(number)) ::inotify_rm_watch(inotify_.get(), number);
}

void LinuxWatcher::place(const std::string& path, Place what) {
    const Fd directory = root_.open(path, O_PATH | O_DIRECTORY);
    if (!directory) return; // it is seen when it comes, in the directory that it comes in
    const std::string link = "/proc/self/fd/" + std::to_string(directory.get());
    const int number = ::inotify_add_watch(inotify_.get(), link.c_str(), what_counts);
    if (number >= 0) {
        places_.emplace(number, what);
        return;
    }
    if (errno == ENOSPC || errno == ENOMEM)
        throw sdk::Error("access.watch-limit",
                         "cannot watch " + path + ": the kernel's limit of watches is reached",
                         "raise the sysctl fs.inotify.max_user_watches");
}

bool LinuxWatcher::matters(Place place, const inotify_event& event) {
    const std::string_view name = event.len > 0 ? event.name : "";
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW)) != 0) return true;
    switch (place) {
        case Place::etc:
            return name == "passwd" || name == "shadow" || name == "group" || name == "gshadow" ||
                   name == "sudoers.d"; // tidy: not a code
        case Place::sudoers: return name.substr(0, 9) == "holdfast-";
        case Place::home: return name == ".ssh";
        case Place::ssh: return name == "authorized_keys" || name == "authorized_keys2" || name.empty();
    }
    return true;
}

bool LinuxWatcher::read_events() {
    alignas(inotify_event) char buffer[64U << 10];
    bool any = false;
    for (;;) {
        const ssize_t size = ::read(inotify_.get(), buffer, sizeof buffer);
        if (size <= 0) return any;
        for (ssize_t at = 0; at < size;) {
            const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
            const auto place = places_.find(event.wd);
            if ((event.mask & IN_Q_OVERFLOW) != 0) any = true;
            if (place != places_.end()) any |= matters(place->second, event);
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
    }
}

void LinuxWatcher::run() {
    for (;;) {
        pollfd ready[2] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
        if (::poll(ready, 2, -1) < 0 && errno != EINTR) return;
        if (ready[1].revents != 0) return;
        if (ready[0].revents == 0) continue;
        std::optional<sdk::Hints> hints;
        try {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (!read_events() || !accounts_) continue;
            place_all(); // a home may have come, or a .ssh
            hints = hints_;
        } catch (const std::exception& error) { // the watch has a gap now
            host_.warning(std::string("watching failed, so all is looked at again: ") + error.what());
            hints = hints_;
        }
        if (hints) hints->scope("");
    }
}

} // namespace holdfast::access

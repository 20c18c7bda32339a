#include "watcher.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "errors.hpp"
#include "path.hpp"
#include "root.hpp"

namespace holdfast::host {

namespace {

constexpr std::uint32_t what_counts = IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
                                      IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                                      IN_ONLYDIR;
// Events after which another object, or none, has the name.
constexpr std::uint32_t changes_names = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                                        IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED | IN_ATTRIB;

std::string link_to(int fd) {
    char self[40];
    std::snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return self;
}

std::string real_path_of(int fd) {
    char buffer[PATH_MAX];
    const ssize_t size = ::readlink(link_to(fd).c_str(), buffer, sizeof buffer);
    return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string();
}

} // namespace

Watcher::Watcher(const Root& root, sdk::Host host)
    : root_(root),
      host_(host),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!inotify_ || !wake_)
        throw sdk::Error("host.watch-limit", "cannot watch: " + error_text(errno),
                         "raise the sysctl fs.inotify.max_user_instances, or the limit of open files");
    int error = 0;
    const Fd directory = root_.open_directory("", OpenFor::reading, error);
    if (directory) real_root_ = real_path_of(directory.get());
}

Watcher::~Watcher() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
}

void Watcher::watch(const std::string& scope, std::vector<Interest> interests, sdk::Hints hints) {
    const std::lock_guard<std::mutex> lock(mutex_);
    hints_ = std::make_unique<sdk::Hints>(hints);
    for (auto item = items_.begin(); item != items_.end();)
        item = item->second.scope == scope ? items_.erase(item) : std::next(item);
    for (Interest& interest : interests)
        items_.emplace(std::move(interest.path),
                       Item{scope, std::move(interest.kind), std::move(interest.identity)});
    place_all();
    if (!thread_.joinable()) start();
}

// ---- placing watches ----

// From nothing: watches that nobody needs any more are given back to the kernel.
void Watcher::place_all() {
    std::unordered_map<int, Place> before;
    before.swap(places_);
    placed_.clear();
    for (auto item = items_.begin(); item != items_.end(); item = items_.upper_bound(item->first))
        place_way_to(item->first);
    for (const auto& [number, unused] : before)
        if (!places_.count(number)) ::inotify_rm_watch(inotify_.get(), number);
}

// From the root on, each directory before the next is looked at: what appears in between is an event.
void Watcher::place_way_to(const std::string& path) {
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t end = std::min(path.find('/', from), path.size());
        const std::string directory = path.substr(0, from ? from - 1 : 0);
        if (!place(directory, path.substr(from, end - from), path.substr(0, end))) return;
        from = end + 1;
    }
}

bool Watcher::place(const std::string& directory, const std::string& name, const std::string& way) {
    auto known = placed_.find(directory);
    if (known == placed_.end()) {
        int error = 0;
        const Fd fd = root_.open_directory(directory, OpenFor::reading, error);
        if (!fd) return false;
        const int number = add_watch(fd.get(), directory);
        if (number < 0) return false;
        known = placed_.emplace(directory, number).first;
        subscribe(number, "", directory);
        place_real_way(fd.get(), directory);
    }
    subscribe(known->second, name, way);
    return true;
}

// Where a symbolic link is on the way, the directory really lies elsewhere and may be renamed there.
void Watcher::place_real_way(int fd, const std::string& directory) {
    const std::string real = real_path_of(fd);
    const std::string base = real_root_ == "/" ? "" : real_root_;
    if (real.compare(0, base.size() + 1, base + "/") != 0) return;
    const std::string inside = real.substr(base.size() + 1);
    if (inside == directory) return;
    for (std::size_t from = 0; from <= inside.size();) {
        const std::size_t end = std::min(inside.find('/', from), inside.size());
        int error = 0;
        const Fd step = root_.open_directory(inside.substr(0, from ? from - 1 : 0), OpenFor::reading, error);
        const int number = step ? add_watch(step.get(), inside) : -1;
        if (number < 0) return;
        subscribe(number, inside.substr(from, end - from), directory);
        from = end + 1;
    }
}

int Watcher::add_watch(int fd, const std::string& directory) {
    const int number = ::inotify_add_watch(inotify_.get(), link_to(fd).c_str(), what_counts);
    if (number >= 0 || errno == ENOENT || errno == ENOTDIR) return number;
    if (errno == ENOSPC || errno == ENOMEM)
        throw sdk::Error("host.watch-limit",
                         "cannot watch " + directory + ": the kernel's limit of watches is reached",
                         "raise the sysctl fs.inotify.max_user_watches");
    throw_system(errno, "watch", directory.empty() ? "." : directory);
}

void Watcher::subscribe(int place, const std::string& name, const std::string& way) {
    places_[place].ways[name].insert(way);
}

// ---- hearing of changes ----

// Signals are for the host's own threads.
void Watcher::start() {
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Watcher::run() {
    for (;;) {
        pollfd ready[2] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
        if (::poll(ready, 2, -1) < 0 && errno != EINTR) return;
        if (ready[1].revents) return;
        if (!ready[0].revents) continue;
        Findings findings;
        std::unique_ptr<sdk::Hints> hints;
        try {
            const std::lock_guard<std::mutex> lock(mutex_);
            hints = std::make_unique<sdk::Hints>(*hints_);
            read_events(findings);
        } catch (const std::exception& error) { // the watch has a gap now
            host_.warning(std::string("watching failed, so everything is looked at again: ") + error.what());
            findings.everything = true;
        }
        if (hints) tell(findings, *hints);
    }
}

void Watcher::read_events(Findings& findings) {
    alignas(inotify_event) char buffer[64U << 10];
    const ssize_t size = ::read(inotify_.get(), buffer, sizeof buffer);
    for (ssize_t at = 0; at < size;) {
        const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
        note(event, findings);
        at += static_cast<ssize_t>(sizeof event + event.len);
    }
    if (findings.everything) place_all();
}

void Watcher::note(const inotify_event& event, Findings& findings) {
    if (event.mask & IN_Q_OVERFLOW) findings.everything = true;
    auto place = places_.find(event.wd);
    if (place == places_.end() || findings.everything) return;
    auto found = place->second.ways.find(event.len ? event.name : "");
    const std::set<std::string> ways =
        found == place->second.ways.end() ? std::set<std::string>() : found->second;
    if (event.mask & IN_IGNORED) places_.erase(place);
    for (const std::string& way : ways) {
        if (event.mask & changes_names) place_beneath(way);
        concern(way, findings);
    }
}

// Another directory may be at `way` now. The watches on the one that was there before do no harm, but
// they should not pile up.
void Watcher::place_beneath(const std::string& way) {
    placed_.clear();
    bool is_directory = false;
    for (auto item = items_.lower_bound(way); item != items_.end(); item = items_.upper_bound(item->first)) {
        if (item->first.compare(0, way.size(), way) != 0) break;
        if (!is_beneath(item->first, way)) continue;
        is_directory = true;
        place_way_to(item->first);
    }
    if (is_directory && ++replaced_ % 64 == 0) place_all();
}

// Everything that is at the way's end or goes through it.
void Watcher::concern(const std::string& way, Findings& findings) {
    for (auto item = items_.lower_bound(way); item != items_.end(); ++item) {
        if (item->first.compare(0, way.size(), way) != 0) break;
        if (item->first != way && !is_beneath(item->first, way)) continue;
        auto& known = findings.items[item->first];
        if (known.empty()) {
            auto [first, last] = items_.equal_range(item->first);
            for (; first != last; ++first) known.push_back(first->second);
        }
    }
}

void Watcher::tell(const Findings& findings, const sdk::Hints& hints) const {
    if (findings.everything) return hints.all();
    for (const auto& [path, items] : findings.items)
        for (const Item& item : items) hints.item(item.scope, item.kind, item.identity);
}

} // namespace holdfast::host

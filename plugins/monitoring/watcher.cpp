#include "watcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace holdfast::monitoring {

namespace {

constexpr std::chrono::seconds look_timeout(10);

} // namespace

// A call that nobody made: for what the thread asks by itself.
struct Watcher::OwnCall {
    holdfast_call raw{};
    std::stop_token stop;

    OwnCall(const sdk::Host& host, std::stop_token token) : stop(std::move(token)) {
        raw.size = sizeof raw;
        raw.item_size = sizeof(holdfast_item);
        raw.host = host.raw();
        raw.context = this;
        raw.deadline_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                              (Clock::now() + look_timeout).time_since_epoch())
                              .count();
        raw.cancelled = [](const holdfast_call* call) {
            return static_cast<int>(static_cast<OwnCall*>(call->context)->stop.stop_requested());
        };
        raw.emit = [](const holdfast_call*, const holdfast_result*) { return 0; };
    }
};

Watcher::Watcher(std::chrono::seconds interval, const sdk::Host& host) : interval_(interval), host_(host) {
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    events_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    thread_ = std::jthread([this] { run(); }); // stopped by stop_, which it may ask for from its start
}

Watcher::~Watcher() {
    stop_.request_stop();
    wake();
    thread_.join();
    close(wake_);
    close(events_);
}

void Watcher::wake() {
    const std::uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) host_.debug("the watching thread could not be woken");
}

void Watcher::watch_folder(const std::string& folder) {
    const std::uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF;
    if (inotify_add_watch(events_, folder.c_str(), mask | IN_ONLYDIR) >= 0) return;
    throw sdk::Error("monitoring.file",
                     "the folder " + folder + " cannot be watched: " + std::strerror(errno),
                     "correct the path in the provider's config, or raise fs.inotify.max_user_watches");
}

void Watcher::watch(const sdk::Scope& scope, const Part& part, bool is_wanted, sdk::Hints hints) {
    const std::string name(scope.name());
    if (!is_wanted) {
        const std::lock_guard lock(mutex_);
        watched_.erase(name);
        return;
    }
    if (!part.folder().empty()) watch_folder(part.folder());
    const std::string mark = part.mark(scope);
    {
        const std::lock_guard lock(mutex_);
        watched_.insert_or_assign(name, Watched{&part, hints, mark, Clock::now(), false});
    }
    wake();
}

int Watcher::wait_ms() {
    const std::lock_guard lock(mutex_);
    auto next = Clock::now() + std::chrono::hours(1);
    for (const auto& [name, watched] : watched_) next = std::min(next, watched.next);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count();
    return static_cast<int>(std::max<std::int64_t>(left, 0)) + 1;
}

void Watcher::run() {
    const std::stop_token stop = stop_.get_token();
    while (!stop.stop_requested()) {
        std::array<pollfd, 2> descriptors{pollfd{wake_, POLLIN, 0}, pollfd{events_, POLLIN, 0}};
        poll(descriptors.data(), descriptors.size(), wait_ms());
        if (stop.stop_requested()) return;
        std::uint64_t count = 0;
        if ((descriptors[0].revents & POLLIN) != 0 && read(wake_, &count, sizeof count) < 0) continue;
        if ((descriptors[1].revents & POLLIN) != 0) take_events();
        look_at_due();
    }
}

// What the events say is not read: whatever happened in a folder, every part is looked at.
void Watcher::take_events() {
    std::array<char, 4096> buffer{};
    while (read(events_, buffer.data(), buffer.size()) > 0) continue;
    const std::lock_guard lock(mutex_);
    for (auto& [name, watched] : watched_) watched.next = Clock::now();
}

void Watcher::look_at_due() {
    std::vector<std::string> due;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, watched] : watched_)
            if (watched.next <= Clock::now()) due.push_back(name);
    }
    for (const std::string& name : due) look(name);
}

// The server is asked without the lock, so that watch() does not wait for a slow one. It is news that the
// mark is another, or that the part cannot be seen any more, or again, since nobody knows what happened
// meanwhile.
void Watcher::look(const std::string& scope) {
    const Part* part = nullptr;
    {
        const std::lock_guard lock(mutex_);
        const auto found = watched_.find(scope);
        if (found == watched_.end()) return;
        part = found->second.part;
    }
    const OwnCall call(host_, stop_.get_token());
    std::optional<std::string> mark;
    std::string why;
    try {
        mark = part->mark(sdk::Call(&call.raw));
    } catch (const std::exception& error) {
        why = error.what();
    }
    std::optional<sdk::Hints> hints;
    {
        const std::lock_guard lock(mutex_);
        const auto found = watched_.find(scope);
        if (found == watched_.end()) return;
        Watched& watched = found->second;
        watched.next = Clock::now() + interval_;
        const bool was_failing = std::exchange(watched.is_failing, !mark);
        if (was_failing != watched.is_failing || (mark && *mark != watched.mark)) hints = watched.hints;
        if (mark) watched.mark = *mark;
    }
    if (!mark && hints)
        host_.warning((scope.empty() ? "Alertmanager" : scope) + " cannot be watched: " + why);
    if (hints && !stop_.stop_requested()) hints->scope(scope);
}

} // namespace holdfast::monitoring

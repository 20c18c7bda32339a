#pragma once
// How threads reach the daemon's loop: they post, and its poll wakes.

#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/locked.hpp"
#include "sys/file.hpp"

namespace holdfast {

// `post` from any thread; `take` from the loop's.
template <typename Event>
class Mailbox {
public:
    Mailbox() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void post(Event event) {
        events_.with([&](auto& events) { events.push_back(std::move(event)); });
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
    }
    // Readable while there is something to take.
    int fd() const { return wake_.get(); }
    std::vector<Event> take() {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = read(wake_.get(), &count, sizeof count);
        return events_.with([](auto& events) { return std::exchange(events, {}); });
    }

private:
    Fd wake_;
    Locked<std::vector<Event>> events_;
};

} // namespace holdfast

#pragma once
// A clock that stands still until somebody sleeps or moves it: backoffs and deadlines pass in no time, and
// a test can say exactly how long something would have taken.

#include <atomic>
#include <chrono>

#include "sys/clock.hpp"

namespace holdfast {

// Thread-safe.
class FakeClock final : public Clock {
public:
    std::int64_t now_ms() override { return unix_ms_at_start + elapsed_ms_; }
    std::chrono::steady_clock::time_point steady() override {
        return std::chrono::steady_clock::time_point(std::chrono::milliseconds(elapsed_ms_));
    }
    bool sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        if (stop.stop_requested()) return false;
        advance(duration);
        return true;
    }

    void advance(std::chrono::milliseconds duration) { elapsed_ms_ += duration.count(); }
    std::chrono::milliseconds elapsed() const { return std::chrono::milliseconds(elapsed_ms_); }

    static constexpr std::int64_t unix_ms_at_start = 1'795'377'056'000;

private:
    std::atomic<std::int64_t> elapsed_ms_ =
        1'000; // not zero: the epoch of a steady clock means "never" to some
};

} // namespace holdfast

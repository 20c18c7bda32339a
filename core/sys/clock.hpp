#pragma once
// Time, injected: tests own a clock that they move by hand, so a scenario runs a week in a millisecond.

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

namespace holdfast {

class Clock {
public:
    virtual ~Clock() = default;
    virtual std::int64_t now_ms() = 0; // Unix time
    virtual std::chrono::steady_clock::time_point steady() = 0;
    // Of a clock that nobody sets and that goes on while the machine sleeps; its zero means nothing.
    virtual std::chrono::milliseconds uptime() {
        return std::chrono::duration_cast<std::chrono::milliseconds>(steady().time_since_epoch());
    }
    // Returns early, and false, once `stop` is requested.
    virtual bool sleep_for(std::chrono::milliseconds duration, std::stop_token stop) = 0;
};

class SystemClock final : public Clock {
public:
    std::int64_t now_ms() override;
    std::chrono::steady_clock::time_point steady() override;
    std::chrono::milliseconds uptime() override;
    bool sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override;
};

// "2026-11-22T19:50:56Z"
std::string utc_time(std::int64_t unix_ms);

} // namespace holdfast

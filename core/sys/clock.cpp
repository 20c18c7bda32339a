#include "sys/clock.hpp"

#include <condition_variable>
#include <ctime>
#include <mutex>

#include <fmt/core.h>

namespace holdfast {

std::int64_t SystemClock::now_ms() {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

std::chrono::steady_clock::time_point SystemClock::steady() { return std::chrono::steady_clock::now(); }

std::chrono::milliseconds SystemClock::uptime() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::milliseconds(now.tv_nsec / 1'000'000);
}

bool SystemClock::sleep_for(std::chrono::milliseconds duration, std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any wakes;
    std::unique_lock lock(mutex);
    wakes.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
}

std::string utc_time(std::int64_t unix_ms) {
    // Floors, so that times before 1970 keep their second.
    const std::time_t seconds = static_cast<std::time_t>((unix_ms - (unix_ms < 0 ? 999 : 0)) / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

} // namespace holdfast

#include "sys/clock.hpp"

#include <thread>

#include "support/catch.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("times are written as UTC") {
    auto [ms, text] = GENERATE(table<std::int64_t, std::string>({
        {0, "1970-01-01T00:00:00Z"},
        {1'795'377'056'999, "2026-11-22T19:50:56Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {951'782'400'000, "2000-02-29T00:00:00Z"},
    }));
    CHECK(utc_time(ms) == text);
}

TEST_CASE("a sleep ends early, and says so, once it is asked to stop") {
    SystemClock clock;
    CHECK(clock.sleep_for(1ms, std::stop_token{}));
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    const auto before = clock.steady();
    CHECK_FALSE(clock.sleep_for(60s, stop.get_token()));
    CHECK(clock.steady() - before < 30s);
}

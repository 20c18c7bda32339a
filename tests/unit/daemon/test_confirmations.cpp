#include "daemon/confirmations.hpp"

#include <thread>

#include "support/catch.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("a change waits for its confirmation, its time or its end") {
    Confirmations confirmations;
    CHECK_FALSE(confirmations.confirm("edge"));

    SECTION("confirmed") {
        Confirmation how = Confirmation::timed_out;
        std::jthread pass([&] { how = confirmations.await("edge", "plan 9d41c0", 10s, {}); });
        while (confirmations.waiting().empty()) std::this_thread::yield();
        CHECK(confirmations.waiting().at(0).what == "plan 9d41c0");
        CHECK_FALSE(confirmations.confirm("other"));
        CHECK(confirmations.confirm("edge"));
        pass.join();
        CHECK(how == Confirmation::confirmed);
        CHECK(confirmations.waiting().empty());
    }
    SECTION("nobody did") { CHECK(confirmations.await("edge", "plan", 5ms, {}) == Confirmation::timed_out); }
    SECTION("stopped") {
        std::stop_source stop;
        stop.request_stop();
        CHECK(confirmations.await("edge", "plan", 10s, stop.get_token()) == Confirmation::stopped);
    }
}

// What the times of files say.

#include <chrono>
#include <fstream>
#include <thread>

#include "monitoring/files.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::monitoring;

namespace {

double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

} // namespace

// The kernel stamps files with a clock that moves every few milliseconds: an edit just after a reload seemed
// to be older than it.
TEST_CASE("an edit is never taken for older than what came before it") {
    TempFolder folder;
    const std::string path = folder / "prometheus.yml";
    for (int i = 0; i < 500; ++i) {
        const double reload = now();
        std::ofstream(path) << i;
        REQUIRE_FALSE(was_changed_before(path, reload));
    }
    std::this_thread::sleep_for(most_late_stamp);
    CHECK(was_changed_before(path, now()));
    CHECK_FALSE(was_changed_before(folder / "none", now()));
}

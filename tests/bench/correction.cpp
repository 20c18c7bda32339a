#include "correction.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "support/daemon_process.hpp"

namespace bench {

namespace {

using Steady = std::chrono::steady_clock;

void must(bool holds, const ::test::DaemonProcess& daemon, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "%s; the daemon says:\n%s\n", what, daemon.log().c_str());
    std::exit(1);
}

bool comes_true_soon(const std::function<bool()>& claim) {
    const auto until = Steady::now() + std::chrono::seconds(10);
    while (!claim()) {
        if (Steady::now() > until) return false;
        ::test::pause_for(std::chrono::milliseconds(1));
    }
    return true;
}

} // namespace

double median_correction_ms(::test::Playground& play, const ForeignChange& change, int rounds) {
    ::test::DaemonProcess daemon(play, "  interval: 1h\n");
    daemon.start_and_wait();
    for (int round = 0; round < rounds; ++round)
        must(comes_true_soon([&] { return change.is_as_declared(round); }), daemon, "nothing is applied");
    ::test::pause_for(std::chrono::milliseconds(1000)); // until it watches
    std::vector<double> times;
    for (int round = 0; round < rounds; ++round) {
        const Steady::time_point start = change.make(round);
        must(comes_true_soon([&] { return change.is_as_declared(round); }), daemon, "nothing is corrected");
        times.push_back(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
        ::test::pause_for(std::chrono::milliseconds(30));
    }
    daemon.stop();
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

} // namespace bench

#pragma once
// Names one process for good: pids are reused, also after a boot and between machines and containers.

#include <cstdint>
#include <string>

namespace holdfast {

struct ProcessIdentity {
    std::int64_t pid = 0;
    std::string host;    // as uname(2) says
    std::string boot_id; // of the running kernel; empty where /proc does not tell

    bool operator==(const ProcessIdentity&) const = default;
};
ProcessIdentity this_process();

// When this machine was started, as its clock sees it now: Unix time.
std::int64_t boot_time_ms();

} // namespace holdfast

#include "sys/process.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.hpp"
#include "sys/clock.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

std::string read_boot_id() {
    const Result<std::string> text = read_file("/proc/sys/kernel/random/boot_id", 100);
    return text ? std::string(trim(*text)) : std::string();
}

} // namespace

ProcessIdentity this_process() {
    utsname names{};
    uname(&names);
    return {getpid(), names.nodename, read_boot_id()};
}

std::int64_t boot_time_ms() {
    SystemClock clock; // uptime: CLOCK_BOOTTIME
    return clock.now_ms() - clock.uptime().count();
}

} // namespace holdfast

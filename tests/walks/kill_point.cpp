#include "kill_point.hpp"

#include <atomic>
#include <csignal>

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace holdfast::walks {

namespace {

std::atomic<std::size_t> wanted{0}, seen{0};

template <typename Call>
auto counted(Call call) {
    const std::size_t at = wanted == 0 ? 0 : ++seen;
    const bool dies = at != 0 && at == wanted;
    if (dies && at % 2 == 1) ::raise(SIGKILL);
    const auto result = call();
    if (dies) ::raise(SIGKILL);
    return result;
}

} // namespace

void die_at_write(std::size_t n) {
    seen = 0;
    wanted = n;
}

} // namespace holdfast::walks

// A program's own definitions come before those of the C library, for the libraries that it loads as well.
#define HOLDFAST_INTERPOSED extern "C" __attribute__((visibility("default")))

HOLDFAST_INTERPOSED int fdatasync(int fd) {
    return holdfast::walks::counted([&] { return static_cast<int>(::syscall(SYS_fdatasync, fd)); });
}
HOLDFAST_INTERPOSED int fsync(int fd) {
    return holdfast::walks::counted([&] { return static_cast<int>(::syscall(SYS_fsync, fd)); });
}
HOLDFAST_INTERPOSED ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
    return holdfast::walks::counted([&] { return ::syscall(SYS_pwrite64, fd, bytes, size, offset); });
}
HOLDFAST_INTERPOSED ssize_t write(int fd, const void* bytes, size_t size) {
    return holdfast::walks::counted([&] { return ::syscall(SYS_write, fd, bytes, size); });
}

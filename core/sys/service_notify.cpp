#include "sys/service_notify.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/environment.hpp"

namespace holdfast {

namespace {

std::string without_newlines(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

std::optional<std::chrono::milliseconds> watchdog_of_environment() {
    const auto usec = environment("WATCHDOG_USEC");
    const auto pid = environment("WATCHDOG_PID");
    if (!usec || (pid && *pid != std::to_string(getpid()))) return std::nullopt;
    const long long interval = std::atoll(usec->c_str());
    if (interval < 2000) return std::nullopt;
    return std::chrono::milliseconds(interval / 1000);
}

} // namespace

ServiceNotify ServiceNotify::from_environment() {
    ServiceNotify notify(environment("NOTIFY_SOCKET").value_or(""), watchdog_of_environment());
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    return notify;
}

ServiceNotify::ServiceNotify(std::string socket, std::optional<std::chrono::milliseconds> watchdog)
    : socket_(std::move(socket)), watchdog_(watchdog) {
    const bool is_address = socket_.starts_with('/') || socket_.starts_with('@');
    if (!is_address || socket_.size() >= sizeof(sockaddr_un::sun_path)) socket_.clear();
    if (is_on()) fd_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

void ServiceNotify::send(std::string_view lines) {
    if (!is_on() || !fd_) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    [[maybe_unused]] const ssize_t sent =
        sendto(fd_.get(), lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address), size);
}

void ServiceNotify::ready(std::string_view text) {
    last_status_ = text;
    send("READY=1\nSTATUS=" + without_newlines(text));
}

// The time stamp tells the manager which of several reloads the next READY answers.
void ServiceNotify::reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const long long usec = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}

void ServiceNotify::stopping() { send("STOPPING=1\nSTATUS=stopping"); }

void ServiceNotify::status(std::string_view text) {
    if (text == last_status_) return;
    last_status_ = text;
    send("STATUS=" + without_newlines(text));
}

} // namespace holdfast

#pragma once
// Tells the service manager how a service stands: datagrams on $NOTIFY_SOCKET, as sd_notify(3) describes them
// (https://www.freedesktop.org/software/systemd/man/sd_notify.html). Where nobody listens nothing happens.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "sys/file.hpp"

namespace holdfast {

class ServiceNotify {
public:
    // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment, so that no
    // child speaks for us. Before there are threads.
    static ServiceNotify from_environment();
    // To a socket of one's own; for tests. A name that begins with '@' is an abstract one.
    ServiceNotify(std::string socket, std::optional<std::chrono::milliseconds> watchdog);

    bool is_on() const { return !socket_.empty(); }
    // The time within which the manager wants to hear of us.
    std::optional<std::chrono::milliseconds> watchdog() const { return watchdog_; }

    // Lines of KEY=VALUE. Never waits; what cannot be sent is dropped.
    void send(std::string_view lines);
    void ready(std::string_view status);
    void reloading();
    void stopping();
    void status(std::string_view text); // one line; sent only where it is another than before
    void alive() { send("WATCHDOG=1"); }

private:
    std::string socket_, last_status_;
    std::optional<std::chrono::milliseconds> watchdog_;
    Fd fd_;
};

} // namespace holdfast

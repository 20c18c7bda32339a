#pragma once
// The real holdfastd on a playground's repository and store, and the words that it logs.

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include <sys/types.h>

#include "support/playground.hpp"

namespace test {

class DaemonProcess {
public:
    // `more`: lines of the section `daemon` of the operator's configuration, indented by two blanks. Nothing
    // runs until `start`.
    explicit DaemonProcess(Playground& place, const std::string& more = {});
    // Kills what still runs.
    ~DaemonProcess();
    DaemonProcess(const DaemonProcess&) = delete;
    DaemonProcess& operator=(const DaemonProcess&) = delete;

    void configure(const std::string& more);
    // The log begins anew with each start.
    void start(const std::vector<std::string>& arguments = {});
    // Starts it, and waits until it says that it serves its socket.
    void start_and_wait();
    void signal(int number) const;
    struct Ended {
        int exit_code = -1; // 128 + n after signal n
        std::chrono::milliseconds took{};
    };
    // Fails the test's patience after half a minute with exit code -1.
    Ended wait();
    Ended stop(int number = SIGTERM);
    // Whether it still runs.
    bool is_running();
    // In milliseconds, of the process itself and of the workers that ended.
    long cpu_ms() const;

    std::string log() const;
    // True once the log holds this; false after ten seconds.
    bool has_logged(const std::string& text) const;
    pid_t pid() const { return pid_; }
    // Its workers, at this moment.
    std::vector<pid_t> workers() const;

private:
    Playground& place_;
    pid_t pid_ = -1;
};

// True once `claim` holds; false after ten seconds.
template <typename Claim>
bool comes_true(Claim claim);

void pause_for(std::chrono::milliseconds duration);

template <typename Claim>
bool comes_true(Claim claim) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!claim()) {
        if (std::chrono::steady_clock::now() > until) return false;
        pause_for(std::chrono::milliseconds(10));
    }
    return true;
}

} // namespace test

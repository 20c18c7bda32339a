#pragma once
// Tells when a part's objects may have changed: the kernel says so of files at once, and a look at the server
// every few seconds does of what it runs.

#include <chrono>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "part.hpp"

namespace holdfast::monitoring {

// Owns the thread "monitoring watch".
class Watcher {
public:
    Watcher(std::chrono::seconds interval, const sdk::Host& host);
    ~Watcher(); // no hint after it
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Throws where the part cannot be read now: changes from before could not be told from later ones.
    void watch(const sdk::Scope& scope, const Part& part, bool is_wanted, sdk::Hints hints);

private:
    using Clock = std::chrono::steady_clock;
    struct Watched {
        const Part* part;
        sdk::Hints hints;
        std::string mark;
        Clock::time_point next;
        bool is_failing = false;
    };
    struct OwnCall;

    void watch_folder(const std::string& folder);
    void wake();
    void run();
    int wait_ms();
    void take_events();
    void look_at_due();
    void look(const std::string& scope);

    std::chrono::seconds interval_;
    sdk::Host host_;
    int wake_ = -1, events_ = -1;
    std::mutex mutex_; // of watched_
    std::map<std::string, Watched> watched_;
    std::stop_source stop_;
    std::jthread thread_;
};

} // namespace holdfast::monitoring

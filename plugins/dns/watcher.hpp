#pragma once
// Tells when a zone changed: a NOTIFY (RFC 1996) says so at once, and a look at the SOA every minute does
// where none comes or one gets lost.

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <netinet/in.h>

#include <holdfast/parts.hpp>

#include "backend.hpp"

namespace holdfast::dns {

struct WatchOptions {
    std::string address = "0.0.0.0"; // where NOTIFY comes, by UDP and TCP
    int port = 0;                    // 0: nowhere, only look
    std::chrono::seconds interval{60};
};
WatchOptions read_watch_options(const sdk::Json& config);

// Owns the thread "dns watch". A NOTIFY is not believed: it makes the thread look at the zone, so that
// strangers who send them cost one question each, and no hint.
class Watcher {
public:
    // Throws `dns.listen` where the port cannot be had.
    Watcher(Backend& backend, const WatchOptions& options, const sdk::Host& host);
    ~Watcher(); // no hint after it
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Throws where the zone cannot be read now: changes from before could not be told from later ones.
    void watch(const sdk::Scope& scope, bool is_wanted, sdk::Hints hints);

private:
    using Clock = std::chrono::steady_clock;
    struct Zone {
        Wire origin;
        sdk::Hints hints;
        Mark mark;
        Clock::time_point next;
        bool is_failing = false;
    };
    struct OwnCall;

    void listen(const WatchOptions& options);
    void close_all();
    void run();
    int wait_ms();
    void take_datagram();
    void take_connection();
    std::string answer_to(const std::string& message);
    void look(const std::string& name);
    std::optional<sdk::Hints> take_look(const std::string& name, const std::optional<Mark>& mark);
    void look_at_due();
    void look_at_all_soon();

    Backend& backend_;
    sdk::Host host_;
    std::chrono::seconds interval_;
    sdk::Wake wake_;
    int udp_ = -1, tcp_ = -1, events_ = -1;
    std::mutex mutex_; // of zones_
    std::map<std::string, Zone> zones_;
    std::stop_source stop_;
    std::jthread thread_;
};

} // namespace holdfast::dns

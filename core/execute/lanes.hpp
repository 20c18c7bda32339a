#pragma once
// One thread per provider instance. Requests go in from the executor's thread, answers come back to it
// through one mailbox, so everything but the plugins' own work happens on that one thread.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "provider/provider.hpp"
#include "sys/clock.hpp"

namespace holdfast {

// What the items point at has to outlive the request's end.
struct Request {
    std::size_t number = 0;
    Method method = Method::apply;
    std::string scope, scope_version;
    std::vector<Item> items;
    std::chrono::milliseconds timeout{};
};

// An ItemResult that owns its bytes.
struct Reply {
    std::uint32_t item = no_item;
    Outcome outcome = Outcome::done;
    std::string document, version, private_data, refreshed, detail;
    Diagnostics diagnostics;
};

struct Delivery {
    std::size_t request = 0;
    std::vector<Reply> replies;   // those that came since the last delivery
    std::optional<CallEnd> end;   // with it, every item has had its reply
    bool never_sent = false;      // stopped while it waited in the lane
    std::exception_ptr exception; // out of the call itself: nothing can be said about its items
};

class Lanes {
public:
    // No call begins once `stop` is requested. Those in flight are told to stop once `stop_calls` is, or when
    // the lanes go.
    Lanes(Clock& clock, std::stop_token stop, std::stop_token stop_calls);
    ~Lanes();
    Lanes(const Lanes&) = delete;
    Lanes& operator=(const Lanes&) = delete;

    void send(Provider& provider, Request request);
    std::size_t in_flight() const { return in_flight_; }

    // What arrived. Waits until a call ends; with long calls, until something streamed in `slice` ago; at
    // most `at_most`. May return nothing.
    std::vector<Delivery> wait(std::chrono::milliseconds at_most, std::chrono::milliseconds slice);

private:
    struct Mailbox {
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<Delivery> deliveries;
        bool has_end = false;
        void put(Delivery delivery);
    };
    struct Lane {
        std::mutex mutex;
        std::condition_variable_any changed;
        std::deque<Request> requests;
        std::jthread thread; // last: joined before the rest goes
    };

    void serve(Lane& lane, Provider& provider, std::stop_token lane_stop);
    void perform(Provider& provider, const Request& request);

    Clock& clock_;
    std::stop_token stop_;
    std::stop_source abort_;
    Mailbox mailbox_;
    std::stop_callback<std::function<void()>> on_stop_;
    std::size_t in_flight_ = 0;
    std::map<Provider*, std::unique_ptr<Lane>> lanes_;
};

} // namespace holdfast

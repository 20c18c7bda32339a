#pragma once
// Drives the requests of one HttpBatch with a multi handle of libcurl, on the thread that waits for them: no
// answer wakes another thread, and what has come together is read together.

#include <chrono>
#include <map>
#include <memory>

#include "sys/http/exchange.hpp"
#include "sys/http/handle_pool.hpp"

namespace holdfast {

class Batch {
public:
    Batch(CURLM* multi, HandlePool<EasyHandles>& handles, const HttpBatch& batch);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    void run();

private:
    using Clock = std::chrono::steady_clock;
    struct Turn {
        HandlePool<EasyHandles>::Taken handle;
        std::unique_ptr<Exchange> exchange;
        Clock::time_point due{}; // of the next attempt, where none is under way
        bool is_under_way = false;
    };
    using Turns = std::map<CURL*, Turn>;

    void fill();
    void begin(Turn& turn);
    void leave(Turn& turn);
    void answer(Turns::iterator at);
    void end(CURL* handle, CURLcode code);
    void end_what_is_done();
    void look_at_clock();
    void wait();

    CURLM* const multi_;
    HandlePool<EasyHandles>& handles_;
    const HttpBatch& batch_;
    bool is_exhausted_ = false;
    Turns turns_;
    Clock::time_point looked_at_ = Clock::now();
};

} // namespace holdfast

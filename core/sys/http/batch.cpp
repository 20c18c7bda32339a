#include "sys/http/batch.hpp"

#include <thread>

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds between_looks{20}; // at deadlines, cancellation and pauses that are over
constexpr long most_connections = 16;     // to one server, where that speaks no HTTP/2

// For every answer libcurl looks at all transfers of the connection, and this thread is woken. With many
// under way more answers are about to come: they are waited for, for a time in which hardly a server would
// answer half of what it was asked for.
constexpr std::size_t worth_gathering = 8;
constexpr std::chrono::microseconds gathering_each{60};

} // namespace

Batch::Batch(CURLM* multi, HandlePool<EasyHandles>& handles, const HttpBatch& batch)
    : multi_(multi), handles_(handles), batch_(batch) {
    curl().multi_setopt(multi_, CURLMOPT_MAXCONNECTS, most_connections);
    curl().multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, most_connections);
}

Batch::~Batch() {
    for (auto& [handle, turn] : turns_) leave(turn);
}

void Batch::run() {
    fill();
    while (!turns_.empty()) {
        int running = 0;
        curl().multi_perform(multi_, &running);
        end_what_is_done();
        look_at_clock();
        fill();
        wait();
    }
}

void Batch::fill() {
    while (!is_exhausted_ && turns_.size() < batch_.most_at_once) {
        const HttpRequest* request = batch_.next();
        if (!request) {
            is_exhausted_ = true;
            return;
        }
        auto handle = handles_.take();
        CURL* const key = handle.get();
        Turn& turn = turns_[key];
        turn.exchange = std::make_unique<Exchange>(*request, key, Exchange::Stop::asked_by_driver);
        turn.handle = std::move(handle);
        begin(turn);
    }
}

void Batch::begin(Turn& turn) {
    if (should_stop(turn.exchange->request())) {
        turn.exchange->stop();
        return answer(turns_.find(turn.handle.get()));
    }
    turn.exchange->begin();
    turn.is_under_way = curl().multi_add_handle(multi_, turn.handle.get()) == CURLM_OK;
    if (!turn.is_under_way) end(turn.handle.get(), CURLE_FAILED_INIT);
}

void Batch::leave(Turn& turn) {
    if (std::exchange(turn.is_under_way, false)) curl().multi_remove_handle(multi_, turn.handle.get());
}

void Batch::answer(Turns::iterator at) {
    const Turn turn = std::move(at->second);
    turns_.erase(at);
    batch_.take(turn.exchange->request(), turn.exchange->take_answer());
}

void Batch::end(CURL* handle, CURLcode code) {
    const auto at = turns_.find(handle);
    Turn& turn = at->second;
    leave(turn);
    const auto pause = turn.exchange->end(code);
    if (!pause) return answer(at);
    turn.due = Clock::now() + *pause;
}

void Batch::end_what_is_done() {
    int left = 0;
    while (const CURLMsg* message = curl().multi_info_read(multi_, &left))
        if (message->msg == CURLMSG_DONE) end(message->easy_handle, message->data.result);
}

void Batch::look_at_clock() {
    const auto now = Clock::now();
    if (now - looked_at_ < between_looks) return;
    looked_at_ = now;
    for (auto at = turns_.begin(); at != turns_.end();) {
        const auto next = std::next(at);
        Turn& turn = at->second;
        if (should_stop(turn.exchange->request())) {
            leave(turn);
            turn.exchange->stop();
            answer(at);
        } else if (!turn.is_under_way && now >= turn.due) {
            begin(turn);
        }
        at = next;
    }
}

void Batch::wait() {
    if (turns_.empty()) return;
    curl().multi_poll(multi_, nullptr, 0, static_cast<int>(between_looks.count()), nullptr);
    if (turns_.size() >= worth_gathering) std::this_thread::sleep_for(gathering_each * turns_.size());
}

} // namespace holdfast

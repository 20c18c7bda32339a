#include "sys/http/http.hpp"

#include <algorithm>
#include <thread>

#include "sys/http/batch.hpp"
#include "sys/http/exchange.hpp"
#include "sys/http/handle_pool.hpp"

namespace holdfast {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// False where the request should stop instead.
bool pause(milliseconds duration, const HttpRequest& request) {
    const auto until = Clock::now() + duration;
    while (Clock::now() < until) {
        if (should_stop(request)) return false;
        std::this_thread::sleep_for(
            std::min(milliseconds(20), std::chrono::ceil<milliseconds>(until - Clock::now())));
    }
    return true;
}

HttpResponse without_libcurl() {
    HttpResponse none;
    none.error = "no HTTP without libcurl: " + curl().problem;
    none.fault = HttpFault::other;
    return none;
}

} // namespace

// Handles of batches are apart: the connections of these belong to the multi handle, of the others to
// themselves.
struct HttpClient::Connections {
    HandlePool<EasyHandles> handles, handles_of_batches;
    HandlePool<MultiHandles> multis;
};

HttpClient::HttpClient() : connections_(std::make_unique<Connections>()) {
    curl(); // its start is not thread-safe in old versions; that of a static is
}
HttpClient::~HttpClient() = default;

HttpResponse HttpClient::perform(const HttpRequest& request) {
    if (!curl().problem.empty()) return without_libcurl();
    const auto handle = connections_->handles.take();
    Exchange exchange(request, handle.get(), Exchange::Stop::asked_by_libcurl);
    for (;;) {
        if (should_stop(request)) break;
        exchange.begin();
        const auto again = exchange.end(curl().easy_perform(handle.get()));
        if (!again) return exchange.take_answer();
        if (!pause(*again, request)) break;
    }
    exchange.stop();
    return exchange.take_answer();
}

void HttpClient::perform_all(const HttpBatch& batch) {
    if (!curl().problem.empty()) {
        while (const HttpRequest* request = batch.next()) batch.take(*request, without_libcurl());
        return;
    }
    const auto multi = connections_->multis.take();
    Batch(multi.get(), connections_->handles_of_batches, batch).run();
}

} // namespace holdfast

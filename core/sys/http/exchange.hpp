#pragma once
// One request and its attempts on a handle of libcurl, whoever drives that.

#include <chrono>
#include <optional>

#include "sys/http/curl.hpp"
#include "sys/http/http.hpp"

namespace holdfast {

struct HeaderList {
    curl_slist* list = nullptr;
    HeaderList() = default;
    HeaderList(const HeaderList&) = delete;
    HeaderList& operator=(const HeaderList&) = delete;
    ~HeaderList() { curl().slist_free_all(list); }
    void add(const std::string& line) { list = curl().slist_append(list, line.c_str()); }
};

// Everything that libcurl's callbacks need of one attempt.
struct Attempt {
    const HttpRequest& request;
    CURL* handle;
    bool may_retry = false;
    HttpResponse response{};
    bool is_too_large = false, was_refused = false, was_stopped = false;
    std::size_t received = 0;
};

// Cancelled, or past its deadline.
bool should_stop(const HttpRequest& request);

class Exchange {
public:
    // Who asks, while an attempt is under way, whether it should stop.
    enum class Stop { asked_by_libcurl, asked_by_driver };

    // Both outlive it. The handle is as new.
    Exchange(const HttpRequest& request, CURL* handle, Stop stop)
        : request_(request),
          handle_(handle),
          stop_(stop),
          attempt_{request, handle},
          wait_(request.retry_pause) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    const HttpRequest& request() const { return request_; }
    CURL* handle() const { return handle_; }

    // Readies the handle for the next attempt.
    void begin();
    // What that has come to: the pause before another one, or nothing, and then there is an answer.
    std::optional<std::chrono::milliseconds> end(CURLcode code);
    void stop(); // the answer is that it was stopped
    HttpResponse take_answer() { return std::move(attempt_.response); }

private:
    void finish(CURLcode code, long status);

    const HttpRequest& request_;
    CURL* const handle_;
    const Stop stop_;
    Attempt attempt_;
    unsigned begun_ = 0;
    std::chrono::milliseconds wait_;
    std::optional<HeaderList> headers_, connect_to_;
    char error_[CURL_ERROR_SIZE] = "";
};

} // namespace holdfast

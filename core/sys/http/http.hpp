#pragma once
// The HTTP client of Holdfast: HTTP/2, TLS, proxies, deadlines, cancellation and retries of safe requests.
// Never follows redirects: they would carry credentials to wherever a server likes.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct HttpRequest {
    std::string method = "GET";
    std::string url;                  // http or https
    std::vector<std::string> headers; // "Name: value"
    std::string body;

    std::string ca_file; // instead of the system's certificates
    std::string client_certificate, client_key;
    std::string server_name; // name in the certificate, where it is not the URL's host
    std::string proxy;       // instead of the environment's; "-": none
    bool accept_any_certificate = false;

    std::chrono::milliseconds timeout{30'000}; // of one attempt
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max(); // of all
    std::size_t max_response_bytes = 64U << 20;
    unsigned retries = 2; // of GET, HEAD and OPTIONS, where the server was not reached or is busy
    std::chrono::milliseconds retry_pause{200}; // before the first retry; doubles; Retry-After counts more

    std::function<bool()> is_cancelled;                  // may be empty
    std::function<bool(std::string_view chunk)> on_body; // takes the body as it comes; false ends it
};

enum class HttpEnd { answered, failed, cancelled, past_deadline };
// Why there is no answer, where `end` is `failed`.
enum class HttpFault { none, name, connection, certificate, interrupted, slow, too_large, refused, other };

struct HttpResponse {
    HttpEnd end = HttpEnd::failed;
    int status = 0;      // 0: no whole answer came
    std::string headers; // "name: value\r\n" lines, names in lower case
    std::string body;    // empty where on_body took it
    std::string error;   // one sentence without credentials, where `end` is not answered
    unsigned attempts = 0;
    HttpFault fault = HttpFault::none;
};

// Many requests, of which a few are under way at the same time. Both functions are called on the thread that
// calls perform_all(), as are those of the requests: what takes its time holds up the others.
struct HttpBatch {
    std::size_t most_at_once = 16;
    std::function<const HttpRequest*()> next; // null: there are no more. It stays there until it was answered
    std::function<void(const HttpRequest& request, HttpResponse response)> take;
};

// Keeps connections open between requests. Thread-safe.
class HttpClient {
public:
    HttpClient();
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    HttpResponse perform(const HttpRequest& request);
    // Over as few connections as the server allows, which is one where it speaks HTTP/2. Answers come as they
    // are ready, one to each request. What `take` throws ends all that is under way.
    void perform_all(const HttpBatch& batch);

private:
    struct Connections;
    std::unique_ptr<Connections> connections_;
};

// The URL as it may be shown: without user, password, query and fragment.
std::string shown_url(std::string_view url);

} // namespace holdfast

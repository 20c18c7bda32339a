#include "sys/http/exchange.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace holdfast {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t max_header_bytes = 256U << 10;
constexpr milliseconds max_pause{30'000};
constexpr milliseconds max_silence{30'000}; // of a connection: what is sent, or asked, is acknowledged

bool is_safe(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }
bool is_busy(long status) { return status == 429 || status == 502 || status == 503 || status == 504; }

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

size_t on_header(char* data, size_t, size_t size, void* context) {
    auto& attempt = *static_cast<Attempt*>(context);
    const std::string_view line(data, size);
    // A new status line: what came before was an interim answer or the proxy's.
    if (line.starts_with("HTTP/")) return attempt.response.headers.clear(), size;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    if (attempt.response.headers.size() + size > max_header_bytes) return attempt.is_too_large = true, 0;
    attempt.response.headers += lower(line.substr(0, colon));
    attempt.response.headers += line.substr(colon);
    return size;
}

size_t on_body(char* data, size_t, size_t size, void* context) {
    auto& attempt = *static_cast<Attempt*>(context);
    attempt.received += size;
    if (attempt.received > attempt.request.max_response_bytes) return attempt.is_too_large = true, 0;
    long status = 0;
    curl().easy_getinfo(attempt.handle, CURLINFO_RESPONSE_CODE, &status);
    const bool is_final = !(attempt.may_retry && is_busy(status));
    if (!is_final || !attempt.request.on_body) return attempt.response.body.append(data, size), size;
    if (!attempt.request.on_body({data, size})) return attempt.was_refused = true, 0;
    return size;
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& attempt = *static_cast<Attempt*>(context);
    return (attempt.was_stopped = should_stop(attempt.request)) ? 1 : 0;
}

// A server that is cut off is found out although nothing comes from it: else a connection that many share
// would swallow their requests until the kernel gives it up, a quarter of an hour later.
int on_socket(void*, curl_socket_t socket, curlsocktype purpose) {
    const unsigned timeout_ms = static_cast<unsigned>(max_silence.count());
    if (purpose == CURLSOCKTYPE_IPCXN)
        setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    return CURL_SOCKOPT_OK;
}

struct UrlParts {
    std::string scheme, host, port, whole;
};

// With another host in it, where `host` is not empty.
std::optional<UrlParts> parts_of(const std::string& url, const std::string& host = {}) {
    CURLU* parsed = curl().url();
    std::optional<UrlParts> out;
    const auto get = [&](CURLUPart part, unsigned flags) {
        char* text = nullptr;
        std::string value;
        if (curl().url_get(parsed, part, &text, flags) == CURLUE_OK && text) value = text;
        curl().free(text);
        return value;
    };
    if (curl().url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
        out = UrlParts{
            get(CURLUPART_SCHEME, 0), get(CURLUPART_HOST, 0), get(CURLUPART_PORT, CURLU_DEFAULT_PORT), {}};
        if (!host.empty()) curl().url_set(parsed, CURLUPART_HOST, host.c_str(), 0);
        out->whole = get(CURLUPART_URL, 0);
    }
    curl().url_cleanup(parsed);
    return out;
}

void set_tls(CURL* handle, const HttpRequest& request) {
    if (!request.ca_file.empty()) {
        curl().easy_setopt(handle, CURLOPT_CAINFO, request.ca_file.c_str());
        // libcurl would remember for a day what it read there, by the file's name alone.
        curl().easy_setopt(handle, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    }
    if (!request.client_certificate.empty())
        curl().easy_setopt(handle, CURLOPT_SSLCERT, request.client_certificate.c_str());
    if (!request.client_key.empty()) curl().easy_setopt(handle, CURLOPT_SSLKEY, request.client_key.c_str());
    if (request.accept_any_certificate) {
        curl().easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
        curl().easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

// The name to verify replaces the URL's host, and the connection still goes to that host: libcurl has no
// option for the one without the other.
void set_address(CURL* handle, const HttpRequest& request, HeaderList& headers, HeaderList& connect_to) {
    const auto parts = request.server_name.empty() ? std::nullopt : parts_of(request.url);
    if (!parts) {
        curl().easy_setopt(handle, CURLOPT_URL, request.url.c_str());
        return;
    }
    const auto renamed = parts_of(request.url, request.server_name);
    curl().easy_setopt(handle, CURLOPT_URL, renamed->whole.c_str());
    connect_to.add(fmt::format("{}:{}:{}:{}", request.server_name, parts->port, parts->host, parts->port));
    curl().easy_setopt(handle, CURLOPT_CONNECT_TO, connect_to.list);
    headers.add(fmt::format("Host: {}:{}", parts->host, parts->port));
}

void set_method(CURL* handle, const HttpRequest& request) {
    if (request.method == "HEAD")
        curl().easy_setopt(handle, CURLOPT_NOBODY, 1L);
    else if (request.method != "GET" || !request.body.empty())
        curl().easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
        request.method == "PATCH") {
        curl().easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        curl().easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    }
}

milliseconds time_for_attempt(const HttpRequest& request) {
    if (request.deadline == Clock::time_point::max()) return request.timeout;
    // Not before the deadline, or a timeout would be taken for the server's.
    const auto left = std::chrono::ceil<milliseconds>(request.deadline - Clock::now()) + milliseconds(1);
    return std::max(milliseconds(1), std::min(left, request.timeout));
}

// What to do where the server's certificate was not accepted.
std::string tls_advice(CURLcode code) {
    if (code != CURLE_PEER_FAILED_VERIFICATION) return {};
    return " (caFile names the authority to trust, serverName the name to expect in the certificate)";
}

std::string way_of(const HttpRequest& request) {
    if (request.proxy.empty() || request.proxy == "-") return {};
    return fmt::format(" (through the proxy {})", shown_url(request.proxy));
}

std::string sentence(CURLcode code, const char* detail, const Attempt& attempt) {
    std::string why = code == CURLE_OPERATION_TIMEDOUT
                          ? fmt::format("no answer within {} ms", attempt.request.timeout.count())
                      : attempt.is_too_large ? fmt::format("the answer is larger than {} bytes",
                                                           attempt.request.max_response_bytes)
                      : attempt.was_refused  ? "the receiver ended the transfer"
                      : *detail != '\0'      ? std::string(detail)
                                             : std::string(curl().easy_strerror(code));
    return fmt::format("{} {}: {}{}{}", attempt.request.method, shown_url(attempt.request.url), why,
                       tls_advice(code), way_of(attempt.request));
}

HttpFault fault_of(CURLcode code, const Attempt& attempt) {
    if (attempt.is_too_large) return HttpFault::too_large;
    if (attempt.was_refused) return HttpFault::refused;
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY: return HttpFault::name;
        case CURLE_COULDNT_CONNECT: return HttpFault::connection;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CONNECT_ERROR: return HttpFault::certificate;
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_PARTIAL_FILE:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM: return HttpFault::interrupted;
        case CURLE_OPERATION_TIMEDOUT: return HttpFault::slow;
        default: return HttpFault::other;
    }
}

bool was_not_reached(CURLcode code) {
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
           code == CURLE_RECV_ERROR || code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
}

std::optional<milliseconds> retry_after(std::string_view headers) {
    constexpr std::string_view name = "retry-after:";
    std::size_t at = headers.starts_with(name) ? 0 : headers.find("\r\nretry-after:");
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view rest = headers.substr(headers.find(':', at) + 1);
    rest = rest.substr(0, rest.find("\r\n"));
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    unsigned seconds = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
    if (error == std::errc{} && end == rest.data() + rest.size()) return std::chrono::seconds(seconds);
    const std::time_t date = curl().getdate(std::string(rest).c_str(), nullptr);
    if (date < 0) return std::nullopt;
    return std::chrono::seconds(std::max<std::time_t>(0, date - std::time(nullptr)));
}

void set_connection(CURL* handle, const HttpRequest& request) {
    curl().easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl().easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L); // who gives up does not wait for a dead name server
    curl().easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl().easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    // Whoever comes while a connection is being set up waits for it, as it may take many requests at once.
    // Not without TLS: there nothing is known of that before the first answer.
    if (request.url.starts_with("https:")) curl().easy_setopt(handle, CURLOPT_PIPEWAIT, 1L);
    curl().easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl().easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, 30L);
    curl().easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, 10L);
    curl().easy_setopt(handle, CURLOPT_SOCKOPTFUNCTION, on_socket);
    if (!request.proxy.empty())
        curl().easy_setopt(handle, CURLOPT_PROXY, request.proxy == "-" ? "" : request.proxy.c_str());
    set_tls(handle, request);
}

HttpResponse stopped(const HttpRequest& request, unsigned attempts) {
    const bool by_deadline =
        Clock::now() >= request.deadline || !(request.is_cancelled && request.is_cancelled());
    HttpResponse out{.end = by_deadline ? HttpEnd::past_deadline : HttpEnd::cancelled, .attempts = attempts};
    out.error = fmt::format("{} {}: {}", request.method, shown_url(request.url),
                            by_deadline ? "not done before the deadline" : "cancelled");
    return out;
}

void set_callbacks(CURL* handle, Attempt& attempt, Exchange::Stop stop) {
    curl().easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl().easy_setopt(handle, CURLOPT_HEADERDATA, &attempt);
    curl().easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl().easy_setopt(handle, CURLOPT_WRITEDATA, &attempt);
    if (stop == Exchange::Stop::asked_by_driver) return;
    curl().easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl().easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl().easy_setopt(handle, CURLOPT_XFERINFODATA, &attempt);
}

} // namespace

bool should_stop(const HttpRequest& request) {
    return Clock::now() >= request.deadline || (request.is_cancelled && request.is_cancelled());
}

void Exchange::begin() {
    if (begun_++ > 0) curl().easy_reset(handle_);
    attempt_.may_retry = is_safe(request_.method) && begun_ <= request_.retries;
    attempt_.response = {};
    attempt_.received = 0;
    headers_.emplace();
    connect_to_.emplace();
    error_[0] = '\0';
    curl().easy_setopt(handle_, CURLOPT_ACCEPT_ENCODING, "");
    curl().easy_setopt(handle_, CURLOPT_USERAGENT, "holdfast");
    curl().easy_setopt(handle_, CURLOPT_ERRORBUFFER, error_);
    curl().easy_setopt(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(time_for_attempt(request_).count()));
    set_connection(handle_, request_);
    set_address(handle_, request_, *headers_, *connect_to_);
    set_method(handle_, request_);
    for (const std::string& header : request_.headers) headers_->add(header);
    headers_->add("Expect:"); // nobody waits for a "100 Continue"
    curl().easy_setopt(handle_, CURLOPT_HTTPHEADER, headers_->list);
    set_callbacks(handle_, attempt_, stop_);
}

std::optional<milliseconds> Exchange::end(CURLcode code) {
    if (attempt_.was_stopped || (code != CURLE_OK && Clock::now() >= request_.deadline)) {
        stop();
        return std::nullopt;
    }
    long status = 0;
    curl().easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    const bool is_again =
        attempt_.may_retry &&
        (code == CURLE_OK ? is_busy(status) : attempt_.received == 0 && was_not_reached(code));
    if (!is_again) {
        finish(code, status);
        return std::nullopt;
    }
    const auto wanted = std::max(wait_, retry_after(attempt_.response.headers).value_or(milliseconds(0)));
    const milliseconds pause = std::min(wanted, max_pause);
    wait_ *= 2;
    if (Clock::now() + pause < request_.deadline) return pause;
    stop();
    return std::nullopt;
}

void Exchange::finish(CURLcode code, long status) {
    HttpResponse& response = attempt_.response;
    response.attempts = begun_;
    response.end = code == CURLE_OK ? HttpEnd::answered : HttpEnd::failed;
    if (code == CURLE_OK) {
        response.status = static_cast<int>(status);
    } else {
        response.error = sentence(code, error_, attempt_);
        response.fault = fault_of(code, attempt_);
    }
}

void Exchange::stop() { attempt_.response = stopped(request_, begun_); }

std::string shown_url(std::string_view url) {
    url = url.substr(0, url.find_first_of("?#"));
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return std::string(url);
    const std::size_t host = scheme + 3;
    const std::string_view authority = url.substr(host, url.find('/', host) - host);
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) return std::string(url);
    return std::string(url.substr(0, host)) + std::string(url.substr(host + at + 1));
}

} // namespace holdfast

#include "sys/http/http.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <thread>

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/core.h>

#include "base/locked.hpp"

namespace holdfast {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t max_idle_handles = 16;
constexpr std::size_t max_header_bytes = 256U << 10;
constexpr milliseconds max_pause{30'000};

// libcurl comes with forty libraries of its own, which take longer to load than most commands run: it is
// loaded when somebody first speaks HTTP. Without it every request fails, and says so.
struct Curl {
    decltype(&::curl_easy_cleanup) easy_cleanup;
    decltype(&::curl_easy_getinfo) easy_getinfo;
    decltype(&::curl_easy_init) easy_init;
    decltype(&::curl_easy_perform) easy_perform;
    decltype(&::curl_easy_reset) easy_reset;
    decltype(&::curl_easy_setopt) easy_setopt;
    decltype(&::curl_easy_strerror) easy_strerror;
    decltype(&::curl_free) free;
    decltype(&::curl_getdate) getdate;
    decltype(&::curl_global_init) global_init;
    decltype(&::curl_slist_append) slist_append;
    decltype(&::curl_slist_free_all) slist_free_all;
    decltype(&::curl_url) url;
    decltype(&::curl_url_cleanup) url_cleanup;
    decltype(&::curl_url_get) url_get;
    decltype(&::curl_url_set) url_set;
    std::string problem; // why it cannot be used; empty: it can

    Curl() {
        library_ = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
        if (!library_) {
            problem = dlerror();
            return;
        }
        load(&Curl::easy_cleanup, "curl_easy_cleanup");
        load(&Curl::easy_getinfo, "curl_easy_getinfo");
        load(&Curl::easy_init, "curl_easy_init");
        load(&Curl::easy_perform, "curl_easy_perform");
        load(&Curl::easy_reset, "curl_easy_reset");
        load(&Curl::easy_setopt, "curl_easy_setopt");
        load(&Curl::easy_strerror, "curl_easy_strerror");
        load(&Curl::free, "curl_free");
        load(&Curl::getdate, "curl_getdate");
        load(&Curl::global_init, "curl_global_init");
        load(&Curl::slist_append, "curl_slist_append");
        load(&Curl::slist_free_all, "curl_slist_free_all");
        load(&Curl::url, "curl_url");
        load(&Curl::url_cleanup, "curl_url_cleanup");
        load(&Curl::url_get, "curl_url_get");
        load(&Curl::url_set, "curl_url_set");
        if (problem.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            problem = "libcurl does not start";
    }

private:
    template <typename Function>
    void load(Function Curl::*function, const char* name) {
        this->*function = reinterpret_cast<Function>(dlsym(library_, name));
        if (!(this->*function)) problem = std::string("libcurl.so.4 lacks ") + name;
    }

    void* library_ = nullptr; // never unloaded: its libraries keep threads' data
};

const Curl& curl() {
    static const Curl loaded;
    return loaded;
}

struct HeaderList {
    curl_slist* list = nullptr;
    ~HeaderList() { curl().slist_free_all(list); }
    void add(const std::string& line) { list = curl().slist_append(list, line.c_str()); }
};

// Everything that libcurl's callbacks need of one attempt.
struct Attempt {
    const HttpRequest& request;
    CURL* handle;
    bool may_retry;
    HttpResponse response;
    bool is_too_large = false, was_refused = false, was_stopped = false;
    std::size_t received = 0;
};

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

bool should_stop(const HttpRequest& request) {
    return Clock::now() >= request.deadline || (request.is_cancelled && request.is_cancelled());
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& attempt = *static_cast<Attempt*>(context);
    return (attempt.was_stopped = should_stop(attempt.request)) ? 1 : 0;
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
    if (!request.ca_file.empty()) curl().easy_setopt(handle, CURLOPT_CAINFO, request.ca_file.c_str());
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

std::string sentence(CURLcode code, const char* detail, const Attempt& attempt) {
    std::string why = code == CURLE_OPERATION_TIMEDOUT
                          ? fmt::format("no answer within {} ms", attempt.request.timeout.count())
                      : attempt.is_too_large ? fmt::format("the answer is larger than {} bytes",
                                                           attempt.request.max_response_bytes)
                      : attempt.was_refused  ? "the receiver ended the transfer"
                      : *detail != '\0'      ? std::string(detail)
                                             : std::string(curl().easy_strerror(code));
    return fmt::format("{} {}: {}{}", attempt.request.method, shown_url(attempt.request.url), why,
                       tls_advice(code));
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

// False where the request should stop instead.
bool pause(milliseconds duration, const HttpRequest& request) {
    const auto until = Clock::now() + std::min(duration, max_pause);
    if (until >= request.deadline) return false;
    while (Clock::now() < until) {
        if (should_stop(request)) return false;
        std::this_thread::sleep_for(
            std::min(milliseconds(20), std::chrono::ceil<milliseconds>(until - Clock::now())));
    }
    return true;
}

HttpResponse stopped(const HttpRequest& request, unsigned attempts) {
    const bool by_deadline =
        Clock::now() >= request.deadline || !(request.is_cancelled && request.is_cancelled());
    HttpResponse out{.end = by_deadline ? HttpEnd::past_deadline : HttpEnd::cancelled, .attempts = attempts};
    out.error = fmt::format("{} {}: {}", request.method, shown_url(request.url),
                            by_deadline ? "not done before the deadline" : "cancelled");
    return out;
}

void set_up(CURL* handle, Attempt& attempt, HeaderList& headers, HeaderList& connect_to, char* error) {
    const HttpRequest& request = attempt.request;
    curl().easy_reset(handle);
    curl().easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl().easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl().easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    curl().easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");
    curl().easy_setopt(handle, CURLOPT_USERAGENT, "holdfast");
    curl().easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl().easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(time_for_attempt(request).count()));
    set_address(handle, request, headers, connect_to);
    set_method(handle, request);
    set_tls(handle, request);
    if (!request.proxy.empty())
        curl().easy_setopt(handle, CURLOPT_PROXY, request.proxy == "-" ? "" : request.proxy.c_str());
    for (const std::string& header : request.headers) headers.add(header);
    headers.add("Expect:"); // nobody waits for a "100 Continue"
    curl().easy_setopt(handle, CURLOPT_HTTPHEADER, headers.list);
    curl().easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl().easy_setopt(handle, CURLOPT_HEADERDATA, &attempt);
    curl().easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl().easy_setopt(handle, CURLOPT_WRITEDATA, &attempt);
    curl().easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl().easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl().easy_setopt(handle, CURLOPT_XFERINFODATA, &attempt);
}

} // namespace

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

struct HttpClient::Pool {
    // Last used first out: its connections are the likeliest to be still open.
    Locked<std::vector<CURL*>> idle;

    CURL* take() {
        CURL* handle = idle.with([](std::vector<CURL*>& handles) -> CURL* {
            if (handles.empty()) return nullptr;
            CURL* last = handles.back();
            handles.pop_back();
            return last;
        });
        return handle ? handle : curl().easy_init();
    }
    void give_back(CURL* handle) {
        // Nothing of the request may stay: it holds pointers and credentials.
        curl().easy_reset(handle);
        const bool kept = idle.with([&](std::vector<CURL*>& handles) {
            if (handles.size() >= max_idle_handles) return false;
            handles.push_back(handle);
            return true;
        });
        if (!kept) curl().easy_cleanup(handle);
    }
    ~Pool() {
        idle.with([](std::vector<CURL*>& handles) {
            for (CURL* handle : handles) curl().easy_cleanup(handle);
        });
    }
};

HttpClient::HttpClient() : pool_(std::make_unique<Pool>()) {
    curl(); // its start is not thread-safe in old versions; that of a static is
}
HttpClient::~HttpClient() = default;

HttpResponse HttpClient::perform(const HttpRequest& request) {
    if (!curl().problem.empty()) {
        HttpResponse none;
        none.error = "no HTTP without libcurl: " + curl().problem;
        none.fault = HttpFault::other;
        return none;
    }
    const auto give_back = [this](CURL* handle) { pool_->give_back(handle); };
    const std::unique_ptr<CURL, decltype(give_back)> handle(pool_->take(), give_back);
    milliseconds wait = request.retry_pause;
    for (unsigned number = 1;; ++number) {
        if (should_stop(request)) return stopped(request, number - 1);
        Attempt attempt{request, handle.get(), is_safe(request.method) && number <= request.retries, {}};
        HeaderList headers, connect_to;
        char error[CURL_ERROR_SIZE] = "";
        set_up(handle.get(), attempt, headers, connect_to, error);
        const CURLcode code = curl().easy_perform(handle.get());
        attempt.response.attempts = number;
        if (attempt.was_stopped || (code != CURLE_OK && Clock::now() >= request.deadline))
            return stopped(request, number);
        long status = 0;
        curl().easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
        const bool again =
            attempt.may_retry &&
            (code == CURLE_OK ? is_busy(status) : attempt.received == 0 && was_not_reached(code));
        if (!again) {
            attempt.response.end = code == CURLE_OK ? HttpEnd::answered : HttpEnd::failed;
            attempt.response.status = code == CURLE_OK ? static_cast<int>(status) : 0;
            if (code != CURLE_OK) attempt.response.error = sentence(code, error, attempt);
            if (code != CURLE_OK) attempt.response.fault = fault_of(code, attempt);
            return std::move(attempt.response);
        }
        if (!pause(std::max(wait, retry_after(attempt.response.headers).value_or(milliseconds(0))), request))
            return stopped(request, number);
        wait *= 2;
    }
}

} // namespace holdfast

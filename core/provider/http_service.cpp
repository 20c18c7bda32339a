#include "base/json.hpp"
#include "provider/services.hpp"
#include "sys/http/http.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>

namespace holdfast {

namespace {

std::string_view view_of(const holdfast_bytes& bytes) {
    return bytes.data ? std::string_view(bytes.data, bytes.size) : std::string_view();
}
std::string text_of(const holdfast_bytes& bytes) { return std::string(view_of(bytes)); }
holdfast_bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }

std::int64_t number_at(const Value& options, std::string_view key, std::int64_t otherwise) {
    const Value* value = options.find(key);
    return value && value->is_integer() && *value->if_integer() >= 0 ? *value->if_integer() : otherwise;
}

void read_options(const Value& options, HttpRequest& request) {
    request.ca_file = options.text_at("caFile");
    request.client_certificate = options.text_at("clientCert");
    request.client_key = options.text_at("clientKey");
    request.server_name = options.text_at("serverName");
    request.proxy = options.text_at("proxy");
    if (const Value* value = options.find("insecure"); value && value->if_bool())
        request.accept_any_certificate = *value->if_bool();
    request.timeout = std::chrono::milliseconds(number_at(options, "timeoutMs", request.timeout.count()));
    request.max_response_bytes = static_cast<std::size_t>(
        number_at(options, "maxResponseBytes", static_cast<std::int64_t>(request.max_response_bytes)));
    request.retries =
        static_cast<unsigned>(std::min<std::int64_t>(number_at(options, "retries", request.retries), 10));
}

HttpRequest from_abi(const holdfast_call* call, const holdfast_http_request& given) {
    HttpRequest request;
    request.method = text_of(given.method);
    if (request.method.empty()) request.method = "GET";
    request.url = text_of(given.url);
    for (std::uint32_t i = 0; i < given.header_count; ++i)
        request.headers.push_back(text_of(given.headers[i]));
    request.body = text_of(given.body);
    if (call && call->deadline_ns != 0)
        request.deadline = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(call->deadline_ns));
    if (call) request.is_cancelled = [call] { return call->cancelled(call) != 0; };
    if (given.on_body)
        request.on_body = [&given](std::string_view chunk) {
            return given.on_body(given.context, bytes_of(chunk)) != 0;
        };
    return request;
}

void respond(const holdfast_http_request& request, const HttpResponse& response) {
    if (!request.on_response) return;
    holdfast_http_response out{};
    out.size = sizeof out;
    out.status = response.status;
    out.headers = bytes_of(response.headers);
    out.body = bytes_of(response.body);
    out.error = bytes_of(response.error);
    request.on_response(request.context, &out);
}

// Nothing where they are no JSON: that is the response.
std::optional<Value> options_of(const holdfast_http_request& request) {
    const std::string_view text = view_of(request.options);
    Result<Value> options = parse_json(text.empty() ? "{}" : text);
    if (options) return *std::move(options);
    respond(request, {.error = "the request's options are no JSON: " + options.error().message});
    return std::nullopt;
}

// One client a process: what it keeps are connections, and those are worth sharing.
HttpClient& client() {
    static HttpClient shared;
    return shared;
}

holdfast_status perform(const holdfast_call* call, const holdfast_http_request* given) {
    if (!given || given->size < sizeof *given) return HOLDFAST_UNSUPPORTED;
    try {
        HttpRequest request = from_abi(call, *given);
        const std::optional<Value> options = options_of(*given);
        if (!options) return HOLDFAST_FAILED;
        read_options(*options, request);
        const HttpResponse response = client().perform(request);
        respond(*given, response);
        const bool stopped = response.end == HttpEnd::cancelled || response.end == HttpEnd::past_deadline;
        return response.end == HttpEnd::answered ? HOLDFAST_OK
               : stopped                         ? HOLDFAST_CANCELLED
                                                 : HOLDFAST_FAILED;
    } catch (const std::exception& error) {
        respond(*given, {.error = error.what()});
        return HOLDFAST_FAILED;
    }
}

// The requests of one call of perform_all. Most have the same options: those are read once.
class Requests {
public:
    Requests(const holdfast_call* call, const holdfast_http_batch& given) : call_(call), given_(given) {}

    const HttpRequest* next() {
        for (;;) {
            if (call_ && call_->cancelled(call_) != 0) return nullptr;
            const holdfast_http_request* given = given_.next(given_.context);
            if (!given) return nullptr;
            auto one = std::make_unique<Asked>(Asked{from_abi(call_, *given), given});
            if (!take_options(*one)) continue;
            const HttpRequest* key = &one->request;
            asked_[key] = std::move(one);
            return key;
        }
    }
    void take(const HttpRequest& request, const HttpResponse& response) {
        const auto node = asked_.extract(&request);
        respond(*node.mapped()->given, response);
    }

private:
    struct Asked {
        HttpRequest request;
        const holdfast_http_request* given;
    };

    // False where the options are no JSON: the request has its response by then, and may be freed.
    bool take_options(Asked& asked) {
        const std::string_view text = view_of(asked.given->options);
        if (!options_ || text != text_) {
            text_ = text;
            options_ = options_of(*asked.given);
        }
        if (!options_) return false;
        read_options(*options_, asked.request);
        return true;
    }

    const holdfast_call* call_;
    const holdfast_http_batch& given_;
    std::string text_;
    std::optional<Value> options_;
    std::unordered_map<const HttpRequest*, std::unique_ptr<Asked>> asked_;
};

holdfast_status perform_all(const holdfast_call* call, const holdfast_http_batch* given) {
    if (!given || given->size < sizeof *given) return HOLDFAST_UNSUPPORTED;
    try {
        Requests requests(call, *given);
        HttpBatch batch;
        if (given->most_at_once > 0) batch.most_at_once = given->most_at_once;
        batch.next = [&] { return requests.next(); };
        batch.take = [&](const HttpRequest& request, const HttpResponse& response) {
            requests.take(request, response);
        };
        client().perform_all(batch);
        return HOLDFAST_OK;
    } catch (const std::exception&) {
        return HOLDFAST_FAILED; // out of memory: whoever had no answer by now gets none
    }
}

const holdfast_http table{sizeof(holdfast_http), perform, perform_all};

} // namespace

const holdfast_http* http_extension() { return &table; }

} // namespace holdfast

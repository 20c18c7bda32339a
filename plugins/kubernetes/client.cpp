#include "client.hpp"

#include <algorithm>
#include <charconv>
#include <thread>

namespace holdfast::kubernetes {

namespace {

using sdk::Json;
using std::chrono::milliseconds;

constexpr int most_retries = 8;

sdk::Diagnostic problem(std::string code, std::string message, std::string hint,
                        sdk::Retry retry = sdk::Retry::never) {
    sdk::Diagnostic out;
    out.code = std::move(code);
    out.message = std::move(message);
    out.hint = std::move(hint);
    out.retry = retry;
    return out;
}

sdk::Diagnostic later(sdk::Diagnostic why, milliseconds pause) {
    why.retry = sdk::Retry::after;
    why.retry_after = pause;
    return why;
}

// The fields that the server complains of: "spec.ports[0].protocol, spec.x".
std::string fields_of(const Json& status) {
    std::string out;
    if (const Json* causes = sdk::find(status, "/details/causes"))
        for (const Json& cause : *causes) {
            const std::string field = sdk::text_at(cause, "/field");
            if (!field.empty() && out.find(field) == std::string::npos)
                out += (out.empty() ? "" : ", ") + field;
        }
    return out;
}

// ".spec.foo: field not declared in schema", of servers that do not know fieldValidation.
std::string undeclared_field(const std::string& message) {
    const std::size_t end = message.find(": field not declared in schema");
    if (end == std::string::npos) return {};
    const std::size_t begin = message.rfind(' ', end);
    return message.substr(begin == std::string::npos ? 0 : begin + 1, end - begin - 1);
}

// "unknown field \"spec.foo\"", of servers that do.
std::string unknown_field(const std::string& message) {
    static const std::string before = "unknown field \"";
    const std::size_t at = message.find(before);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + before.size();
    return message.substr(begin, message.find('"', begin) - begin);
}

sdk::Diagnostic explain_forbidden(const Json& status, const std::string& what, const std::string& said) {
    if (has_cause(status, "NamespaceTerminating"))
        return later(
            problem("kubernetes.terminating",
                    what + ": its namespace is being deleted, and takes nothing new until it is gone",
                    "wait, or see what its finalizers wait for: kubectl describe namespace"),
            milliseconds(5000));
    return problem("kubernetes.forbidden", what + ": the server does not allow it: " + said,
                   "give the account the right by a Role or ClusterRole, or mend what an admission rule "
                   "objects to");
}

} // namespace

Json Reply::said() const {
    Json body_json = Json::parse(body, nullptr, false);
    return body_json.is_object() ? body_json : Json::object();
}

bool has_cause(const Json& status, std::string_view reason) {
    const Json* causes = sdk::find(status, "/details/causes");
    return causes && causes->is_array() &&
           std::any_of(causes->begin(), causes->end(),
                       [&](const Json& cause) { return sdk::text_at(cause, "/reason") == reason; });
}

bool is_absent(const Reply& reply) {
    return reply.status == 404 && sdk::text_at(reply.said(), "/reason") == "NotFound";
}

std::string pointer_of_field(std::string_view field) {
    std::string out, token;
    const auto finish = [&] {
        if (!token.empty()) out += "/" + token;
        token.clear();
    };
    for (std::size_t i = 0; i < field.size(); ++i) {
        const char c = field[i];
        if (c == '.') {
            finish();
        } else if (c == '[') {
            finish();
            const std::size_t end = field.find(']', i);
            std::string_view key = field.substr(i + 1, end == field.npos ? field.npos : end - i - 1);
            // A key of a map stands there as it is; an element named by its keys has no index to tell.
            if (end == field.npos || key.find('=') != key.npos) return out;
            for (const char k : key)
                token += k == '/' ? std::string("~1") : k == '~' ? std::string("~0") : std::string(1, k);
            i = end;
        } else {
            token += c == '/' ? std::string("~1") : c == '~' ? std::string("~0") : std::string(1, c);
        }
    }
    finish();
    return out;
}

milliseconds retry_after(const Reply& reply, milliseconds otherwise) {
    sdk::HttpResponse response;
    response.headers = reply.headers;
    const std::optional<std::string> value = response.header("retry-after");
    int seconds = 0;
    if (!value || std::from_chars(value->data(), value->data() + value->size(), seconds).ec != std::errc{})
        return otherwise;
    return std::chrono::seconds(std::clamp(seconds, 0, 300));
}

std::string escaped(std::string_view text) {
    static constexpr const char* digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              c == '.' || c == '-' || c == '_';
        if (is_plain)
            out += c;
        else
            (out += '%') += digits[byte >> 4U], out += digits[byte & 15U];
    }
    return out;
}

bool pause(const sdk::Call& call, milliseconds duration) {
    const auto until = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < until) {
        if (call.should_stop()) return false;
        std::this_thread::sleep_for(std::min(milliseconds(20), duration));
    }
    return !call.should_stop();
}

namespace {

// Put together as text: this runs for every request.
std::string options_of(const Credentials::Now& who, const Access& access, milliseconds timeout) {
    std::string out =
        "{\"timeoutMs\":" + std::to_string(timeout.count()) + ",\"maxResponseBytes\":1073741824";
    const auto add = [&](const char* key, const std::string& value) {
        if (value.empty()) return;
        out += key;
        sdk::append_quoted(out, value);
    };
    add(",\"caFile\":", who.ca_file);
    add(",\"clientCert\":", who.certificate_file);
    add(",\"clientKey\":", who.key_file);
    add(",\"serverName\":", access.server_name);
    add(",\"proxy\":", access.proxy);
    return out + (access.is_insecure ? ",\"insecure\":true}" : "}");
}

Reply reply_of(sdk::HttpResponse response) {
    return {response.status, std::move(response.headers), std::move(response.body),
            std::move(response.error)};
}

} // namespace

sdk::HttpRequest Client::to_http(const Request& request, bool was_refused) const {
    const Credentials::Now who = credentials_.now(was_refused);
    sdk::HttpRequest http;
    http.method = request.method;
    http.url = server() + request.path + (request.query.empty() ? "" : "?" + request.query);
    http.headers = who.headers;
    http.headers.push_back("Accept: " + request.accept);
    http.headers.emplace_back("User-Agent: holdfast");
    if (!request.content_type.empty()) http.headers.push_back("Content-Type: " + request.content_type);
    http.body = request.body;
    http.on_body = request.on_body;
    http.options = options_of(who, credentials_.access(), request.timeout);
    return http;
}

Reply Client::send_once(const sdk::Call& call, const Request& request, bool was_refused) const {
    return reply_of(call.http(to_http(request, was_refused)));
}

// One round of send_all(): until all is answered, or the server refuses one.
class Client::Round {
public:
    Round(const Client& client, Open& open, const Next& next, const Take& take)
        : client_(client), open_(open), next_(next), take_(take) {}

    void run(const sdk::Call& call, std::size_t most_at_once) {
        sdk::HttpBatch batch;
        batch.most_at_once = most_at_once;
        batch.next = [this] { return ask(); };
        batch.take = [this](std::size_t number, sdk::HttpResponse response) {
            answer(*sent_[number], reply_of(std::move(response)));
        };
        call.http_all(batch);
    }
    bool is_refused() const { return is_refused_; }
    milliseconds pause() const { return pause_; }

private:
    std::optional<sdk::HttpRequest> ask() {
        if (is_refused_) return std::nullopt;
        if (open_.refused.empty()) {
            std::optional<Request> request = next_();
            if (!request) return std::nullopt;
            open_.refused.push_back({*std::move(request), open_.count++});
        }
        sent_.push_back(std::make_unique<Sent>(std::move(open_.refused.front())));
        open_.refused.pop_front();
        return client_.to_http(sent_.back()->request, std::exchange(open_.is_unknown, false));
    }
    void answer(Sent& sent, Reply reply) {
        const bool is_unknown = reply.status == 401 && !sent.was_unknown;
        const bool is_busy = reply.status == 429 && sent.tries < most_retries;
        if (!is_unknown && !is_busy) {
            sent.request = {};
            return take_(sent.number, std::move(reply));
        }
        is_refused_ = true;
        if (is_unknown) open_.is_unknown = sent.was_unknown = true;
        if (is_busy) pause_ = std::max(pause_, retry_after(reply, milliseconds(200) * ++sent.tries));
        open_.refused.push_back(std::move(sent));
    }

    const Client& client_;
    Open& open_;
    const Next& next_;
    const Take& take_;
    std::vector<std::unique_ptr<Sent>> sent_;
    bool is_refused_ = false;
    milliseconds pause_{0};
};

void Client::send_all(const sdk::Call& call, std::size_t most_at_once, const Next& next,
                      const Take& take) const {
    for (Open open;;) {
        Round round(*this, open, next, take);
        round.run(call, most_at_once);
        if (!round.is_refused() || !pause(call, round.pause())) return;
    }
}

Reply Client::send(const sdk::Call& call, const Request& request) const {
    bool was_refused = false;
    for (int tries = 0;; ++tries) {
        Reply reply = send_once(call, request, was_refused);
        if (reply.status == 401 && !was_refused) {
            was_refused = true; // a token may have ended since
        } else {
            const bool was_begun = reply.status != 429;
            if (was_begun || tries >= most_retries ||
                !pause(call, retry_after(reply, milliseconds(200) * (tries + 1))))
                return reply;
        }
        if (request.on_again) request.on_again();
    }
}

sdk::Diagnostic explain(const Reply& reply, const std::string& what, bool is_secret) {
    if (reply.status == 0)
        return problem("kubernetes.unreachable", what + ": the API server gives no answer: " + reply.error,
                       "check the server's address in the kubeconfig, and that it is up", sdk::Retry::after);
    const Json status = reply.said();
    const std::string fields = fields_of(status);
    std::string said =
        sdk::text_at(status, "/message", "it answered with status " + std::to_string(reply.status));
    if (is_secret)
        said = fields.empty() ? "(its words may hold a secret and are not shown)" : "see " + fields;
    sdk::Diagnostic out;
    const std::string message = sdk::text_at(status, "/message");
    std::string unknown = undeclared_field(message);
    if (unknown.empty()) unknown = unknown_field(message);
    if (!unknown.empty()) {
        out = problem("kubernetes.unknown-field", what + ": the kind has no field " + unknown,
                      "correct its name or its place; kubectl explain shows the fields");
        out.pointer = pointer_of_field(unknown);
        return out;
    }
    switch (reply.status) {
        case 401:
            return problem("kubernetes.unauthorized", "the API server does not know who asks",
                           "check the credentials of the kubeconfig's user: they may have ended");
        case 403: return explain_forbidden(status, what, said);
        case 404:
            out = problem("kubernetes.not-found", what + ": " + said,
                          "declare what is missing, the namespace for instance, in the same stack",
                          sdk::Retry::after);
            break;
        case 409:
            out = problem("kubernetes.conflict", what + ": " + said, "it is looked at again",
                          sdk::Retry::conflict);
            break;
        case 400:
        case 422:
            out = problem("kubernetes.invalid", what + ": " + said, "correct the document");
            if (const Json* causes = sdk::find(status, "/details/causes"); causes && !causes->empty())
                out.pointer = pointer_of_field(sdk::text_at((*causes)[0], "/field"));
            break;
        case 429:
            return later(problem("kubernetes.busy", what + ": the API server is busy and asks to wait",
                                 "it is tried again; see API priority and fairness if this goes on"),
                         retry_after(reply, milliseconds(1000)));
        default:
            out = problem("kubernetes.server-error",
                          what + ": the API server failed (" + std::to_string(reply.status) + "): " + said,
                          "it is tried again; see the API server's log if this goes on", sdk::Retry::after);
    }
    return out;
}

} // namespace holdfast::kubernetes

#pragma once
// Requests to one API server, through the host's HTTP service: credentials, the server's own words for what
// went wrong, and its wish to be left alone for a while.

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "credentials.hpp"

namespace holdfast::kubernetes {

// Of objects in a list, no more than their metadata.
constexpr const char* only_metadata_list =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

struct Request {
    std::string method = "GET";
    std::string path;  // "/api/v1/namespaces/shop/configmaps/web", escaped
    std::string query; // "dryRun=All&force=true"
    std::string content_type, body;
    std::string accept = "application/json";
    std::chrono::milliseconds timeout{60'000};
    std::function<bool(std::string_view chunk)> on_body; // takes the body as it comes
    std::function<void()> on_again; // what `on_body` got was a refusal: the request is sent another time
};

struct Reply {
    int status = 0; // 0: no answer, `error` says why
    std::string headers, body, error;
    bool ok() const { return status >= 200 && status < 300; }
    // Of the Status object that the server sends where it refuses (k8s.io/apimachinery, metav1.Status).
    sdk::Json said() const;
};

class Client {
public:
    explicit Client(Access access) : credentials_(std::move(access)) {}

    // Thread-safe. What the server did not begin (429) is sent again, when it wants.
    Reply send(const sdk::Call& call, const Request& request) const;
    // Many, on this thread, a few of them at the same time; what is refused is sent again as send() does it.
    // Where the call is to end, some get no reply: those have not been begun. `number`: in the order of
    // `next`.
    using Next = std::function<std::optional<Request>()>;
    using Take = std::function<void(std::size_t number, Reply reply)>;
    void send_all(const sdk::Call& call, std::size_t most_at_once, const Next& next, const Take& take) const;
    const std::string& server() const { return credentials_.access().server; }
    const std::string& name_space() const { return credentials_.access().name_space; }

private:
    struct Sent { // by send_all()
        Request request;
        std::size_t number = 0;
        int tries = 0; // that the server was too busy for
        bool was_unknown = false;
    };
    struct Open { // what lies between its rounds
        std::deque<Sent> refused;
        std::size_t count = 0;
        bool is_unknown = false; // the credentials may have ended
    };
    class Round;
    sdk::HttpRequest to_http(const Request& request, bool was_refused) const;
    Reply send_once(const sdk::Call& call, const Request& request, bool was_refused) const;
    mutable Credentials credentials_;
};

// What an answer that is not ok means, about `what` ("ConfigMap shop/web"). `is_secret`: nothing of what the
// server says of values is repeated.
sdk::Diagnostic explain(const Reply& reply, const std::string& what, bool is_secret = false);
// An object was asked for by name, and the server has looked for it and not found it.
bool is_absent(const Reply& reply);
bool has_cause(const sdk::Json& status, std::string_view reason);
// "spec.template.spec.containers[0].image" -> "/spec/template/spec/containers/0/image", as far as that goes.
std::string pointer_of_field(std::string_view field);
std::chrono::milliseconds retry_after(const Reply& reply, std::chrono::milliseconds otherwise);
// For one segment of a path, or a value of a query.
std::string escaped(std::string_view text);
// Until the time is over or the call is to end (false then).
bool pause(const sdk::Call& call, std::chrono::milliseconds duration);

} // namespace holdfast::kubernetes

// Git's "smart" protocol over HTTP, on our own client: libgit2's ignores IP addresses in certificates,
// trusts one authority for the whole process, follows redirects with the password in its hands, and cannot
// be stopped. https://git-scm.com/docs/http-protocol

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "git/conversation.hpp"
#include "sys/http/http.hpp"

namespace holdfast::git {

namespace {

using Steady = std::chrono::steady_clock;

std::string value_of(std::string_view headers, std::string_view name) {
    for (std::string_view line : split(headers, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon != line.npos && line.substr(0, colon) == name)
            return std::string(trim(line.substr(colon + 1)));
    }
    return {};
}

Diagnostic transient(std::string_view code, std::string message, std::string hint = {}) {
    Diagnostic why = failure(code, std::move(message), std::move(hint));
    why.retry = Retry::after;
    return why;
}

class HttpConversation final : public Conversation {
public:
    HttpConversation(const RemoteUrl& url, const RemoteAccess& access, const TransferLimits& limits)
        : url_(url), access_(access), limits_(limits) {}

    Status greeting(const Receiver& receive) override {
        HttpRequest request = base_request("/info/refs?service=git-upload-pack");
        return perform(request, "application/x-git-upload-pack-advertisement", receive);
    }

    Status ask(std::string_view body, const Receiver& receive) override {
        HttpRequest request = base_request("/git-upload-pack");
        request.method = "POST";
        request.body = body;
        request.headers.emplace_back("Content-Type: application/x-git-upload-pack-request");
        return perform(request, "application/x-git-upload-pack-result", receive);
    }

    bool is_stateless() const override { return true; }

private:
    HttpRequest base_request(std::string_view what) const {
        HttpRequest request;
        request.url = url_.text() + std::string(what);
        request.headers = {"Git-Protocol: version=2", "Accept: */*"};
        if (!access_.token.empty())
            request.headers.push_back("Authorization: Bearer " + access_.token);
        else if (!access_.user.empty() || !access_.password.empty())
            request.headers.push_back("Authorization: Basic " +
                                      to_base64(access_.user + ":" + access_.password));
        request.ca_file = access_.ca_file;
        request.proxy = access_.proxy;
        request.deadline = limits_.deadline;
        request.timeout = std::chrono::hours(24); // the deadline and the stall below are what ends it
        request.max_response_bytes = limits_.max_bytes;
        return request;
    }

    Status perform(HttpRequest& request, std::string_view wanted_type, const Receiver& receive) {
        auto last_byte = Steady::now();
        bool is_stalled = false, is_enough = false;
        std::size_t after_enough = 0;
        request.is_cancelled = [&] {
            is_stalled = Steady::now() - last_byte > limits_.stall;
            return is_stalled || limits_.stop.stop_requested();
        };
        // What comes behind the end is let through a while: to break off would cost the connection, and with
        // it the status of the answer.
        request.on_body = [&](std::string_view chunk) {
            last_byte = Steady::now();
            if (!is_enough) is_enough = !receive(chunk);
            if (is_enough) after_enough += chunk.size();
            return after_enough < (1U << 20);
        };
        const HttpResponse response = http_.perform(request);
        if (response.end == HttpEnd::answered) return judge(response, wanted_type);
        if (is_enough && response.fault == HttpFault::refused) return Ok{};
        if (response.end == HttpEnd::cancelled && is_stalled)
            return interrupted(url_, fmt::format("not a byte came for {} s", limits_.stall.count() / 1000));
        if (Status in_time = check_limits(limits_, url_); !in_time) return in_time;
        return failed(response);
    }

    Diagnostic failed(const HttpResponse& response) const {
        switch (response.fault) {
            case HttpFault::certificate:
                return failure(
                    "source.untrusted",
                    fmt::format("the server of {} is not trusted: {}", url_.text(), response.error),
                    "its authority's certificate belongs into the credential's caFile; nothing "
                    "was sent to it");
            case HttpFault::interrupted:
                if (response.error.find("CONNECT tunnel failed") != std::string::npos)
                    return transient(
                        "source.unreachable",
                        fmt::format("the proxy does not let us through to {}: {}", url_.text(),
                                    response.error),
                        "ask who runs the proxy; the credential's `proxy` or https_proxy names it");
                return interrupted(url_, response.error);
            case HttpFault::too_large: return too_large(url_, limits_.max_bytes);
            case HttpFault::name:
                return transient("source.unreachable",
                                 fmt::format("the host of {} is not known: {}", url_.text(), response.error),
                                 "check the name in the Source's url, and this machine's resolver");
            default:
                return transient("source.unreachable",
                                 fmt::format("{} cannot be reached: {}", url_.text(), response.error),
                                 "is the server up, and is a firewall or proxy between?");
        }
    }

    Status judge(const HttpResponse& response, std::string_view wanted_type) const {
        if (response.status == 200) {
            const std::string type = value_of(response.headers, "content-type");
            if (type == wanted_type) return Ok{};
            return failure("source.bad-answer",
                           fmt::format("{} answers with \"{}\", as no Git server does", url_.text(), type),
                           "is it the address of a web page? The one to clone from is wanted");
        }
        if (response.status == 401 || response.status == 403) return denied(response.status);
        if (response.status == 404 || response.status == 410)
            return failure("source.not-found", fmt::format("there is no repository at {}", url_.text()),
                           "correct the Source's url; many servers also say so to who may not read it");
        if (response.status >= 300 && response.status < 400) return moved(response);
        if (response.status >= 500 || response.status == 429)
            return transient("source.server-error",
                             fmt::format("{} answers with status {}", url_.text(), response.status),
                             "it is tried again; if it stays, the server's log says more");
        return failure("source.bad-answer",
                       fmt::format("{} answers with status {}", url_.text(), response.status));
    }

    Diagnostic denied(int status) const {
        if (!access_.holds_secret())
            return failure("source.denied",
                           fmt::format("{} wants a credential (status {})", url_.text(), status),
                           "define one under gitCredentials in the operator's configuration; the Source's "
                           "`credential` names it");
        return failure(
            "source.denied",
            fmt::format("{} refuses the credential {} (status {})", url_.text(), access_.name, status),
            "it was sent once and is not tried again in this run: has it expired, or may it not "
            "read this repository?");
    }

    Diagnostic moved(const HttpResponse& response) const {
        const std::string to = shown_url(value_of(response.headers, "location"));
        return failure("source.moved",
                       fmt::format("{} points elsewhere: {} (status {})", url_.text(), to, response.status),
                       "redirects are not followed, a credential would go with them; write the new address "
                       "into the Source's url");
    }

    RemoteUrl url_;
    const RemoteAccess& access_;
    const TransferLimits& limits_;
    HttpClient http_;
};

} // namespace

Status check_limits(const TransferLimits& limits, const RemoteUrl& url) {
    if (limits.stop.stop_requested())
        return failure("source.cancelled", fmt::format("the fetch of {} was cancelled", url.text()));
    if (Steady::now() < limits.deadline) return Ok{};
    return transient("source.deadline", fmt::format("the fetch of {} was not done in time", url.text()),
                     "give the Source a longer timeout, or look at what makes the server slow");
}

Diagnostic interrupted(const RemoteUrl& url, std::string_view why) {
    return transient("source.interrupted", fmt::format("the transfer from {} broke off: {}", url.text(), why),
                     "nothing of it is used; it is tried again");
}

Diagnostic too_large(const RemoteUrl& url, std::size_t max_bytes) {
    return failure("source.too-large",
                   fmt::format("{} sends more than the limit of {} bytes", url.text(), max_bytes),
                   "keep large files out of the repository that declares things, or raise fetchMaxBytes in "
                   "the operator's configuration");
}

std::unique_ptr<Conversation> converse_http(const RemoteUrl& url, const RemoteAccess& access,
                                            const TransferLimits& limits) {
    return std::make_unique<HttpConversation>(url, access, limits);
}

} // namespace holdfast::git

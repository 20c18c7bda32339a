#include "control/client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "control/message.hpp"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds connect_timeout{3000};

Diagnostic no_daemon(const std::string& socket, const std::string& why) {
    return failure("control.no-daemon", fmt::format("no daemon answers on {}: {}", socket, why),
                   "start holdfastd, or look at its log");
}

Diagnostic timed_out() {
    return failure("control.timeout", "the daemon did not answer in time",
                   "it goes on all the same; look at `holdfast status` and at its log");
}

} // namespace

Result<std::unique_ptr<ControlClient>> ControlClient::connect(const std::string& socket,
                                                              std::chrono::milliseconds timeout) {
    std::unique_ptr<ControlClient> client(new ControlClient);
    const Until until = std::chrono::steady_clock::now() + timeout;
    if (Status opened = client->open(socket, until); !opened) return opened.error();
    Result<Value> hello = client->next_message(until, {});
    if (!hello) return hello.error();
    if (const Value* error = hello->find("error")) return diagnostic_from_message(*error);
    const Value* version = hello->find("holdfast");
    if (!version || !version->if_integer() || *version->if_integer() != control_version)
        return failure("control.version",
                       fmt::format("the daemon on {} speaks another version of the protocol than {}", socket,
                                   control_version),
                       "install holdfast and holdfastd of one release, and restart the daemon");
    client->hello_ = *std::move(hello);
    return client;
}

Status ControlClient::open(const std::string& path, Until) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return no_daemon(path, "the path is too long for a socket");
    std::memcpy(address.sun_path, path.data(), path.size());
    fd_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_) return no_daemon(path, error_text(errno));
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return Ok{};
    if (errno == EACCES || errno == EPERM)
        return failure("control.forbidden", fmt::format("{} may not be opened by this user", path),
                       "use sudo, or let the operator set daemon.socket.group");
    return no_daemon(path, error_text(errno));
}

Status ControlClient::send(std::string_view text, Until until) {
    while (!text.empty()) {
        const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            text.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return failure("control.lost", "the daemon ended the connection: " + error_text(errno));
        if (std::chrono::steady_clock::now() >= until) return timed_out();
        pollfd wait{fd_.get(), POLLOUT, 0};
        poll(&wait, 1, 100);
    }
    return Ok{};
}

Result<Value> ControlClient::next_message(Until until, const std::stop_token& stop) {
    for (;;) {
        if (const std::size_t end = in_.find('\n'); end != std::string::npos) {
            const std::string line = in_.substr(0, end);
            in_.erase(0, end + 1);
            Result<Value> message = parse_json(line, {.max_bytes = control_max_answer});
            if (message && message->is_map()) return message;
            return failure("control.lost", "the daemon sent a line that is no answer",
                           "are holdfast and holdfastd of one release?");
        }
        if (in_.size() > control_max_answer)
            return failure("control.lost", "the daemon sent an answer that is too long");
        if (stop.stop_requested())
            return failure("control.interrupted", "interrupted while the daemon worked",
                           "the daemon goes on; `holdfast status` shows how it ends");
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return timed_out();
        pollfd wait{fd_.get(), POLLIN, 0};
        // A stop request wakes no poll, so it is looked for now and then.
        if (poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left.count() + 1, 200))) <= 0) continue;
        char buffer[65536];
        const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return failure("control.lost", "the daemon ended the connection",
                           "it may have been stopped; look at its log");
        in_.append(buffer, static_cast<std::size_t>(got));
    }
}

Result<Value> ControlClient::ask(Map request, std::chrono::milliseconds timeout, std::stop_token stop,
                                 const std::function<void(const Value& event)>& on_event) {
    const Until until = std::chrono::steady_clock::now() + timeout;
    const std::int64_t id = ++last_id_;
    request.set("id", id);
    if (Status sent = send(to_json(Value(std::move(request))) + '\n', until); !sent) return sent.error();
    for (;;) {
        Result<Value> message = next_message(until, stop);
        if (!message) return message;
        const Value* of = message->find("id");
        const bool is_ours = of && *of == Value(id);
        if (const Value* error = message->find("error"); error && (is_ours || !of))
            return diagnostic_from_message(*error);
        if (!is_ours) continue;
        if (const Value* result = message->find("result")) return *result;
        if (const Value* event = message->find("event"); event && on_event) on_event(*event);
    }
}

Result<std::unique_ptr<ControlClient>> connect_to_daemon_of(const std::string& store,
                                                            const std::string& configured_socket) {
    const std::optional<DaemonAddress> address = read_daemon_address(store);
    const std::string socket = address ? address->socket : configured_socket;
    if (socket.empty())
        return failure("control.no-daemon", fmt::format("no daemon keeps the store {}", store),
                       "start holdfastd, or use `holdfast apply`");
    return ControlClient::connect(socket, connect_timeout);
}

} // namespace holdfast

#include "connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::dns {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(30); // where the call has no deadline
constexpr int slice_ms = 100;                       // how soon a cancelled call is noticed

sdk::Error unreachable(const Server& server, const std::string& why) {
    sdk::Diagnostic out;
    out.code = "dns.unreachable";
    out.message = "no connection to " + to_string(server) + ": " + why;
    out.hint = "check the address and port in the provider's config, and that the server allows TCP";
    out.retry = sdk::Retry::after;
    return sdk::Error(out);
}

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses resolve(const Server& server) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &wanted, &found);
    if (status != 0) throw unreachable(server, gai_strerror(status));
    return {found, &freeaddrinfo};
}

} // namespace

std::string to_string(const Server& server) { return server.host + " port " + std::to_string(server.port); }

Connection::Connection(const Server& server, const sdk::Call& call)
    : server_(server), call_(call), deadline_(call.deadline().value_or(Clock::now() + patience)) {
    const Addresses addresses = resolve(server);
    std::string why = "no address";
    for (const addrinfo* at = addresses.get(); at; at = at->ai_next) {
        socket_ = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (socket_ < 0) continue;
        int error = connect(socket_, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
        if (error == EINPROGRESS) {
            try {
                wait_for(POLLOUT);
                socklen_t size = sizeof error;
                getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
            } catch (const sdk::Error&) {
                error = ETIMEDOUT;
            }
        }
        const int on = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (error == 0) return;
        why = std::strerror(error);
        close(socket_);
        socket_ = -1;
    }
    throw unreachable(server, why);
}

Connection::~Connection() {
    if (socket_ >= 0) close(socket_);
}

void Connection::lost(const std::string& why) const {
    sdk::Diagnostic out;
    out.code = "dns.no-answer";
    out.message = to_string(server_) + " " + why;
    out.hint = "see the server's log";
    out.retry = sdk::Retry::after;
    throw sdk::Error(out);
}

void Connection::wait_for(short events) {
    for (;;) {
        if (call_.should_stop()) lost("was not waited for any longer");
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
        if (left.count() <= 0) lost("gave no answer in time");
        pollfd descriptor{socket_, events, 0};
        const int count =
            poll(&descriptor, 1, static_cast<int>(std::min<std::int64_t>(left.count(), slice_ms)));
        if (count > 0) return;
        if (count < 0 && errno != EINTR) lost(std::strerror(errno));
    }
}

void Connection::send(std::string_view message) {
    std::string frame{static_cast<char>(message.size() >> 8U), static_cast<char>(message.size() & 255U)};
    frame += message;
    for (std::size_t sent = 0; sent < frame.size();) {
        const ssize_t n = ::send(socket_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += static_cast<std::size_t>(n);
        else if (errno == EAGAIN)
            wait_for(POLLOUT);
        else if (errno != EINTR)
            lost(std::string("broke the connection: ") + std::strerror(errno));
    }
}

void Connection::read_all(char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = recv(socket_, data, size, 0);
        if (n > 0)
            data += n, size -= static_cast<std::size_t>(n);
        else if (n == 0)
            lost("closed the connection before its answer was complete");
        else if (errno == EAGAIN)
            wait_for(POLLIN);
        else if (errno != EINTR)
            lost(std::string("broke the connection: ") + std::strerror(errno));
    }
}

std::string Connection::receive() {
    char prefix[2];
    read_all(prefix, sizeof prefix);
    std::string message((static_cast<unsigned char>(prefix[0]) << 8U) + static_cast<unsigned char>(prefix[1]),
                        '\0');
    read_all(message.data(), message.size());
    return message;
}

} // namespace holdfast::dns

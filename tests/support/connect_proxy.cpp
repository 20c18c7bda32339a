#include "support/connect_proxy.hpp"

#include <array>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::test {

namespace {

int connect_to(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
}

bool pass_on(int from, int to) {
    std::array<char, 16384> bytes{};
    const ssize_t got = ::read(from, bytes.data(), bytes.size());
    for (ssize_t sent = 0; sent < got;) {
        const ssize_t wrote =
            ::send(to, bytes.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
        if (wrote <= 0) return false;
        sent += wrote;
    }
    return got > 0;
}

void say(int to, const std::string& words) { (void)!::send(to, words.data(), words.size(), MSG_NOSIGNAL); }

} // namespace

ConnectProxy::ConnectProxy(Manner manner) : manner_(manner) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0)
        throw std::runtime_error("no port for a proxy");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] {
        for (;;) {
            const int client = ::accept(listener_, nullptr, nullptr);
            if (client < 0) return;
            connections_.with([&](auto& all) { all.emplace_back([this, client] { serve(client); }); });
        }
    });
}

ConnectProxy::~ConnectProxy() {
    is_stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    connections_.with([](auto& all) { all.clear(); });
    ::close(listener_);
}

std::vector<std::string> ConnectProxy::requests() const {
    return requests_.with([](const auto& all) { return all; });
}

// Any name is this machine.
void ConnectProxy::serve(int client) {
    std::string head;
    for (char byte = 0; !head.ends_with("\r\n\r\n") && ::read(client, &byte, 1) == 1;) head += byte;
    requests_.with([&](auto& all) { all.push_back(head); });
    const std::size_t colon = head.find(':');
    const bool is_connect = head.starts_with("CONNECT ") && colon != std::string::npos;
    const int server =
        is_connect && manner_ == Manner::serves ? connect_to(std::atoi(head.c_str() + colon + 1)) : -1;
    say(client, server >= 0 ? "HTTP/1.1 200 Connection established\r\n\r\n"
                            : "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    bool goes_on = server >= 0;
    while (goes_on && !is_stopping_) {
        std::array<pollfd, 2> both{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
        if (::poll(both.data(), both.size(), 50) <= 0) continue;
        if (both[0].revents) goes_on = pass_on(client, server);
        if (goes_on && both[1].revents) goes_on = pass_on(server, client);
    }
    if (server >= 0) ::close(server);
    ::close(client);
}

} // namespace holdfast::test

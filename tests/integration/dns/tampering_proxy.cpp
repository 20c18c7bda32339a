#include "tampering_proxy.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::test {

namespace {

sockaddr_in loopback(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
}

std::optional<std::string> read_exactly(int fd, std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t at = 0; at < size;) {
        const ssize_t n = recv(fd, out.data() + at, size - at, 0);
        if (n <= 0) return std::nullopt;
        at += static_cast<std::size_t>(n);
    }
    return out;
}

// With its length in front.
std::optional<std::string> read_frame(int fd) {
    const auto prefix = read_exactly(fd, 2);
    if (!prefix) return std::nullopt;
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>((*prefix)[0]) << 8U |
                                               static_cast<unsigned char>((*prefix)[1]));
    const auto rest = read_exactly(fd, size);
    return rest ? std::optional(*prefix + *rest) : std::nullopt;
}

void send_all(int fd, const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t n = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += static_cast<std::size_t>(n);
    }
}

bool is_update(const std::string& frame) { return (static_cast<unsigned char>(frame[4]) >> 3U & 15U) == 5; }

// The signature is the last record. Its owner is the key's name, which servers write out or point at; with
// "test-key" written out it begins where these bytes are found last.
std::string without_signature(std::string frame) {
    const std::size_t at = frame.rfind(std::string("\10test-key\0", 10));
    if (at == std::string::npos) return frame;
    frame.resize(at);
    frame[13] = static_cast<char>(frame[13] - 1); // additional records
    frame[0] = static_cast<char>((frame.size() - 2) >> 8U);
    frame[1] = static_cast<char>((frame.size() - 2) & 255U);
    return frame;
}

std::string servfail(const std::string& question) {
    std::string out = question.substr(0, 14);
    out[4] = static_cast<char>(static_cast<unsigned char>(out[4]) | 0x80U);
    out[5] = 2;
    for (std::size_t i = 6; i < 14; ++i) out[i] = 0;
    out[0] = 0;
    out[1] = 12;
    return out;
}

// All that the server says until it is quiet.
std::vector<std::string> answers_of(int server) {
    std::vector<std::string> out;
    for (pollfd descriptor{server, POLLIN, 0}; poll(&descriptor, 1, out.empty() ? 3000 : 150) > 0;) {
        auto frame = read_frame(server);
        if (!frame) break;
        out.push_back(*std::move(frame));
    }
    return out;
}

} // namespace

TamperingProxy::TamperingProxy(int server_port) : server_port_(server_port) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 16) != 0)
        std::abort();
    thread_ = std::jthread([this](std::stop_token stop) {
        std::vector<std::jthread> clients; // each ends with its connection
        while (!stop.stop_requested()) {
            const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) return;
            clients.emplace_back([this, client] {
                serve(client);
                close(client);
            });
        }
    });
}

TamperingProxy::~TamperingProxy() {
    thread_.request_stop();
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
}

void TamperingProxy::serve(int client) {
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(server_port_);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        while (const auto question = read_frame(client)) {
            const Tamper tamper = tamper_;
            if (tamper == Tamper::servfail_answer) {
                send_all(client, servfail(*question));
                continue;
            }
            send_all(server, *question);
            std::vector<std::string> frames = answers_of(server);
            if (is_update(*question))
                if (const auto once = std::exchange(after_update_, nullptr)) once();
            if (tamper == Tamper::drop_answer && is_update(*question)) break;
            if (frames.size() > 2) {
                if (tamper == Tamper::cut_transfer) frames.resize(frames.size() / 2);
                if (tamper == Tamper::cut_in_message) frames.back().resize(frames.back().size() / 2);
                if (tamper == Tamper::strip_signature) frames[1] = without_signature(frames[1]);
                if (tamper == Tamper::flip_bit) frames[1][200] = static_cast<char>(frames[1][200] ^ 1);
                if (tamper == Tamper::swap_messages) std::swap(frames[1], frames[2]);
            }
            for (const std::string& frame : frames) send_all(client, frame);
            const bool is_cut = tamper == Tamper::cut_transfer || tamper == Tamper::cut_in_message;
            if (is_cut && frames.size() > 1) break;
        }
    close(server);
}

} // namespace holdfast::test

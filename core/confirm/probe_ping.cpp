// ICMP echo (RFC 792, RFC 4443), over a ping socket where the kernel lets us have one (ping_group_range),
// else over a raw one.

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/core.h>

#include "confirm/probe.hpp"
#include "sys/file.hpp"
#include "sys/random.hpp"

namespace holdfast {

namespace {

constexpr std::uint8_t request_v4 = 8, reply_v4 = 0, request_v6 = 128, reply_v6 = 129;
constexpr std::size_t header_size = 8, token_size = 16;

// RFC 1071. Only a raw IPv4 socket leaves it to us; the others fill it in.
std::uint16_t internet_checksum(std::string_view bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        sum += static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]) << 8U) +
               static_cast<unsigned char>(bytes[i + 1]);
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum & 0xffffU);
}

std::string echo_request(bool is_v6, const std::string& token) {
    std::string packet(header_size, '\0');
    packet[0] = static_cast<char>(is_v6 ? request_v6 : request_v4);
    packet += token;
    if (is_v6) return packet;
    const std::uint16_t sum = internet_checksum(packet);
    packet[2] = static_cast<char>(sum >> 8U);
    packet[3] = static_cast<char>(sum & 0xffU);
    return packet;
}

// Other replies come along a raw socket as well; ours repeats the token.
bool is_our_reply(std::string_view packet, bool is_v6, bool has_ip_header, std::string_view token) {
    if (has_ip_header) {
        if (packet.empty()) return false;
        const std::size_t length = (static_cast<unsigned char>(packet.front()) & 0x0fU) * 4U;
        if (packet.size() < length) return false;
        packet.remove_prefix(length);
    }
    return packet.size() >= header_size + token.size() &&
           static_cast<std::uint8_t>(packet.front()) == (is_v6 ? reply_v6 : reply_v4) &&
           packet.substr(header_size, token.size()) == token;
}

} // namespace

std::string ping(const SocketAddress& address, std::chrono::milliseconds limit) {
    const bool is_v6 = address.family == AF_INET6;
    const int protocol = is_v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    bool is_raw = false;
    Fd socket_fd(socket(address.family, SOCK_DGRAM | SOCK_CLOEXEC, protocol));
    if (!socket_fd) {
        is_raw = true;
        socket_fd = Fd(socket(address.family, SOCK_RAW | SOCK_CLOEXEC, protocol));
    }
    if (!socket_fd) return fmt::format("no socket for ICMP: {}", error_text(errno));
    const std::string token = random_bytes(token_size), request = echo_request(is_v6, token);
    const auto* to = reinterpret_cast<const sockaddr*>(address.bytes.data());
    if (sendto(socket_fd.get(), request.data(), request.size(), 0, to,
               static_cast<socklen_t>(address.bytes.size())) < 0)
        return fmt::format("cannot send: {}", error_text(errno));
    const auto until = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return "no reply";
        pollfd wait{socket_fd.get(), POLLIN, 0};
        if (poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
        char buffer[1500];
        const ssize_t got = recv(socket_fd.get(), buffer, sizeof buffer, 0);
        if (got < 0 && errno != EINTR && errno != EAGAIN) return error_text(errno);
        if (got > 0 && is_our_reply({buffer, static_cast<std::size_t>(got)}, is_v6, is_raw && !is_v6, token))
            return {};
    }
}

} // namespace holdfast

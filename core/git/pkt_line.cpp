#include "git/pkt_line.hpp"

#include <cassert>
#include <charconv>

#include <fmt/core.h>

namespace holdfast::git {

namespace {

constexpr std::size_t header_size = 4, max_payload = 65516;

// Length of the packet that begins here; a negative one is malformed.
int length_at(std::string_view bytes) {
    unsigned length = 0;
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + header_size, length, 16);
    if (error != std::errc{} || end != bytes.data() + header_size) return -1;
    return length > max_payload + header_size || length == 3 ? -1 : static_cast<int>(length);
}

} // namespace

void append_packet(std::string& out, std::string_view payload) {
    assert(payload.size() <= max_payload);
    out += fmt::format("{:04x}", payload.size() + header_size);
    out += payload;
}

PacketReader::State PacketReader::feed(std::string_view bytes, const Consumer& consume) {
    // Whole packets are read where they lie; only what is cut in two is copied.
    std::string joined;
    if (!pending_.empty()) {
        joined = std::move(pending_);
        joined += bytes;
        bytes = joined;
        pending_.clear();
    }
    while (bytes.size() >= header_size) {
        const int length = length_at(bytes);
        if (length < 0) return State::malformed;
        const bool is_special = length < static_cast<int>(header_size);
        const std::size_t size = is_special ? header_size : static_cast<std::size_t>(length);
        if (bytes.size() < size) break;
        const Packet kind = length == 0   ? Packet::flush
                            : length == 1 ? Packet::delimiter
                            : length == 2 ? Packet::response_end
                                          : Packet::data;
        if (!consume(kind, bytes.substr(header_size, size - header_size))) return State::ended;
        bytes.remove_prefix(size);
    }
    pending_ = bytes;
    return State::more;
}

} // namespace holdfast::git

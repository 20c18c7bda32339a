#include "address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace holdfast::routing {

std::size_t Address::size_of(unsigned family) { return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0; }

std::optional<Address> parse_address(std::string_view text) {
    char buffer[INET6_ADDRSTRLEN + 1];
    if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
    std::memcpy(buffer, text.data(), text.size());
    buffer[text.size()] = '\0';
    Address out;
    out.family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    if (inet_pton(out.family, buffer, out.bytes.data()) != 1) return std::nullopt;
    return out;
}

Address address_from(unsigned family, const void* bytes, std::size_t size) {
    Address out;
    if (size == 0 || size != Address::size_of(family)) return out;
    out.family = static_cast<std::uint8_t>(family);
    std::memcpy(out.bytes.data(), bytes, size);
    return out;
}

void append_text(std::string& out, const Address& address) {
    char buffer[INET6_ADDRSTRLEN];
    if (inet_ntop(address.family, address.bytes.data(), buffer, sizeof buffer)) out += buffer;
}

std::string text_of(const Address& address) {
    std::string out;
    append_text(out, address);
    return out;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    unsigned length = static_cast<unsigned>(address->size()) * 8;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const unsigned most = length;
        const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), length);
        const bool is_number = end.ec == std::errc() && end.ptr == digits.data() + digits.size();
        if (digits.empty() || digits.size() > 3 || !is_number || length > most) return std::nullopt;
    }
    return Prefix{*address, static_cast<std::uint8_t>(length)};
}

Prefix network_of(const Prefix& prefix) {
    Prefix out = prefix;
    for (std::size_t i = 0; i < out.address.bytes.size(); ++i) {
        const std::size_t first = i * 8;
        if (first >= prefix.length)
            out.address.bytes[i] = 0;
        else if (prefix.length - first < 8)
            out.address.bytes[i] &= static_cast<std::uint8_t>(0xFFU << (8 - (prefix.length - first)));
    }
    return out;
}

Prefix default_of(unsigned family) {
    Prefix out;
    out.address.family = static_cast<std::uint8_t>(family);
    return out;
}

void append_text(std::string& out, const Prefix& prefix) {
    append_text(out, prefix.address);
    out += '/';
    out += std::to_string(prefix.length);
}

std::string text_of(const Prefix& prefix) {
    std::string out;
    append_text(out, prefix);
    return out;
}

const char* family_word(unsigned family) { return family == AF_INET6 ? "ipv6" : "ipv4"; }

} // namespace holdfast::routing

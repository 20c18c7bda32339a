#pragma once
// IPv4 and IPv6 addresses and prefixes, as the kernel holds them and as people write them.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::routing {

struct Address {
    std::uint8_t family = 0; // AF_INET, AF_INET6; 0: there is none
    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const Address&) const = default;
    bool empty() const { return family == 0; }
    std::size_t size() const { return size_of(family); }
    static std::size_t size_of(unsigned family); // bytes on the wire
};

// "192.0.2.1", "2001:db8::1"; nothing for anything else.
std::optional<Address> parse_address(std::string_view text);
Address address_from(unsigned family, const void* bytes, std::size_t size);
void append_text(std::string& out, const Address& address);
std::string text_of(const Address& address);

struct Prefix {
    Address address;
    std::uint8_t length = 0;

    auto operator<=>(const Prefix&) const = default;
    bool empty() const { return address.empty(); }
    bool is_default() const { return length == 0; }
};

// "10.0.0.0/8"; an address alone is a host. Bits beyond the length are kept: see network_of().
std::optional<Prefix> parse_prefix(std::string_view text);
// The prefix without its host bits.
Prefix network_of(const Prefix& prefix);
Prefix default_of(unsigned family);
void append_text(std::string& out, const Prefix& prefix);
std::string text_of(const Prefix& prefix);
// "ipv4", "ipv6"
const char* family_word(unsigned family);

} // namespace holdfast::routing

#pragma once
// The words that documents have for the kernel's numbers.

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

namespace holdfast::routing {

using Word = std::pair<const char*, std::uint8_t>;

inline constexpr Word route_types[] = {{"unicast", RTN_UNICAST},     {"local", RTN_LOCAL},
                                       {"blackhole", RTN_BLACKHOLE}, {"unreachable", RTN_UNREACHABLE},
                                       {"prohibit", RTN_PROHIBIT},   {"throw", RTN_THROW}};
inline constexpr Word rule_actions[] = {{"lookup", FR_ACT_TO_TBL},
                                        {"goto", FR_ACT_GOTO},
                                        {"nop", FR_ACT_NOP},
                                        {"blackhole", FR_ACT_BLACKHOLE},
                                        {"unreachable", FR_ACT_UNREACHABLE},
                                        {"prohibit", FR_ACT_PROHIBIT}};
inline constexpr Word ip_protocols[] = {{"icmp", 1}, {"tcp", 6},     {"udp", 17},  {"esp", 50},
                                        {"ah", 51},  {"icmpv6", 58}, {"sctp", 132}};

template <std::size_t Count>
const char* word_of(const Word (&words)[Count], std::uint8_t value) {
    for (const auto& [word, number] : words)
        if (number == value) return word;
    return nullptr;
}

template <std::size_t Count>
std::optional<std::uint8_t> value_of(const Word (&words)[Count], std::string_view text) {
    for (const auto& [word, number] : words)
        if (word == text) return number;
    return std::nullopt;
}

} // namespace holdfast::routing

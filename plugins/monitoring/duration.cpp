#include "duration.hpp"

#include <array>
#include <limits>
#include <utility>

namespace holdfast::monitoring {

namespace {

constexpr std::int64_t second_ms = 1000, minute_ms = 60 * second_ms, hour_ms = 60 * minute_ms,
                       day_ms = 24 * hour_ms;
struct Unit {
    std::string_view word;
    std::int64_t ms;
    bool only_whole;
};
constexpr std::array<Unit, 7> units{{{"y", 365 * day_ms, true},
                                     {"w", 7 * day_ms, true},
                                     {"d", day_ms, false},
                                     {"h", hour_ms, false},
                                     {"m", minute_ms, false},
                                     {"s", second_ms, false},
                                     {"ms", 1, false}}};

} // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) {
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    std::int64_t total = 0;
    std::size_t next_unit = 0; // they stand in this order, each once
    while (!text.empty()) {
        std::size_t digits = text.find_first_not_of("0123456789");
        if (digits == 0 || digits == std::string_view::npos || digits > 15) return std::nullopt;
        std::int64_t number = 0;
        for (const char c : text.substr(0, digits)) number = number * 10 + (c - '0');
        std::string_view word = text.substr(digits);
        word = word.substr(0, word.find_first_of("0123456789"));
        while (next_unit < units.size() && units[next_unit].word != word) ++next_unit;
        if (next_unit == units.size()) return std::nullopt;
        if (number > (std::numeric_limits<std::int64_t>::max() - total) / units[next_unit].ms)
            return std::nullopt;
        total += number * units[next_unit++].ms;
        text.remove_prefix(digits + word.size());
    }
    return total;
}

std::string print_duration(std::int64_t ms) {
    if (ms == 0) return "0s";
    std::string out;
    for (const Unit& unit : units) {
        if (unit.only_whole && ms % unit.ms != 0) continue;
        if (const std::int64_t count = ms / unit.ms; count > 0)
            out += std::to_string(count) + std::string(unit.word);
        ms %= unit.ms;
    }
    return out;
}

std::string canonical_duration(const std::string& text) {
    const auto ms = parse_duration(text);
    return ms ? print_duration(*ms) : text;
}

} // namespace holdfast::monitoring

#include "base/text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <cwchar>
#include <limits>

#include <fmt/core.h>

namespace holdfast {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t to = std::min(text.find(separator, from), text.size());
        parts.push_back(text.substr(from, to - from));
        from = to + 1;
    }
    return parts;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const std::size_t from = text.find_first_not_of(blanks);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (const std::string& part : parts) {
        if (&part != &parts.front()) out += separator;
        out += part;
    }
    return out;
}

namespace {

struct Decoded {
    char32_t code_point = 0;
    std::size_t size = 0; // 0: not UTF-8
};

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
Decoded decode_utf8(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
    char32_t code_point = lead & (0xFF >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {};
        code_point = code_point << 6 | (byte(i) & 0x3F);
    }
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    if (code_point < smallest[size] || is_surrogate || code_point > 0x10FFFF) return {};
    return {code_point, size};
}

} // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        // Text is nearly all ASCII, which is passed over by eight bytes.
        std::uint64_t word = 0;
        if (text.size() - i >= sizeof word) std::memcpy(&word, text.data() + i, sizeof word);
        if (text.size() - i >= sizeof word && (word & 0x8080808080808080U) == 0) {
            i += sizeof word;
            continue;
        }
        const std::size_t size = decode_utf8(text.substr(i)).size;
        if (size == 0) return i;
        i += size;
    }
    return std::nullopt;
}

bool is_utf8(std::string_view text) { return !find_invalid_utf8(text); }

namespace {

// Matches "[abc]", "[a-z]", "[!a]" at the front of `pattern`; leaves `pattern` behind the bracket.
bool matches_set(std::string_view& pattern, char c) {
    std::size_t i = 1;
    const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
    if (negated) ++i;
    bool found = false;
    for (bool first = true; i < pattern.size() && (pattern[i] != ']' || first); first = false) {
        if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
            found |= pattern[i] <= c && c <= pattern[i + 2];
            i += 3;
        } else {
            found |= pattern[i++] == c;
        }
    }
    pattern.remove_prefix(std::min(i + 1, pattern.size()));
    return found != negated && c != '/';
}

// One pattern against one text with backtracking to the last star only. A "**" may pass slashes, so it
// is remembered apart from a "*", which may not.
bool matches_glob_from(std::string_view pattern, std::string_view text) {
    struct Star {
        std::string_view pattern, text;
        bool set = false;
    } star, double_star;
    for (;;) {
        if (!pattern.empty() && pattern.front() == '*') {
            const bool is_double = pattern.size() > 1 && pattern[1] == '*';
            pattern.remove_prefix(is_double ? 2 : 1);
            // "**/x" also matches "x".
            if (is_double && !pattern.empty() && pattern.front() == '/') {
                if (matches_glob_from(pattern.substr(1), text)) return true;
            }
            (is_double ? double_star : star) = {pattern, text, true};
            if (is_double) star.set = false;
            continue;
        }
        if (text.empty() && pattern.empty()) return true;
        bool matched = false;
        if (!text.empty() && !pattern.empty()) {
            if (pattern.front() == '[') {
                matched = matches_set(pattern, text.front());
            } else {
                matched = pattern.front() == text.front() || (pattern.front() == '?' && text.front() != '/');
                if (matched) pattern.remove_prefix(1);
            }
            if (matched) text.remove_prefix(1);
        }
        if (matched) continue;
        if (star.set && !star.text.empty() && star.text.front() != '/') {
            star.text.remove_prefix(1);
            pattern = star.pattern;
            text = star.text;
        } else if (double_star.set && !double_star.text.empty()) {
            double_star.text.remove_prefix(1);
            star.set = false;
            pattern = double_star.pattern;
            text = double_star.text;
        } else {
            return false;
        }
    }
}

} // namespace

bool matches_glob(std::string_view pattern, std::string_view path) {
    return matches_glob_from(pattern, path);
}

// Damerau-Levenshtein in the "optimal string alignment" form, three rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
            const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swap) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        std::swap(before_last, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& candidates) {
    const std::size_t longest_word = 64;
    if (word.empty() || word.size() > longest_word) return std::nullopt;
    std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
    std::optional<std::string> found;
    for (const std::string& candidate : candidates) {
        if (candidate.size() > longest_word) continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance >= best) continue;
        best = distance;
        found = candidate;
    }
    return found;
}

namespace {

// Length of an ANSI escape sequence at the front of `text`, 0 if there is none.
std::size_t escape_size(std::string_view text) {
    if (text.size() < 2 || text[0] != '\x1b' || text[1] != '[') return 0;
    const std::size_t end = text.find_first_not_of("0123456789;?", 2);
    return end == std::string_view::npos ? text.size() : end + 1;
}

// wcwidth() depends on the locale; what people put into plans is covered by these ranges (East Asian
// wide and full-width, emoji, and the common combining marks).
std::size_t code_point_width(char32_t c) {
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return 0;
    if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || (c >= 0xFE00 && c <= 0xFE0F)) return 0;
    const bool is_wide =
        (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
        (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
        (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
    return is_wide ? 2 : 1;
}

} // namespace

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        if (const std::size_t escape = escape_size(text)) {
            text.remove_prefix(escape);
            continue;
        }
        const Decoded decoded = decode_utf8(text);
        width += decoded.size ? code_point_width(decoded.code_point) : 1;
        text.remove_prefix(std::max<std::size_t>(decoded.size, 1));
    }
    return width;
}

std::string shorten(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t width = 0, size = 0;
    while (size < text.size()) {
        const Decoded decoded = decode_utf8(text.substr(size));
        const std::size_t next = decoded.size ? code_point_width(decoded.code_point) : 1;
        if (width + next > columns - 1) break;
        width += next;
        size += std::max<std::size_t>(decoded.size, 1);
    }
    return std::string(text.substr(0, size)) + "…";
}

namespace {
constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string to_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j)
            group = group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0);
        for (std::size_t j = 0; j < 4; ++j)
            out += i + j <= bytes.size() ? base64_digits[group >> (18 - 6 * j) & 63] : '=';
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    std::string out;
    std::uint32_t group = 0;
    int bits = 0;
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    for (char c : text) {
        if (c == '\n' || c == '\r') continue;
        const std::size_t digit = base64_digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        group = group << 6 | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>(group >> bits & 0xFF);
        }
    }
    return out;
}

std::string count_of(std::size_t count, std::string_view singular, std::string_view plural) {
    if (count == 1) return fmt::format("1 {}", singular);
    return plural.empty() ? fmt::format("{} {}s", count, singular) : fmt::format("{} {}", count, plural);
}

namespace {

struct DurationUnit {
    std::string_view name;
    std::int64_t ms;
};
constexpr DurationUnit duration_units[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr std::int64_t longest_duration_ms = 3650LL * 86'400'000;

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    std::int64_t total = 0;
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
        const std::size_t end = std::min(text.find_first_of("0123456789", digits), text.size());
        const std::string_view unit = text.substr(digits, end - digits);
        const auto known = std::find_if(std::begin(duration_units), std::end(duration_units),
                                        [&](const DurationUnit& u) { return u.name == unit; });
        if (digits == 0 || digits > 12 || known == std::end(duration_units)) return std::nullopt;
        std::int64_t number = 0;
        for (const char c : text.substr(0, digits)) number = number * 10 + (c - '0');
        if (number > longest_duration_ms / known->ms) return std::nullopt;
        total += number * known->ms;
        if (total > longest_duration_ms) return std::nullopt;
        text.remove_prefix(end);
    }
    return std::chrono::milliseconds(total);
}

std::string duration_text(std::chrono::milliseconds duration) {
    std::int64_t left = duration.count();
    if (left <= 0) return "0s";
    std::string text;
    for (const DurationUnit& unit : duration_units) {
        if (left < unit.ms) continue;
        text += fmt::format("{}{}", left / unit.ms, unit.name);
        left %= unit.ms;
    }
    return text;
}

std::string relative_time(std::int64_t seconds_ago) {
    struct Unit {
        std::int64_t seconds;
        std::string_view name;
    };
    constexpr Unit units[] = {{31557600, "year"}, {2629800, "month"}, {604800, "week"},
                              {86400, "day"},     {3600, "hour"},     {60, "minute"}};
    const std::int64_t distance = seconds_ago < 0 ? -seconds_ago : seconds_ago;
    for (const Unit& unit : units) {
        if (distance < unit.seconds) continue;
        const std::string amount = count_of(static_cast<std::size_t>(distance / unit.seconds), unit.name);
        return seconds_ago < 0 ? "in " + amount : amount + " ago";
    }
    return seconds_ago < 0 ? "in a moment" : "just now";
}

} // namespace holdfast

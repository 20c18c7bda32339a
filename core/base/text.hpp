#pragma once
// Small questions about text that several folders ask.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
bool is_utf8(std::string_view text);
// Offset of the first byte that is not UTF-8, or nothing.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// Shell-like pattern: '*' within a path segment, '**' across, '?' one character, [set].
bool matches_glob(std::string_view pattern, std::string_view path);

// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other.
std::size_t edit_distance(std::string_view a, std::string_view b);
// The candidate that `word` was most likely meant to be, if one is near enough.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& candidates);

// Columns that a terminal needs for `text` (wcwidth of each code point; escape sequences count nothing).
std::size_t display_width(std::string_view text);
// Cuts to at most `columns`, with an ellipsis where something was cut.
std::string shorten(std::string_view text, std::size_t columns);

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

// "1 leaf", "3 leaves"
std::string count_of(std::size_t count, std::string_view singular, std::string_view plural = {});
// "1h30m", "250ms", "45s"; units ms, s, m, h, d. Nothing where it is none or more than ten years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// The shortest such text: "1h30m".
std::string duration_text(std::chrono::milliseconds duration);

// "2 hours ago", "just now"; for seconds in the future "in 5 minutes".
std::string relative_time(std::int64_t seconds_ago);

} // namespace holdfast

#include "cli/render/style.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

const Palette& palette(bool colour) {
    static const Palette plain{};
    static const Palette coloured{.create = "\x1b[32m",
                                  .update = "\x1b[33m",
                                  .remove = "\x1b[31m",
                                  .replace = "\x1b[35m",
                                  .wait = "\x1b[36m",
                                  .ledger = "\x1b[34m",
                                  .drift = "\x1b[35m",
                                  .parked = "\x1b[1;33m",
                                  .error = "\x1b[1;31m",
                                  .warning = "\x1b[1;33m",
                                  .note = "\x1b[1;36m",
                                  .strong = "\x1b[1m",
                                  .dim = "\x1b[2m",
                                  .place = "\x1b[2m",
                                  .reset = "\x1b[0m"};
    return colour ? coloured : plain;
}

std::string paint(std::string_view colour, std::string_view text) {
    if (colour.empty() || text.empty()) return std::string(text);
    return fmt::format("{}{}\x1b[0m", colour, text);
}

namespace {

// Length of the UTF-8 sequence at the front of `text`, 1 for a byte that begins none.
std::size_t sequence_size(std::string_view text) {
    const auto lead = static_cast<std::uint8_t>(text.front());
    const std::size_t size = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
    return std::min(size, text.size());
}

// Code points that move the cursor, reorder or hide text: C1 controls, zero-width space, marks and
// overrides of direction, the byte order mark.
bool is_deceptive(std::string_view sequence) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(sequence[i]); };
    if (sequence.size() == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
    if (sequence.size() != 3) return false;
    const unsigned code_point = (byte(0) & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
    return code_point == 0x200B || code_point == 0x200E || code_point == 0x200F || code_point == 0x2028 ||
           code_point == 0x2029 || (code_point >= 0x202A && code_point <= 0x202E) ||
           (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0xFEFF;
}

void append_escape(std::string& out, std::string_view sequence) {
    const auto byte = static_cast<std::uint8_t>(sequence.front());
    if (byte == '\n')
        out += "\\n";
    else if (byte == '\t')
        out += "\\t";
    else if (byte == '\r')
        out += "\\r";
    else {
        for (char c : sequence) out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(c));
    }
}

} // namespace

std::string printable(std::string_view text, bool* changed) {
    std::string out;
    out.reserve(text.size());
    bool escaped = false;
    while (!text.empty()) {
        const std::string_view sequence = text.substr(0, sequence_size(text));
        const auto lead = static_cast<std::uint8_t>(sequence.front());
        const bool is_control = lead < 0x20 || lead == 0x7F;
        const bool is_bad = is_control || !is_utf8(sequence) || is_deceptive(sequence);
        // Of a sequence that is not UTF-8 only the first byte is taken: the next may begin a good one.
        const std::size_t size = is_utf8(sequence) ? sequence.size() : 1;
        if (is_bad)
            append_escape(out, sequence.substr(0, size));
        else
            out += sequence;
        escaped |= is_bad;
        text.remove_prefix(size);
    }
    if (changed) *changed = escaped;
    return out;
}

std::string pad(std::string_view text, std::size_t columns) {
    const std::size_t width = display_width(text);
    std::string out(text);
    if (width < columns) out.append(columns - width, ' ');
    return out;
}

std::string shorten_front(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns || columns == 0) return std::string(columns ? text : "");
    while (!text.empty() && display_width(text) > columns - 1) text.remove_prefix(sequence_size(text));
    return "…" + std::string(text);
}

std::vector<std::string> wrap(std::string_view text, std::size_t columns, std::size_t hanging) {
    std::vector<std::string> lines(1);
    std::size_t used = 0, blanks = 0;
    for (std::string_view word : split(text, ' ')) {
        const bool at_start = used == 0 || (lines.size() > 1 && used == hanging);
        ++blanks; // several in a row stay several: they may stand inside a value
        if (word.empty()) continue;
        const std::size_t width = display_width(word);
        if (!at_start && used + blanks + width > columns) {
            lines.emplace_back(hanging, ' ');
            used = hanging;
        } else if (!at_start) {
            lines.back().append(blanks, ' ');
            used += blanks;
        }
        blanks = 0;
        lines.back() += word;
        used += width;
    }
    return lines;
}

std::string with_separators(std::size_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

std::size_t shared_prefix(std::string_view a, std::string_view b) {
    const auto end =
        std::mismatch(a.begin(), a.begin() + static_cast<long>(std::min(a.size(), b.size())), b.begin());
    auto size = static_cast<std::size_t>(end.first - a.begin());
    while (size > 0 && size < a.size() && (a[size] & 0xC0) == 0x80) --size; // never inside a letter
    return size;
}

std::string window(std::string_view text, std::size_t differs_at, std::size_t columns) {
    if (display_width(text) <= columns || display_width(text.substr(0, differs_at)) <= columns / 2)
        return shorten(text, columns);
    const std::string lead = shorten_front(text.substr(0, differs_at), columns / 4);
    return lead + shorten(text.substr(differs_at), columns - display_width(lead));
}

} // namespace holdfast

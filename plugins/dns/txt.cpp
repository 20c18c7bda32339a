#include "txt.hpp"

#include <algorithm>
#include <vector>

#include <holdfast/provider.hpp>

namespace holdfast::dns {

namespace {

constexpr std::size_t max_string = 255;

[[noreturn]] void refuse_txt(std::string_view text, const std::string& why) {
    throw sdk::Error("dns.bad-value", "\"" + std::string(text) + "\" is no TXT data: " + why,
                     "write the text alone, or strings in double quotes with \\\" \\\\ and \\DDD inside");
}

void append_string(Wire& out, std::string_view string) {
    out += static_cast<char>(string.size());
    out += string;
}

Wire split(std::string_view text) {
    Wire out;
    do {
        append_string(out, text.substr(0, max_string));
        text.remove_prefix(std::min(text.size(), max_string));
    } while (!text.empty());
    return out;
}

// The character at `at`, which an escape may stand for; moves `at` past it.
char take(std::string_view text, std::size_t& at) {
    const auto is_digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
    if (text[at] != '\\') return text[at++];
    if (++at >= text.size()) refuse_txt(text, "it ends with a backslash");
    if (!is_digit(at)) return text[at++];
    if (!is_digit(at + 1) || !is_digit(at + 2)) refuse_txt(text, "an escape has fewer than three digits");
    const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
    if (value > 255) refuse_txt(text, "an escape is larger than \\255");
    at += 3;
    return static_cast<char>(value);
}

Wire parse_quoted(std::string_view text) {
    Wire out;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == ' ' || text[at] == '\t') {
            ++at;
            continue;
        }
        if (text[at] != '"') refuse_txt(text, "after one string in quotes only others may follow");
        std::string string;
        for (++at; at < text.size() && text[at] != '"';) string += take(text, at);
        if (at >= text.size()) refuse_txt(text, "a quote is not closed");
        ++at;
        if (string.size() > max_string) refuse_txt(text, "a string is longer than 255 bytes");
        append_string(out, string);
    }
    return out;
}

std::optional<std::vector<std::string_view>> strings_of(std::string_view rdata) {
    std::vector<std::string_view> strings;
    for (std::size_t at = 0; at < rdata.size();) {
        const auto size = static_cast<unsigned char>(rdata[at]);
        if (at + 1 + size > rdata.size()) return std::nullopt;
        strings.push_back(rdata.substr(at + 1, size));
        at += 1U + size;
    }
    return strings.empty() ? std::nullopt : std::optional(strings);
}

// Text that stays itself in YAML and JSON and at the border to parse_txt().
bool is_plain(std::string_view text) {
    if (text.empty() || text.front() == '"' || text.front() == ' ' || text.back() == ' ') return false;
    if (text.substr(0, 3) == "\\# ") return false;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = sdk::detail::utf8_sequence(text.substr(at));
        const auto first = static_cast<unsigned char>(text[at]);
        const bool is_control =
            first < 0x20 || first == 0x7F ||
            (first == 0xC2 && size == 2 && static_cast<unsigned char>(text[at + 1]) < 0xA0);
        if (size == 0 || is_control) return false;
        at += size;
    }
    return true;
}

} // namespace

Wire parse_txt(std::string_view text) {
    Wire out = !text.empty() && text.front() == '"' ? parse_quoted(text) : split(text);
    if (out.size() > 65535) refuse_txt(text.substr(0, 40), "it is longer than 65535 bytes");
    return out;
}

std::string txt_quoted(std::string_view rdata) {
    std::string out;
    for (const std::string_view string : strings_of(rdata).value_or(std::vector<std::string_view>{})) {
        out += out.empty() ? "\"" : " \"";
        for (const char c : string) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (byte < 0x20 || byte >= 0x7F) {
                out += '\\';
                out += static_cast<char>('0' + byte / 100);
                out += static_cast<char>('0' + byte / 10 % 10);
                out += static_cast<char>('0' + byte % 10);
            } else {
                out += c;
            }
        }
        out += '"';
    }
    return out;
}

std::optional<std::string> txt_text(std::string_view rdata) {
    const auto strings = strings_of(rdata);
    if (!strings) return std::nullopt;
    std::string whole;
    for (const std::string_view string : *strings) whole += string;
    if (is_plain(whole) && split(whole) == rdata) return whole;
    return txt_quoted(rdata);
}

} // namespace holdfast::dns

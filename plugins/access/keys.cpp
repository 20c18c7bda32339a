#include "keys.hpp"

#include <array>

namespace holdfast::access {

namespace {

constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Up to the first blank outside of double quotes; a quote in quotes is written \".
std::string_view next_word(std::string_view& text) {
    bool is_quoted = false;
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
        if (text[end] == '\\' && end + 1 < text.size() && text[end + 1] == '"')
            ++end;
        else if (text[end] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (text[end] == ' ' || text[end] == '\t'))
            break;
    }
    const std::string_view word = text.substr(0, end);
    text = trimmed(text.substr(std::min(end, text.size())));
    return word;
}

bool is_type(std::string_view word) {
    static constexpr std::array<std::string_view, 9> types{"ssh-ed25519",
                                                           "ssh-rsa",
                                                           "ssh-dss",
                                                           "ecdsa-sha2-nistp256",
                                                           "ecdsa-sha2-nistp384",
                                                           "ecdsa-sha2-nistp521",
                                                           "sk-ssh-ed25519@openssh.com",
                                                           "sk-ecdsa-sha2-nistp256@openssh.com",
                                                           "ssh-ed25519-cert-v01@openssh.com"};
    for (const std::string_view type : types)
        if (word == type) return true;
    return false;
}

int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    unsigned bits = 0, held = 0;
    std::size_t end = text.size();
    while (end > 0 && text[end - 1] == '=') --end;
    if (text.size() % 4 != 0 || text.size() - end > 2) return std::nullopt;
    for (const char c : text.substr(0, end)) {
        const int digit = digit_of(c);
        if (digit < 0) return std::nullopt;
        held = (held << 6U) | static_cast<unsigned>(digit);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>(static_cast<unsigned char>((held >> bits) & 0xFFU));
    }
    return out;
}

// The blob begins with its type, length first (RFC 4253 section 6.6), and holds something more.
bool is_blob_of(std::string_view type, std::string_view text) {
    const std::optional<std::string> blob = decoded(text);
    if (!blob || blob->size() <= 4 + type.size()) return false;
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = (length << 8U) | static_cast<unsigned char>((*blob)[i]);
    return length == type.size() && blob->compare(4, length, type) == 0;
}

} // namespace

std::optional<std::string> parse_key(std::string_view line) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#' || line.find('\n') != std::string_view::npos ||
        line.find('\0') != std::string_view::npos)
        return std::nullopt;
    std::string_view word = next_word(line);
    std::string out;
    if (!is_type(word)) {
        out = std::string(word) + " ";
        word = next_word(line);
    }
    const std::string_view blob = next_word(line);
    if (!is_type(word) || !is_blob_of(word, blob)) return std::nullopt;
    return out.append(word).append(" ").append(blob);
}

} // namespace holdfast::access

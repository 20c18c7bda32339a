#pragma once
// JSON text as the SDK itself needs it: members of an object are found, texts are quoted. A part of
// provider.hpp, which includes it; nothing that an author calls.

namespace holdfast::sdk {

namespace detail {

// Bytes of the UTF-8 sequence at the start of `text`; 0 where there is none (RFC 3629).
inline std::size_t utf8_sequence(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((at(i) & 0xC0) != 0x80) return 0;
    if (first == 0xE0 && at(1) < 0xA0) return 0;
    if (first == 0xED && at(1) > 0x9F) return 0;
    if (first == 0xF0 && at(1) < 0x90) return 0;
    if (first == 0xF4 && at(1) > 0x8F) return 0;
    return length;
}

inline void append_escaped(std::string& out, char c) {
    static const char* const hex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        case '\b': out += "\\b"; return;
        case '\f': out += "\\f"; return;
        default: break;
    }
    if (byte >= 0x20) {
        out += c;
        return;
    }
    out += "\\u00";
    out += hex[byte >> 4U];
    out += hex[byte & 15U];
}

inline void append_utf8(std::string& out, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (point < 0x80) return put(point);
    if (point < 0x800) return put(0xC0U | (point >> 6U)), put(0x80U | (point & 0x3FU));
    if (point < 0x10000)
        return put(0xE0U | (point >> 12U)), put(0x80U | ((point >> 6U) & 0x3FU)),
               put(0x80U | (point & 0x3FU));
    put(0xF0U | (point >> 18U)), put(0x80U | ((point >> 12U) & 0x3FU));
    put(0x80U | ((point >> 6U) & 0x3FU)), put(0x80U | (point & 0x3FU));
}

// Walks over JSON that the host wrote. It does not judge it: on nonsense it just finds nothing.
class MemberReader {
public:
    explicit MemberReader(std::string_view text) : text_(text) {}

    std::optional<std::string> member(std::string_view key) {
        return find(key) && peek() == '"' ? std::optional<std::string>(string()) : std::nullopt;
    }
    bool is_true(std::string_view key) { return find(key) && peek() == 't'; }
    // The reader stands before the member's value then.
    bool find(std::string_view key) {
        if (!take('{')) return false;
        while (peek() == '"') {
            const std::string name = string();
            if (!take(':')) return false;
            if (name == key) return true;
            skip_value();
            if (!take(',')) return false;
        }
        return false;
    }

private:
    char peek() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
            ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char wanted) {
        if (peek() != wanted) return false;
        ++at_;
        return true;
    }
    char next() { return at_ < text_.size() ? text_[at_++] : '"'; }

    std::string string() {
        std::string out;
        for (take('"');;) {
            const char c = next();
            if (c == '"') return out;
            if (c != '\\')
                out += c;
            else
                unescape(out, next());
        }
    }
    void unescape(std::string& out, char c) {
        switch (c) {
            case 'n': out += '\n'; return;
            case 'r': out += '\r'; return;
            case 't': out += '\t'; return;
            case 'b': out += '\b'; return;
            case 'f': out += '\f'; return;
            case 'u': break;
            default: out += c; return;
        }
        std::uint32_t point = hex4();
        if (point >= 0xD800 && point < 0xDC00 && text_.substr(at_, 2) == "\\u") {
            at_ += 2;
            point = 0x10000 + ((point - 0xD800) << 10U) + ((hex4() - 0xDC00) & 0x3FFU);
        }
        append_utf8(out, point);
    }
    std::uint32_t hex4() {
        std::uint32_t out = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = next();
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : 0;
            out = out * 16U + static_cast<std::uint32_t>(digit);
        }
        return out;
    }
    void skip_value() {
        std::size_t depth = 0;
        for (;;) {
            const char c = peek();
            if (c == '\0') return;
            if (c == '"')
                string();
            else if (depth == 0 && (c == ',' || c == '}'))
                return;
            else {
                if (c == '{' || c == '[') ++depth;
                if (c == '}' || c == ']') --depth;
                ++at_;
            }
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace detail

inline void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    std::size_t plain_from = 0; // runs that need no change are copied at once
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = detail::utf8_sequence(text.substr(at));
        const char c = text[at];
        if (length > 1 || (length == 1 && static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\')) {
            at += length;
            continue;
        }
        out.append(text.data() + plain_from, at - plain_from);
        if (length == 0)
            out += "\xEF\xBF\xBD";
        else
            detail::append_escaped(out, c);
        plain_from = ++at;
    }
    out.append(text.data() + plain_from, text.size() - plain_from);
    out += '"';
}

inline std::optional<std::string> text_member(std::string_view object, std::string_view key) {
    return detail::MemberReader(object).member(key);
}

} // namespace holdfast::sdk

#include "json_cursor.hpp"

#include <algorithm>
#include <charconv>

#include <holdfast/json.hpp>

namespace holdfast::monitoring {

void JsonCursor::fail() const {
    throw sdk::Error("monitoring.bad-answer",
                     "this is not JSON: " + std::string(text_.substr(std::min(at_, text_.size()), 60)));
}

char JsonCursor::peek() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
        ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
}

void JsonCursor::expect(char wanted) {
    if (peek() != wanted) fail();
    ++at_;
}

// Whether there is something in it.
bool JsonCursor::enters(char open, char close) {
    if (peek() != open) return false;
    ++at_;
    if (peek() != close) return true;
    ++at_;
    return false;
}

bool JsonCursor::goes_on(char close) {
    const char c = peek();
    if (c != ',' && c != close) fail();
    ++at_;
    return c == ',';
}

double JsonCursor::number() {
    const char first = peek();
    if (first != '-' && (first < '0' || first > '9')) return 0;
    const std::string_view word = take_word();
    double out = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
    if (error != std::errc() || end != word.data() + word.size()) fail();
    return out;
}

std::string_view JsonCursor::take_word() {
    const auto is_in_word = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
               c == 'E';
    };
    const std::size_t start = at_;
    while (at_ < text_.size() && is_in_word(text_[at_])) ++at_;
    if (at_ == start) fail();
    return text_.substr(start, at_ - start);
}

std::string_view JsonCursor::take_quoted(bool& has_escapes) {
    const std::size_t start = at_;
    expect('"');
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_)
        if (text_[at_] == '\\') has_escapes = true, ++at_;
    if (at_ >= text_.size()) fail();
    ++at_;
    return text_.substr(start, at_ - start);
}

std::string JsonCursor::take_text() {
    peek();
    bool has_escapes = false;
    const std::string_view quoted = take_quoted(has_escapes);
    return has_escapes ? unescaped(quoted) : std::string(quoted.substr(1, quoted.size() - 2));
}

// Go escapes quotes, and `<`, `>` and `&` by their numbers, all of which expressions are full of. The rest is
// left to the library.
std::string JsonCursor::unescaped(std::string_view quoted) const {
    std::string out;
    for (std::size_t at = 1; at + 1 < quoted.size(); ++at) {
        if (quoted[at] != '\\') {
            out += quoted[at];
            continue;
        }
        const std::string_view escape = quoted.substr(at + 1, 5);
        if (escape.front() == '"' || escape.front() == '\\')
            out += escape.front(), at += 1;
        else if (escape == "u003c" || escape == "u003e")
            out += escape.back() == 'c' ? '<' : '>', at += 5;
        else if (escape == "u0026")
            out += '&', at += 5;
        else
            return sdk::parse_json(quoted, "monitoring.bad-answer").get<std::string>();
    }
    return out;
}

void JsonCursor::skip() {
    std::string closing; // of what it is in, from the outside
    do {
        const char c = peek();
        bool ignored = false;
        if (c == '"')
            take_quoted(ignored);
        else if (c == '{' || c == '[')
            closing += c == '{' ? '}' : ']', ++at_;
        else if (!closing.empty() && (c == closing.back() || c == ',' || c == ':')) {
            if (c == closing.back()) closing.pop_back();
            ++at_;
        } else {
            take_word();
        }
    } while (!closing.empty());
}

void JsonCursor::end() {
    if (peek() != '\0') fail();
}

} // namespace holdfast::monitoring

#pragma once
// Goes once over JSON text (RFC 8259), for answers of megabytes of which little is wanted: nothing is kept of
// what nobody asks for. Throws `monitoring.bad-answer` where the text is no JSON.

#include <string>
#include <string_view>
#include <vector>

namespace holdfast::monitoring {

class JsonCursor {
public:
    explicit JsonCursor(std::string_view text) : text_(text) {}

    // Calls `member(key)` for each member of an object, and `element()` for each of an array. They take the
    // value, or leave it. What is no object, or no array, has none.
    template <typename Member>
    void members(Member member) {
        if (!enters('{', '}')) return;
        std::string key;
        do {
            key = take_text();
            expect(':');
            offer([&] { member(std::string_view(key)); });
        } while (goes_on('}'));
    }
    template <typename Element>
    void elements(Element element) {
        if (!enters('[', ']')) return;
        do offer(element);
        while (goes_on(']'));
    }
    // The value, or an empty text or 0 where it is another one.
    std::string text() { return peek() == '"' ? take_text() : std::string(); }
    double number();
    bool is_array() { return peek() == '['; }
    void skip();
    // That nothing but one value was there.
    void end();

private:
    [[noreturn]] void fail() const;
    char peek(); // the next one that is no blank; '\0' at the end
    void expect(char wanted);
    bool enters(char open, char close);
    bool goes_on(char close);
    template <typename Taker>
    void offer(Taker taker) {
        peek();
        const std::size_t before = at_;
        taker();
        if (at_ == before) skip();
    }
    std::string take_text();
    std::string unescaped(std::string_view quoted) const;
    std::string_view take_quoted(bool& has_escapes); // with its quotes
    std::string_view take_word();                    // a number, true, false or null

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace holdfast::monitoring

#include "base/json.hpp"

namespace holdfast {

namespace {

// Steps over JSON text. Only what is needed to find the end of a value is checked: quotes and brackets.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool accept(char wanted) {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }

    // What stands between the quotes; nothing where it has escapes, or there is no string.
    std::optional<std::string_view> plain_string() {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != '"') return std::nullopt;
        const std::size_t first = at_ + 1;
        if (!skip_string()) return std::nullopt;
        const std::string_view content = text_.substr(first, at_ - 1 - first);
        if (content.find('\\') != content.npos) return std::nullopt;
        return content;
    }

    std::optional<std::string_view> value() {
        skip_space();
        const std::size_t first = at_;
        std::size_t depth = 0;
        do {
            if (at_ >= text_.size()) return std::nullopt;
            const char c = text_[at_];
            if (c == '"') {
                if (!skip_string()) return std::nullopt;
                continue;
            }
            if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
            if (c == '{' || c == '[') ++depth;
            if (c == '}' || c == ']') --depth;
            ++at_;
        } while (depth > 0 || (at_ < text_.size() && !ends_here()));
        if (at_ == first) return std::nullopt;
        return text_.substr(first, at_ - first);
    }

private:
    bool ends_here() const {
        const char c = text_[at_];
        return c == ',' || c == '}' || c == ']' || is_space(c);
    }
    static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
    void skip_space() {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    // A quote behind an odd number of backslashes is content.
    bool skip_string() {
        for (;;) {
            at_ = text_.find('"', at_ + 1);
            if (at_ == text_.npos) return false;
            std::size_t escapes = 0;
            while (text_[at_ - 1 - escapes] == '\\') ++escapes;
            if (escapes % 2 == 0) return ++at_, true;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// The text of the one member `key` of the object. The whole object is read, since the key may come twice.
std::optional<std::string_view> member_text(std::string_view object, std::string_view key) {
    std::optional<std::string_view> found;
    Scanner scanner(object);
    if (!scanner.accept('{')) return std::nullopt;
    do {
        const auto name = scanner.plain_string();
        if (!name || !scanner.accept(':')) return std::nullopt;
        const auto value = scanner.value();
        if (!value || (*name == key && found)) return std::nullopt;
        if (*name == key) found = value;
    } while (scanner.accept(','));
    return scanner.accept('}') ? found : std::nullopt;
}

} // namespace

std::optional<std::string_view> json_text_at(std::string_view json, std::string_view pointer) {
    std::optional<std::string_view> text = json;
    for (const std::string& token : split_pointer(pointer)) {
        text = member_text(*text, token);
        if (!text) return std::nullopt;
    }
    return text;
}

} // namespace holdfast

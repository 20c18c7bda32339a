#include "base/plain_json.hpp"

#include <charconv>
#include <iterator>
#include <vector>

namespace holdfast {

namespace {

// nlohmann's parser takes a byte at a time and hands each text over twice, which was a tenth of a first apply
// of 100,000 documents. What plugins and the store write is nearly always a small part of JSON: ASCII, no
// escapes but the short ones, integers, no key twice. This reader knows that part and gives up at the first
// byte that it is not sure about; the text is then parsed from its beginning. It is right as long as it never
// accepts what the parser reads differently: a test compares the two on texts that are damaged at random.
class PlainReader {
public:
    PlainReader(std::string_view text, std::size_t max_depth)
        : at_(text.data()), end_(text.data() + text.size()), depth_left_(max_depth) {}

    bool read_all(Value& root) {
        if (!value(root)) return false;
        skip_space();
        return at_ == end_;
    }

private:
    void skip_space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }

    bool take(char wanted) {
        skip_space();
        if (at_ == end_ || *at_ != wanted) return false;
        ++at_;
        return true;
    }

    bool word(std::string_view wanted) {
        if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(wanted)) return false;
        at_ += wanted.size();
        return true;
    }

    bool value(Value& out) {
        skip_space();
        if (at_ == end_) return false;
        switch (*at_) {
            case '{': return map(out);
            case '[': return list(out);
            case '"': {
                std::string text;
                if (!string(text)) return false;
                out = Value(std::move(text));
                return true;
            }
            case 't': out = Value(true); return word("true");
            case 'f': out = Value(false); return word("false");
            case 'n': out = Value(); return word("null");
            default: return integer(out);
        }
    }

    // No fraction and no exponent, and neither "-0" nor what does not fit, which become other numbers.
    bool integer(Value& out) {
        const char* const digits = at_ + (*at_ == '-' ? 1 : 0);
        std::int64_t number = 0;
        const auto [stop, error] = std::from_chars(at_, end_, number);
        if (error != std::errc{}) return false;
        if (*digits == '0' && (stop != digits + 1 || digits != at_)) return false;
        if (stop != end_ && (*stop == '.' || *stop == 'e' || *stop == 'E')) return false;
        at_ = stop;
        out = Value(number);
        return true;
    }

    static bool is_plain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

    bool string(std::string& out) {
        for (++at_;;) {
            const char* const start = at_;
            while (at_ != end_ && is_plain(*at_)) ++at_;
            if (at_ == end_) return false;
            out.append(start, at_);
            if (*at_ == '"') break;
            if (!escape(out)) return false;
        }
        ++at_;
        return true;
    }

    bool escape(std::string& out) {
        if (*at_ != '\\' || ++at_ == end_) return false;
        switch (*at_++) {
            case 'n': out += '\n'; return true;
            case 't': out += '\t'; return true;
            case 'r': out += '\r'; return true;
            case '"': out += '"'; return true;
            case '\\': out += '\\'; return true;
            case '/': out += '/'; return true;
            default: return false;
        }
    }

    // Elements are gathered behind those of the lists around it, so that each list is made in its own size.
    template <typename Element>
    static std::vector<Element> taken_from(std::vector<Element>& gathered, std::size_t first) {
        const auto begin = gathered.begin() + static_cast<std::ptrdiff_t>(first);
        std::vector<Element> own(std::make_move_iterator(begin), std::make_move_iterator(gathered.end()));
        gathered.erase(begin, gathered.end());
        return own;
    }

    bool list(Value& out) {
        if (depth_left_ == 0) return false;
        --depth_left_;
        ++at_;
        const std::size_t first = items_.size();
        if (!take(']')) {
            do {
                Value item;
                if (!value(item)) return false;
                items_.push_back(std::move(item));
            } while (take(','));
            if (!take(']')) return false;
        }
        out = Value(taken_from(items_, first));
        ++depth_left_;
        return true;
    }

    bool map(Value& out) {
        if (depth_left_ == 0) return false;
        --depth_left_;
        ++at_;
        const std::size_t first = entries_.size();
        if (!take('}')) {
            do {
                MapEntry entry;
                skip_space();
                if (at_ == end_ || *at_ != '"' || !string(entry.key) || !take(':') || !value(entry.value))
                    return false;
                entries_.push_back(std::move(entry));
            } while (take(','));
            if (!take('}')) return false;
        }
        const std::size_t count = entries_.size() - first;
        Map map = Map::from_unsorted(taken_from(entries_, first));
        if (map.size() != count) return false;
        out = Value(std::move(map));
        ++depth_left_;
        return true;
    }

    const char* at_;
    const char* const end_;
    std::size_t depth_left_;
    List items_;                    // of all lists that are open
    std::vector<MapEntry> entries_; // of all maps that are open
};

} // namespace

std::optional<Value> read_plain_json(std::string_view text, std::size_t max_depth) {
    std::optional<Value> root(std::in_place);
    if (!PlainReader(text, max_depth).read_all(*root)) return std::nullopt;
    return root;
}

} // namespace holdfast

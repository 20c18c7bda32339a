#include "manifest/plain_yaml.hpp"

#include <algorithm>

#include "manifest/tree_builder.hpp"

namespace holdfast {

namespace {

// yaml-cpp reads some 8 MB/s, which would be most of the time of a pass over 100,000 documents. Nearly all
// manifests are written in a small part of YAML: block maps and lists, scalars on one line, literal blocks,
// flow collections on one line, comments. This reader knows that part and nothing else, and gives up at the
// first byte that it is not sure about: anchors, tags, folded or multi-line text, tabs, odd keys, anything
// wrong. The file is then read by yaml-cpp from its beginning, which also makes all the messages. It is
// right as long as it never accepts what yaml-cpp reads differently: a test compares the two on documents
// that are put together and damaged at random.
class PlainReader {
public:
    PlainReader(std::string_view text, TreeBuilder& builder) : text_(text), builder_(builder) {}

    // Thrown where yaml-cpp has to decide.
    struct GiveUp {};

    void read_all() {
        next_content();
        while (!at_end_) {
            if (is_marker()) {
                require_rest_empty(pos_ + 3);
                continue;
            }
            const Position start = here();
            builder_.start_document(start);
            block(indent());
            if (!at_end_ && !is_marker()) throw GiveUp{};
            builder_.end_document();
        }
    }

private:
    static bool is_word(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '/' || c == '.';
    }
    static bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

    char at(std::size_t pos) const { return pos < text_.size() ? text_[pos] : '\n'; }
    // The end of a line, CRLF included; what follows has been checked to be valid.
    bool is_end(std::size_t pos) const { return at(pos) == '\n' || (at(pos) == '\r' && at(pos + 1) == '\n'); }
    bool is_blank_or_end(std::size_t pos) const { return at(pos) == ' ' || is_end(pos); }
    std::size_t indent() const { return pos_ - line_start_; }
    Position position(std::size_t pos) const {
        return {line_, static_cast<std::uint32_t>(pos - line_start_ + 1)};
    }
    Position here() const { return position(pos_); }
    bool is_item() const { return at(pos_) == '-' && is_blank_or_end(pos_ + 1); }
    bool is_marker() const { return indent() == 0 && text_.substr(pos_, 3) == "---"; }

    // From the beginning of a line to the first character of the next line that has content.
    void next_content() {
        for (;;) {
            if (line_start_ >= text_.size()) {
                at_end_ = true;
                return;
            }
            pos_ = line_start_;
            while (at(pos_) == ' ') ++pos_;
            if (is_end(pos_) || at(pos_) == '#') {
                next_line();
                continue;
            }
            const bool is_directive_or_end =
                indent() == 0 && (at(pos_) == '%' || text_.substr(pos_, 3) == "...");
            if (is_directive_or_end || is_control(at(pos_))) throw GiveUp{};
            return;
        }
    }

    void next_line() {
        const std::size_t end = text_.find('\n', pos_);
        line_start_ = end == text_.npos ? text_.size() : end + 1;
        ++line_;
    }

    // Nothing but blanks and a comment may stand behind a value.
    void require_rest_empty(std::size_t pos) {
        const std::size_t value_end = pos;
        while (at(pos) == ' ') ++pos;
        const bool is_comment = at(pos) == '#' && pos > value_end;
        if (!is_end(pos) && !is_comment) throw GiveUp{};
        pos_ = pos;
        next_line();
        next_content();
    }

    // What stands in column `column` begins here.
    void block(std::size_t column) {
        if (is_item())
            list(column);
        else
            map(column);
    }

    // Behind a value the next content stands in the same column, or further left.
    bool continues(std::size_t column) {
        if (at_end_ || indent() < column || is_marker()) return false;
        if (indent() > column) throw GiveUp{};
        return true;
    }

    void map(std::size_t column) {
        builder_.start_map(here(), {}, 0);
        do {
            if (is_item()) throw GiveUp{};
            key();
            const std::size_t behind = skip_blanks(pos_);
            const bool is_nested = is_end(behind) || (at(behind) == '#' && behind > pos_);
            if (!is_nested) {
                pos_ = behind;
                inline_value(column);
                continue;
            }
            const Position colon = position(pos_);
            require_rest_empty(pos_);
            if (!at_end_ && !is_marker() && indent() > column)
                block(indent());
            else if (!at_end_ && !is_marker() && indent() == column && is_item())
                list(column);
            else
                builder_.null(colon, 0);
        } while (continues(column));
        builder_.end_map();
    }

    void list(std::size_t column) {
        builder_.start_list(here(), {}, 0);
        do {
            item(column);
        } while (continues(column) && is_item());
        builder_.end_list();
    }

    void item(std::size_t column) {
        const std::size_t behind = skip_blanks(pos_ + 1);
        if (is_end(behind) || at(behind) == '#') {
            require_rest_empty(pos_ + 1);
            if (at_end_ || is_marker() || indent() <= column) throw GiveUp{};
            block(indent());
            return;
        }
        pos_ = behind;
        if (is_item())
            list(indent());
        else if (is_key())
            map(indent());
        else
            inline_value(column);
    }

    std::size_t skip_blanks(std::size_t pos) const {
        while (at(pos) == ' ') ++pos;
        return pos;
    }

    // End of the plain key at pos_, or pos_ where there is none.
    std::size_t key_end() const {
        std::size_t end = pos_;
        while (is_word(at(end)) || (at(end) == '-' && end > pos_)) ++end;
        const bool is_key = at(end) == ':' && is_blank_or_end(end + 1) && end - pos_ < 1000;
        return is_key ? end : pos_;
    }
    bool is_key() const { return key_end() != pos_; }

    // Reads a key and its colon.
    void key() {
        const Position start = here();
        if (at(pos_) == '"' || at(pos_) == '\'') {
            const std::size_t end = quoted(pos_);
            if (at(end) != ':' || !is_blank_or_end(end + 1) || end - pos_ > 1000) throw GiveUp{};
            builder_.scalar(start, {}, 0, scratch_, ScalarStyle::quoted);
            pos_ = end + 1;
            return;
        }
        const std::size_t end = key_end();
        if (end == pos_) throw GiveUp{};
        builder_.scalar(start, {}, 0, text_.substr(pos_, end - pos_), ScalarStyle::plain);
        pos_ = end + 1;
    }

    // A value that begins behind a key or a dash; `column` is that of the parent.
    void inline_value(std::size_t column) {
        const Position start = here();
        const char first = at(pos_);
        if (first == '|') return literal(column);
        std::size_t end = 0;
        if (first == '"' || first == '\'') {
            end = quoted(pos_);
            builder_.scalar(start, {}, 0, scratch_, ScalarStyle::quoted);
        } else if (first == '[' || first == '{') {
            end = flow(pos_);
        } else {
            end = plain(pos_);
            builder_.scalar(start, {}, 0, text_.substr(pos_, end - pos_), ScalarStyle::plain);
        }
        require_rest_empty(end);
        if (!at_end_ && indent() > column && !is_marker()) throw GiveUp{};
    }

    // End of the plain scalar at `pos`, which is alone on the rest of its line.
    std::size_t plain(std::size_t pos) const {
        constexpr std::string_view harmless = "$(<=+~^;\\";
        const char first = at(pos);
        const bool is_negative = first == '-' && is_word(at(pos + 1));
        if (!is_word(first) && harmless.find(first) == harmless.npos && !is_negative) throw GiveUp{};
        std::size_t end = pos;
        for (; !is_end(pos); ++pos) {
            const char c = at(pos);
            if (is_control(c)) throw GiveUp{};
            if (c == ':' && is_blank_or_end(pos + 1)) throw GiveUp{};
            if (c == '#' && at(pos - 1) == ' ') break;
            if (c != ' ') end = pos + 1;
        }
        return end;
    }

    // Reads the quoted scalar at `pos` into scratch_; returns the place behind it.
    std::size_t quoted(std::size_t pos) {
        const char quote = at(pos);
        scratch_.clear();
        for (++pos;; ++pos) {
            const char c = at(pos);
            if (pos >= text_.size() || is_control(c)) throw GiveUp{};
            if (c == quote) {
                if (quote == '"' || at(pos + 1) != '\'') return pos + 1;
                ++pos;
            } else if (c == '\\' && quote == '"') {
                scratch_ += escape(at(++pos));
                continue;
            }
            scratch_ += c;
        }
    }

    static char escape(char c) {
        switch (c) {
            case 'n': return '\n';
            case 't': return '\t';
            case 'r': return '\r';
            case '"':
            case '\\':
            case '/': return c;
            default: throw GiveUp{};
        }
    }

    // A flow list or map on one line; returns the place behind it.
    std::size_t flow(std::size_t pos) {
        const bool is_map = at(pos) == '{';
        const char close = is_map ? '}' : ']';
        if (is_map)
            builder_.start_map(position(pos), {}, 0);
        else
            builder_.start_list(position(pos), {}, 0);
        pos = skip_blanks(pos + 1);
        for (bool first = true; at(pos) != close || !first; first = false) {
            if (is_map) pos = flow_key(pos);
            pos = skip_blanks(flow_value(pos));
            if (at(pos) == close) break;
            if (at(pos) != ',') throw GiveUp{};
            pos = skip_blanks(pos + 1);
        }
        if (is_map)
            builder_.end_map();
        else
            builder_.end_list();
        return pos + 1;
    }

    std::size_t flow_key(std::size_t pos) {
        pos = flow_scalar(pos);
        if (at(pos) != ':' || at(pos + 1) != ' ') throw GiveUp{};
        return skip_blanks(pos + 1);
    }

    std::size_t flow_value(std::size_t pos) {
        if (at(pos) == '[' || at(pos) == '{') return flow(pos);
        pos = flow_scalar(pos);
        // "[a: 1]" is a list with a map in it.
        if (at(skip_blanks(pos)) == ':') throw GiveUp{};
        return pos;
    }

    std::size_t flow_scalar(std::size_t pos) {
        const Position start = position(pos);
        if (at(pos) == '"' || at(pos) == '\'') {
            const std::size_t end = quoted(pos);
            builder_.scalar(start, {}, 0, scratch_, ScalarStyle::quoted);
            return end;
        }
        std::size_t end = pos;
        while (is_word(at(end)) || (at(end) == '-' && (end > pos || is_word(at(end + 1))))) ++end;
        const char behind = at(skip_blanks(end));
        const bool ends_well =
            behind == ',' || behind == ']' || behind == '}' || (behind == ':' && at(end) == ':');
        if (end == pos || !ends_well) throw GiveUp{};
        builder_.scalar(start, {}, 0, text_.substr(pos, end - pos), ScalarStyle::plain);
        return end;
    }

    // "|", "|-" or "|+" with the lines below it.
    void literal(std::size_t column) {
        const Position start = here();
        char chomping = at(++pos_);
        if (chomping == '-' || chomping == '+')
            ++pos_;
        else
            chomping = ' ';
        if (!is_end(pos_)) throw GiveUp{};
        next_line();
        scratch_.clear();
        const std::size_t content_column = literal_column();
        if (content_column <= column) throw GiveUp{};
        while (line_start_ < text_.size() && literal_line(content_column)) next_line();
        const std::size_t content = scratch_.find_last_not_of('\n');
        if (content == scratch_.npos) throw GiveUp{};
        if (chomping != '+') scratch_.resize(content + 1);
        if (chomping == ' ') scratch_ += '\n';
        if (text_.back() != '\n') throw GiveUp{}; // how the last line ends then is yaml-cpp's affair
        builder_.scalar(start, {}, 0, scratch_, ScalarStyle::quoted);
        next_content();
        if (!at_end_ && indent() > column && !is_marker()) throw GiveUp{};
    }

    // The column of the first line; blank lines before it would need care.
    std::size_t literal_column() const {
        std::size_t pos = line_start_;
        while (at(pos) == ' ') ++pos;
        if (is_end(pos) || at(pos) == '\t') throw GiveUp{};
        return pos - line_start_;
    }

    // Takes in one line of a literal block; false where the block has ended before it.
    bool literal_line(std::size_t column) {
        pos_ = line_start_;
        while (at(pos_) == ' ' && pos_ - line_start_ < column) ++pos_;
        const std::size_t end = std::min(text_.find('\n', pos_), text_.size());
        std::string_view line = text_.substr(pos_, end - pos_);
        if (line.ends_with('\r')) line.remove_suffix(1);
        const bool is_short = pos_ - line_start_ < column;
        if (is_short && !line.empty()) return false;
        scratch_ += line;
        scratch_ += '\n';
        return true;
    }

    std::string_view text_;
    TreeBuilder& builder_;
    std::size_t pos_ = 0, line_start_ = 0;
    std::uint32_t line_ = 1;
    bool at_end_ = false;
    std::string scratch_;
};

} // namespace

std::optional<std::vector<YamlDocument>> parse_plain_yaml(std::string_view text, const std::string& file,
                                                          ScalarRules rules, const YamlLimits& limits) {
    Diagnostics problems;
    TreeBuilder builder(text, file, rules, problems, limits);
    try {
        PlainReader(text, builder).read_all();
    } catch (const PlainReader::GiveUp&) {
        return std::nullopt;
    } catch (const TreeBuilder::Stop&) {
        return std::nullopt;
    }
    if (!problems.empty()) return std::nullopt;
    return builder.take();
}

} // namespace holdfast

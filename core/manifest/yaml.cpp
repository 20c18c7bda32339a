#include "manifest/yaml.hpp"

#include <algorithm>
#include <array>
#include <istream>
#include <streambuf>

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/text.hpp"
#include "manifest/plain_yaml.hpp"
#include "manifest/tree_builder.hpp"

namespace holdfast {

namespace {

// Lets yaml-cpp read a string_view without a copy.
class ViewBuffer final : public std::streambuf {
public:
    explicit ViewBuffer(std::string_view text) {
        char* begin = const_cast<char*>(text.data()); // never written through
        setg(begin, begin, begin + text.size());
    }
};

Position position_of(const YAML::Mark& mark) {
    return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

std::string_view line_from(std::string_view text, std::size_t start) {
    return text.substr(start, std::min(text.find('\n', start), text.size()) - start);
}

// yaml-cpp takes the escapes \N and \_ for the bytes 0x85 and 0xA0, which are no UTF-8, instead of U+0085 and
// U+00A0 (YAML 1.2, section 5.7). The rest of the text was checked before.
std::string with_whole_escapes(std::string_view value) {
    std::string out;
    for (std::size_t i = 0; i < value.size();) {
        std::size_t length = 1;
        while (length <= 4 && !is_utf8(value.substr(i, length))) ++length;
        if (length > 4) {
            out += '\xC2';
            length = 1;
        }
        out += value.substr(i, length);
        i += length;
    }
    return out;
}

// Hands yaml-cpp's events to the builder, and catches what yaml-cpp lets pass in silence: content behind
// the end of a document and quotes that are never closed.
class Events final : public YAML::EventHandler {
public:
    Events(std::string_view text, TreeBuilder& builder) : text_(text), builder_(builder) {}

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (document_count_++ > 0 && !begins_document(static_cast<std::size_t>(mark.pos))) {
            builder_.report("manifest.syntax", "this does not belong to the document before it",
                            position_of(mark), 1, "check the indentation, or begin a new document with ---");
            throw TreeBuilder::Stop{};
        }
        needs_first_ = true;
        builder_.start_document(position_of(mark));
    }
    void OnDocumentEnd() override { builder_.end_document(); }
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto pos = static_cast<std::size_t>(mark.pos);
        // "~" gets its own event and no text; in ours it is as ambiguous as "yes".
        const std::string_view rest = text_.substr(std::min(pos, text_.size()));
        const bool is_tilde =
            rest.starts_with('~') &&
            (rest.size() == 1 || std::string_view(" \t\r\n,]}").find(rest[1]) != std::string_view::npos);
        if (is_tilde) return scalar_at(mark, "", anchor, "~", ScalarStyle::plain);
        if (rest.starts_with("null") || rest.starts_with("Null") || rest.starts_with("NULL"))
            return scalar_at(mark, "", anchor, rest.substr(0, 4), ScalarStyle::plain);
        builder_.null(position_of(mark), anchor);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        if (tag == "?") return scalar_at(mark, "", anchor, value, ScalarStyle::plain);
        if (tag == "!") {
            last_quoted_ = mark;
            return scalar_at(mark, "", anchor, value, ScalarStyle::quoted);
        }
        last_quoted_ = mark;
        scalar_at(mark, tag, anchor, value, ScalarStyle::quoted);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        builder_.alias(position_of(mark), anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        note_first(mark);
        builder_.start_list(position_of(mark), tag == "?" ? "" : tag, anchor);
    }
    void OnSequenceEnd() override { builder_.end_list(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        note_first(mark);
        builder_.start_map(position_of(mark), tag == "?" ? "" : tag, anchor);
    }
    void OnMapEnd() override { builder_.end_map(); }

    // Only the last quoted scalar of a file can be without an end; yaml-cpp accepts it if a line ended.
    void check_last_quote() {
        auto pos = static_cast<std::size_t>(last_quoted_.pos);
        if (last_quoted_.is_null()) return;
        pos = behind_properties(pos);
        if (pos >= text_.size() || (text_[pos] != '"' && text_[pos] != '\'')) return;
        const char quote = text_[pos];
        for (std::size_t i = pos + 1; i < text_.size(); ++i) {
            if (quote == '"' && text_[i] == '\\')
                ++i;
            else if (text_[i] == quote && quote == '\'' && i + 1 < text_.size() && text_[i + 1] == quote)
                ++i;
            else if (text_[i] == quote)
                return;
        }
        builder_.report("manifest.syntax", "the quote that opens here is never closed",
                        position_of(last_quoted_), 1);
        throw TreeBuilder::Stop{};
    }

private:
    void scalar_at(const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor,
                   std::string_view value, ScalarStyle style) {
        note_first(mark);
        if (style == ScalarStyle::quoted && !is_utf8(value))
            builder_.scalar(position_of(mark), tag, anchor, with_whole_escapes(value), style);
        else
            builder_.scalar(position_of(mark), tag, anchor, value, style);
    }

    // The line of a document is that of its first node, not of its "---".
    void note_first(const YAML::Mark& mark) {
        if (needs_first_) builder_.start_document(position_of(mark));
        needs_first_ = false;
    }

    std::size_t behind_properties(std::size_t pos) const {
        while (pos < text_.size() && (text_[pos] == '&' || text_[pos] == '!')) {
            pos = std::min(text_.find_first_of(" \t\r\n", pos), text_.size());
            pos = std::min(text_.find_first_not_of(" \t\r\n", pos), text_.size());
        }
        return pos;
    }

    // A document after the first begins with "---", or behind a "...".
    bool begins_document(std::size_t pos) const {
        if (line_from(text_, pos).starts_with("---")) return true;
        std::size_t line = pos == 0 ? 0 : text_.rfind('\n', pos - 1) + 1;
        while (line > 0) {
            const std::size_t before = line >= 2 ? text_.rfind('\n', line - 2) + 1 : 0;
            const std::string_view content = line_from(text_, before);
            if (content.starts_with("...")) return true;
            const std::string_view trimmed = trim(content);
            if (!trimmed.empty() && trimmed.front() != '#') return false;
            line = before;
        }
        return false;
    }

    std::string_view text_;
    TreeBuilder& builder_;
    std::size_t document_count_ = 0;
    bool needs_first_ = false;
    YAML::Mark last_quoted_ = YAML::Mark::null_mark();
};

struct Translation {
    std::string_view theirs, message, hint;
};

// yaml-cpp's words are about its scanner; people want to know what they wrote wrong.
constexpr std::array translations{
    Translation{"illegal map value", "a second \": \" stands in this line, or the indentation is wrong",
                "quote values that hold \": \""},
    Translation{"end of map not found", "the map that contains this is not well-formed",
                "check the indentation and the quotes"},
    Translation{"end of map flow not found", "a \"{\" is never closed", "add the missing \"}\""},
    Translation{"end of sequence not found", "the list that contains this is not well-formed",
                "check the indentation: items of one list begin in the same column"},
    Translation{"end of sequence flow not found", "a \"[\" is never closed", "add the missing \"]\""},
    Translation{"illegal EOF in scalar", "the file ends inside a quoted text", "add the missing quote"},
    Translation{"illegal document indicator in scalar", "a document ends inside a quoted text",
                "add the missing quote"},
    Translation{"unknown token", "a value cannot begin with this character", "put the value into quotes"},
    Translation{"illegal block entry", "a list item (\"- \") cannot begin here",
                "begin the list on a line of its own"},
    Translation{"illegal map key", "a key cannot begin here", "check the indentation"},
    Translation{"illegal flow end", "there is no open bracket that this could close", ""},
    Translation{"the referenced anchor is not defined",
                "an alias names an anchor that does not exist before it",
                "define it with &name first, or quote the value"},
    Translation{"illegal tab when looking for indentation", "a tab is used as indentation", "use spaces"},
    Translation{"YAML major version too large", "only YAML 1.x is understood", ""},
};

bool is_indented_by_tab(std::string_view line) {
    const std::size_t end = std::min(line.find_first_not_of(" \t"), line.size());
    return line.substr(0, end).find('\t') != std::string_view::npos;
}

void translate(const YAML::Exception& exception, std::string_view text, TreeBuilder& builder) {
    Position position = exception.mark.is_null() ? Position{1, 1} : position_of(exception.mark);
    for (std::uint32_t line = position.line; line + 1 >= position.line && line > 0; --line) {
        if (!is_indented_by_tab(excerpt_of(text, line))) continue;
        const auto column = static_cast<std::uint32_t>(excerpt_of(text, line).find('\t') + 1);
        builder.report("manifest.tab", "a tab is used as indentation", {line, column}, 1, "use spaces");
        return;
    }
    auto found = std::find_if(translations.begin(), translations.end(),
                              [&](const Translation& t) { return exception.msg == t.theirs; });
    if (found == translations.end()) {
        builder.report("manifest.syntax", exception.msg, position, 1);
        return;
    }
    builder.report("manifest.syntax", std::string(found->message), position, 1, std::string(found->hint));
}

Position position_of_offset(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const auto line = static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
    const std::size_t start = before.rfind('\n') + 1; // npos + 1 is 0
    return {line, static_cast<std::uint32_t>(offset - start + 1)};
}

// The first carriage return without a line feed behind it, or npos.
std::size_t find_lone_return(std::string_view text) {
    std::size_t at = text.find('\r');
    while (at != text.npos && text.substr(at + 1).starts_with('\n')) at = text.find('\r', at + 1);
    return at;
}

// What yaml-cpp would swallow or misplace is refused before it sees the text.
bool is_readable(std::string_view text, TreeBuilder& builder, const YamlLimits& limits) {
    if (text.size() > limits.max_bytes) {
        builder.report(
            "manifest.too-large",
            fmt::format("the file has {} bytes, more than the limit of {}", text.size(), limits.max_bytes),
            {}, 0, "split it; big content belongs into a file of its own that a document names");
        return false;
    }
    if (const auto offset = find_invalid_utf8(text)) {
        builder.report(
            "manifest.encoding",
            fmt::format("byte 0x{:02X} is not valid UTF-8", static_cast<unsigned char>(text[*offset])),
            position_of_offset(text, *offset), 1, "save the file as UTF-8");
        return false;
    }
    const std::size_t nul = text.find('\0'), lone_return = find_lone_return(text);
    if (nul == text.npos && lone_return == text.npos) return true;
    const bool is_nul = nul < lone_return;
    builder.report(is_nul ? "manifest.encoding" : "manifest.syntax",
                   is_nul ? "the file holds a NUL byte" : "a carriage return stands without a line feed",
                   position_of_offset(text, std::min(nul, lone_return)), 1,
                   is_nul ? "is this really YAML?" : "end lines with LF or CRLF; in text write \"\\r\"");
    return false;
}

} // namespace

std::string excerpt_of(std::string_view text, std::uint32_t line) {
    constexpr std::size_t longest = 240;
    if (line == 0) return {};
    std::size_t start = 0;
    for (std::uint32_t i = 1; i < line; ++i) {
        start = text.find('\n', start);
        if (start == text.npos) return {};
        ++start;
    }
    std::string_view content = line_from(text, start);
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (content.size() <= longest) return std::string(content);
    std::size_t size = longest;
    while (size > 0 && (content[size] & 0xC0) == 0x80) --size;
    return std::string(content.substr(0, size));
}

std::vector<YamlDocument> parse_yaml_events(std::string_view text, const std::string& file, ScalarRules rules,
                                            Diagnostics& problems, const YamlLimits& limits) {
    TreeBuilder builder(text, file, rules, problems, limits);
    Events events(text, builder);
    try {
        ViewBuffer buffer(text);
        std::istream stream(&buffer);
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(events)) {
        }
        events.check_last_quote();
    } catch (const TreeBuilder::Stop&) {
    } catch (const YAML::Exception& exception) {
        translate(exception, text, builder);
    }
    return builder.take();
}

std::vector<YamlDocument> parse_yaml(std::string_view text, const std::string& file, ScalarRules rules,
                                     Diagnostics& problems, const YamlLimits& limits) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    TreeBuilder checks(text, file, rules, problems, limits);
    if (!is_readable(text, checks, limits)) return {};
    if (auto documents = parse_plain_yaml(text, file, rules, limits)) return *std::move(documents);
    return parse_yaml_events(text, file, rules, problems, limits);
}

} // namespace holdfast

#include "manifest/reference.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace holdfast {

namespace {

constexpr std::string_view opening = "${{", closing = "}}", escaped = "$${{";

bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// Parses what stands between the brackets: root ( .word | [index] | ["key"] )*
class ReferenceParser {
public:
    explicit ReferenceParser(std::string_view text) : text_(text) {}

    // False where it does not begin with one of the three roots: plain text.
    bool begins_with_root() {
        skip_blanks();
        const std::string_view word = take_word();
        constexpr std::array<std::string_view, 3> roots{"vars", "outputs", "secrets"};
        const auto found = std::find(roots.begin(), roots.end(), word);
        if (found == roots.end()) return false;
        reference_.root = static_cast<Reference::Root>(found - roots.begin());
        root_ = word;
        // "vars-file", "outputs of": words that only begin like a root.
        const std::size_t next = text_.find_first_not_of(" \t", pos_);
        return at_end() || peek() == '.' || peek() == '[' || next == text_.npos;
    }

    // Error: `reference.syntax`.
    Result<Reference> parse() {
        std::vector<std::string> steps;
        bool first_was_quoted = false;
        for (skip_blanks(); !at_end(); skip_blanks()) {
            const bool is_quoted =
                text_.substr(pos_).starts_with("[\"") || text_.substr(pos_).starts_with("['");
            if (steps.empty()) first_was_quoted = is_quoted;
            Result<std::string> step = take_step();
            if (!step) return step.error();
            steps.push_back(*std::move(step));
        }
        if (steps.empty()) return wrong(fmt::format("\"{}\" alone names nothing", root_));
        if (reference_.root != Reference::Root::outputs) {
            reference_.name = steps.front();
        } else {
            if (!first_was_quoted) return wrong("outputs takes an address in brackets and quotes");
            Result<Address> producer = parse_address(steps.front());
            if (!producer) return wrong(producer.error().message);
            reference_.producer = *std::move(producer);
        }
        reference_.path.assign(std::make_move_iterator(steps.begin() + 1),
                               std::make_move_iterator(steps.end()));
        return reference_;
    }

private:
    bool at_end() const { return pos_ >= text_.size(); }
    char peek() const { return text_[pos_]; }
    void skip_blanks() {
        while (!at_end() && (peek() == ' ' || peek() == '\t')) ++pos_;
    }
    std::string_view take_word() {
        const std::size_t from = pos_;
        while (!at_end() && is_word_char(peek())) ++pos_;
        return text_.substr(from, pos_ - from);
    }

    Result<std::string> take_step() {
        if (peek() == '.') {
            ++pos_;
            const std::string_view word = take_word();
            if (word.empty()) return wrong("a name is missing behind a dot");
            return std::string(word);
        }
        if (peek() != '[') return wrong(fmt::format("\"{}\" is not expected there", text_.substr(pos_, 20)));
        ++pos_;
        if (!at_end() && (peek() == '"' || peek() == '\'')) return take_quoted(peek());
        const std::size_t end = text_.find(']', pos_);
        if (end == text_.npos) return wrong("a closing \"]\" is missing");
        const std::string_view index = text_.substr(pos_, end - pos_);
        std::size_t number = 0;
        auto [stop, error] = std::from_chars(index.data(), index.data() + index.size(), number);
        if (error != std::errc{} || stop != index.data() + index.size())
            return wrong(fmt::format("[{}] is neither a list index nor a quoted key", index));
        pos_ = end + 1;
        return std::to_string(number);
    }

    Result<std::string> take_quoted(char quote) {
        const std::size_t end = text_.find(quote, pos_ + 1);
        if (end == text_.npos) return wrong("a quote is not closed");
        std::string key(text_.substr(pos_ + 1, end - pos_ - 1));
        pos_ = end + 1;
        if (at_end() || peek() != ']') return wrong("a closing \"]\" is missing");
        ++pos_;
        return key;
    }

    Diagnostic wrong(std::string why) const {
        return failure("reference.syntax", fmt::format("the reference \"{}\" is wrong: {}", trim(text_), why),
                       "write vars.NAME, outputs[\"stack:group/Kind/name\"].path or secrets.NAME.key; "
                       "$${{ stands for a plain ${{");
    }

    std::string_view text_, root_;
    std::size_t pos_ = 0;
    Reference reference_;
};

// One piece of a scalar: literal text, or a reference that may be malformed.
struct Piece {
    std::string text;
    std::optional<Result<Reference>> reference;
};

// The closing brackets, looked for outside of quotes.
std::size_t find_closing(std::string_view text, std::size_t from) {
    char quote = 0;
    for (std::size_t i = from; i < text.size(); ++i) {
        if (quote) {
            if (text[i] == quote) quote = 0;
        } else if (text[i] == '"' || text[i] == '\'') {
            quote = text[i];
        } else if (text.substr(i).starts_with(closing)) {
            return i;
        }
    }
    return text.find(closing, from); // a stray quote is the parser's to report
}

class Splitter {
public:
    std::vector<Piece> split(std::string_view text) {
        for (std::size_t pos = 0; pos < text.size();) {
            const std::size_t dollar = text.find('$', pos);
            if (dollar == text.npos) return add(text.substr(pos)), std::move(pieces_);
            add(text.substr(pos, dollar - pos));
            const std::string_view rest = text.substr(dollar);
            if (rest.starts_with(escaped)) {
                add(opening);
                pos = dollar + escaped.size();
            } else if (rest.starts_with(opening)) {
                pos = dollar + take_reference(rest);
            } else {
                add("$");
                pos = dollar + 1;
            }
        }
        return std::move(pieces_);
    }

private:
    void add(std::string_view text) {
        if (text.empty()) return;
        if (pieces_.empty() || pieces_.back().reference) pieces_.push_back({});
        pieces_.back().text += text;
    }

    // Takes what begins with the opening brackets; returns its size.
    std::size_t take_reference(std::string_view text) {
        const std::size_t end = find_closing(text, opening.size());
        const std::string_view inside =
            text.substr(opening.size(), end == text.npos ? text.npos : end - opening.size());
        ReferenceParser parser(inside);
        if (!parser.begins_with_root()) {
            add(opening);
            return opening.size();
        }
        if (end == text.npos) {
            pieces_.push_back(
                {std::string(text),
                 Result<Reference>(failure("reference.syntax",
                                           fmt::format("the reference \"{}\" has no closing }}}}", text),
                                           "close it, or write $${{ for plain text"))});
            return text.size();
        }
        const std::size_t size = end + closing.size();
        Result<Reference> reference = parser.parse();
        if (reference) reference->text = text.substr(0, size);
        pieces_.push_back({std::string(text.substr(0, size)), std::move(reference)});
        return size;
    }

    std::vector<Piece> pieces_;
};

std::vector<Piece> pieces_of(std::string_view text) { return Splitter{}.split(text); }

// "status.addresses[0]"
std::string path_text(const std::vector<std::string>& path) {
    std::string out;
    for (const std::string& step : path) {
        const bool is_index = !step.empty() && step.find_first_not_of("0123456789") == step.npos;
        if (is_index)
            out += fmt::format("[{}]", step);
        else
            out += (out.empty() ? "" : ".") + step;
    }
    return out;
}

template <typename Node, typename Visit>
void for_each_text(Node& node, std::string pointer, const Visit& visit) {
    if (auto* list = node.if_list()) {
        for (std::size_t i = 0; i < list->size(); ++i)
            for_each_text((*list)[i], append_pointer(pointer, i), visit);
    } else if (auto* map = node.if_map()) {
        for (auto& entry : *map) for_each_text(entry.value, append_pointer(pointer, entry.key), visit);
    } else if (const std::string* text = node.if_string(); text && may_hold_references(*text)) {
        visit(node, *text, pointer);
    }
}

class DocumentResolver {
public:
    DocumentResolver(const Resolver& resolver, ResolvedDocument& out) : resolver_(resolver), out_(out) {}

    void resolve(Value& node, const std::string& text, const std::string& pointer) {
        const std::vector<Piece> pieces = pieces_of(text);
        const bool is_only_reference = pieces.size() == 1 && pieces.front().reference;
        std::optional<Value> result;
        if (is_only_reference) {
            result = value_of(pieces.front(), pointer);
        } else {
            result = interpolate(pieces, pointer);
        }
        if (!result) return;
        const Position position = node.position;
        node = *std::move(result);
        node.position = position;
    }

private:
    std::optional<Value> interpolate(const std::vector<Piece>& pieces, const std::string& pointer) {
        std::string text;
        bool is_known = true;
        for (const Piece& piece : pieces) { // all of them, so that all problems and waits are found
            if (!piece.reference) {
                text += piece.text;
                continue;
            }
            std::optional<Value> value = value_of(piece, pointer);
            if (value && !value->is_scalar()) {
                report(failure("reference.not-scalar",
                               fmt::format("{} is a {} and cannot be put into text", piece.text,
                                           value->type_name()),
                               "let the reference stand alone, or name one member"),
                       pointer);
                value.reset();
            }
            is_known &= value.has_value();
            if (!value) continue;
            const std::string* inner = value->if_string();
            text += inner ? *inner : to_json(*value);
        }
        if (!is_known) return std::nullopt;
        return Value(std::move(text));
    }

    std::optional<Value> value_of(const Piece& piece, const std::string& pointer) {
        const Result<Reference>& parsed = *piece.reference;
        if (!parsed) {
            report(parsed.error(), pointer);
            return std::nullopt;
        }
        const Reference& reference = *parsed;
        const bool is_output = reference.root == Reference::Root::outputs;
        if (is_output && std::find(out_.producers.begin(), out_.producers.end(), reference.producer) ==
                             out_.producers.end())
            out_.producers.push_back(reference.producer);
        Resolution resolution = resolver_(reference, pointer);
        if (resolution.sensitive && (out_.sensitive.empty() || out_.sensitive.back() != pointer))
            out_.sensitive.push_back(pointer);
        if (resolution.state == Resolution::State::known) return std::move(resolution.value);
        if (resolution.state == Resolution::State::error)
            report(std::move(resolution.problem), pointer);
        else {
            const Wait wait{reference.producer, path_text(reference.path)};
            if (std::find(out_.waits.begin(), out_.waits.end(), wait) == out_.waits.end())
                out_.waits.push_back(wait);
        }
        return std::nullopt;
    }

    void report(Diagnostic problem, const std::string& pointer) {
        if (problem.pointer.empty()) problem.pointer = pointer;
        out_.problems.add(std::move(problem));
    }

    const Resolver& resolver_;
    ResolvedDocument& out_;
};

} // namespace

bool may_hold_references(std::string_view json_or_yaml) {
    return json_or_yaml.find(opening) != json_or_yaml.npos;
}

std::vector<Reference> references_in(std::string_view text) {
    std::vector<Reference> references;
    if (!may_hold_references(text)) return references;
    for (Piece& piece : pieces_of(text))
        if (piece.reference && piece.reference->ok()) references.push_back(std::move(**piece.reference));
    return references;
}

std::vector<ReferenceUse> references_of(const Value& document) {
    std::vector<ReferenceUse> uses;
    for_each_text(document, "", [&](const Value&, const std::string& text, const std::string& pointer) {
        for (Reference& reference : references_in(text)) uses.push_back({std::move(reference), pointer});
    });
    return uses;
}

ResolvedDocument resolve_references(const Value& document, const Resolver& resolver) {
    ResolvedDocument out{.document = document};
    DocumentResolver document_resolver(resolver, out);
    for_each_text(out.document, "", [&](Value& node, const std::string& text, const std::string& pointer) {
        document_resolver.resolve(node, std::string(text), pointer);
    });
    return out;
}

const Value* follow_path(const Value& root, const std::vector<std::string>& path) {
    const Value* node = &root;
    for (const std::string& step : path) {
        const Map* map = node->if_map();
        const List* list = node->if_list();
        std::size_t index = 0;
        if (map) {
            node = map->find(step);
        } else if (list) {
            auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
            const bool is_index = error == std::errc{} && end == step.data() + step.size();
            node = is_index && index < list->size() ? &(*list)[index] : nullptr;
        } else {
            return nullptr;
        }
        if (!node) return nullptr;
    }
    return node;
}

} // namespace holdfast

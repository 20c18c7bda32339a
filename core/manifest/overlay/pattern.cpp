#include "manifest/overlay/pattern.hpp"

#include <memory>
#include <optional>

#include <fmt/core.h>

namespace holdfast {

namespace {

constexpr std::string_view pattern_specials = "\\.[]{}()*+?|^$";
constexpr std::size_t most_states = 10'000;
constexpr std::size_t most_work = 100'000; // pieces made; repetitions of nothing make no states
constexpr int most_nested = 100;

} // namespace

// Thompson's construction: the pattern becomes a graph of states in which a text is followed along all ways
// at once. It is built backwards: each piece is told where it leads to when it is made, so there is nothing
// to patch afterwards, and "{2,4}" is the same piece made several times from the same text.
class PatternCompiler {
public:
    explicit PatternCompiler(std::string_view text) : text_(text) {}

    Result<Pattern> compile() {
        out_.is_literal_ = text_.find_first_of(pattern_specials) == text_.npos;
        if (out_.is_literal_) {
            out_.literal_ = text_;
            return std::move(out_);
        }
        std::unique_ptr<Node> root = read_choice(0);
        if (root && pos_ < text_.size()) wrong("a \")\" too many");
        if (root && problem_.empty()) out_.start_ = emit(*root, put({.op = Pattern::Op::done}));
        if (out_.states_.size() > most_states || work_ > most_work) wrong("it is too large");
        if (!problem_.empty())
            return failure("overlay.bad-pattern",
                           fmt::format("the pattern \"{}\" cannot be read: {}", text_, problem_),
                           "regular expressions as in Go, without look-around, flags and \\p classes");
        return std::move(out_);
    }

private:
    struct Node {
        enum class Type { empty, one_of, sequence, choice, repeat, begin, end } type = Type::empty;
        Pattern::Class bytes{};
        int least = 0, most = -1; // repeat; -1: no limit
        std::vector<std::unique_ptr<Node>> parts{};
    };
    using NodePtr = std::unique_ptr<Node>;

    static NodePtr make(typename Node::Type type) {
        auto node = std::make_unique<Node>();
        node->type = type;
        return node;
    }

    // ---- reading ----

    NodePtr read_choice(int depth) {
        if (depth > most_nested) return wrong("its groups are nested too deep");
        NodePtr choice = make(Node::Type::choice);
        do {
            NodePtr sequence = read_sequence(depth);
            if (!sequence) return nullptr;
            choice->parts.push_back(std::move(sequence));
        } while (take('|'));
        return choice;
    }

    NodePtr read_sequence(int depth) {
        NodePtr sequence = make(Node::Type::sequence);
        while (pos_ < text_.size() && text_[pos_] != '|' && text_[pos_] != ')') {
            NodePtr atom = read_atom(depth);
            if (!atom || !(atom = read_repeats(std::move(atom)))) return nullptr;
            sequence->parts.push_back(std::move(atom));
        }
        return sequence;
    }

    NodePtr read_atom(int depth) {
        const char c = text_[pos_++];
        if (c == '(') return read_group(depth);
        if (c == '^') return make(Node::Type::begin);
        if (c == '$') return make(Node::Type::end);
        if (c == '*' || c == '+' || c == '?') return wrong("nothing stands before a repetition");
        NodePtr node = make(Node::Type::one_of);
        if (c == '.') {
            node->bytes.set();
            node->bytes.reset('\n');
        } else if (c == '[') {
            if (!read_class(node->bytes)) return nullptr;
        } else if (c == '\\') {
            if (!read_escape(node->bytes)) return nullptr;
        } else {
            node->bytes.set(static_cast<unsigned char>(c));
        }
        return node;
    }

    NodePtr read_group(int depth) {
        if (take('?')) {
            if (text_.substr(pos_).starts_with("P<") || text_.substr(pos_).starts_with("<")) {
                pos_ = std::min(text_.find('>', pos_), text_.size() - 1) + 1;
            } else if (!take(':')) {
                return wrong("look-around and flags are not supported");
            }
        }
        NodePtr inner = read_choice(depth + 1);
        if (!inner) return nullptr;
        if (!take(')')) return wrong("a \")\" is missing");
        return inner;
    }

    NodePtr read_repeats(NodePtr node) {
        for (;;) {
            int least = 0, most = -1;
            if (take('+'))
                least = 1;
            else if (take('?'))
                most = 1;
            else if (pos_ < text_.size() && text_[pos_] == '{' && read_counts(least, most)) {
                constexpr int largest = 1000; // as Go
                if (least > largest || most > largest || (most >= 0 && least > most))
                    return wrong("a repetition count is wrong");
            } else if (!take('*'))
                return node;
            take('?'); // which way is tried first says nothing about whether there is one
            NodePtr repeat = make(Node::Type::repeat);
            repeat->least = least;
            repeat->most = most;
            repeat->parts.push_back(std::move(node));
            node = std::move(repeat);
        }
    }

    // False where the bracket is a literal one, as Go reads it.
    bool read_counts(int& least, int& most) {
        std::size_t at = pos_ + 1;
        const auto number = [&](int& out) {
            const std::size_t from = at;
            for (out = 0; at < text_.size() && text_[at] >= '0' && text_[at] <= '9' && at - from < 6; ++at)
                out = out * 10 + (text_[at] - '0');
            return at > from;
        };
        if (!number(least)) return false;
        most = least;
        if (at < text_.size() && text_[at] == ',') {
            ++at;
            if (!number(most)) most = -1;
        }
        if (at >= text_.size() || text_[at] != '}') return false;
        pos_ = at + 1;
        return true;
    }

    bool read_escape(Pattern::Class& bytes) {
        if (pos_ >= text_.size()) return wrong("a \"\\\" stands at the end") != nullptr;
        const char c = text_[pos_++];
        if (named_class(c, bytes)) return true;
        switch (c) {
            case 'n': bytes.set('\n'); return true;
            case 't': bytes.set('\t'); return true;
            case 'r': bytes.set('\r'); return true;
            default: break;
        }
        const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_word) return wrong(fmt::format("\\{} is not supported", c)) != nullptr;
        bytes.set(static_cast<unsigned char>(c));
        return true;
    }

    static bool named_class(char name, Pattern::Class& bytes) {
        Pattern::Class set;
        for (unsigned c = 0; c < 128; ++c) {
            const bool digit = c >= '0' && c <= '9';
            const bool word = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
            const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
            const char lower = static_cast<char>(name | 0x20);
            if ((lower == 'd' && digit) || (lower == 'w' && word) || (lower == 's' && space)) set.set(c);
        }
        if (set.none()) return false;
        const bool is_opposite = name >= 'A' && name <= 'Z';
        bytes |= is_opposite ? ~set : set;
        return true;
    }

    bool read_class(Pattern::Class& bytes) {
        const bool is_negated = take('^');
        for (bool first = true; first || pos_ >= text_.size() || text_[pos_] != ']'; first = false) {
            if (pos_ >= text_.size()) return wrong("a \"]\" is missing") != nullptr;
            if (text_.substr(pos_).starts_with("[:")) return wrong("[: :] is not supported") != nullptr;
            Pattern::Class one;
            const char from = text_[pos_++];
            if (from == '\\') {
                if (!read_escape(one)) return false;
            } else {
                one.set(static_cast<unsigned char>(from));
            }
            const bool is_range = pos_ + 1 < text_.size() && text_[pos_] == '-' && text_[pos_ + 1] != ']';
            if (is_range && one.count() == 1) {
                const char to = text_[pos_ + 1];
                if (to == '\\' || to < from) return wrong("a range is wrong") != nullptr;
                for (int c = static_cast<unsigned char>(from); c <= static_cast<unsigned char>(to); ++c)
                    one.set(static_cast<std::size_t>(c));
                pos_ += 2;
            }
            bytes |= one;
        }
        ++pos_;
        if (is_negated) bytes = ~bytes;
        return true;
    }

    bool take(char c) {
        if (pos_ >= text_.size() || text_[pos_] != c) return false;
        ++pos_;
        return true;
    }

    std::nullptr_t wrong(std::string why) {
        if (problem_.empty()) problem_ = std::move(why);
        return nullptr;
    }

    // ---- building ----

    std::uint32_t put(Pattern::State state) {
        if (out_.states_.size() <= most_states) out_.states_.push_back(state);
        return static_cast<std::uint32_t>(out_.states_.size() - 1);
    }

    // The state at which `node` begins, if it leads to `next`.
    std::uint32_t emit(const Node& node, std::uint32_t next) {
        if (out_.states_.size() > most_states || ++work_ > most_work) return next;
        switch (node.type) {
            case Node::Type::empty: return next;
            case Node::Type::begin: return put({.op = Pattern::Op::begin, .next = next});
            case Node::Type::end: return put({.op = Pattern::Op::end, .next = next});
            case Node::Type::one_of: return emit_class(node.bytes, next);
            case Node::Type::sequence:
                for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part)
                    next = emit(**part, next);
                return next;
            case Node::Type::choice: return emit_choice(node, next);
            case Node::Type::repeat: return emit_repeat(node, next);
        }
        return next;
    }

    std::uint32_t emit_class(const Pattern::Class& bytes, std::uint32_t next) {
        if (bytes.count() == 1) {
            std::size_t byte = 0;
            while (!bytes.test(byte)) ++byte;
            return put({.op = Pattern::Op::byte, .byte = static_cast<std::uint8_t>(byte), .next = next});
        }
        out_.classes_.push_back(bytes);
        return put({.op = Pattern::Op::any_of,
                    .bytes = static_cast<std::uint16_t>(out_.classes_.size() - 1),
                    .next = next});
    }

    std::uint32_t emit_choice(const Node& node, std::uint32_t next) {
        std::uint32_t begin = emit(*node.parts.back(), next);
        for (std::size_t i = node.parts.size() - 1; i-- > 0;)
            begin = put({.op = Pattern::Op::split, .next = emit(*node.parts[i], next), .other = begin});
        return begin;
    }

    std::uint32_t emit_repeat(const Node& node, std::uint32_t next) {
        const Node& part = *node.parts.front();
        std::uint32_t begin = next;
        if (node.most < 0) {
            const std::uint32_t loop = put({.op = Pattern::Op::split, .other = next});
            const std::uint32_t body = emit(part, loop);
            out_.states_[loop].next = body;
            begin = loop;
        }
        for (int i = node.least; i < node.most; ++i)
            begin = put({.op = Pattern::Op::split, .next = emit(part, begin), .other = next});
        for (int i = 0; i < node.least; ++i) begin = emit(part, begin);
        return begin;
    }

    std::string_view text_;
    std::size_t pos_ = 0, work_ = 0;
    std::string problem_;
    Pattern out_;
};

Result<Pattern> Pattern::compile(std::string_view text) { return PatternCompiler(text).compile(); }

// Takes in the states that can be reached without reading a byte. A stack of its own, since the graph may be
// long; `marks` keeps each from being taken twice, which also ends empty loops.
void Pattern::add(std::vector<std::uint32_t>& set, std::vector<std::uint32_t>& marks, std::uint32_t mark,
                  std::uint32_t state, std::size_t at, std::size_t size) const {
    std::vector<std::uint32_t> open{state};
    while (!open.empty()) {
        const std::uint32_t index = open.back();
        open.pop_back();
        if (marks[index] == mark) continue;
        marks[index] = mark;
        const State& one = states_[index];
        if (one.op == Op::split) {
            open.push_back(one.other);
            open.push_back(one.next);
        } else if ((one.op == Op::begin && at == 0) || (one.op == Op::end && at == size)) {
            open.push_back(one.next);
        } else if (one.op != Op::begin && one.op != Op::end) {
            set.push_back(index);
        }
    }
}

bool Pattern::matches(std::string_view text) const {
    if (is_literal_) return text == literal_;
    std::vector<std::uint32_t> now, then, marks(states_.size(), 0);
    add(now, marks, 1, start_, 0, text.size());
    for (std::size_t i = 0; i < text.size() && !now.empty(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        then.clear();
        for (const std::uint32_t index : now) {
            const State& one = states_[index];
            const bool fits = (one.op == Op::byte && one.byte == byte) ||
                              (one.op == Op::any_of && classes_[one.bytes].test(byte));
            if (fits) add(then, marks, static_cast<std::uint32_t>(i + 2), one.next, i + 1, text.size());
        }
        now.swap(then);
    }
    for (const std::uint32_t index : now)
        if (states_[index].op == Op::done) return true;
    return false;
}

} // namespace holdfast

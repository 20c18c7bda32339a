#pragma once
// Regular expressions of kustomize's selectors (Go's syntax, as far as people use it), matched against whole
// texts in time proportional to the text: patterns come from Git and may be hostile. Private to manifest.

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace holdfast {

class Pattern {
public:
    // Literals, ".", classes, \d \w \s and their opposites, groups, "|", "*", "+", "?", "{m,n}", and "^" and
    // "$" at the ends. Error: `overlay.bad-pattern` without a place.
    static Result<Pattern> compile(std::string_view text);
    // Whether all of `text` matches: kustomize anchors its patterns.
    bool matches(std::string_view text) const;
    // The only text that matches, or null where there are more.
    const std::string* literal() const { return is_literal_ ? &literal_ : nullptr; }

private:
    friend class PatternCompiler;
    using Class = std::bitset<256>;
    enum class Op : std::uint8_t { byte, any_of, split, begin, end, done };
    struct State {
        Op op = Op::done;
        std::uint8_t byte = 0;
        std::uint16_t bytes = 0;           // any_of: which of classes_
        std::uint32_t next = 0, other = 0; // other: split only
    };
    void add(std::vector<std::uint32_t>& set, std::vector<std::uint32_t>& marks, std::uint32_t mark,
             std::uint32_t state, std::size_t at, std::size_t size) const;

    std::string literal_;
    bool is_literal_ = false;
    std::vector<State> states_;
    std::vector<Class> classes_;
    std::uint32_t start_ = 0;
};

} // namespace holdfast

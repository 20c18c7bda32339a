#pragma once
// A text that stands again and again where there are many objects: one word of memory, and the text itself
// once in a table of the process that only grows. So only for texts of which a process meets few: stacks,
// groups, kinds, namespaces, provider names, scopes, targets, versions, authors. Never for names, identities
// or contents, nor for what comes anew with each pass, as commits do.

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace holdfast {

class Symbol;

// What can be read as a text and is not a symbol already.
template <typename T>
concept PlainText = !std::same_as<T, Symbol> && std::convertible_to<const T&, std::string_view>;

// Thread-safe as an `int` is: different symbols may be made and used by different threads at once. Equal
// texts are one address, so symbols are compared for equality by it, and ordered by their texts. What `str`
// gives lives until the process ends.
class Symbol {
public:
    Symbol() = default; // the empty text; needs no table
    template <PlainText Text>
    Symbol(const Text& text) : kept_(keep(text)) {}

    const std::string& str() const { return kept_ ? kept_->text : no_text(); }
    operator const std::string&() const { return str(); }
    operator std::string_view() const { return str(); }
    bool empty() const { return !kept_; }
    std::size_t size() const { return kept_ ? kept_->text.size() : 0; }
    void clear() { kept_ = nullptr; }
    // That of the text, so the same in every process.
    std::size_t hash() const { return kept_ ? kept_->hash : std::hash<std::string_view>{}({}); }

    friend bool operator==(Symbol a, Symbol b) { return a.kept_ == b.kept_; }
    friend std::strong_ordering operator<=>(Symbol a, Symbol b) {
        return a.kept_ == b.kept_ ? std::strong_ordering::equal : a.str() <=> b.str();
    }
    template <PlainText Text>
    friend bool operator==(Symbol a, const Text& b) {
        return a.str() == std::string_view(b);
    }
    template <PlainText Text>
    friend std::strong_ordering operator<=>(Symbol a, const Text& b) {
        return std::string_view(a) <=> std::string_view(b);
    }
    friend std::string operator+(std::string a, Symbol b) { return std::move(a.append(b.str())); }
    template <PlainText Text>
    friend std::string operator+(Symbol a, const Text& b) {
        return std::string(a.str()).append(std::string_view(b));
    }
    friend std::string operator+(Symbol a, char b) { return a.str() + b; }

private:
    struct Kept {
        std::string text;
        std::size_t hash;
    };
    friend class SymbolTable;
    static const Kept* keep(std::string_view text); // null for the empty text
    static const std::string& no_text();

    const Kept* kept_ = nullptr;
};

} // namespace holdfast

template <>
struct std::hash<holdfast::Symbol> {
    std::size_t operator()(holdfast::Symbol symbol) const noexcept { return symbol.hash(); }
};

// Takes no width or other specification: write `symbol.str()` where a column is to be filled.
template <>
struct fmt::formatter<holdfast::Symbol> {
    constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
    template <typename Context>
    auto format(const holdfast::Symbol& symbol, Context& context) const {
        auto out = context.out();
        for (const char c : symbol.str()) *out++ = c;
        return out;
    }
};

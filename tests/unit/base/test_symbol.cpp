#include "base/symbol.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("symbols of equal texts share one text, whatever they were made of") {
    const std::string text = "memory.holdfast.dev/v1alpha1";
    const Symbol from_string = text, from_view = std::string_view(text),
                 from_literal = "memory.holdfast.dev/v1alpha1", from_pointer = text.c_str(),
                 from_part = std::string_view(text + "/Object").substr(0, text.size());
    for (const Symbol& other : {from_view, from_literal, from_pointer, from_part}) {
        CHECK(other == from_string);
        CHECK(&other.str() == &from_string.str());
    }
    CHECK(&from_string.str() != &text);
    CHECK(from_string != Symbol("memory.holdfast.dev/v1alpha"));
    CHECK(from_string != Symbol("memory.holdfast.dev/v1alpha12"));
    static_assert(sizeof(Symbol) == sizeof(void*));
    static_assert(std::is_trivially_copyable_v<Symbol>);
}

TEST_CASE("a symbol by default, one of the empty text and one that was cleared are the same") {
    Symbol cleared = "web";
    cleared.clear();
    for (const Symbol& empty : {Symbol{}, Symbol(""), Symbol(std::string{}), cleared}) {
        CHECK(empty.empty());
        CHECK(empty.size() == 0);
        CHECK(empty.str().empty());
        CHECK(empty == Symbol{});
        CHECK(empty == "");
        CHECK(empty < Symbol("a"));
        CHECK(std::hash<Symbol>{}(empty) == std::hash<std::string>{}(""));
        // A pointer, since a database takes a text without one for none at all.
        CHECK(std::string_view(empty).data() != nullptr);
    }
}

TEST_CASE("symbols keep every byte of their texts") {
    const std::string with_zero("a\0b", 3), long_text(100'000, 'x');
    CHECK(Symbol(with_zero).size() == 3);
    CHECK(Symbol(with_zero).str() == with_zero);
    CHECK(Symbol(with_zero) != Symbol("a"));
    CHECK(Symbol(long_text) == long_text);
}

TEST_CASE("symbols are ordered as their texts, not as they were made") {
    const std::vector<std::string> texts = {"zone", "b", "", "apps", "a", "app", "\xc3\xa4", "B", "zone-2"};
    std::vector<std::string> sorted = texts;
    std::sort(sorted.begin(), sorted.end());
    std::set<Symbol> symbols(texts.begin(), texts.end());
    CHECK(std::equal(symbols.begin(), symbols.end(), sorted.begin(), sorted.end()));
    for (const std::string& a : texts)
        for (const std::string& b : texts) {
            CHECK((Symbol(a) <=> Symbol(b)) == (a <=> b));
            CHECK((Symbol(a) <=> b) == (a <=> b));
            CHECK((Symbol(a) == Symbol(b)) == (a == b));
        }
}

TEST_CASE("a symbol is compared with any kind of text") {
    const Symbol symbol = "apps";
    CHECK(symbol == "apps");
    CHECK("apps" == symbol);
    CHECK(symbol == std::string("apps"));
    CHECK(std::string("apps") == symbol);
    CHECK(symbol == std::string_view("apps"));
    CHECK(std::string_view("apps") == symbol);
    CHECK(symbol != "app");
    CHECK(symbol < "apps2");
    CHECK("app" < symbol);
}

TEST_CASE("a symbol is read as a text") {
    const Symbol symbol = "apps";
    const std::string& borrowed = symbol;
    const std::string_view viewed = symbol;
    std::string copied = symbol;
    copied += symbol;
    CHECK(&borrowed == &symbol.str());
    CHECK(viewed.data() == symbol.str().data());
    CHECK(copied == "appsapps");
    CHECK(symbol + "/v1" == "apps/v1");
    CHECK("in " + symbol == "in apps");
    CHECK(symbol + std::string("/v1") + '\n' + symbol == "apps/v1\napps");
    CHECK(symbol + '\0' == std::string("apps\0", 5));
    CHECK(symbol + symbol == "appsapps");
    CHECK(fmt::format("{}|{}|", symbol, Symbol{}) == "apps||");
}

TEST_CASE("a symbol has the hash of its text") {
    for (const std::string text : {"apps", "memory.holdfast.dev/v1alpha1"})
        CHECK(std::hash<Symbol>{}(Symbol(text)) == std::hash<std::string>{}(text));
    const std::unordered_set<Symbol> all = {"a", "b", "a"};
    CHECK(all.size() == 2);
    CHECK(all.contains("b"));
}

// Far more texts than a thread remembers, so that each of them meets the table and the others.
TEST_CASE("threads that make the same symbols at once get the same texts") {
    constexpr std::size_t count = 3000, thread_count = 4;
    std::vector<std::vector<Symbol>> made(thread_count);
    {
        std::vector<std::jthread> threads;
        for (std::vector<Symbol>& mine : made)
            threads.emplace_back([&mine] {
                for (std::size_t i = 0; i < count; ++i) mine.emplace_back("thread-" + std::to_string(i));
                for (std::size_t i = 0; i < count; ++i) mine.emplace_back("thread-" + std::to_string(i));
            });
    }
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(made[0][i] == "thread-" + std::to_string(i));
        for (const std::vector<Symbol>& mine : made) {
            CHECK(&mine[i].str() == &made[0][i].str());
            CHECK(mine[i] == mine[count + i]);
        }
    }
}

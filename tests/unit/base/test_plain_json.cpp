#include <random>

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/plain_json.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

constexpr std::size_t max_depth = 256;

// Texts as plugins write them, and some that nobody should.
std::string random_text(std::mt19937& random, int depth) {
    const auto pick = [&](std::initializer_list<const char*> of) {
        return std::string(of.begin()[random() % of.size()]);
    };
    const auto key = [&] { return pick({"\"a\"", "\"b\"", "\"a b\"", "\"\\n\"", "\"\"", "\"\\u0061\""}); };
    if (depth == 0 || random() % 3 == 0)
        return pick({"0",
                     "-0",
                     "-1",
                     "10",
                     "007",
                     "9223372036854775807",
                     "9223372036854775808",
                     "-9223372036854775808",
                     "1.0",
                     "1e2",
                     "true",
                     "false",
                     "null",
                     "\"x\"",
                     "\"\\\"\\\\\\/\"",
                     "\"\\n\\t\\r\"",
                     "\"\\b\"",
                     "\"\\u00e9\"",
                     "\"\xc3\xa9\"",
                     "\"\x7f\"",
                     "\"\xff\"",
                     "tru",
                     "\"\n\"",
                     "",
                     "-",
                     "+1",
                     "'x'"});
    const bool is_map = random() % 2 == 0;
    std::string text = is_map ? "{" : "[";
    for (unsigned i = random() % 4; i > 0; --i) {
        text += pick({"", " ", "\n", "\t\r"});
        if (is_map) text += key() + pick({":", ": ", " :"});
        text += random_text(random, depth - 1);
        if (i > 1) text += ',';
    }
    return text + (is_map ? "}" : "]");
}

std::string damaged(std::mt19937& random, std::string text) {
    if (text.empty() || random() % 2 == 0) return text;
    const std::size_t at = random() % text.size();
    switch (random() % 3) {
        case 0: return text.erase(at, 1);
        case 1: return text.insert(at, 1, "{}[],:\"\\ 0-x"[random() % 12]);
        default: return text.substr(0, at);
    }
}

} // namespace

TEST_CASE("what the plain reader takes, the parser reads the same") {
    std::mt19937 random(20261123);
    std::size_t taken = 0;
    for (int i = 0; i < 200'000; ++i) {
        const std::string text = damaged(random, random_text(random, 4));
        const std::optional<Value> plain = read_plain_json(text, max_depth);
        if (!plain) continue;
        ++taken;
        CAPTURE(text);
        const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
        REQUIRE_FALSE(parsed.is_discarded());
        REQUIRE(parsed.dump() == to_json(*plain));
    }
    CHECK(taken > 20'000);
}

TEST_CASE("the plain reader takes what the engine prints, and leaves the rest to the parser") {
    CHECK(read_plain_json(R"( {"b": [1, -2, {}], "a": "line\n\"x\"", "c": [true, false, null, []]} )", 8));
    CHECK_FALSE(read_plain_json(R"({"a": 1, "a": 1})", 8));
    CHECK_FALSE(read_plain_json("[1.5]", 8));
    CHECK_FALSE(read_plain_json("\"\xc3\xa9\"", 8));
    CHECK(read_plain_json("[[[]]]", 3));
    CHECK_FALSE(read_plain_json("[[[]]]", 2));
    CHECK(parse_json(R"([1.5, "é"])").ok());
}

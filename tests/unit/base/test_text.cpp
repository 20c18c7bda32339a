#include "base/text.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("globs match paths") {
    auto [pattern, path, matches] = GENERATE(table<std::string, std::string, bool>({
        {"a", "a", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"**", "a/b", true},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"**/*.yaml", "x.yaml", true},
        {"**/*.yaml", "d/e/x.yaml", true},
        {"*.yaml", "d/x.yaml", false},
        {"d/*.y?ml", "d/x.yaml", true},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[]]x", "]x", true},
        {"a*b*c", "axxbxxc", true},
        {"a*b*c", "axxbxx", false},
        {"", "", true},
        {"", "a", false},
    }));
    CAPTURE(pattern, path);
    CHECK(matches_glob(pattern, path) == matches);
}

TEST_CASE("a typo is recognised, another word is not") {
    const std::vector<std::string> keys{"ttl", "content", "mode", "owner"};
    CHECK(closest("tll", keys) == "ttl");
    CHECK(closest("contents", keys) == "content");
    CHECK(closest("onwer", keys) == "owner");
    CHECK_FALSE(closest("zebra", keys).has_value());
    CHECK(edit_distance("ab", "ba") == 1);
}

TEST_CASE("invalid UTF-8 is found where it begins") {
    CHECK(is_utf8("grüße 漢字 😀"));
    auto text = GENERATE(as<std::string>{}, "ab\xff", "ab\xc0\x80", "ab\xed\xa0\x80", "ab\xe2\x82",
                         "ab\xf5\x80\x80\x80");
    CHECK(find_invalid_utf8(text) == 2U);
}

TEST_CASE("invalid UTF-8 is found anywhere in a long ASCII text, and valid UTF-8 is taken there") {
    const auto at = GENERATE(range(0, 25));
    const std::string ascii(24, 'a');
    const auto place = static_cast<std::size_t>(at);
    CHECK(find_invalid_utf8(std::string(ascii).insert(place, "\xFF")) == place);
    CHECK(find_invalid_utf8(std::string(ascii).insert(place, "\xE6\xBC")) == place);
    CHECK(is_utf8(std::string(ascii).insert(place, "漢")));
}

TEST_CASE("the width of text is what a terminal shows") {
    CHECK(display_width("abc") == 3);
    CHECK(display_width("漢字") == 4);
    CHECK(display_width("e\xcc\x81") == 1);
    CHECK(display_width("\x1b[31mred\x1b[0m") == 3);
    CHECK(shorten("abcdef", 4) == "abc…");
    CHECK(shorten("漢字漢字", 5) == "漢字…");
    CHECK(shorten("abc", 3) == "abc");
}

TEST_CASE("base64 goes there and back") {
    for (const std::string text : {"", "f", "fo", "foo", "foob", "\x01\xff"}) {
        CHECK(from_base64(to_base64(text)) == text);
    }
    CHECK(to_base64("foob") == "Zm9vYg==");
    CHECK_FALSE(from_base64("a*b").has_value());
}

TEST_CASE("times are told as people tell them") {
    CHECK(relative_time(5) == "just now");
    CHECK(relative_time(3600) == "1 hour ago");
    CHECK(relative_time(2 * 86400 + 5) == "2 days ago");
    CHECK(relative_time(-300) == "in 5 minutes");
}

TEST_CASE("durations are read as people write them, and written so") {
    auto [text, ms] = GENERATE(table<std::string, std::int64_t>({{"250ms", 250},
                                                                 {"45s", 45'000},
                                                                 {"5m", 300'000},
                                                                 {"1h30m", 5'400'000},
                                                                 {"2d", 172'800'000},
                                                                 {"0s", 0}}));
    CAPTURE(text);
    REQUIRE(parse_duration(text));
    CHECK(parse_duration(text)->count() == ms);
    CHECK(duration_text(std::chrono::milliseconds(ms)) == text);
}

TEST_CASE("what is no duration is none, and neither is one of centuries") {
    const std::string text = GENERATE(as<std::string>{}, "", "5", "m", "-5m", "5 m", "5x", "1.5h", "m5",
                                      "99999999999999999s", "3651d", "3650d1ms");
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
}

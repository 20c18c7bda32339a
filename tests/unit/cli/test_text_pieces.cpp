#include "base/text.hpp"
#include "cli/render/diagnostics_text.hpp"
#include "cli/render/style.hpp"
#include "cli/render/table.hpp"
#include "cli/render/text_diff.hpp"
#include "cli/render/value_text.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

std::string shown(const std::vector<DiffLine>& lines) {
    std::string out;
    for (const DiffLine& line : lines) {
        if (line.kind == LineKind::gap)
            out += "~" + std::to_string(line.count) + "\n";
        else
            out += std::string(1, line.kind == LineKind::kept    ? ' '
                                  : line.kind == LineKind::added ? '+'
                                                                 : '-') +
                   std::string(line.text) + "\n";
    }
    return out;
}

// What the diff says that the old and the new text were.
std::string side(const std::vector<DiffLine>& lines, LineKind own) {
    std::string out;
    for (const DiffLine& line : lines) {
        if (line.kind == own || line.kind == LineKind::kept) out += std::string(line.text) + "\n";
    }
    return out;
}

} // namespace

TEST_CASE("a diff shows changed lines between two lines of context") {
    CHECK(shown(diff_lines("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\nfive\n6\n7\n")) ==
          "~2\n 3\n 4\n-5\n+five\n 6\n 7\n");
    CHECK(shown(diff_lines("a\nb\n", "a\nb\nc\n")) == " a\n b\n+c\n");
    CHECK(shown(diff_lines("", "a\n")) == "+a\n");
    CHECK(shown(diff_lines("a\n", "")) == "-a\n");
    CHECK(diff_lines("a\n", "a\n").size() == 1);
}

TEST_CASE("a diff finds lines that moved and keeps what stayed") {
    CHECK(shown(diff_lines("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", 9)) ==
          "-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n");
}

TEST_CASE("both sides of a diff can be put together again") {
    std::string before, after;
    std::uint32_t random = GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U);
    const auto next = [&] { return (random = random * 1664525 + 1013904223) >> 24; };
    for (int i = 0; i < 60; ++i) {
        const std::string line = std::to_string(next() % 7) + "\n";
        if (next() % 4) before += line;
        if (next() % 4) after += line;
    }
    const auto lines = diff_lines(before, after, 1000);
    CHECK(side(lines, LineKind::removed) == before);
    CHECK(side(lines, LineKind::added) == after);
}

TEST_CASE("texts that have nothing in common are replaced as a whole, soon") {
    std::string before, after;
    for (int i = 0; i < 5000; ++i) {
        before += "a" + std::to_string(i) + "\n";
        after += "b" + std::to_string(i) + "\n";
    }
    CHECK(diff_lines(before, after).size() == 10000);
}

TEST_CASE("values look like YAML and keep their type visible") {
    using Row = std::tuple<Value, std::string>;
    const auto [value, text] = GENERATE(table<Value, std::string>(
        {Row{Value("etc/motd"), "etc/motd"}, Row{Value("0644"), "\"0644\""}, Row{Value(420), "420"},
         Row{Value("true"), "\"true\""}, Row{Value(true), "true"}, Row{Value("No"), "\"No\""},
         Row{Value(""), "\"\""}, Row{Value(" x"), "\" x\""}, Row{Value("1.5"), "\"1.5\""},
         Row{Value("192.0.2.1"), "192.0.2.1"}, Row{Value("held fast\n"), "\"held fast\\n\""},
         Row{Value("say \"hi\"\n"), "\"say \\\"hi\\\"\\n\""}, Row{Value("a -> b"), "\"a -> b\""},
         Row{Value("\x1b[0m"), "\"\\x1b[0m\""}, Row{Value(nullptr), "null"},
         Row{Value::list({"a, b", 1}), "[\"a, b\", 1]"},
         Row{Value::map({{"k", "v"}, {"a", 1}}), "{a: 1, k: v}"},
         Row{Value::map({{"$secret", "ab"}}), "(sensitive)"}, Row{Value("(sensitive)"), "\"(sensitive)\""}}));
    CHECK(value_text(value) == text);
}

TEST_CASE("field names read like paths") {
    using Row = std::tuple<std::string, std::string>;
    const auto [pointer, name] = GENERATE(table<std::string, std::string>(
        {Row{"/spec/mode", "mode"}, Row{"/spec/a/b/0/c", "a.b[0].c"},
         Row{"/spec/labels/app.io~1name", "labels[\"app.io/name\"]"}, Row{"", "(document)"},
         Row{"/spec", "(document)"}, Row{"/data/x", "data.x"},
         Row{"/spec/rules/[name=web]/port", "rules[name=web].port"},
         Row{"/spec/elements/[=\"eth0\"]", "elements[]"}}));
    CHECK(field_name(pointer) == name);
}

TEST_CASE("what would steer a terminal is written as an escape") {
    bool changed = false;
    CHECK(printable("a\tb\nc\x7f", &changed) == "a\\tb\\nc\\x7f");
    CHECK(changed);
    CHECK(printable("\xE2\x80\xAEx") == "\\xe2\\x80\\xaex");
    CHECK(printable("\xC2\x9B"
                    "31m") == "\\xc2\\x9b31m");
    CHECK(printable("\xff\xc3") == "\\xff\\xc3");
    CHECK(printable("日本 é 🚀", &changed) == "日本 é 🚀");
    CHECK_FALSE(changed);
}

TEST_CASE("tables line up in columns of the terminal") {
    Table table;
    table.add({"日本", "one", "the last column"});
    table.add({"abcdefgh", "\x1b[31mtwo and more\x1b[0m"});
    CHECK(table.render(80) ==
          "日本      one           the last column\nabcdefgh  \x1b[31mtwo and more\x1b[0m\n");
    CHECK(table.render(38, 2) ==
          "  日本      one           the last co…\n  abcdefgh  \x1b[31mtwo and more\x1b[0m\n");
    CHECK(table.render(20) == "日本      one       the las…\nabcdefgh  two and…\n");
}

TEST_CASE("words wrap behind a hanging indent, and a word that is too long stays whole") {
    CHECK(wrap("aa bb cc", 5, 1) == std::vector<std::string>{"aa bb", " cc"});
    CHECK(wrap("aaaaaaaa bb", 5) == std::vector<std::string>{"aaaaaaaa", "bb"});
    CHECK(wrap("a   b  c", 6) == std::vector<std::string>{"a   b", "c"});
    CHECK(wrap("", 5) == std::vector<std::string>{""});
}

TEST_CASE("a diagnostic from a plugin cannot steer the terminal either") {
    const Diagnostic d{.code = "x.y",
                       .message = "bad \x1b[2Jthing",
                       .hint = "do\x07 it",
                       .span = {"f", {1, 2}, 1},
                       .excerpt = "\ta\x1b"};
    CHECK(diagnostic_text(d, false) ==
          "f:1:2: error: bad \\x1b[2Jthing [x.y]\n     1 | \ta\\x1b\n       | \t^ do\\x07 it\n");
}

TEST_CASE("of two long texts that differ late, the window shows where") {
    const std::string before = "The quick brown fox jumps over the lazy dog, one after the other",
                      after = "The quick brown fox jumps over the lazy cat, one after the other";
    const std::size_t at = shared_prefix(before, after);
    CHECK(window(before, at, 32) == "…e lazy dog, one after the other");
    CHECK(window(after, at, 32) == "…e lazy cat, one after the other");
    CHECK(window("short", 2, 32) == "short");
    CHECK(shared_prefix("é", "è") == 0); // never the half of a letter
}

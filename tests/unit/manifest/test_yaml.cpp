#include <ctime>
#include <random>

#include "base/json.hpp"
#include "manifest/plain_yaml.hpp"
#include "manifest/yaml.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

std::string repeat(std::string_view text, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
}

// The documents as JSON, or the first problem as "code line:column".
std::string read(std::string_view text, ScalarRules rules = ScalarRules::strict) {
    Diagnostics problems;
    std::string out;
    for (const YamlDocument& document : parse_yaml(text, "f.yaml", rules, problems))
        out += (out.empty() ? "" : " ") + to_json(document.tree);
    if (problems.empty()) return out;
    const Diagnostic& first = problems.list().front();
    return first.code + " " + std::to_string(first.span.position.line) + ":" +
           std::to_string(first.span.position.column);
}

std::string places(const Value& value) {
    std::string out = std::to_string(value.position.line) + ":" + std::to_string(value.position.column) + " ";
    if (const Map* map = value.if_map())
        for (const MapEntry& entry : *map)
            out += entry.key + "@" + std::to_string(entry.key_position.line) + ":" +
                   std::to_string(entry.key_position.column) + " " + places(entry.value);
    if (const List* list = value.if_list())
        for (const Value& item : *list) out += places(item);
    return out;
}

} // namespace

TEST_CASE("YAML reads as the JSON that people expect") {
    auto [text, json] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"# only a comment\n", ""},
        {"---\n---\n", ""},
        {"a: 1\n", R"({"a":1})"},
        {"a: 1", R"({"a":1})"},
        {"a: \"\\N\\_\u00c3\\N\"\n", "{\"a\":\"\u0085\u00a0\u00c3\u0085\"}"},
        {"a:\n- 1\n- x: v\n  z: [p, {q: 2}]\n", R"({"a":[1,{"x":"v","z":["p",{"q":2}]}]})"},
        {"a:\nb:\n  c:\n", R"({"a":null,"b":{"c":null}})"},
        {"a: |\n  x\n   y\n\nb: >\n  p\n  q\n", R"({"a":"x\n y\n","b":"p q\n"})"},
        {"a: |-\n  x\n  # no comment\n# a comment\nb: 1\n", R"({"a":"x\n# no comment","b":1})"},
        {"a: |+\n  x\n\nb: 1\n", R"({"a":"x\n\n","b":1})"},
        {"a: \"x\\ty\\u00e9\"\nb: 'it''s'\n", R"({"a":"x\ty)"
                                              "é"
                                              R"(","b":"it's"})"},
        {"a: x # comment\nb: x#y\n", R"({"a":"x","b":"x#y"})"},
        {"\xEF\xBB\xBF"
         "a: 1\n",
         R"({"a":1})"},
        {"a: 1\r\nb: |\r\n  x\r\n  y\r\n", R"({"a":1,"b":"x\ny\n"})"},
        {"%YAML 1.2\n---\na: 1\n", R"({"a":1})"},
        {"a: 1\n---\nb: 2\n...\n---\nc: 3\n", R"({"a":1} {"b":2} {"c":3})"},
        {"a: 1\n...\nb: 2\n", R"({"a":1} {"b":2})"},
        {"1: a\ntrue: b\nnull: c\n", R"({"1":"a","null":"c","true":"b"})"},
        {"NULL: a\nb: &x {Null: NULL}\n", // an anchor is not for the quick reader
         R"({"NULL":"a","b":{"Null":null}})"},
        {"a: &x {p: 1}\nb: *x\n", R"({"a":{"p":1},"b":{"p":1}})"},
        {"base: &b {p: 1, q: 2}\nc:\n  <<: *b\n  q: 3\n", R"({"base":{"p":1,"q":2},"c":{"p":1,"q":3}})"},
        {"c:\n  <<: [{p: 1}, {p: 2, q: 2}]\n", R"({"c":{"p":1,"q":2}})"},
        {"'<<': 1\n", R"({"<<":1})"},
        {"a: !!str 12\nb: !!int \"12\"\nc: !!float 1\nd: !!null ''\ne: !!binary aGk=\nf: !!bool 'true'\n",
         R"({"a":"12","b":12,"c":1,"d":null,"e":"aGk=","f":true})"},
        {"{\"json\": [1, 2.5, null, true, \"x\"]}\n", R"({"json":[1,2.5,null,true,"x"]})"},
        {"date: 2001-12-14\n", R"({"date":"2001-12-14"})"},
        {"url: http://x.example/a?b=c\n", R"({"url":"http://x.example/a?b=c"})"},
    }));
    CAPTURE(text);
    CHECK(read(text) == json);
}

TEST_CASE("bad YAML is refused at its place") {
    auto [text, problem] = GENERATE(table<std::string, std::string>({
        {"a: 1\nb: 2\na: 3\n", "manifest.duplicate-key 3:1"},
        {"a:\n  {x: 1, y: 2, x: 3}\n", "manifest.duplicate-key 2:16"},
        {"a:\n\tb: 1\n", "manifest.tab 2:1"},
        {"a:\n  b: 1\n\tc: 2\n", "manifest.tab 3:1"},
        {"\ta: 1\n", "manifest.tab 1:1"},
        {"a: b\nc: d\xff\n", "manifest.encoding 2:5"},
        {std::string("a: b\nc: \0\n", 10), "manifest.encoding 2:4"},
        {"\xff\xfe"
         "a\0",
         "manifest.encoding 1:1"},
        {"a: 1\rb: 2\n", "manifest.syntax 1:5"},
        {"a: \"never closed\n", "manifest.syntax 1:4"},
        {"a: 'never closed\n\n\n", "manifest.syntax 1:4"},
        {"a: &x \"never closed\n", "manifest.syntax 1:4"},
        {"a: b: c\n", "manifest.syntax 1:5"},
        {"- a\nb: c\n", "manifest.syntax 2:1"},
        {"[1, 2]\nfoo: bar\n", "manifest.syntax 2:1"},
        {"a: [1, 2\n", "manifest.syntax 2:1"},
        {"a: @x\n", "manifest.syntax 1:4"},
        {"a: *nope\n", "manifest.syntax 1:4"},
        {"a: &x [*x]\n", "manifest.bad-alias 1:8"},
        {"a: !thing x\n", "manifest.bad-tag 1:4"},
        {"a: !!int x\n", "manifest.bad-tag 1:4"},
        {"a: !!set {x}\n", "manifest.bad-tag 1:4"},
        {"? [a]\n: b\n", "manifest.bad-key 1:3"},
        {"a: {{ x }}\n", "manifest.bad-key 1:5"},
        {"a:\n  <<: 1\n", "manifest.bad-merge 2:3"},
        {"%YAML 2.0\n---\na: 1\n", "manifest.syntax 1:1"},
    }));
    CAPTURE(text);
    CHECK(read(text) == problem);
}

TEST_CASE("a duplicate key names both places, and all of them are reported") {
    Diagnostics problems;
    parse_yaml("a: 1\nb: {x: 1, x: 2}\na: 2\n", "web/f.yaml", ScalarRules::strict, problems);
    REQUIRE(problems.size() == 2);
    const Diagnostic& last = problems.list()[1];
    CHECK_THAT(last.message, ContainsSubstring("1:1"));
    CHECK(to_string(last.span) == "web/f.yaml:3:1");
    CHECK(last.excerpt == "a: 2");
}

TEST_CASE("the documents before a syntax error are kept") {
    Diagnostics problems;
    const auto documents = parse_yaml("a: 1\n---\nb: [\n", "f", ScalarRules::strict, problems);
    CHECK(problems.size() == 1);
    REQUIRE(documents.size() == 1);
    CHECK(to_json(documents[0].tree) == R"({"a":1})");
}

TEST_CASE("every node knows its place, also behind an alias") {
    Diagnostics problems;
    const auto documents = parse_yaml("\n# c\na: &x\n  - b\nc: *x\nd:\n", "f", ScalarRules::strict, problems);
    REQUIRE(documents.size() == 1);
    CHECK(documents[0].line == 3);
    CHECK(places(documents[0].tree) == "3:1 a@3:1 3:4 4:5 c@5:1 5:4 4:5 d@6:1 6:1 ");
}

TEST_CASE("input that is made to break readers is refused quickly") {
    struct Case {
        std::string name, text, code;
    };
    const std::size_t large = 100'000;
    std::string blocks;
    for (std::size_t i = 0; i < 1500; ++i) blocks += repeat(" ", i) + "a:\n";
    std::string bomb = "a0: &a0 [x, x]\n";
    for (int i = 1; i < 40; ++i) {
        const std::string last = std::to_string(i - 1), now = std::to_string(i);
        bomb += "a" + now + ": &a" + now + " [*a" + last + ", *a" + last + "]\n";
    }
    std::string anchored;
    for (int i = 0; i < 90; ++i) anchored += "&a" + std::to_string(i) + " [";
    anchored += repeat("x, ", 20'000) + repeat("]", 90);
    const std::vector<Case> cases{
        {"flow lists", repeat("[", 10'000) + repeat("]", 10'000), "manifest.too-deep"},
        {"open flow lists", repeat("[", large), "manifest.bad-key"},
        {"flow maps", "a: " + repeat("{a: ", 10'000) + repeat("}", 10'000), "manifest.too-deep"},
        {"open flow maps", repeat("{", 10'000), "manifest.bad-key"},
        {"list items", repeat("- ", 10'000), "manifest.too-deep"},
        {"keys", repeat("? ", 10'000), "manifest.bad-key"},
        {"block maps", blocks, "manifest.too-deep"},
        {"colons", repeat(":", large), "manifest.syntax"},
        {"pairs", repeat("a: ", large), "manifest.syntax"},
        {"alias bomb", bomb, "manifest.too-many-nodes"},
        {"long aliases", "a: &a \"" + repeat("x", large) + "\"\nb:\n" + repeat("- *a\n", large),
         "manifest.too-many-nodes"},
        {"nested anchors", anchored, "manifest.too-many-nodes"},
        {"large file", repeat("# comment\n", 500'000), "manifest.too-large"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        Diagnostics problems;
        const std::clock_t before = std::clock();
        parse_yaml(c.text, "f", ScalarRules::strict, problems);
        REQUIRE_FALSE(problems.empty());
        CHECK(problems.list().front().code == c.code);
        CHECK(std::clock() - before < 3 * CLOCKS_PER_SEC);
    }
}

TEST_CASE("harmless but unusual input is read in time that grows with its size") {
    const std::string text =
        GENERATE(repeat("a", 1'000'000), repeat("word ", 100'000), repeat("- &a x\n", 50'000),
                 "- " + repeat("[a], ", 1).substr(0, 3) + "\n", repeat("a: |\n x\n---\n", 20'000));
    Diagnostics problems;
    const std::clock_t before = std::clock();
    parse_yaml(text, "f", ScalarRules::strict, problems);
    CHECK(problems.empty());
    CHECK(std::clock() - before < 3 * CLOCKS_PER_SEC);
}

namespace {

// Documents of the kind that people write, put together and then damaged at random.
class RandomYaml {
public:
    explicit RandomYaml(unsigned seed) : random_(seed) {}

    std::string document() {
        std::string text;
        map(text, 0, 3);
        for (unsigned i = pick(3); i > 0; --i) damage(text);
        return text;
    }

private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

    void map(std::string& out, std::size_t indent, unsigned depth) {
        static const char* keys[] = {"a", "spec", "path", "\"q\"", "'s'", "x-y", "b.c/d", "key", "0", "no"};
        for (unsigned i = 1 + pick(4); i > 0; --i) {
            out += std::string(indent, ' ') + keys[pick(10)] + ":";
            value(out, indent, depth);
        }
    }
    void value(std::string& out, std::size_t indent, unsigned depth) {
        static const char* scalars[] = {"x",
                                        "some words",
                                        "\"quoted # text\"",
                                        "'it''s'",
                                        "12",
                                        "true",
                                        "null",
                                        "a/b",
                                        "\"\\n\\\"\"",
                                        "[a, b-c]",
                                        "{a: 1, b: [x, \"y\"]}",
                                        "[]",
                                        "{}",
                                        "-x",
                                        "2.5",
                                        "<a>",
                                        "http://x/y",
                                        "$(a)",
                                        "a:b",
                                        "0644",
                                        "yes",
                                        "${{ vars.x }}",
                                        "x  # c"};
        const unsigned kind = depth == 0 ? 0 : pick(6);
        if (kind == 1) {
            out += pick(3) ? "\n" : "   # comment\n";
            map(out, indent + 1 + pick(3), depth - 1);
        } else if (kind == 2) {
            out += '\n';
            list(out, indent + 2 * pick(2), depth - 1);
        } else if (kind == 3) {
            static const char* heads[] = {" |", " |-", " |+", " >"};
            out += std::string(heads[pick(4)]) + "\n";
            for (unsigned i = 1 + pick(3); i > 0; --i)
                out += std::string(indent + 2, ' ') + "line: # x\n" + (pick(4) ? "" : "\n");
        } else {
            out += std::string(" ") + scalars[pick(23)] + (pick(8) ? "\n" : "\r\n");
        }
    }
    void list(std::string& out, std::size_t indent, unsigned depth) {
        for (unsigned i = 1 + pick(3); i > 0; --i) {
            out += std::string(indent, ' ') + "-";
            if (depth > 0 && pick(2)) {
                std::string inner;
                map(inner, indent + 2, depth - 1);
                out += " " + inner.substr(indent + 2);
            } else {
                value(out, indent, 0);
            }
        }
    }
    void damage(std::string& text) {
        static const char* bits[] = {" ", "\n", "#",  ":",     "-", "&a ", "*a", "\"", "'",
                                     "|", "\t", "  ", "---\n", "[", "}",   ",",  "? ", "!x "};
        const std::size_t at = pick(static_cast<unsigned>(text.size() + 1));
        switch (pick(3)) {
            case 0: text.insert(at, bits[pick(18)]); break;
            case 1: text.erase(at, 1 + pick(3)); break;
            default: text.insert(at, text.substr(pick(static_cast<unsigned>(text.size() + 1)), pick(12)));
        }
    }

    std::mt19937 random_;
};

} // namespace

TEST_CASE("the quick reader and yaml-cpp agree wherever the quick one dares") {
    RandomYaml random(7);
    std::size_t accepted = 0;
    for (int i = 0; i < 12'000; ++i) {
        const std::string text = random.document();
        std::string without_crlf;
        for (std::size_t j = 0; j < text.size(); ++j)
            if (text[j] != '\r' || (j + 1 < text.size() && text[j + 1] == '\n')) without_crlf += text[j];
        const ScalarRules rules = i % 2 ? ScalarRules::strict : ScalarRules::kubernetes;
        const auto quick = parse_plain_yaml(without_crlf, "f", rules, {});
        if (!quick) continue;
        ++accepted;
        Diagnostics problems;
        const auto slow = parse_yaml_events(without_crlf, "f", rules, problems, {});
        CAPTURE(without_crlf);
        REQUIRE(problems.empty());
        REQUIRE(quick->size() == slow.size());
        for (std::size_t d = 0; d < slow.size(); ++d) {
            REQUIRE((*quick)[d].line == slow[d].line);
            REQUIRE(to_json((*quick)[d].tree) == to_json(slow[d].tree));
            REQUIRE(places((*quick)[d].tree) == places(slow[d].tree));
        }
    }
    CHECK(accepted > 2000);
}

namespace {

Value random_tree(std::mt19937& random, int depth) {
    static const std::vector<std::string> texts{"",
                                                "plain",
                                                "two words",
                                                "yes",
                                                "0644",
                                                "~",
                                                "null",
                                                "1:30",
                                                "a: b",
                                                "a #b",
                                                "#x",
                                                "- x",
                                                "x\ny\n",
                                                "x\ny",
                                                "x\n\n\ny\n\n",
                                                "\n",
                                                " lead",
                                                "trail ",
                                                "é",
                                                "tab\tin",
                                                "\x01",
                                                "\"q\"",
                                                "'",
                                                "${{ vars.x }}",
                                                "a:",
                                                "[x",
                                                "{",
                                                "*x",
                                                "&x",
                                                "!x",
                                                "%x",
                                                "@x",
                                                "`x",
                                                "|",
                                                ">",
                                                "---",
                                                "...",
                                                "=",
                                                "<<",
                                                "1e3",
                                                ".5",
                                                "x: \n y",
                                                "  x\n y",
                                                "x\n  \ny",
                                                "\r\n",
                                                "1_000",
                                                "0x1F",
                                                "+1",
                                                ".inf",
                                                "\xC2\x85",
                                                "\xE2\x80\xA8",
                                                "\xEF\xBB\xBF",
                                                "?",
                                                "-",
                                                ":",
                                                "true",
                                                std::string("nul\0in", 6)};
    const auto pick = [&](std::size_t below) { return random() % below; };
    switch (pick(depth > 0 ? 8 : 5)) {
        case 0: return Value(texts[pick(texts.size())]);
        case 1: return Value(static_cast<std::int64_t>(random()) - 2'000'000'000);
        case 2: return Value(static_cast<double>(random()) / 1024.0 - 0.5);
        case 3: return pick(2) ? Value(pick(2) == 0) : Value{};
        case 4: return Value(texts[pick(texts.size())]);
        case 5: {
            List list;
            for (std::size_t i = pick(4); i > 0; --i) list.push_back(random_tree(random, depth - 1));
            return Value(std::move(list));
        }
        default: {
            Map map;
            for (std::size_t i = pick(4); i > 0; --i)
                map.set(texts[pick(texts.size())], random_tree(random, depth - 1));
            return Value(std::move(map));
        }
    }
}

} // namespace

TEST_CASE("what is written as YAML reads back the same, under both scalar rules") {
    std::mt19937 random(11);
    for (int i = 0; i < 3000; ++i) {
        const Value tree = Value::map({{"x", random_tree(random, 4)}});
        const std::string text = to_yaml(tree);
        if (to_json(tree).find("\\u0000") != std::string::npos) continue; // YAML files hold no NUL
        CAPTURE(text);
        for (ScalarRules rules : {ScalarRules::strict, ScalarRules::kubernetes}) {
            Diagnostics problems;
            const auto documents = parse_yaml(text, "f", rules, problems);
            for (const Diagnostic& problem : problems) FAIL_CHECK(render(problem));
            REQUIRE(documents.size() == 1);
            REQUIRE(to_json(documents[0].tree) == to_json(tree));
        }
    }
}

TEST_CASE("a key that is too long for one line of YAML is read back") {
    const std::string key =
        GENERATE(std::string(5000, 'k'), repeat("\x1e", 300), std::string(1020, 'k') + ":");
    for (const Value& value : {Value(1), Value::map({{"a", 1}}), Value::list({"b"})}) {
        const Value tree = Value::map({{"x", Value::map({{key, value}, {"z", 2}})}});
        CHECK(read(to_yaml(tree)) == to_json(tree));
    }
}

TEST_CASE("written YAML looks as people write it") {
    const Value tree = *parse_json(
        R"({"spec":{"mode":"0644","rules":[{"b":1,"a":[]},"x"],"text":"l1\nl2\n"},"metadata":{"name":"web"},"kind":"K","apiVersion":"g/v1"})");
    CHECK(to_yaml(tree) == "apiVersion: g/v1\nkind: K\nmetadata:\n  name: web\nspec:\n  mode: \"0644\"\n  "
                           "rules:\n  - a: []\n    b: 1\n  - x\n"
                           "  text: |\n    l1\n    l2\n");
}

TEST_CASE("an excerpt is one line, cut where it is long and never inside a character") {
    CHECK(excerpt_of("a\r\nb\nc", 1) == "a");
    CHECK(excerpt_of("a\nb\nc", 3) == "c");
    CHECK(excerpt_of("a", 2).empty());
    CHECK(excerpt_of(repeat("é", 500), 1).size() == 240);
    CHECK(excerpt_of("x" + repeat("é", 500), 1).size() == 239);
}

#include "monitoring/duration.hpp"
#include "monitoring/part.hpp"
#include "monitoring/rules.hpp"
#include "monitoring/rules_answer.hpp"
#include "monitoring/yaml.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::monitoring;
using sdk::Json;

TEST_CASE("one time has one spelling, Prometheus' own") {
    const auto [text, canonical] =
        GENERATE(table<const char*, const char*>({{"90s", "1m30s"},
                                                  {"1m30s", "1m30s"},
                                                  {"0", "0s"},
                                                  {"0s", "0s"},
                                                  {"60m", "1h"},
                                                  {"7d", "1w"},
                                                  {"90d", "90d"},
                                                  {"365d", "1y"},
                                                  {"1500ms", "1s500ms"},
                                                  {"36h", "1d12h"},
                                                  {"nonsense", "nonsense"},
                                                  {"1s1m", "1s1m"},
                                                  {"-5m", "-5m"},
                                                  {"99999999999999999999y", "99999999999999999999y"},
                                                  {"5", "5"},
                                                  {"", ""}}));
    CHECK(canonical_duration(text) == canonical);
}

TEST_CASE("what is read from YAML keeps what a Go program would see") {
    const Json read =
        read_yaml("a: 1.10\nb: '1'\nc: 012\nd: yes\ne: true\nf: ~\ng: -7\nh: [x, {y: z}]\n", "f");
    CHECK(read ==
          Json::parse(
              R"({"a":"1.10","b":"1","c":"012","d":"yes","e":true,"f":null,"g":-7,"h":["x",{"y":"z"}]})"));
}

TEST_CASE("YAML that is printed reads back as what it was") {
    const char* const text = GENERATE(
        "plain", "with space", "", "true", "No", "1.10", "012", "- x", "a: b", "# no", "it's \"so\"",
        "two\nlines", "two\nlines\n", "\nfirst empty", "  indented\nmore", "trailing \nblank", "tab\tin",
        "\x7f", "ö", "{{ $labels.job }}", "sum(rate(a{b=\"c d\"}[5m])) > 1", "a\n\n\nb\n\n", "~", "null", "@",
        "*", "&x", "!y", "a #b", "a:", "\\", "'", "- ", "0x1f", "=", "<<", "| x");
    const Json value{{"key", text}, {"list", {text, {{"in", text}, {"empty", Json::array()}}}}, {text, 1}};
    const std::string printed = print_yaml(value);
    INFO(printed);
    CHECK(read_yaml(printed, "f") == value);
}

TEST_CASE("rules are printed as people write them") {
    const Json value{{"groups",
                      {{{"name", "g"},
                        {"rules",
                         {{{"expr", "up == 0"},
                           {"alert", "Down"},
                           {"for", "5m"},
                           {"labels", {{"severity", "page"}}}}}}}}}};
    CHECK(print_yaml(value) ==
          "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: \"up == 0\"\n    for: \"5m\"\n"
          "    labels:\n      severity: page\n");
}

TEST_CASE("broken YAML is told with its place") {
    const auto [text, place] =
        GENERATE(table<const char*, const char*>({{"a: [", "f:1:"},
                                                  {"a: 1\na: 2\n", "f:2:1: the key \"a\" stands there twice"},
                                                  {"a: 1\n---\nb: 2\n", "several documents"},
                                                  {"? [x]\n: y\n", "a key is no text"}}));
    try {
        read_yaml(text, "f");
        FAIL("it was read");
    } catch (const sdk::Error& error) {
        CHECK_THAT(error.what(), ContainsSubstring(place));
        CHECK(error.diagnostic().code == "monitoring.yaml");
    }
}

TEST_CASE("expressions that differ in blanks alone are one, but not inside of quotes") {
    const auto [left, right, is_same] =
        GENERATE(table<const char*, const char*, bool>({{"up==0", "up == 0", true},
                                                        {"a{b=\"c d\"}", "a{ b = \"c d\" }", true},
                                                        {"a{b=\"c d\"}", "a{b=\"cd\"}", false},
                                                        {"a{b='x\\' y'}", "a{b='x\\'y'}", false},
                                                        {"a\n+ b", "a+b", true},
                                                        {"a", "ab", false},
                                                        {"", "  ", true},
                                                        {"a{b=\"x\"} + c", "a{b=\"x\"}+c", true},
                                                        {"`a b`", "`ab`", false},
                                                        {"`a\\` + b", "`a\\`+b", true}}));
    CHECK(is_same_but_blanks(left, right) == is_same);
    CHECK(is_same_but_blanks(right, left) == is_same);
}

TEST_CASE("what the API says of a group is what stands in the file") {
    const auto said = read_rules_answer(R"j({"status":"success","data":{"groups":[
        {"name":"g","file":"/f","interval":90,"limit":0,"rules":[
        {"state":"firing","alerts":[{"labels":{"alertname":"B"},"annotations":{},"value":"1","name":"no"}],
         "name":"A","query":"up == 0","duration":90,"keepFiringFor":0,"labels":{},"annotations":{"s":"x"},
         "health":"ok","type":"alerting"},
        {"type":"recording","name":"r","query":"sum(up)","labels":{"a":"1"},"evaluationTime":0.1}],
        "lastEvaluation":"2026-01-01T00:00:00Z"},
        {"name":"h","file":"/f","interval":0.5,"limit":7,"rules":[]}]}})j");
    REQUIRE(said);
    REQUIRE(said->size() == 2);
    CHECK(said->front().file == "/f");
    const Json file = Json::parse(R"j({"name":"g","interval":"90s","limit":0,"rules":[
        {"alert":"A","expr":"up == 0","for":"1m30s","labels":{},"annotations":{"s":"x"}},
        {"record":"r","expr":"sum(up)","labels":{"a":1},"for":"0s"}]})j");
    CHECK(said->front().spec == canonical_group(file));
    CHECK(said->back().spec ==
          canonical_group(Json::parse(R"({"name":"h","interval":"500ms","limit":7,"rules":[]})")));
    for (const char* no : {R"({"groups":[]})", R"({"data":{}})", "[[]]", R"({"data":[1]})"})
        CHECK_FALSE(read_rules_answer(no));
    CHECK(read_rules_answer(R"({"data":{"groups":null}})").value().empty()); // as Go writes an empty list
}

TEST_CASE("an answer of Prometheus' is read with its escapes, and one that is cut off is none") {
    const std::string text =
        R"j({ "a":[1,{"b":[]},"]"], "data" : {"groups":[ {"file":"/f","more":{"rules":[{}]},
        "name":"q\"\\ \u003c\u003e\u0026 \n\u00f6\ud83d\ude00","interval":1e1,"limit":-2,"rules":[
        {"type":"alerting","name":"A","query":"a{b=\"c\"} \u003e 1","duration":0.25,"labels":{"l":"\t"},
        "annotations":null}]}]}})j";
    const auto said = read_rules_answer(text);
    REQUIRE(said);
    const Json& spec = said->front().spec;
    CHECK(spec["name"] == "q\"\\ <>& \nö\U0001F600");
    CHECK(spec["interval"] == "10s");
    CHECK(spec["limit"] == -2);
    CHECK(spec["rules"] ==
          Json::parse(R"j([{"alert":"A","expr":"a{b=\"c\"} > 1","for":"250ms","labels":{"l":"\t"}}])j"));
    for (std::size_t size = 0; size < text.size(); ++size) {
        std::optional<std::vector<LoadedGroup>> cut;
        CHECK_THROWS_AS(cut = read_rules_answer(text.substr(0, size)).value(), std::exception);
    }
    for (const char* no :
         {"", R"({"data":{"groups":[}})", R"({"data":{"groups":[] x}})", R"({"data":{"groups":[]}}x)",
          R"({"data":{"groups":[{"name":"\x"}]}})", R"({"data":{"groups":[{"limit":1.e.2}]}})"})
        CHECK_THROWS_AS(read_rules_answer(no), sdk::Error);
}

TEST_CASE("what is declared is found in what runs, with defaults besides and secrets hidden") {
    const auto [wanted, there, is_in] = GENERATE(table<const char*, const char*, bool>(
        {{R"({"a":"90s"})", R"({"a":"1m30s","b":2})", true},
         {R"({"url":"http://x/secret"})", R"({"url":"<secret>"})", true},
         {R"({"a":[1,2]})", R"({"a":[1]})", false},
         {R"({"a":[{"x":"1"}]})", R"({"a":[{"x":1,"y":2}]})", true},
         {R"({"a":{}})", R"({})", true},
         {R"({"a":"x"})", R"({})", false},
         {R"({"a":false})", R"({"a":true})", false}}));
    CHECK(is_within(Json::parse(wanted), Json::parse(there)) == is_in);
}

TEST_CASE("an update keeps what others set and unsets what is declared no more") {
    const Json there{{"name", "g"}, {"interval", "1m"}, {"limit", 5}};
    CHECK(merged(there, {{"name", "g"}}, {{"name", "g"}, {"limit", 5}}) ==
          Json{{"name", "g"}, {"interval", "1m"}});
    CHECK(merged(nullptr, {{"name", "g"}}, nullptr) == Json{{"name", "g"}});
}

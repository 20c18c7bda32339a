#include "base/json.hpp"
#include "manifest/scalars.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("plain scalars mean what both versions of YAML agree on, or are called ambiguous") {
    // text, strict (or "?" where it is ambiguous), as kubectl reads it
    auto [text, strict, kubernetes] = GENERATE(table<std::string, std::string, std::string>({
        {"null", "null", "null"},
        {"Null", "null", "null"},
        {"~", "?", "null"},
        {"true", "true", "true"},
        {"FALSE", "false", "false"},
        {"tRue", "\"tRue\"", "\"tRue\""},
        {"yes", "?", "true"},
        {"No", "?", "false"},
        {"on", "?", "true"},
        {"OFF", "?", "false"},
        {"y", "?", "true"},
        {"N", "?", "false"},
        {"yEs", "\"yEs\"", "\"yEs\""},
        {"0", "0", "0"},
        {"-0", "0", "0"},
        {"12", "12", "12"},
        {"+12", "12", "12"},
        {"-12", "-12", "-12"},
        {"0644", "?", "420"},
        {"-0644", "?", "-420"},
        {"08", "?", "8"},
        {"0o17", "?", "15"},
        {"0b101", "?", "5"},
        {"0x1F", "31", "31"},
        {"0xZZ", "\"0xZZ\"", "\"0xZZ\""},
        {"1_000", "?", "1000"},
        {"1:30", "?", "\"1:30\""},
        {"11:22:33:44:55:10", "?", "\"11:22:33:44:55:10\""},
        {"00:11:22:33:44:55", "\"00:11:22:33:44:55\"", "\"00:11:22:33:44:55\""},
        {"aa:bb:cc", "\"aa:bb:cc\"", "\"aa:bb:cc\""},
        {"1:99", "\"1:99\"", "\"1:99\""},
        {"10.0.0.1", "\"10.0.0.1\"", "\"10.0.0.1\""},
        {"1.5", "1.5", "1.5"},
        {"1.", "1", "1"},
        {".5", "0.5", "0.5"},
        {"1e3", "1000", "1000"},
        {"1e400", "\"1e400\"", "\"1e400\""},
        {"1e-400", "0", "0"},
        {".inf", "?", "\".inf\""},
        {".NaN", "?", "\".NaN\""},
        {"2001-12-14", "\"2001-12-14\"", "\"2001-12-14\""},
        {"9223372036854775807", "9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551616", "18446744073709551616", "18446744073709551616"},
        {"1.2.3", "\"1.2.3\"", "\"1.2.3\""},
        {"+", "\"+\"", "\"+\""},
        {"--1", "\"--1\"", "\"--1\""},
        {"-", "\"-\"", "\"-\""},
        {"text", "\"text\"", "\"text\""},
        {"12abc", "\"12abc\"", "\"12abc\""},
    }));
    CAPTURE(text);
    const PlainScalar ours = read_plain_scalar(text, ScalarRules::strict);
    CHECK((ours.ambiguity.empty() ? to_json(ours.value) : "?") == strict);
    CHECK(to_json(read_plain_scalar(text, ScalarRules::kubernetes).value) == kubernetes);
}

TEST_CASE("an ambiguous scalar is underlined and asks for quotes") {
    Diagnostics problems;
    parse_yaml("spec:\n  mode: 0644\n", "f.yaml", ScalarRules::strict, problems);
    REQUIRE(problems.size() == 1);
    CHECK(render(problems.list()[0]) ==
          "f.yaml:2:9: error: 0644 is 420 for YAML 1.1 and 644 for YAML 1.2 [manifest.ambiguous-scalar]\n"
          "     2 |   mode: 0644\n"
          "       |         ^^^^ write \"0644\"\n");
}

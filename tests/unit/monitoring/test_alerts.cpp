#include "monitoring/alerts.hpp"
#include "monitoring/compile.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::monitoring;
using sdk::Json;

namespace {

Json document(const char* kind, Json spec) {
    return {{"apiVersion", api_version},
            {"kind", kind},
            {"metadata", {{"name", "m"}}},
            {"spec", std::move(spec)}};
}

std::string problems_of(const Json& from) {
    sdk::Diagnostics problems;
    compile_document(from.dump(), problems);
    std::string out;
    for (const sdk::Diagnostic& why : problems)
        out += (out.empty() ? "" : ", ") + why.code + " " + why.pointer;
    return out;
}

} // namespace

TEST_CASE("one matcher has one spelling") {
    const auto [text, printed] =
        GENERATE(table<const char*, const char*>({{"a=b", "a=\"b\""},
                                                  {" a = \"b c\" ", "a=\"b c\""},
                                                  {"a=~b.*", "a=~\"b.*\""},
                                                  {"a!=b", "a!=\"b\""},
                                                  {"a!~\"b\"", "a!~\"b\""},
                                                  {"a=\"x\\\"y\\\\z\\n\"", "a=\"x\\\"y\\\\z\\n\""},
                                                  {"a=", "a=\"\""},
                                                  {"a=\"b=c\"", "a=\"b=c\""},
                                                  {"a=~\"\\d\"", "a=~\"\\\\d\""}}));
    const auto matcher = parse_matcher(text);
    REQUIRE(matcher);
    CHECK(print_matcher(*matcher) == printed);
    CHECK(print_matcher(*parse_matcher(printed)) == printed);
}

TEST_CASE("what is no matcher is none") {
    CHECK_FALSE(parse_matcher(
        GENERATE("", "a", "=b", "1a=b", "a-b=c", "a=\"b", "a=b\"", "a=\"b\"c\"", "a\"=b", "a=\"\\\"")));
}

TEST_CASE("routes of old and new words are one") {
    const Json old = Json::parse(
        R"({"match":{"b":"2"},"match_re":{"a":"1|2"},"group_by":["y","x"],"routes":[{"match":{"n":3}}]})");
    const Json now = Json::parse(
        R"({"matchers":["b=2","a=~\"1|2\""],"group_by":["x","y"],"routes":[{"matchers":["n=\"3\""]}]})");
    CHECK(canonical_route(old) == canonical_route(now));
    CHECK(route_key(old) == route_key(now));
    CHECK(route_key(now).identity == R"(["a=~\"1|2\"","b=\"2\""])");
}

TEST_CASE("times are told in UTC, and nonsense is none") {
    const auto [text, printed] =
        GENERATE(table<const char*, const char*>({{"2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"},
                                                  {"2026-11-23T10:00:00.123Z", "2026-11-23T10:00:00Z"},
                                                  {"2026-11-23T10:00:00+01:30", "2026-11-23T08:30:00Z"},
                                                  {"2026-11-23T23:00:00-02:00", "2026-11-24T01:00:00Z"}}));
    REQUIRE(parse_time(text));
    CHECK(print_time(*parse_time(text)) == printed);
    CHECK_FALSE(
        parse_time(GENERATE("", "tomorrow", "2026-11-23", "2026-11-23T10:00:00", "2026-11-23T10:00:00ZZ",
                            "2026-11-23T10:00:00+1", "2026-11-23T10:00:00.Z")));
}

TEST_CASE("no secret comes out with a program's words") {
    const Json spec = Json::parse(
        R"({"webhook_configs":[{"url":"http://host/abcdef"}],"slack_configs":[{"http_config":{"basic_auth":{"password":"hunter2"}}}]})");
    CHECK(without_secrets("bad URL http://host/abcdef and hunter2, twice hunter2", spec) ==
          "bad URL <secret> and <secret>, twice <secret>");
}

TEST_CASE("a configuration becomes its top, its receivers and its routes in their order") {
    sdk::Diagnostics problems;
    const auto leaves =
        compile_document(document("AlertmanagerConfig", Json::parse(R"({"global":{"resolve_timeout":"5m"},
        "route":{"receiver":"a","group_by":["z","y"],
        "routes":[{"match":{"x":"y"},"receiver":"b"},{"receiver":"c"}]},
        "receivers":[{"name":"a"},{"name":"b"}]})"))
                             .dump(),
                         problems);
    REQUIRE(problems.empty());
    REQUIRE(leaves.size() == 5);
    CHECK(
        leaves[0].document["spec"] ==
        Json::parse(R"({"global":{"resolve_timeout":"5m"},"route":{"receiver":"a","group_by":["y","z"]}})"));
    CHECK(leaves[1].key == receiver_key("a"));
    CHECK(leaves[1].pointer == "/spec/receivers/0");
    CHECK(leaves[3].document["spec"] == Json::parse(R"({"matchers":["x=\"y\""],"receiver":"b","order":0})"));
    CHECK(leaves[4].key.identity == "[]");
    CHECK(leaves[4].document["spec"]["order"] == 1);
}

TEST_CASE("what is wrong in alerting documents is told with its place") {
    CHECK(problems_of(document("Route", Json::parse(R"({"matchers":["severity page"]})"))) ==
          "monitoring.matcher /spec/matchers/0");
    CHECK(problems_of(document("AlertmanagerConfig", Json::parse(R"({"route":{}})"))) ==
          "monitoring.no-receiver /spec/route");
    CHECK(problems_of(document("Silence", Json::parse(R"({"matchers":["a=b"],"endsAt":"tomorrow"})"))) ==
          "monitoring.time /spec/endsAt");
    CHECK(
        problems_of(document(
            "Silence",
            Json::parse(
                R"({"matchers":["a=b"],"startsAt":"2027-01-01T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"})"))) ==
        "monitoring.time /spec/endsAt");
}

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <holdfast/json.hpp>
#include <holdfast/provider.hpp>

using namespace holdfast::sdk;

TEST_CASE("quoted text is JSON whatever the bytes are") {
    auto [raw, expected] = GENERATE(table<std::string, std::string>({
        {"plain", "plain"},
        {"a\"b\\c\n\t\x01", "a\"b\\c\n\t\x01"},
        {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
        {std::string("nul\0byte", 8), std::string("nul\0byte", 8)},
        {"broken\xFFname", "broken\xEF\xBF\xBDname"},
        {"cut\xE2\x82", "cut\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xC0\xAF overlong", "\xEF\xBF\xBD\xEF\xBF\xBD overlong"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    }));
    CHECK(nlohmann::json::parse(quote(raw)).get<std::string>() == expected);
}

TEST_CASE("a member of the options is found in any shape of object, and nonsense finds nothing") {
    auto [object, expected] = GENERATE(table<std::string, std::string>({
        {R"({"kind":"x","page":"7"})", "7"},
        {R"( { "a" : [1,{"page":"no"}] , "page" : "\u00fc\ud83d\ude00\n" } )", "\xC3\xBC\xF0\x9F\x98\x80\n"},
        {R"({"b":{"page":"no"},"c":"}","page":"yes"})", "yes"},
        {R"({"n":-1.5e3,"t":true,"page":"yes"})", "yes"},
        {R"({"page":7})", "-"},
        {R"({"page")", "-"},
        {R"({"page":"unfinished)", "unfinished"},
        {"", "-"},
        {"[]", "-"},
        {R"({"kind":"x"})", "-"},
    }));
    CHECK(text_member(object, "page").value_or("-") == expected);
}

TEST_CASE("diagnostics are written with the members that they have") {
    Diagnostic conflict;
    conflict.code = "x.conflict";
    conflict.message = "somebody \"else\" wrote";
    conflict.retry = Retry::conflict;
    Diagnostic busy;
    busy.code = "x.busy";
    busy.severity = Severity::warning;
    busy.retry = Retry::after;
    busy.retry_after = std::chrono::milliseconds(500);
    busy.pointer = "/spec/a";
    busy.hint = "wait";
    CHECK(nlohmann::json::parse(to_json({conflict, busy})) == nlohmann::json::parse(R"([
        {"severity":"error","code":"x.conflict","message":"somebody \"else\" wrote","retry":"conflict"},
        {"severity":"warning","code":"x.busy","hint":"wait","pointer":"/spec/a",
         "retry":"after","retryAfterMs":500}])"));
}

TEST_CASE("a header is found by its whole name only") {
    HttpResponse response;
    response.headers = "content-type: text/plain\r\netag:\"x\"\r\nempty:\r\n";
    CHECK(response.header("content-type") == std::string("text/plain"));
    CHECK(response.header("etag") == std::string("\"x\""));
    CHECK(response.header("empty") == std::string());
    CHECK_FALSE(response.header("content"));
}

TEST_CASE("JSON is written as dump() writes it") {
    const std::string text =
        GENERATE(R"({"b":[1,-2,18446744073709551615,2.5,1e300,true,false,null,{},[]],"a":{"x":"y"}})",
                 R"({"key \"quoted\"":"line\nbreak\ttab\u0001 \\ \u007f"})",
                 R"(["\u00e9\u20ac\ud83d\ude00"])", R"("")", "12", "null");
    const Json value = Json::parse(text);
    CHECK(dump_json(value) == value.dump());
    CHECK(Json::parse(dump_json(Json("\xff broken"))) == "\xEF\xBF\xBD broken");
}

TEST_CASE("what a JSON pointer names is found, and nothing else") {
    const Json value =
        Json::parse(R"({"a":{"b/c":1,"~":2,"":3,"~1":4},"l":[10,[20]],"0":{"1":5}})");
    const auto [pointer, found] = GENERATE(table<const char*, Json>({{"/a/b~1c", 1},
                                                                          {"/a/~0", 2},
                                                                          {"/a/", 3},
                                                                          {"/a/~01", 4},
                                                                          {"/l/1/0", 20},
                                                                          {"/0/1", 5},
                                                                          {"/l/2", nullptr},
                                                                          {"/l/01", nullptr},
                                                                          {"/l/-", nullptr},
                                                                          {"/l/x", nullptr},
                                                                          {"/l/", nullptr},
                                                                          {"/l/0/0", nullptr},
                                                                          {"/a/b", nullptr},
                                                                          {"/l/4294967296", nullptr}}));
    INFO(pointer);
    const Json* at = find(value, pointer);
    CHECK((at ? *at : Json()) == found);
    CHECK(find(value, "") == &value);
}

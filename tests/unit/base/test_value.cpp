#include "base/hash.hpp"
#include "base/json.hpp"
#include "base/value.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("equal documents print to equal bytes however their keys were ordered") {
    const Value a = *parse_json(R"({"b": [1, 2.5, true, null], "a": {"y": "\u00e9\n", "x": 1e2}})");
    const Value b = *parse_json(R"({"a": {"x": 100, "y": "é\n"}, "b": [1, 2.5, true, null]})");
    CHECK(a == b);
    CHECK(to_json(a) == R"({"a":{"x":100,"y":"é\n"},"b":[1,2.5,true,null]})");
    CHECK(to_json(a) == to_json(b));
}

TEST_CASE("printed JSON reads back as the same document") {
    const Value value = Value::map({{"control", std::string("\x01\x1f\"\\/", 5)},
                                    {"large", std::int64_t{9007199254740993}},
                                    {"small", 1e-7},
                                    {"negative", -0.5},
                                    {"empty", Value::map({})},
                                    {"list", Value::list({Value::list({}), nullptr, false})}});
    CHECK(*parse_json(to_json(value)) == value);
    CHECK(*parse_json(to_pretty_json(value)) == value);
}

TEST_CASE("JSON that is no document is refused with its reason") {
    auto [text, code] = GENERATE(table<std::string, std::string>({
        {"", "json.syntax"},
        {"{", "json.syntax"},
        {"[1,]", "json.syntax"},
        {"{\"a\":1,\"a\":2}", "json.duplicate-key"},
        {"\"\xff\"", "json.encoding"},
        {std::string(300, '['), "json.too-deep"},
    }));
    CAPTURE(text);
    Result<Value> parsed = parse_json(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == code);
}

TEST_CASE("a document over the size limit is refused before it is parsed") {
    Result<Value> parsed = parse_json("[1,2,3]", {.max_bytes = 6});
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == "json.too-large");
}

TEST_CASE("JSON pointers find, set and erase") {
    Value root = *parse_json(R"({"a/b": {"~": [10, {"x": 1}]}})");
    REQUIRE(find_at(root, "/a~1b/~0/1/x"));
    CHECK(*find_at(root, "/a~1b/~0/0") == Value(10));
    CHECK(find_at(root, "") == &root);
    CHECK_FALSE(find_at(root, "/a~1b/~0/2"));
    CHECK_FALSE(find_at(root, "/a~1b/~0/-1"));

    CHECK(set_at(root, "/new/deep", "v"));
    CHECK(*find_at(root, "/new/deep") == Value("v"));
    CHECK(set_at(root, "/a~1b/~0/2", "appended"));
    CHECK_FALSE(set_at(root, "/new/deep/under-a-scalar", 1));

    CHECK(erase_at(root, "/a~1b/~0/0"));
    CHECK(find_at(root, "/a~1b/~0")->if_list()->size() == 2);
    CHECK_FALSE(erase_at(root, "/nowhere"));
}

TEST_CASE("a map made of unsorted entries keeps the last of equal keys") {
    std::vector<MapEntry> entries;
    entries.push_back({"b", 1, {}});
    entries.push_back({"a", 2, {}});
    entries.push_back({"b", 3, {}});
    const Map map = Map::from_unsorted(std::move(entries));
    CHECK(to_json(Value(map)) == R"({"a":2,"b":3})");
}

TEST_CASE("an integer and a real of the same size are equal, as in JSON") {
    CHECK(Value(1) == Value(1.0));
    CHECK_FALSE(Value(1) == Value("1"));
    CHECK_FALSE(Value(1) == Value(true));
}

TEST_CASE("hashes agree with the published test vectors") {
    CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // RFC 4231, test case 2
    CHECK(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(sha256_of({"ab", "c"}) != sha256_of({"a", "bc"}));
    CHECK(hash_from_hex(to_hex(sha256("x"))) == sha256("x"));
    CHECK_FALSE(hash_from_hex("12").has_value());
}

TEST_CASE("the text of a member is found without a parse") {
    auto [json, pointer, text] = GENERATE(table<std::string, std::string, std::string>({
        {R"({"a":1,"spec":{"b":[1,{"c":"}"}]},"z":null})", "/spec", R"({"b":[1,{"c":"}"}]})"},
        {R"({"spec":{"name":"quote \" and \\"}})", "/spec/name", R"("quote \" and \\")"},
        {" { \"a\" : [ 1 , 2 ] , \"b\" : true } ", "/b", "true"},
        {R"({"a":"\\","b":2})", "/b", "2"},
        {R"({"a":{}})", "", R"({"a":{}})"},
    }));
    CAPTURE(json, pointer);
    CHECK(json_text_at(json, pointer) == std::optional<std::string_view>(text));
    if (!pointer.empty()) CHECK(parse_json(*json_text_at(json, pointer)).ok());
}

TEST_CASE("where only a parse can tell what a member is, no text is given") {
    auto [json, pointer] = GENERATE(table<std::string, std::string>({
        {R"({"a":1})", "/b"},             // not there
        {R"({"a":1,"a":2})", "/a"},       // there twice
        {R"({"\u0061":1,"a":2})", "/a"},  // perhaps there twice
        {R"({"a":[{"b":1}]})", "/a/0/b"}, // a list
        {R"({"a":1)", "/a"},              // cut off
        {R"({"a":"1)", "/a"},
        {R"({"a":})", "/a"},
        {"", "/a"},
        {"nonsense", "/a"},
    }));
    CAPTURE(json, pointer);
    CHECK_FALSE(json_text_at(json, pointer));
}

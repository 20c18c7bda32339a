#include <algorithm>

#include "base/json.hpp"
#include "conformance/sample.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::conformance;

namespace {

Value json(const std::string& text) { return *parse_json(text); }

KindInfo kind_with(const std::string& spec_schema) {
    KindInfo kind{.api_version = "x.example.org/v1", .kind = "Thing"};
    kind.identity = {"/spec/key"};
    kind.compare = {"/spec"};
    kind.observed = {"/status"};
    kind.schema = json(R"({"properties": {"spec": )" + spec_schema + "}}");
    return kind;
}

// "pointer" of each edit, in order; those that unset with a minus.
std::vector<std::string> pointers_of(const std::vector<Edit>& edits) {
    std::vector<std::string> out;
    for (const Edit& edit : edits) out.push_back((edit.unsets ? "-" : "") + edit.pointer);
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace

TEST_CASE("words are filled in wherever they stand, and what is no word stays") {
    const Words words{{"name", "a1"}, {"dir", "/d"}};
    const auto [text, filled] = GENERATE(table<std::string, std::string>({{"$name", "a1"},
                                                                          {"$dir/$name.conf", "/d/a1.conf"},
                                                                          {"x${name}y", "xa1y"},
                                                                          {"$names", "$names"},
                                                                          {"${name", "${name"},
                                                                          {"$ $$ 5$", "$ $$ 5$"},
                                                                          {"", ""}}));
    CHECK(fill_text(text, words) == filled);
    CHECK(fill_in(json(R"({"$name": ["$dir", 1, {"k": "$name"}]})"), words) ==
          json(R"({"a1": ["/d", 1, {"k": "a1"}]})"));
}

TEST_CASE("a merge patch sets, removes and descends, as RFC 7396 shows") {
    const auto [target, patch, result] = GENERATE(table<std::string, std::string, std::string>(
        {{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
         {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
         {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
         {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
         {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
         {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
         {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
         {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}}));
    CHECK(merge_patch(json(target), json(patch)) == json(result));
}

TEST_CASE("a pointer is looked up in a schema that may refer to itself, be open, or not have it") {
    const Value schema = json(R"({
        "definitions": {"port": {"type": "object", "properties": {"number": {"type": "integer"}}}},
        "properties": {"metadata": {"type": "object"},
          "spec": {"properties": {"name": {"type": "string"}, "port": {"$ref": "#/definitions/port"},
            "rules": {"type": "array", "items": {"$ref": "#/definitions/port"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}}}}}})");
    const auto [pointer, found] =
        GENERATE(table<std::string, InSchema>({{"/spec/name", InSchema::yes},
                                               {"/spec/nmae", InSchema::no},
                                               {"/spec/port/number", InSchema::yes},
                                               {"/spec/port/nubmer", InSchema::no},
                                               {"/spec/rules/*/number", InSchema::yes},
                                               {"/spec/rules/*/x", InSchema::no},
                                               {"/spec/labels/any", InSchema::yes},
                                               {"/metadata/name", InSchema::open},
                                               {"/status", InSchema::no}}));
    CAPTURE(pointer);
    CHECK(find_in_schema(schema, pointer) == found);
    CHECK(find_in_schema(Value{}, pointer) == InSchema::open);
}

TEST_CASE("changes are made of every field but those that name the object or are kept") {
    const KindInfo kind = kind_with(R"({"required": ["key", "size"], "properties": {
        "key": {"type": "string"}, "size": {"type": "integer"}, "on": {"type": "boolean"},
        "mode": {"enum": ["a", "b"]}, "fixed": {"const": 1}, "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}}, "other": {"type": "string"}}})");
    KindSettings settings;
    settings.keep = {"/spec/note"};
    settings.changes = {json(R"({"spec": {"size": 7}})")};
    const auto checker = SchemaChecker::compile(kind.schema);
    REQUIRE(checker);
    EditMaker maker(kind, settings, [&](const Value& document) {
        Diagnostics problems;
        return (*checker)->check(document, problems);
    });
    const Value document = json(R"({"spec": {"key": "k", "size": 1, "on": true, "mode": "a", "fixed": 1,
        "note": "n", "tags": ["x", "y"]}})");
    const std::vector<Edit> edits = maker.edits_of(document, {});
    CHECK(pointers_of(edits) == std::vector<std::string>{"-/spec/fixed", "-/spec/mode", "-/spec/on",
                                                         "/spec/mode", "/spec/on", "/spec/size", "/spec/tags",
                                                         "/spec/tags"});
    for (const Edit& edit : edits) {
        CAPTURE(edit.what);
        CHECK_FALSE(edit.document == document);
        CHECK(edit.is_given == (edit.pointer == "/spec/size"));
    }
    CHECK(maker.untouched(document) == std::vector<std::string>{"/spec/other"});
}

TEST_CASE("a value is tried until the schema takes one, and a field without any is named") {
    const KindInfo kind = kind_with(R"({"required": ["key", "mode", "only"], "properties": {
        "key": {"type": "string"}, "mode": {"type": "string", "pattern": "^0[0-7]{3}$"},
        "only": {"type": "string", "pattern": "^one$"}}})");
    const KindSettings settings;
    const auto checker = SchemaChecker::compile(kind.schema);
    REQUIRE(checker);
    EditMaker maker(kind, settings, [&](const Value& document) {
        Diagnostics problems;
        return (*checker)->check(document, problems);
    });
    const std::vector<Edit> edits =
        maker.edits_of(json(R"({"spec": {"key": "k", "mode": "0640", "only": "one"}})"), {});
    REQUIRE(edits.size() == 1);
    CHECK(*find_at(edits[0].document, "/spec/mode") == Value("0641"));
    CHECK(maker.unchangeable() == std::vector<std::string>{"/spec/only"});
}

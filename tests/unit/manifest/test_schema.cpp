#include "base/json.hpp"
#include "manifest/load.hpp"
#include "manifest/yaml.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

constexpr std::string_view schema = R"json({
  "type": "object",
  "required": ["kind", "spec"],
  "additionalProperties": false,
  "definitions": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
  "properties": {
    "kind": {"const": "Rule"},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "spec": {
      "type": "object",
      "required": ["path"],
      "additionalProperties": false,
      "properties": {
        "path": {"type": "string", "pattern": "^[a-z/]+$", "maxLength": 5000},
        "ttl": {"type": "integer"},
        "action": {"enum": ["accept", "drop", 1]},
        "port": {"$ref": "#/definitions/port"},
        "share": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "maxItems": 3},
        "either": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["from"]}]},
        "one": {"oneOf": [{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": 6}]},
        "text": {"type": ["string", "null"], "minLength": 2},
        "no": {"not": {"type": "string"}}
      }
    }
  }
})json";

std::shared_ptr<const SchemaChecker> checker() {
    static const auto made = SchemaChecker::compile(*parse_json(schema));
    REQUIRE(made.ok());
    return *made;
}

// "code line:column message (hint)" of each problem, one a line.
std::string check(const std::string& yaml) {
    Diagnostics syntax, problems;
    const auto documents = parse_yaml(yaml, "f", ScalarRules::strict, syntax);
    REQUIRE(syntax.empty());
    REQUIRE(documents.size() == 1);
    const bool fits = checker()->check(documents[0].tree, problems);
    CHECK(fits == problems.empty());
    std::string out;
    for (const Diagnostic& p : problems)
        out += p.code + " " + std::to_string(p.span.position.line) + ":" +
               std::to_string(p.span.position.column) + " " + p.message +
               (p.hint.empty() ? "" : " (" + p.hint + ")") + "\n";
    return out;
}

std::string check_spec(const std::string& line) {
    return check("kind: Rule\nspec:\n  path: a/b\n  " + line + "\n");
}

} // namespace

TEST_CASE("a document that fits its schema is fine") {
    CHECK(check("kind: Rule\nlabels: {a: b}\nspec: {path: a, ttl: 3, action: 1, port: 80, share: 1.5, tags: "
                "[a, b],"
                " either: {from: 1}, one: 9, text: null, no: 1}\n") == "");
    CHECK(check_spec("ttl: 3.0") == "");
}

TEST_CASE("a document that does not fit is told what is wrong, where, and what was meant") {
    auto [line, problem] = GENERATE(table<std::string, std::string>({
        {"tll: 300", "manifest.unknown-key 4:3 unknown key \"tll\" in spec (did you mean \"ttl\"?)"},
        {"ttl: \"300\"", "manifest.wrong-type 4:8 spec.ttl must be an integer, but is the text \"300\""},
        {"text: 1",
         "manifest.wrong-type 4:9 spec.text must be text or null, but is the number 1 (write \"1\")"},
        {"text: a", "manifest.bad-value 4:9 spec.text must have at least 2 characters, but has 1"},
        {"action: acept", "manifest.bad-value 4:11 spec.action must be one of accept, drop, 1, but is the "
                          "text \"acept\" (did you mean \"accept\"?)"},
        {"port: 70000", "manifest.bad-value 4:9 spec.port must be at most 65535, but is 70000"},
        {"share: 0", "manifest.bad-value 4:10 spec.share must be more than 0, but is 0"},
        {"share: 0.7", "manifest.bad-value 4:10 spec.share must be a multiple of 0.5, but is 0.7"},
        {"tags: [a, 1]",
         "manifest.wrong-type 4:13 spec.tags[1] must be text, but is the number 1 (write \"1\")"},
        {"tags: [a, b, a]", "manifest.bad-value 4:16 \"a\" stands twice in spec.tags"},
        {"tags: [a, b, c, d]", "manifest.bad-value 4:9 spec.tags must have at most 3 items, but has 4"},
        {"tags: {}", "manifest.wrong-type 4:9 spec.tags must be a list, but is a map"},
        {"either: 1", "manifest.wrong-type 4:11 spec.either must be text or a map, but is the number 1"},
        {"either: {}", "manifest.missing-key 4:11 spec.either needs the key \"from\""},
        {"one: 5", "manifest.bad-value 4:8 spec.one fits several forms of which only one may apply"},
        {"no: x", "manifest.bad-value 4:7 spec.no has a form that is not allowed there"},
    }));
    CAPTURE(line);
    CHECK(check_spec(line) == problem + "\n");
}

TEST_CASE("all that is wrong is reported, missing keys at their parent") {
    CHECK(check("kind: Rul\nspec:\n  ttl: x\n") ==
          "manifest.bad-value 1:7 kind must be \"Rule\", but is the text \"Rul\"\n"
          "manifest.missing-key 3:3 spec needs the key \"path\"\n"
          "manifest.wrong-type 3:8 spec.ttl must be an integer, but is the text \"x\"\n");
    CHECK(check("kind: Rule\n") == "manifest.missing-key 1:1 the document needs the key \"spec\"\n");
}

TEST_CASE("where a reference stands, its type is not known yet") {
    CHECK(check_spec("ttl: ${{ vars.ttl }}") == "");
    CHECK(check_spec("action: ${{ vars.action }}") == "");
    CHECK(check_spec("either: ${{ vars.x }}") == "");
    CHECK(check_spec("ttl: ${{ github.sha }}").starts_with("manifest.wrong-type"));
    CHECK(check_spec("tll: ${{ vars.ttl }}").starts_with("manifest.unknown-key"));
}

TEST_CASE("a pattern is not tried on text that would exhaust the stack") {
    CHECK(check("kind: Rule\nspec:\n  path: A\n")
              .starts_with("manifest.bad-value 3:9 spec.path does not have the form"));
    const std::string found =
        check("kind: Rule\nspec:\n  path: " + std::string(1'000'000, 'a') + "\n  tll: 1\n");
    CHECK_THAT(found, ContainsSubstring("spec.path has 1000000 bytes, too many for a field with a pattern"));
    CHECK_THAT(found, ContainsSubstring("unknown key \"tll\""));
}

TEST_CASE("a schema that is wrong is said to be") {
    const std::string text = GENERATE(as<std::string>{}, R"({"type": "strin"})", R"({"pattern": "("})",
                                      R"([])", R"({"$ref": "#/no"})");
    CAPTURE(text);
    const auto made = SchemaChecker::compile(*parse_json(text));
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == "schema.invalid");
}

TEST_CASE("a format is a remark, whatever stands there") {
    const auto made = SchemaChecker::compile(
        *parse_json(R"json({"properties": {"path": {"type": "string", "format": "path"},
                                           "size": {"type": "integer", "format": "int32"}}})json"));
    REQUIRE(made.ok());
    const auto [document, code] = GENERATE(table<std::string, std::string>(
        {{R"({"path": "a", "size": 5})", ""}, {R"({"path": {"run": []}})", "manifest.wrong-type"}}));
    Diagnostics problems;
    CHECK((*made)->check(*parse_json(document), problems) == code.empty());
    CHECK((problems.empty() ? "" : problems.list().front().code) == code);
}

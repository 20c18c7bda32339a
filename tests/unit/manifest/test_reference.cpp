#include "base/json.hpp"
#include "manifest/reference.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

Resolution answer(const Reference& reference, std::string_view) {
    if (reference.root == Reference::Root::secrets) return {.value = Value("s3cret"), .sensitive = true};
    if (reference.root == Reference::Root::outputs) {
        if (reference.path.empty() || reference.path[0] == "later")
            return {.state = Resolution::State::not_yet};
        return {.value = *follow_path(*parse_json(R"({"status":{"addresses":["192.0.2.1","192.0.2.2"]}})"),
                                      reference.path)};
    }
    static const Value vars =
        *parse_json(R"({"zone":"example.org","port":8080,"on":true,"list":[1,2],"none":null})");
    const Value* value = vars.find(reference.name);
    if (!value)
        return {.state = Resolution::State::error,
                .problem = failure("reference.unknown-variable", "no " + reference.name)};
    return {.value = *value};
}

std::string resolved(const std::string& text) {
    const ResolvedDocument out = resolve_references(Value::map({{"x", text}}), answer);
    if (!out.problems.empty()) return out.problems.list()[0].code + " " + out.problems.list()[0].pointer;
    return to_json(*out.document.find("x"));
}

} // namespace

TEST_CASE("references are replaced, and everything else stays as it is") {
    auto [text, expected] = GENERATE(table<std::string, std::string>({
        {"${{ vars.zone }}", "\"example.org\""},
        {"${{vars.zone}}", "\"example.org\""},
        {"${{ vars.port }}", "8080"},
        {"${{ vars.on }}", "true"},
        {"${{ vars.none }}", "null"},
        {"${{ vars.list }}", "[1,2]"},
        {"${{ vars[\"zone\"] }}", "\"example.org\""},
        {" ${{ vars.port }}", "\" 8080\""},
        {"www.${{ vars.zone }}:${{ vars.port }}", "\"www.example.org:8080\""},
        {"${{ vars.on }}${{ vars.none }}", "\"truenull\""},
        {"${{ outputs[\"web:g.dev/Kind/n\"].status.addresses[1] }}", "\"192.0.2.2\""},
        {"$${{ vars.zone }}", "\"${{ vars.zone }}\""},
        {"$$${{ vars.zone }}", "\"$${{ vars.zone }}\""},
        {"$${{ vars.zone }} ${{ vars.zone }}", "\"${{ vars.zone }} example.org\""},
        {"${vars.zone}", "\"${vars.zone}\""},
        {"$HOME and ${HOME}", "\"$HOME and ${HOME}\""},
        {"${{ github.sha }}", "\"${{ github.sha }}\""},
        {"${{ github.sha }} ${{ vars.port }}", "\"${{ github.sha }} 8080\""},
        {"${{ variables.x }}", "\"${{ variables.x }}\""},
        {"${{ vars-file }}", "\"${{ vars-file }}\""},
        {"${{ x", "\"${{ x\""},
        {"${{", "\"${{\""},
        {"}} ${{ }}", "\"}} ${{ }}\""},
        {"${{ vars.nope }}", "reference.unknown-variable /x"},
        {"a ${{ vars.list }}", "reference.not-scalar /x"},
        {"${{ vars }}", "reference.syntax /x"},
        {"${{ vars. }}", "reference.syntax /x"},
        {"${{ vars.a..b }}", "reference.syntax /x"},
        {"${{ vars.a[ }}", "reference.syntax /x"},
        {"${{ vars.a[x] }}", "reference.syntax /x"},
        {"${{ vars.a b }}", "reference.syntax /x"},
        {"${{ vars.zone", "reference.syntax /x"},
        {"${{ outputs.x }}", "reference.syntax /x"},
        {"${{ outputs[\"not an id\"].x }}", "reference.syntax /x"},
        {"${{ outputs[\"g/Kind/n\" }}", "reference.syntax /x"},
        {"${{ upper(vars.zone) }}", "\"${{ upper(vars.zone) }}\""},
    }));
    CAPTURE(text);
    CHECK(resolved(text) == expected);
}

TEST_CASE("a reference knows its root, its producer and its path") {
    const auto found =
        references_in("a ${{ outputs[\"web:instances.holdfast.dev/Instance/web-1\"].status.addresses[0] }}"
                      " ${{ secrets.DB.password }} ${{ outputs['Kind/}}'].x }}");
    REQUIRE(found.size() == 3);
    CHECK(to_string(found[0].producer) == "web:instances.holdfast.dev/Instance/web-1");
    CHECK(found[0].path == std::vector<std::string>{"status", "addresses", "0"});
    CHECK(found[0].text ==
          "${{ outputs[\"web:instances.holdfast.dev/Instance/web-1\"].status.addresses[0] }}");
    CHECK(found[1].root == Reference::Root::secrets);
    CHECK(found[1].name == "DB");
    CHECK(found[1].path == std::vector<std::string>{"password"});
    CHECK(found[2].producer.id.name == "}}");
    CHECK(found[2].producer.stack.empty());
}

TEST_CASE("what takes in a secret is sensitive, also in the middle of text") {
    const Value document =
        *parse_json(R"({"a":["plain","x ${{ secrets.A.k }} y"],"b":{"c/d":"${{ secrets.A.k }}"}})");
    const ResolvedDocument out = resolve_references(document, answer);
    CHECK(out.sensitive == std::vector<std::string>{"/a/1", "/b/c~1d"});
    CHECK(to_json(out.document) == R"({"a":["plain","x s3cret y"],"b":{"c/d":"s3cret"}})");
}

TEST_CASE("what is not known yet is left as written and waited for, once each") {
    const Value document = *parse_json(
        R"j({"a":"${{ outputs[\"g/K/n\"].later[0].x }}","b":"p ${{ outputs[\"g/K/n\"].later[0].x }} ${{ vars.port }}"})j");
    const ResolvedDocument out = resolve_references(document, answer);
    CHECK(out.document == document);
    REQUIRE(out.waits.size() == 1);
    CHECK(to_string(out.waits[0].producer) == "g/K/n");
    CHECK(out.waits[0].path == "later[0].x");
    CHECK(out.producers.size() == 1);
    CHECK(out.problems.empty());
}

TEST_CASE("all problems of a document are reported at once") {
    const Value document =
        *parse_json(R"({"a":"${{ vars }}","b":"${{ vars.nope }} ${{ vars. }}","c":"${{ vars.port }}"})");
    const ResolvedDocument out = resolve_references(document, answer);
    CHECK(out.problems.size() == 3);
    CHECK(*out.document.find("c") == Value(8080));
}

TEST_CASE("uses in a document are found with their pointers") {
    const auto uses =
        references_of(*parse_json(R"({"a":[{"b":"${{ vars.x }}${{ vars.y }}"}],"c":"${{ z }}"})"));
    REQUIRE(uses.size() == 2);
    CHECK(uses[1].pointer == "/a/0/b");
    CHECK(uses[1].reference.name == "y");
}

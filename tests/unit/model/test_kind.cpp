#include "support/catch.hpp"

#include "base/json.hpp"
#include "model/kind.hpp"

namespace holdfast {
namespace {

Result<Description> described_with(std::string_view confirm, bool has_checkpoint = true) {
    std::string text = R"({"name": "net", "version": "0.1.0", "groups": ["net.test"],
        "extensions": [EXTENSIONS], "kinds": [{"apiVersion": "net.test/v1", "kind": "Route",
        "identity": ["/spec/to"], "confirm": CONFIRM}]})";
    text.replace(text.find("EXTENSIONS"), 10, has_checkpoint ? "\"holdfast.checkpoint/1\"" : "");
    text.replace(text.find("CONFIRM"), 7, confirm);
    return parse_description(*parse_json(text));
}

TEST_CASE("a document has to be confirmed where one map of its kind fits it whole") {
    const auto [rules, document, is_held] = GENERATE(table<std::string, std::string, bool>({
        {R"([{"/spec/to": "default"}])", R"({"spec": {"to": "default"}})", true},
        {R"([{"/spec/to": "default"}])", R"({"spec": {"to": "192.0.2.0/24"}})", false},
        {R"([{"/spec/to": "default"}])", R"({"spec": {}})", false},
        {R"([{"/spec/to": "default"}])", R"({"spec": "default"})", false},
        // All pointers of a map, and any of the maps.
        {R"([{"/spec/hook": "input", "/spec/policy": "drop"}])",
         R"({"spec": {"hook": "input", "policy": "drop"}})", true},
        {R"([{"/spec/hook": "input", "/spec/policy": "drop"}])",
         R"({"spec": {"hook": "input", "policy": "accept"}})", false},
        {R"([{"/spec/a": 1}, {"/spec/b": true}])", R"({"spec": {"b": true}})", true},
        {R"([{"/spec/a": 1}, {"/spec/b": true}])", R"({"spec": {"b": "true"}})", false},
        // Of a list one element is enough, of a map one member.
        {R"([{"/spec/ports/*/vlan": 1}])", R"({"spec": {"ports": [{"vlan": 7}, {"vlan": 1}]}})", true},
        {R"([{"/spec/ports/*/vlan": 1}])", R"({"spec": {"ports": {"eth0": {"vlan": 1}}}})", true},
        {R"([{"/spec/ports/*/vlan": 1}])", R"({"spec": {"ports": []}})", false},
        {R"([{}])", R"({"spec": {}})", true},
        {R"([])", R"({"spec": {}})", false},
    }));
    CAPTURE(rules, document);
    const auto description = described_with(rules);
    REQUIRE(description);
    CHECK(needs_confirmation(description->kinds.front(), *parse_json(document)) == is_held);
}

TEST_CASE("what a description says of confirmation has to have its shape") {
    const std::string rules =
        GENERATE(R"({"/spec/to": "default"})", R"(["/spec/to"])", R"([{"spec/to": 1}])");
    CAPTURE(rules);
    const auto description = described_with(rules);
    REQUIRE_FALSE(description);
    CHECK(description.error().code == "plugin.describe");
    CHECK(description.error().message.find("\"confirm\" in Route") != std::string::npos);
}

TEST_CASE("a plugin that cannot take changes back has nothing to be confirmed") {
    const auto description = described_with(R"([{"/spec/to": "default"}])", false);
    REQUIRE_FALSE(description);
    CHECK(description.error().message.find("holdfast.checkpoint/1") != std::string::npos);
    CHECK(described_with("[]", false));
}

TEST_CASE("what names one place has no star") {
    const auto [places, is_fine] = GENERATE(table<std::string, bool>({{R"(["/spec", "/data"])", true},
                                                                      {R"([""])", true},
                                                                      {R"(["/spec/a*b"])", true},
                                                                      {R"(["/*"])", false},
                                                                      {R"(["/spec/*/port"])", false},
                                                                      {R"(["spec"])", false}}));
    CAPTURE(places);
    const auto description = parse_description(
        *parse_json(R"({"name": "p", "version": "1", "groups": ["g"], "kinds": [{"apiVersion": "g/v1", "kind":
                        "Route", "identity": ["/metadata/name"], "compare": )" +
                    places + "}]}"));
    REQUIRE(description.ok() == is_fine);
    if (!is_fine) CHECK(description.error().message.find("\"compare\" in Route") != std::string::npos);
}

} // namespace
} // namespace holdfast

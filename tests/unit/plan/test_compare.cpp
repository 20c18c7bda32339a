#include "base/json.hpp"
#include "plan/plan.hpp"
#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using test::json;

namespace {

KindInfo some_kind() {
    KindInfo kind;
    kind.compare = {"/spec"};
    kind.observed = {"/spec/uid", "/status"};
    kind.immutable = {"/spec/type", "/spec/disk/size"};
    kind.write_only = {"/spec/password"};
    kind.lists = {{"/spec/ordered", ListType::ordered, {}},
                  {"/spec/rules", ListType::keyed, {"name"}},
                  {"/spec/rules/*/ports", ListType::keyed, {"port", "protocol"}},
                  {"/spec/groups", ListType::set, {}},
                  {"/spec/elements", ListType::set, {}, true}};
    kind.schema = json(R"({"properties": {"spec": {"properties": {
        "mode": {"default": "0644"},
        "rules": {"items": {"$ref": "#/definitions/rule"}}}}},
        "definitions": {"rule": {"properties": {"weight": {"default": 1},
            "ports": {"items": {"properties": {"protocol": {"default": "TCP"}}}}}}}})");
    return kind;
}

// The changes as "pointer: before -> after", one a line; "-" stands for nothing.
std::string changes(const std::string& declared, const std::string& recorded, const std::string& observed) {
    auto wrap = [](const std::string& spec) {
        return spec.empty() ? Value{} : json("{\"spec\":" + spec + ",\"status\":" + spec + "}");
    };
    std::string out;
    for (const FieldChange& change : compare_documents(wrap(declared), wrap(recorded), wrap(observed),
                                                       some_kind(), {"/spec/ignored"}, {}))
        out += change.pointer + ": " + (change.before ? to_json(*change.before) : "-") + " -> " +
               (change.after ? to_json(*change.after) : "-") + (change.forces_replace ? " !" : "") +
               (change.by_drift ? " ~" : "") + "\n";
    return out;
}

struct Case {
    std::string about, declared, recorded, observed, expected;
};

} // namespace

TEST_CASE("three documents are compared field by field") {
    const Case c = GENERATE(values<Case>({
        {"equal", R"({"a":1})", R"({"a":1})", R"({"a":1})", ""},
        {"what stands behind an element that came only moved", R"({"ordered":["a","b","c"]})", "",
         R"({"ordered":["b","c"]})", "/spec/ordered/0: - -> \"a\"\n"},
        {"what stands behind an element that went only moved", R"({"ordered":["a","c"]})", "",
         R"({"ordered":["a","b","c"]})", "/spec/ordered/1: \"b\" -> -\n"},
        {"one of two equal elements that went", R"({"ordered":["a","b"]})", "",
         R"({"ordered":["a","a","b"]})", "/spec/ordered/0: \"a\" -> -\n"},
        {"a foreign element of a set of our own goes", R"({"elements":["a"]})", R"({"elements":["a"]})",
         R"({"elements":["a","b"]})", "/spec/elements/[=b]: \"b\" -> -\n"},
        {"also of an empty one", R"({"elements":[]})", "", R"({"elements":["b"]})",
         "/spec/elements/[=b]: \"b\" -> -\n"},
        {"of a set that nobody declares it stays", R"({})", R"({"elements":["a"]})",
         R"({"elements":["a","b"]})", "/spec/elements/[=a]: \"a\" -> -\n"},
        {"what nobody declared is left alone", R"({"a":1})", R"({"a":1})", R"({"a":1,"b":2})", ""},
        {"declared and not there", R"({"a":1})", "", R"({})", "/spec/a: - -> 1\n"},
        {"drifted", R"({"a":1})", R"({"a":1})", R"({"a":2})", "/spec/a: 2 -> 1 ~\n"},
        {"declared anew", R"({"a":3})", R"({"a":1})", R"({"a":1})", "/spec/a: 1 -> 3\n"},
        {"no longer declared", R"({})", R"({"b":2})", R"({"b":5})", "/spec/b: 5 -> -\n"},
        {"no longer declared and gone", R"({})", R"({"b":2})", R"({})", ""},
        {"no longer declared, and what is there is the default", R"({})", R"({"mode":"0600"})",
         R"({"mode":"0644"})", ""},
        {"no longer declared, and not the default", R"({})", R"({"mode":"0600"})", R"({"mode":"0600"})",
         "/spec/mode: \"0600\" -> -\n"},
        {"null is not set", R"({"b":null})", R"({"b":2})", R"({"b":2})", "/spec/b: 2 -> -\n"},
        {"null was never set", R"({"b":null})", "", R"({"b":2})", ""},
        {"an observed null is nothing", R"({"b":2})", "", R"({"b":null})", "/spec/b: - -> 2\n"},
        {"one is 1.0", R"({"a":1})", R"({"a":1})", R"({"a":1.0})", ""},
        {"one is not \"1\"", R"({"a":1})", "", R"({"a":"1"})", "/spec/a: \"1\" -> 1\n"},
        {"a map becomes a scalar", R"({"m":"x"})", "", R"({"m":{"k":1}})", "/spec/m: {\"k\":1} -> \"x\"\n"},
        {"a scalar becomes a map", R"({"m":{"k":1}})", "", R"({"m":"x"})", "/spec/m: \"x\" -> {\"k\":1}\n"},
        {"maps are compared inside", R"({"m":{"k":1,"l":2}})", R"({"m":{"k":1,"o":1}})",
         R"({"m":{"k":1,"o":1,"z":1}})", "/spec/m/l: - -> 2\n/spec/m/o: 1 -> -\n"},
        {"a whole map goes", R"({})", R"({"m":{"k":1}})", R"({"m":{"k":1}})", "/spec/m: {\"k\":1} -> -\n"},
        {"of a map that others use only our part goes", R"({})", R"({"m":{"k":1}})", R"({"m":{"k":1,"z":2}})",
         "/spec/m/k: 1 -> -\n"},
        {"a key with a slash", R"({"m":{"a/b~c":1}})", "", R"({"m":{}})", "/spec/m/a~1b~0c: - -> 1\n"},
        {"ignored by the policy", R"({"ignored":{"a":1}})", "", R"({"ignored":{"a":2}})", ""},
        {"set by the target", R"({"uid":1})", R"({"uid":1})", R"({"uid":2})", ""},
        {"nothing observed at all", R"({"a":1})", "", "", "/spec/a: - -> 1\n"},
    }));
    INFO(c.about);
    CHECK(changes(c.declared, c.recorded, c.observed) == c.expected);
}

TEST_CASE("lists are compared as the kind says") {
    const Case c = GENERATE(values<Case>({
        {"atomic: order counts", R"({"l":[1,2]})", "", R"({"l":[2,1]})", "/spec/l: [2,1] -> [1,2]\n"},
        {"atomic: nulls in elements do not", R"({"l":[{"a":1,"b":null}]})", "", R"({"l":[{"a":1}]})", ""},
        {"ordered: by element", R"({"ordered":[1,5,3]})", R"({"ordered":[1,2,3]})", R"({"ordered":[1,2,3]})",
         "/spec/ordered/1: 2 -> 5\n"},
        {"ordered: longer", R"({"ordered":[1,2]})", "", R"({"ordered":[1]})", "/spec/ordered/1: - -> 2\n"},
        {"ordered: shorter", R"({"ordered":[1]})", "", R"({"ordered":[1,2]})", "/spec/ordered/1: 2 -> -\n"},
        {"ordered: elements are compared inside", R"({"ordered":[{"a":1}]})", "",
         R"({"ordered":[{"a":1,"z":2}]})", ""},
        {"keyed: order does not count", R"({"rules":[{"name":"a","n":1},{"name":"b","n":2}]})", "",
         R"({"rules":[{"name":"b","n":2},{"name":"a","n":1}]})", ""},
        {"keyed: a field of one", R"({"rules":[{"name":"a","n":1}]})", "",
         R"({"rules":[{"name":"z"},{"name":"a","n":2}]})", "/spec/rules/[name=a]/n: 2 -> 1\n"},
        {"keyed: foreign elements are left alone", R"({"rules":[{"name":"a"}]})",
         R"({"rules":[{"name":"a"}]})", R"({"rules":[{"name":"z"},{"name":"a"}]})", ""},
        {"keyed: what is no longer declared goes", R"({"rules":[{"name":"a"}]})",
         R"({"rules":[{"name":"a"},{"name":"b"}]})",
         R"({"rules":[{"name":"b","x":1},{"name":"a"},{"name":"z"}]})",
         "/spec/rules/[name=b]: {\"name\":\"b\",\"x\":1} -> -\n"},
        {"keyed: the whole list goes but foreign elements stay", R"({})", R"({"rules":[{"name":"b"}]})",
         R"({"rules":[{"name":"b"},{"name":"z"}]})", "/spec/rules/[name=b]: {\"name\":\"b\"} -> -\n"},
        {"keyed: a key's default", R"({"rules":[{"name":"a","ports":[{"port":80}]}]})", "",
         R"({"rules":[{"name":"a","ports":[{"port":80,"protocol":"TCP"}]}]})", ""},
        {"keyed: two keys", R"({"rules":[{"name":"a","ports":[{"port":53,"protocol":"UDP"}]}]})", "",
         R"({"rules":[{"name":"a","ports":[{"port":53,"protocol":"TCP"}]}]})",
         "/spec/rules/[name=a]/ports/[port=53,protocol=UDP]: - -> {\"port\":53,\"protocol\":\"UDP\"}\n"},
        {"keyed: a default inside an element", R"({"rules":[{"name":"a"}]})",
         R"({"rules":[{"name":"a","weight":7}]})", R"({"rules":[{"name":"a","weight":1}]})", ""},
        {"keyed: two elements of one key are both kept",
         R"({"rules":[{"name":"a","n":1},{"name":"a","n":2}]})", "",
         R"({"rules":[{"name":"a","n":1},{"name":"a","n":3}]})", "/spec/rules/[name=a]#2/n: 3 -> 2\n"},
        {"keyed: 1 and \"1\" are two keys", R"({"rules":[{"name":1}]})", "", R"({"rules":[{"name":"1"}]})",
         "/spec/rules/[name=1]: - -> {\"name\":1}\n"},
        {"keyed: nothing declared of a list that is not there", R"({"rules":[]})", "", R"({})", ""},
        {"set: order does not count", R"({"groups":["a","b"]})", "", R"({"groups":["b","z","a"]})", ""},
        {"set: added and removed", R"({"groups":["a","c"]})", R"({"groups":["a","b"]})",
         R"({"groups":["a","b","z"]})", "/spec/groups/[=b]: \"b\" -> -\n/spec/groups/[=c]: - -> \"c\"\n"},
        {"a list becomes a scalar", R"({"rules":"x"})", "", R"({"rules":[]})", "/spec/rules: [] -> \"x\"\n"},
    }));
    INFO(c.about);
    CHECK(changes(c.declared, c.recorded, c.observed) == c.expected);
}

TEST_CASE("a difference in an immutable field forces a replace, also inside of what differs") {
    const Case c = GENERATE(values<Case>({
        {"itself", R"({"type":"a"})", "", R"({"type":"b"})", "/spec/type: \"b\" -> \"a\" !\n"},
        {"in a map that appears", R"({"disk":{"size":1}})", "", R"({})", "/spec/disk: - -> {\"size\":1} !\n"},
        {"beside it", R"({"disk":{"name":"x"}})", "", R"({})", "/spec/disk: - -> {\"name\":\"x\"}\n"},
    }));
    INFO(c.about);
    CHECK(changes(c.declared, c.recorded, c.observed) == c.expected);
}

TEST_CASE("what cannot be read back is compared with what was recorded") {
    CHECK(changes(R"({"password":"x"})", R"({"password":"x"})", R"({})").empty());
    CHECK(changes(R"({"password":"x"})", R"({"password":"x"})", R"({"password":"hash"})").empty());
    CHECK(changes(R"({"password":"y"})", R"({"password":"x"})", R"({})") ==
          "/spec/password: \"x\" -> \"y\"\n");
    CHECK(changes(R"({})", R"({"password":"x"})", R"({})") == "/spec/password: \"x\" -> -\n");
    CHECK(changes(R"({"password":"x"})", "", R"({})") == "/spec/password: - -> \"x\"\n");
}

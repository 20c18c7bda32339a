#include "monitoring/compile.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::monitoring;
using sdk::Json;

namespace {

Json document(const char* kind, Json spec, const char* version = api_version) {
    return {{"apiVersion", version},
            {"kind", kind},
            {"metadata", {{"name", "m"}, {"namespace", "ns"}}},
            {"spec", std::move(spec)}};
}

std::vector<Compiled> compiled(const Json& from) {
    sdk::Diagnostics problems;
    auto leaves = compile_document(from.dump(), problems);
    for (const sdk::Diagnostic& why : problems)
        FAIL_CHECK(why.code << " " << why.pointer << " " << why.message);
    return leaves;
}

// "monitoring.bad-rule /spec/rules/0, ..."
std::string problems_of(const Json& from) {
    sdk::Diagnostics problems;
    compile_document(from.dump(), problems);
    std::string out;
    for (const sdk::Diagnostic& why : problems)
        out += (out.empty() ? "" : ", ") + why.code + " " + why.pointer;
    return out;
}

Json rules(const char* text) { return {{"rules", Json::parse(text)}}; }

} // namespace

TEST_CASE("a RuleGroup is its own leaf, with its file and name") {
    const auto leaves = compiled(
        document("RuleGroup", rules(R"([{"alert":"A","expr":"up==0","for":"90s","labels":{"n":1}}])")));
    REQUIRE(leaves.size() == 1);
    CHECK(leaves[0].key.identity == R"(["holdfast.yml","m"])");
    CHECK(leaves[0].part.empty());
    CHECK(leaves[0].document["metadata"]["name"] == "m");
    CHECK(
        leaves[0].document["spec"] ==
        Json::parse(
            R"({"file":"holdfast.yml","name":"m","rules":[{"alert":"A","expr":"up==0","for":"1m30s","labels":{"n":"1"}}]})"));
    CHECK(compiled(leaves[0].document).at(0).document == leaves[0].document);
}

TEST_CASE("the operator's PrometheusRule becomes a group for each of its groups") {
    const auto leaves = compiled(document("PrometheusRule", Json::parse(R"j({"groups":[
        {"name":"a","partial_response_strategy":"warn","rules":[{"alert":"A","expr":1}]},
        {"name":"b","interval":"60s","rules":[{"record":"b:c","expr":"sum(up)"}]}]})j"),
                                          operator_api_version));
    REQUIRE(leaves.size() == 2);
    CHECK(leaves[0].key.kind == "RuleGroup");
    CHECK(leaves[0].key.identity == R"(["ns-m.yml","a"])");
    CHECK(leaves[0].document["spec"].contains("partial_response_strategy") == false);
    CHECK(leaves[0].document["spec"]["rules"][0]["expr"] == "1");
    CHECK(leaves[1].part == "b");
    CHECK(leaves[1].pointer == "/spec/groups/1");
    CHECK(leaves[1].document["spec"]["interval"] == "1m");
}

TEST_CASE("what is wrong in rules is told with its place, all at once") {
    const auto [spec, problems] = GENERATE(table<const char*, const char*>(
        {{R"([{"expr":"up"}])", "monitoring.bad-rule /spec/rules/0"},
         {R"([{"alert":"A","record":"r","expr":"up"}])", "monitoring.bad-rule /spec/rules/0"},
         {R"([{"alert":"A","expr":"  \n"},{"alert":"B","expr":"up","for":"5 minutes"}])",
          "monitoring.bad-rule /spec/rules/0/expr, monitoring.duration /spec/rules/1/for"},
         {R"([{"record":"r","expr":"up","for":"5m"}])", "monitoring.bad-rule /spec/rules/0/for"},
         {R"([{"record":"r","expr":"up"},{"record":"r","expr":"down"}])",
          "monitoring.rule-twice /spec/rules/1"},
         {R"([{"record":"r","expr":"up"},{"record":"r","expr":"down","labels":{"a":"b"}}])", ""}}));
    CHECK(problems_of(document("RuleGroup", rules(spec))) == problems);
}

TEST_CASE("two groups of one name in a PrometheusRule are an error") {
    CHECK(problems_of(document("PrometheusRule", Json::parse(R"({"groups":[{"name":"a"},{"name":"a"}]})"))) ==
          "monitoring.group-twice /spec/groups/1/name");
}

namespace {

Json slo(Json more = Json::object()) {
    Json spec{{"objective", 99.9},
              {"service", "shop"},
              {"indicator", {{"errors", "sum(rate(bad[$window]))"}, {"total", "sum(rate(all[$window]))"}}}};
    spec.update(more);
    return document("Slo", spec);
}

} // namespace

TEST_CASE("an Slo becomes the workbook's windows and burn rates") {
    const auto leaves = compiled(slo());
    REQUIRE(leaves.size() == 1);
    const Json& group = leaves[0].document["spec"];
    CHECK(group["name"] == "slo:m");
    REQUIRE(group["rules"].size() == 9);
    CHECK(group["rules"][0] ==
          Json::parse(R"j({"record":"slo:error_ratio:rate5m","labels":{"service":"shop","slo":"m"},
        "expr":"(sum(rate(bad[5m])))\n/\n(sum(rate(all[5m])))"})j"));
    CHECK(group["rules"][7]["labels"]["severity"] == "page");
    CHECK(group["rules"][7]["expr"] == "(slo:error_ratio:rate1h{service=\"shop\", slo=\"m\"} > 0.0144 and "
                                       "slo:error_ratio:rate5m{service=\"shop\", slo=\"m\"} > 0.0144)\nor\n"
                                       "(slo:error_ratio:rate6h{service=\"shop\", slo=\"m\"} > 0.006 and "
                                       "slo:error_ratio:rate30m{service=\"shop\", slo=\"m\"} > 0.006)");
    CHECK(group["rules"][8]["expr"].get<std::string>().find(
              "rate3d{service=\"shop\", slo=\"m\"} > 0.001 and") != std::string::npos);
}

TEST_CASE("an Slo's rates are those of its period, and impossible ones are left out") {
    CHECK(compiled(slo({{"period", "60d"}}))[0].document["spec"]["rules"][7]["expr"].get<std::string>().find(
              "> 0.0288") != std::string::npos);
    const Json loose = compiled(slo({{"objective", 90}}))[0].document["spec"]["rules"];
    CHECK(loose[7]["expr"].get<std::string>().find("rate1h") == std::string::npos); // 14.4 times 10 %
    CHECK(loose[7]["expr"].get<std::string>().find("rate6h") != std::string::npos);
    CHECK(
        compiled(slo({{"alerts", {{"ticket", {{"disabled", true}}}}}}))[0].document["spec"]["rules"].size() ==
        8);
}

TEST_CASE("an Slo that cannot be meant is an error") {
    CHECK(problems_of(slo({{"objective", 100}})) == "monitoring.slo /spec/objective");
    CHECK(problems_of(slo({{"period", "1d"}})) == "monitoring.slo /spec/period");
    CHECK(problems_of(slo({{"indicator", {{"errors", "sum(bad)"}, {"total", "sum(rate(a[$window]))"}}}})) ==
          "monitoring.slo /spec/indicator/errors");
}

#include "monitoring.hpp"

namespace holdfast::monitoring {

namespace {

constexpr const char* head =
    R"json("type":"object","required":["apiVersion","kind","metadata","spec"],"properties":{
    "apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},
    "status":{"type":"object"},)json";

constexpr const char* texts =
    R"json({"type":"object","additionalProperties":{"type":["string","number","boolean"]}})json";

// A rule in the words of Prometheus' files, which are the operator's as well.
std::string rule() {
    return std::string(R"json({"type":"object","additionalProperties":false,"required":["expr"],"properties":{
    "alert":{"type":"string","minLength":1,"examples":["InstanceDown"],"description":"name of the alert"},
    "record":{"type":"string","minLength":1,"examples":["job:up:sum"],"description":"name of the recorded series"},
    "expr":{"type":["string","number"],"examples":["up == 0"],"description":"PromQL"},
    "for":{"type":["string","integer"],"examples":["5m"],
        "description":"how long it has to be so before the alert fires"},
    "keep_firing_for":{"type":["string","integer"],"examples":["10m"],
        "description":"how long it fires on (Prometheus 2.42 and later)"},
    "labels":)json") +
           texts + R"json(,"annotations":)json" + texts + "}}";
}

std::string rule_group_members() {
    return std::string(R"json(
    "name":{"type":"string","minLength":1,"description":"the group's name; the document's by default"},
    "interval":{"type":["string","integer"],"examples":["30s"],"description":"between evaluations"},
    "limit":{"type":"integer","minimum":0,"description":"how many alerts or series a rule may make"},
    "query_offset":{"type":"string","description":"how far back it looks (Prometheus 2.53 and later)"},
    "labels":)json") +
           texts + R"json(,
    "rules":{"type":"array","description":"as in a rule file, evaluated in this order","items":)json" +
           rule() + "}";
}

std::string kind(const std::string& version, const char* name, const char* more, const std::string& spec) {
    return R"({"apiVersion":")" + version + R"(","kind":")" + name + R"(","compiles":true,"health":false,)" +
           more + R"("schema":{)" + head + R"("spec":{"type":"object","additionalProperties":false,)" + spec +
           "}}}}";
}

std::string rule_group() {
    return kind(api_version, "RuleGroup", R"("identity":["/spec/file","/spec/name"],"compare":["/spec"],)",
                R"json("required":["rules"],"properties":{
    "file":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_.-]*\\.(yml|yaml|rules)$","maxLength":200,
        "default":"holdfast.yml","description":"the file that it stands in, in the folder of the provider's config"},
    "tests":{"type":"array","items":{"type":"object"},
        "description":"unit tests as of `promtool test rules`, run before the group is written"},
    "loaded":{"type":"boolean","description":"set by the provider: Prometheus runs it as the file has it"},)json" +
                    rule_group_members() + "}");
}

std::string slo() {
    const std::string alert = std::string(R"json({"type":"object","additionalProperties":false,"properties":{
        "disabled":{"type":"boolean","default":false},"labels":)json") +
                              texts + R"json(,"annotations":)json" + texts + "}}";
    return kind(api_version, "Slo", "",
                std::string(R"json("required":["objective","indicator"],"properties":{
    "service":{"type":"string","minLength":1,"description":"becomes a label"},
    "objective":{"type":"number","examples":[99.9],"description":"percentage of requests that are to succeed"},
    "period":{"type":"string","default":"30d","description":"for which the objective is meant; a week or longer"},
    "indicator":{"type":"object","additionalProperties":false,"required":["errors","total"],"properties":{
        "errors":{"type":"string","minLength":1,"description":"PromQL: how many fail; $window is the time"},
        "total":{"type":"string","minLength":1,"description":"PromQL: how many there are; $window is the time"}}},
    "alert":{"type":"string","minLength":1,"default":"ErrorBudgetBurn","description":"name of the alerts"},
    "alerts":{"type":"object","additionalProperties":false,"description":"what differs for each severity",
        "properties":{"page":)json") +
                    alert + R"json(,"ticket":)json" + alert + R"json(}},
    "labels":)json" +
                    texts + R"json(,"annotations":)json" + texts + R"json(,
    "file":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_.-]*\\.(yml|yaml|rules)$","maxLength":200,
        "default":"holdfast.yml","description":"the file that its rules stand in"}})json");
}

// What Prometheus does not have is read and left out.
std::string prometheus_rule() {
    return kind(operator_api_version, "PrometheusRule", "",
                R"json("properties":{"groups":{"type":"array",
    "items":{"type":"object","additionalProperties":false,"required":["name"],"properties":{
    "partial_response_strategy":{"type":"string","description":"Thanos' alone: left out"},)json" +
                    rule_group_members() + "}}}}");
}

constexpr const char* server_members = R"json(
    "url":{"type":"string","minLength":1,"examples":["http://127.0.0.1:9090"],"description":"of its HTTP API"},
    "token":{"type":"string","minLength":1,"description":"sent as a bearer token"},
    "username":{"type":"string","minLength":1},"password":{"type":"string"},
    "caFile":{"type":"string","format":"path","description":"certificates to trust, PEM"},
    "reload":{"type":"string","format":"command",
        "description":"a command of the operator's that lets it read its files; without, POST /-/reload does"})json";

std::string config_schema() {
    return std::string(R"json({"type":"object","additionalProperties":false,"properties":{
    "prometheus":{"type":"object","additionalProperties":false,"required":["url","rules","checkRules"],"properties":{
        "rules":{"type":"string","format":"path","examples":["/etc/prometheus/rules.d"],
            "description":"folder of rule files, which rule_files of its configuration has to name"},
        "rulesSeenAs":{"type":"string","description":"the same folder as Prometheus sees it, in a container"},
        "checkRules":{"type":"string","format":"command",
            "description":"a command of the operator's that checks rule files: promtool check rules"},
        "testRules":{"type":"string","format":"command",
            "description":"a command of the operator's that runs unit tests: promtool test rules"},
        "allowNoAlerts":{"type":"boolean","default":false,
            "description":"whether the last alerting rule may be removed"},)json") +
           server_members + R"json(}},
    "identity":{"type":"string","minLength":1,
        "description":"what to know the target by, instead of its files; set it before they move"},
    "poll":{"type":"integer","minimum":1,"maximum":86400,"default":15,
        "description":"seconds between looks at what the servers run"}}})json";
}

} // namespace

std::string MonitoringProvider::describe() {
    return std::string(R"({"name":"monitoring","version":")") + plugin_version +
           R"(","groups":["monitoring.holdfast.dev","monitoring.coreos.com"],"config":)" + config_schema() +
           R"(,"sensitiveConfig":["/prometheus/token","/prometheus/password"],
        "ownership":["owned","additive","exclusive","observe"],"atomic":false,"cas":"recheck",
        "maxItems":100000,"maxBytes":268435456,
        "extensions":["holdfast.compile/1","holdfast.canonicalize/1","holdfast.watch/1"],"kinds":[)" +
           rule_group() + "," + slo() + "," + prometheus_rule() + "]}";
}

} // namespace holdfast::monitoring

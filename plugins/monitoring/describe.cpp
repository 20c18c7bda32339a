#include "monitoring.hpp"

#include <set>
#include <utility>
#include <vector>

namespace holdfast::monitoring {

namespace {

constexpr const char* head =
    R"json("type":"object","required":["apiVersion","kind","metadata","spec"],
    "properties":{    "apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},
    "status":{"type":"object"},)json";

constexpr const char* texts =
    R"json({"type":"object","additionalProperties":{"type":["string","number","boolean"]}})json";

// A rule in the words of Prometheus' files, which are the operator's as well.
std::string rule() {
    return std::string(R"json({"type":"object","additionalProperties":false,"required":["expr"],"properties":{
    "alert":{"type":"string","minLength":1,"examples":["InstanceDown"],"description":"name of the alert"},
    "record":{"type":"string","minLength":1,"examples":["job:up:sum"],
        "description":"name of the recorded series"},
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
    return kind(api_version, "RuleGroup",
                R"("identity":["/spec/file","/spec/name"],"scope":["/kind"],"compare":["/spec"],)",
                R"json("required":["rules"],"properties":{
    "file":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_.-]*\\.(yml|yaml|rules)$","maxLength":200,
        "default":"holdfast.yml",
            "description":"the file that it stands in, in the folder of the provider's config"},
    "tests":{"type":"array","items":{"type":"object"},
        "description":"unit tests as of `promtool test rules`, run before the group is written"},
    "loaded":{"type":"boolean",
        "description":"set by the provider: Prometheus runs it as the file has it"},)json" +
                    rule_group_members() + "}");
}

std::string slo() {
    const std::string alert = std::string(R"json({"type":"object","additionalProperties":false,"properties":{
        "disabled":{"type":"boolean","default":false},"labels":)json") +
                              texts + R"json(,"annotations":)json" + texts + "}}";
    return kind(api_version, "Slo", "",
                std::string(R"json("required":["objective","indicator"],"properties":{
    "service":{"type":"string","minLength":1,"description":"becomes a label"},
    "objective":{"type":"number","examples":[99.9],
        "description":"percentage of requests that are to succeed"},
    "period":{"type":"string","default":"30d",
        "description":"for which the objective is meant; a week or longer"},
    "indicator":{"type":"object","additionalProperties":false,"required":["errors","total"],"properties":{
        "errors":{"type":"string","minLength":1,"description":"PromQL: how many fail; $window is the time"},
        "total":{"type":"string","minLength":1,
            "description":"PromQL: how many there are; $window is the time"}}},
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

// ---- scraping ----

// Fields that hold secrets, in a job and in each entry of its *_sd_configs.
constexpr const char* secrets_of_jobs[] = {"basic_auth/password", "authorization/credentials",
                                           "oauth2/client_secret"};

// The versions of Prometheus know different ones, and promtool judges what they hold. The names are said
// here, so that a plan tells a mistyped one.
constexpr const char* fields_of_jobs[] = {"params",
                                          "relabel_configs",
                                          "metric_relabel_configs",
                                          "tls_config",
                                          "honor_labels",
                                          "honor_timestamps",
                                          "track_timestamps_staleness",
                                          "follow_redirects",
                                          "enable_http2",
                                          "enable_compression",
                                          "proxy_url",
                                          "no_proxy",
                                          "proxy_from_environment",
                                          "proxy_connect_header",
                                          "http_headers",
                                          "sample_limit",
                                          "target_limit",
                                          "label_limit",
                                          "label_name_length_limit",
                                          "label_value_length_limit",
                                          "body_size_limit",
                                          "keep_dropped_targets",
                                          "scrape_protocols",
                                          "scrape_fallback_protocol",
                                          "scrape_classic_histograms",
                                          "always_scrape_classic_histograms",
                                          "convert_classic_histograms_to_nhcb",
                                          "native_histogram_bucket_limit",
                                          "native_histogram_min_bucket_factor",
                                          "scrape_native_histograms",
                                          "metric_name_validation_scheme",
                                          "metric_name_escaping_scheme",
                                          "scrape_failure_log_file"};

std::string scrape_job() {
    std::string secrets, plain;
    for (const char* field : secrets_of_jobs)
        secrets +=
            std::string(secrets.empty() ? "\"" : ",\"") + "/spec/" + field + "\",\"/spec/*/*/" + field + "\"";
    for (const char* field : fields_of_jobs) plain += std::string(",\"") + field + "\":{}";
    return kind(api_version, "ScrapeJob",
                (R"("identity":["/spec/job_name"],"scope":["/kind"],"compare":["/spec"],"sensitive":[)" +
                 secrets + "],")
                    .c_str(),
                R"json("properties":{
    "job_name":{"type":"string","minLength":1,
        "description":"becomes the label job; the document's name by default"},
    "scrape_interval":{"type":"string","examples":["30s"]},
    "scrape_timeout":{"type":"string","examples":["10s"]},
    "metrics_path":{"type":"string"},"scheme":{"type":"string","enum":["http","https"]},
    "static_configs":{"type":"array","items":{"type":"object","additionalProperties":false,
        "required":["targets"],"properties":{"targets":{"type":"array","items":{"type":"string"}},
        "labels":)json" +
                    std::string(texts) +
                    R"json(}}},
    "basic_auth":{"type":"object","properties":{"password":{"type":"string"}}},
    "authorization":{"type":"object","properties":{"credentials":{"type":"string"}}},
    "oauth2":{"type":"object","properties":{"client_secret":{"type":"string"}}},
    "loaded":{"type":"boolean",
        "description":"set by the provider: Prometheus runs it as the file has it"})json" +
                    plain +
                    R"json(},"patternProperties":{"^[a-z0-9_]+_sd_configs$":{"type":"array",
        "items":{"type":"object","properties":{
        "basic_auth":{"type":"object","properties":{"password":{"type":"string"}}},
        "authorization":{"type":"object","properties":{"credentials":{"type":"string"}}},
        "oauth2":{"type":"object","properties":{"client_secret":{"type":"string"}}}}},
        "description":"where targets are found, as in Prometheus' configuration"}})json");
}

std::string probe() {
    return kind(api_version, "Probe", "", std::string(R"json("required":["targets"],"properties":{
    "job":{"type":"string","minLength":1,"description":"name of the job; the document's by default"},
    "prober":{"type":"object","additionalProperties":false,"properties":{
        "url":{"type":"string","minLength":1,"default":"127.0.0.1:9115",
            "description":"host and port of the blackbox exporter"},
        "scheme":{"type":"string","enum":["http","https"],"default":"http"},
        "path":{"type":"string","default":"/probe"}}},
    "module":{"type":"string","minLength":1,"default":"http_2xx",
        "description":"one of the modules in the exporter's configuration"},
    "targets":{"type":"array","minItems":1,"items":{"type":"string","minLength":1},
        "examples":[["https://example.org"]],"description":"what is probed; becomes the label instance"},
    "labels":)json") + texts + R"json(,
    "interval":{"type":"string","examples":["1m"]},"timeout":{"type":"string","examples":["10s"]}})json");
}

// Each field is looked at when it is compiled: what is not covered is told with its reason.
std::string operators_monitor(const char* name) {
    return std::string(R"({"apiVersion":")") + operator_api_version + R"(","kind":")" + name +
           R"(","compiles":true,"health":false,"schema":{)" + head + R"("spec":{"type":"object"}}}})";
}

// ---- Alertmanager ----

// A receiver has one list for each way to tell people, and Alertmanager's versions know different ones: only
// the fields that hold secrets are named here, the rest is amtool's to judge.
constexpr std::pair<const char*, const char*> secrets_of_receivers[] = {
    {"email_configs", "auth_password"},   {"email_configs", "auth_secret"},
    {"slack_configs", "api_url"},         {"pagerduty_configs", "routing_key"},
    {"pagerduty_configs", "service_key"}, {"opsgenie_configs", "api_key"},
    {"victorops_configs", "api_key"},     {"pushover_configs", "user_key"},
    {"pushover_configs", "token"},        {"webhook_configs", "url"},
    {"wechat_configs", "api_secret"},     {"telegram_configs", "bot_token"},
    {"discord_configs", "webhook_url"},   {"msteams_configs", "webhook_url"}};
constexpr const char* secrets_of_http[] = {"basic_auth/password", "authorization/credentials", "bearer_token",
                                           "oauth2/client_secret"};
constexpr const char* secrets_of_global[] = {"smtp_auth_password", "smtp_auth_secret",  "slack_api_url",
                                             "opsgenie_api_key",   "victorops_api_key", "wechat_api_secret"};

constexpr const char* http_config = R"json("http_config":{"type":"object","properties":{
    "basic_auth":{"type":"object","properties":{"password":{"type":"string"}}},
    "authorization":{"type":"object","properties":{"credentials":{"type":"string"}}},
    "bearer_token":{"type":"string"},
    "oauth2":{"type":"object","properties":{"client_secret":{"type":"string"}}}}})json";

// Of the lists in `secrets_of_receivers`, which stand together.
std::vector<std::string> receiver_lists() {
    std::vector<std::string> out;
    for (const auto& [list, field] : secrets_of_receivers)
        if (out.empty() || out.back() != list) out.emplace_back(list);
    return out;
}

std::string receiver_members() {
    std::string out =
        R"("name":{"type":"string","minLength":1,"description":"by which routes know it; in a Receiver the document's by default"})";
    for (const std::string& list : receiver_lists()) {
        out += ",\"" + list +
               "\":{\"type\":\"array\",\"description\":\"as in "
               "alertmanager.yml\",\"items\":{\"type\":\"object\",\"properties\":{";
        for (const auto& [of, field] : secrets_of_receivers)
            if (of == list) out += "\"" + std::string(field) + "\":{\"type\":\"string\"},";
        out += std::string(http_config) + "}}}";
    }
    return out;
}

// JSON pointers to the secrets of a receiver at `at`. In some lists a field of such a name is no secret, and
// is hidden all the same.
void add_receiver_secrets(const std::string& at, std::string& out) {
    const auto add = [&](const std::string& pointer) {
        out += (out.empty() ? "\"" : ",\"") + pointer + "\"";
    };
    std::set<std::string> fields;
    for (const auto& [list, field] : secrets_of_receivers) fields.insert(field);
    for (const std::string& field : fields) add(at + "/*/*/" + field);
    for (const char* field : secrets_of_http) add(at + "/*/*/http_config/" + field);
}

std::string global_secrets() {
    std::string out;
    for (const char* field : secrets_of_global)
        out += std::string(out.empty() ? "\"" : ",\"") + "/spec/global/" + field + "\"";
    for (const char* field : secrets_of_http)
        out += std::string(",\"/spec/global/http_config/") + field + "\"";
    return out;
}

constexpr const char* loaded =
    R"json("loaded":{"type":"boolean","description":"set by the provider: Alertmanager runs it as the file has it"})json";

constexpr const char* route_members = R"json(
    "receiver":{"type":"string","minLength":1,
        "description":"who is told; that of the route above by default"},
    "match":{"type":"object"},"match_re":{"type":"object"},
    "group_by":{"type":"array","items":{"type":"string"}},
    "group_wait":{"type":"string"},"group_interval":{"type":"string"},"repeat_interval":{"type":"string"},
    "continue":{"type":"boolean","description":"whether later routes are tried as well"},
    "mute_time_intervals":{"type":"array","items":{"type":"string"}},
    "active_time_intervals":{"type":"array","items":{"type":"string"}},
    "routes":{"type":"array","items":{"type":"object"},
        "description":"below it, as in alertmanager.yml"})json";

constexpr const char* matchers = R"json("matchers":{"type":"array","items":{"type":"string","minLength":1},
    "examples":[["severity=\"page\"","job=~\"db-.*\""]],"description":"all have to fit"})json";

std::string alertmanager_config() {
    std::string secrets = global_secrets();
    add_receiver_secrets("/spec/receivers/*", secrets);
    std::string global;
    for (const char* field : secrets_of_global)
        global += std::string("\"") + field + "\":{\"type\":\"string\"},";
    return kind(api_version, "AlertmanagerConfig",
                (R"("identity":["/kind"],"compare":["/spec"],"sensitive":[)" + secrets + "],").c_str(),
                std::string(R"json("required":["route"],"properties":{
    "global":{"type":"object","description":"as in alertmanager.yml","properties":{)json") +
                    global + http_config + R"json(}},
    "route":{"type":"object","additionalProperties":false,"required":["receiver"],
        "description":"the first route, and those below it","properties":{)json" +
                    matchers + "," + route_members + R"json(}},
    "receivers":{"type":"array","items":{"type":"object","required":["name"],"properties":{)json" +
                    receiver_members() +
                    R"json(}}},
    "inhibit_rules":{"type":"array","items":{"type":"object"}},
    "time_intervals":{"type":"array","items":{"type":"object"}},
    "mute_time_intervals":{"type":"array","items":{"type":"object"}},
    "templates":{"type":"array","items":{"type":"string"}},)json" +
                    loaded + "}");
}

// Its schema is open, unlike others: see secrets_of_receivers.
std::string receiver() {
    std::string secrets;
    add_receiver_secrets("/spec", secrets);
    return R"({"apiVersion":")" + std::string(api_version) +
           R"(","kind":"Receiver","compiles":true,"health":false,"identity":["/spec/name"],"compare":["/spec"],"sensitive":[)" +
           secrets + R"(],"schema":{)" + head + R"("spec":{"type":"object","properties":{)" +
           receiver_members() + "," + loaded + "}}}}}";
}

std::string route() {
    return kind(api_version, "Route", R"("identity":["/spec/matchers"],"compare":["/spec"],)",
                std::string(R"json("properties":{
    "order":{"type":"integer","default":1000,
        "description":"routes with lower numbers are tried before"},)json") +
                    matchers + "," + route_members + "," + loaded + "}");
}

std::string silence() {
    return kind(api_version, "Silence", R"("identity":["/spec/name"],"scope":["/kind"],"compare":["/spec"],)",
                std::string(R"json("required":["matchers","endsAt"],"properties":{
    "name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9._-]*$","maxLength":200,
        "description":"by which it is known; the document's by default"},)json") +
                    matchers + R"json(,
    "startsAt":{"type":"string","examples":["2026-12-24T18:00:00Z"],"description":"at once by default"},
    "endsAt":{"type":"string","examples":["2026-12-27T08:00:00+01:00"],"description":"when it is over"},
    "comment":{"type":"string","default":"","description":"why"},
    "createdBy":{"type":"string","minLength":1,"default":"holdfast","description":"who"}})json");
}

constexpr const char* api_members = R"json(
    "url":{"type":"string","minLength":1,"examples":["http://127.0.0.1:9090"],
        "description":"of its HTTP API"},
    "token":{"type":"string","minLength":1,"description":"sent as a bearer token"},
    "username":{"type":"string","minLength":1},"password":{"type":"string"},
    "caFile":{"type":"string","format":"path","description":"certificates to trust, PEM"})json";

constexpr const char* reload_member = R"json(,
    "reload":{"type":"string","format":"command",
        "description":"the operator's command that lets it read its files, else POST /-/reload does"})json";

std::string config_schema() {
    return std::string(R"json({"type":"object","additionalProperties":false,"properties":{
    "prometheus":{"type":"object","additionalProperties":false,"required":["url"],
        "dependencies":{"rules":["checkRules"],"jobs":["checkConfig"]},
        "properties":{
        "jobs":{"type":"string","format":"path","examples":["/etc/prometheus/prometheus.yml"],
            "description":"whose scrape_configs are kept: its configuration, or a fragment (2.43 and later)"},
        "jobsSeenAs":{"type":"string","description":"the same file as Prometheus sees it, in a container"},
        "checkConfig":{"type":"string","format":"command",
            "description":"a command of the operator's that checks that file: promtool check config"},
        "kubernetes":{"type":"object","additionalProperties":false,
            "description":"finds targets of ServiceMonitors and PodMonitors; {}: its own cluster",
            "properties":{"apiServer":{"type":"string","minLength":1},"kubeconfigFile":{"type":"string"},
            "tokenFile":{"type":"string"},"caFile":{"type":"string"}}},
        "rules":{"type":"string","format":"path","examples":["/etc/prometheus/rules.d"],
            "description":"folder of rule files, which rule_files of its configuration has to name"},
        "rulesSeenAs":{"type":"string","description":"the same folder as Prometheus sees it, in a container"},
        "checkRules":{"type":"string","format":"command",
            "description":"a command of the operator's that checks rule files: promtool check rules"},
        "testRules":{"type":"string","format":"command",
            "description":"a command of the operator's that runs unit tests: promtool test rules"},
        "allowNoAlerts":{"type":"boolean","default":false,
            "description":"whether the last alerting rule may be removed"},)json") +
           api_members + reload_member + R"json(}},
    "alertmanager":{"type":"object","additionalProperties":false,"required":["url"],
        "dependencies":{"config":["check"]},
        "properties":{
        "config":{"type":"string","format":"path","examples":["/etc/prometheus/alertmanager.yml"],
            "description":"its configuration file; without, only silences are kept"},
        "check":{"type":"string","format":"command",
            "description":"a command of the operator's that checks the file: amtool check-config"},)json" +
           api_members + reload_member + R"json(}},
    "grafana":{"type":"object","additionalProperties":false,"required":["url"],
        "description":"folders, data sources and dashboards are kept over its HTTP API","properties":{)json" +
           api_members + R"json(}},
    "identity":{"type":"string","minLength":1,
        "description":"what to know the target by, instead of its files; set it before they move"},
    "poll":{"type":"integer","minimum":1,"maximum":86400,"default":15,
        "description":"seconds between looks at what the servers run"}}})json";
}

} // namespace

std::string MonitoringProvider::describe() {
    return std::string(R"({"name":"monitoring","version":")") + plugin_version +
           R"(","groups":["monitoring.holdfast.dev","monitoring.coreos.com"],"config":)" + config_schema() +
           R"(,"sensitiveConfig":["/prometheus/token","/prometheus/password","/alertmanager/token","/alertmanager/password","/grafana/token","/grafana/password"],
        "ownership":["owned","additive","exclusive","observe"],"atomic":false,"cas":"recheck",
        "maxItems":100000,"maxBytes":268435456,
        "extensions":["holdfast.compile/1","holdfast.canonicalize/1","holdfast.review/1","holdfast.order/1",
            "holdfast.watch/1"],"kinds":[)" +
           rule_group() + "," + slo() + "," + prometheus_rule() + "," + scrape_job() + "," + probe() + "," +
           operators_monitor("ServiceMonitor") + "," + operators_monitor("PodMonitor") + "," +
           operators_monitor("Probe") + "," + alertmanager_config() + "," + receiver() + "," + route() + "," +
           silence() + "," + describe_grafana() + "]}";
}

} // namespace holdfast::monitoring

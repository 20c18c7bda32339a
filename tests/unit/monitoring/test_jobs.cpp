#include <random>

#include "monitoring/compile.hpp"
#include "monitoring/job_file.hpp"
#include "monitoring/jobs.hpp"
#include "monitoring/yaml.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::monitoring;
using sdk::Json;

namespace {

const Surroundings with_api{Json{{"api_server", "https://k8s:6443"}}};

Json monitor(const char* kind, const char* spec, const char* version = operator_api_version) {
    return {{"apiVersion", version},
            {"kind", kind},
            {"metadata", {{"name", "m"}, {"namespace", "ns"}}},
            {"spec", Json::parse(spec)}};
}

std::vector<Json> jobs_of(const Json& document, const Surroundings& around = with_api) {
    sdk::Diagnostics problems;
    std::vector<Json> out;
    for (const Compiled& leaf : compile_document(document.dump(), problems, around)) {
        CHECK(leaf.key.kind == "ScrapeJob");
        CHECK(std::string(leaf.scope) == "ScrapeJob");
        out.push_back(leaf.document.at("spec"));
    }
    for (const sdk::Diagnostic& why : problems)
        FAIL_CHECK(why.code << " " << why.pointer << " " << why.message);
    return out;
}

// "monitoring.not-covered /spec/x, ..."
std::string problems_of(const Json& document, const Surroundings& around = with_api) {
    sdk::Diagnostics problems;
    compile_document(document.dump(), problems, around);
    std::string out;
    for (const sdk::Diagnostic& why : problems)
        out += (out.empty() ? "" : ", ") + why.code + " " + why.pointer;
    return out;
}

// "source,source=>target regex action replacement", in their order.
std::vector<std::string> rules_of(const Json& job) {
    std::vector<std::string> out;
    for (const Json& rule : job.at("relabel_configs")) {
        std::string text;
        for (const Json& label : rule.value("source_labels", Json::array()))
            text += (text.empty() ? "" : ",") + label.get<std::string>();
        for (const char* key : {"target_label", "regex", "action", "replacement"})
            if (rule.contains(key)) text += std::string(" ") + key[0] + ":" + rule[key].get<std::string>();
        out.push_back(text);
    }
    return out;
}

} // namespace

TEST_CASE("a ScrapeJob is its own leaf, and a Probe is a job with the blackbox exporter's relabelling") {
    const auto own = jobs_of(monitor("ScrapeJob", R"({"scrape_interval":"90s",
        "static_configs":[{"targets":["a:1"],"labels":{"n":1}}]})",
                                     api_version));
    REQUIRE(own.size() == 1);
    CHECK(own[0] == Json::parse(R"({"job_name":"m","scrape_interval":"1m30s",
        "static_configs":[{"targets":["a:1"],"labels":{"n":"1"}}]})"));
    const auto probe = jobs_of(monitor("Probe", R"({"targets":["https://example.org"],"interval":"60s",
        "prober":{"url":"bb:9115"},"module":"tcp","labels":{"site":"east"}})",
                                       api_version));
    REQUIRE(probe.size() == 1);
    CHECK(probe[0] == Json::parse(R"({"job_name":"m","metrics_path":"/probe","params":{"module":["tcp"]},
        "scrape_interval":"1m",
        "static_configs":[{"targets":["https://example.org"],"labels":{"site":"east"}}],
        "relabel_configs":[{"source_labels":["__address__"],"target_label":"__param_target"},
        {"source_labels":["__param_target"],"target_label":"instance"},
        {"target_label":"__address__","replacement":"bb:9115"}]})"));
    CHECK(problems_of(monitor("ScrapeJob", R"({"scrape_timeout":"soon"})", api_version)) ==
          "monitoring.duration /spec/scrape_timeout");
}

TEST_CASE("a ServiceMonitor becomes a job for each endpoint, relabelled as the operator does") {
    const auto jobs = jobs_of(monitor("ServiceMonitor", R"({
        "jobLabel":"app.kubernetes.io/name","targetLabels":["team"],"podTargetLabels":["tier"],
        "sampleLimit":9,
        "selector":{"matchLabels":{"app":"shop"},
            "matchExpressions":[{"key":"env","operator":"In","values":["a","b"]},
                {"key":"old","operator":"DoesNotExist"}]},
        "endpoints":[{"port":"web","interval":"30s","path":"/m","scheme":"HTTPS",
            "tlsConfig":{"insecureSkipVerify":true,"ca":{},"caFile":"/ca"},"bearerTokenFile":"/token",
            "relabelings":[{"sourceLabels":["x"],"targetLabel":"y","action":"Replace"}],
            "metricRelabelings":[{"sourceLabels":["__name__"],"regex":"go_.*","action":"drop"}]},
            {"targetPort":9090,"filterRunning":false}]})"));
    REQUIRE(jobs.size() == 2);
    CHECK(jobs[0]["job_name"] == "serviceMonitor/ns/m/0");
    CHECK(jobs[0]["kubernetes_sd_configs"] ==
          Json::parse(
              R"([{"api_server":"https://k8s:6443","role":"endpoints","namespaces":{"names":["ns"]}}])"));
    CHECK(jobs[0]["scheme"] == "https");
    CHECK(jobs[0]["sample_limit"] == 9);
    CHECK(jobs[0]["tls_config"] == Json::parse(R"({"insecure_skip_verify":true,"ca_file":"/ca"})"));
    CHECK(jobs[0]["authorization"] == Json::parse(R"({"credentials_file":"/token"})"));
    CHECK(jobs[0]["metric_relabel_configs"] ==
          Json::parse(R"([{"source_labels":["__name__"],"regex":"go_.*","action":"drop"}])"));
    CHECK(rules_of(jobs[0]) ==
          std::vector<std::string>{
              "job t:__tmp_prometheus_job_name",
              "__meta_kubernetes_service_label_app,__meta_kubernetes_service_labelpresent_app r:(shop);true "
              "a:keep",
              "__meta_kubernetes_service_label_env,__meta_kubernetes_service_labelpresent_env r:(a|b);true "
              "a:keep",
              "__meta_kubernetes_service_labelpresent_old r:true a:drop",
              "__meta_kubernetes_endpoint_port_name r:web a:keep",
              "__meta_kubernetes_pod_phase r:(Failed|Succeeded) a:drop",
              "__meta_kubernetes_endpoint_address_target_kind,__meta_kubernetes_endpoint_address_target_name "
              "t:node r:Node;(.*) r:${1}",
              "__meta_kubernetes_endpoint_address_target_kind,__meta_kubernetes_endpoint_address_target_name "
              "t:pod r:Pod;(.*) r:${1}",
              "__meta_kubernetes_namespace t:namespace", "__meta_kubernetes_service_name t:service",
              "__meta_kubernetes_pod_name t:pod", "__meta_kubernetes_pod_container_name t:container",
              "__meta_kubernetes_service_label_team t:team r:(.+) r:${1}",
              "__meta_kubernetes_pod_label_tier t:tier r:(.+) r:${1}",
              "__meta_kubernetes_service_name t:job r:${1}",
              "__meta_kubernetes_service_label_app_kubernetes_io_name t:job r:(.+) r:${1}",
              " t:endpoint r:web", "x t:y a:replace"});
    CHECK(jobs[1]["job_name"] == "serviceMonitor/ns/m/1");
    CHECK(rules_of(jobs[1])[4] == "__meta_kubernetes_pod_container_port_number r:9090 a:keep");
    CHECK(rules_of(jobs[1]).back() == " t:endpoint r:9090");
}

TEST_CASE("a PodMonitor looks for pods, in all namespaces where it says so") {
    const auto jobs = jobs_of(monitor("PodMonitor", R"({"namespaceSelector":{"any":true},
        "selector":{"matchLabels":{"app":"shop"}},"attachMetadata":{"node":true},
        "podMetricsEndpoints":[{"port":"web"}]})"));
    REQUIRE(jobs.size() == 1);
    CHECK(jobs[0]["job_name"] == "podMonitor/ns/m/0");
    CHECK(jobs[0]["kubernetes_sd_configs"] ==
          Json::parse(R"([{"api_server":"https://k8s:6443","role":"pod","attach_metadata":{"node":true}}])"));
    CHECK(rules_of(jobs[0]) ==
          std::vector<std::string>{
              "job t:__tmp_prometheus_job_name",
              "__meta_kubernetes_pod_label_app,__meta_kubernetes_pod_labelpresent_app r:(shop);true a:keep",
              "__meta_kubernetes_pod_container_port_name r:web a:keep",
              "__meta_kubernetes_pod_phase r:(Failed|Succeeded) a:drop",
              "__meta_kubernetes_namespace t:namespace", "__meta_kubernetes_pod_container_name t:container",
              "__meta_kubernetes_pod_name t:pod", " t:job r:ns/m", " t:endpoint r:web"});
}

TEST_CASE("the operator's Probe with static targets needs no Kubernetes") {
    const auto jobs = jobs_of(monitor("Probe", R"({"jobName":"web","interval":"30s","module":"http_2xx",
        "prober":{"url":"bb:9115","scheme":"http"},
        "targets":{"staticConfig":{"static":["https://a"],"labels":{"x":"y"}}}})"),
                              {});
    REQUIRE(jobs.size() == 1);
    CHECK(jobs[0]["job_name"] == "probe/ns/m");
    CHECK(jobs[0]["metrics_path"] == "/probe");
    CHECK(jobs[0]["static_configs"] ==
          Json::parse(R"([{"targets":["https://a"],"labels":{"x":"y","namespace":"ns"}}])"));
    CHECK(rules_of(jobs[0]) == std::vector<std::string>{"job t:__tmp_prometheus_job_name", " t:job r:web",
                                                        "__address__ t:__param_target",
                                                        "__param_target t:instance",
                                                        " t:__address__ r:bb:9115"});
}

TEST_CASE("what of the operator's documents is not covered is refused, and nothing of it left out") {
    const auto [kind, spec, problems] = GENERATE(table<const char*, const char*, const char*>(
        {{"ServiceMonitor",
          R"({"selector":{},"endpoints":[{"basicAuth":{"username":{"name":"s","key":"k"}}}]})",
          "monitoring.not-covered /spec/endpoints/0/basicAuth"},
         {"ServiceMonitor",
          R"({"selector":{},"scrapeClass":"x","endpoints":[{"tlsConfig":{"ca":{"secret":{}}}}]})",
          "monitoring.not-covered /spec/scrapeClass, monitoring.not-covered /spec/endpoints/0/tlsConfig/ca"},
         {"PodMonitor", R"({"selector":{"matchExpressions":[{"key":"a","operator":"Near"}]}})",
          "monitoring.not-covered /spec/selector/matchExpressions/0/operator"},
         {"ServiceMonitor", R"({"selector":{},"endpoints":[{"interval":"often"}]})",
          "monitoring.duration /spec/endpoints/0/interval"},
         {"Probe", R"({"prober":{"url":"b"},"targets":{"ingress":{"selector":{"a":"b"}}}})",
          "monitoring.not-covered /spec/targets/ingress"},
         {"Probe", R"({"targets":{"staticConfig":{"static":["a"]}}})",
          "monitoring.no-prober /spec/prober/url"}}));
    CHECK(problems_of(monitor(kind, spec)) == problems);
    CHECK(problems_of(monitor("ServiceMonitor", R"({"selector":{},"endpoints":[{}]})"), {}) ==
          "monitoring.no-kubernetes /spec");
}

// ---- line by line ----

namespace {

constexpr const char* configuration = R"(# ours
global: {scrape_interval: 1h} # slow

scrape_configs:
  # the first
  - job_name: a   # why
    static_configs:
    - targets: ["a:1"]

  # the second
  - job_name: b
    scrape_interval: 1m
# last words
rule_files: [x] # theirs
)";

Json content_of(const std::string& text) {
    Json out = read_yaml(text, "it");
    if (!out.contains(jobs_key) || out[jobs_key].is_null()) out[jobs_key] = Json::array();
    return out;
}

} // namespace

TEST_CASE("of a configuration only the lines of jobs that change are touched") {
    Json content = content_of(configuration);
    CHECK(with_jobs(configuration, content) == std::string(configuration));
    content[jobs_key][1]["scrape_interval"] = "2m";
    content[jobs_key].push_back({{"job_name", "c"}, {"metrics_path", "/c"}});
    CHECK(with_jobs(configuration, content).value_or("nothing") == R"(# ours
global: {scrape_interval: 1h} # slow

scrape_configs:
  # the first
  - job_name: a   # why
    static_configs:
    - targets: ["a:1"]

  # the second
  - job_name: b
    scrape_interval: "2m"
  - job_name: c
    metrics_path: /c
# last words
rule_files: [x] # theirs
)");
    content[jobs_key].erase(0);
    CHECK(with_jobs(configuration, content)->find("# why") == std::string::npos);
    CHECK(with_jobs(configuration, content)->find("# the second\n  - job_name: b") != std::string::npos);
}

TEST_CASE("a list that is not there yet is added, and a layout of another sort left to be printed anew") {
    const Json one = {{"job_name", "a"}};
    Json content = content_of("global: {} # theirs\n");
    content[jobs_key].push_back(one);
    CHECK(with_jobs("global: {} # theirs", content) ==
          "global: {} # theirs\nscrape_configs:\n- job_name: a\n");
    for (const char* text : {"scrape_configs: [] # none\n", "scrape_configs: [{job_name: b}]\n", "{}\n"}) {
        content = content_of(text);
        content[jobs_key].push_back(one);
        CHECK_FALSE(with_jobs(text, content));
    }
}

TEST_CASE("after random edits the file always says what is meant, and keeps what nobody changed") {
    std::mt19937 random(20261123);
    std::string text = configuration;
    for (int round = 0; round < 300; ++round) {
        Json content = content_of(text);
        auto& jobs = content[jobs_key].get_ref<Json::array_t&>();
        const unsigned choice = static_cast<unsigned>(random()) % 3;
        const std::size_t at = jobs.empty() ? 0 : static_cast<unsigned>(random()) % jobs.size();
        if (choice == 0 || jobs.empty())
            jobs.push_back({{"job_name", "j" + std::to_string(round)},
                            {"params", {{"text", {"two\nlines\n", "# no comment", ""}}}},
                            {"static_configs", Json::array()}});
        else if (choice == 1)
            jobs[at]["scrape_interval"] = std::to_string(round + 1) + "s";
        else
            jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(at));
        const auto out = with_jobs(text, content);
        INFO("round " << round << "\n" << text << "\n" << content.dump(1));
        if (!out) { // the list is empty now, or was
            CHECK((jobs.empty() || content_of(text)[jobs_key].empty()));
            text = print_yaml(content) + "# last words\n";
            continue;
        }
        CHECK(content_of(*out) == content);
        CHECK(out->find("# last words\n") != std::string::npos);
        text = *out;
    }
}

// The operator's ServiceMonitor, PodMonitor and Probe as jobs, with the relabellings that it would write
// (github.com/prometheus-operator/prometheus-operator, Documentation/api-reference/api.md). What they find
// their targets by is a Kubernetes API, so they need `prometheus.kubernetes` in the provider's config; what
// they take from Secrets of a cluster cannot be had here. A field that is not known is an error: left out,
// it could mean to scrape what was not meant.

#include <algorithm>
#include <set>

#include "compile.hpp"
#include "jobs.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

// An object whose fields are taken one by one; those that nobody took are complained of.
class Fields {
public:
    Fields(const Json& object, std::string pointer, sdk::Diagnostics& problems)
        : object_(object.is_object() ? object : Json::object()),
          pointer_(std::move(pointer)),
          problems_(problems) {}

    // Null where it is not there, or says nothing.
    Json take(const char* key) {
        taken_.insert(key);
        const auto found = object_.find(key);
        return found == object_.end() ? Json() : *found;
    }
    std::string text(const char* key, std::string otherwise = {}) {
        const Json value = take(key);
        return value.is_string() ? value.get<std::string>()
               : value.is_null() ? std::move(otherwise)
                                 : sdk::dump_json(value);
    }
    Fields below(const char* key) { return {take(key), pointer_ + "/" + key, problems_}; }
    const std::string& pointer() const { return pointer_; }
    sdk::Diagnostics& problems() { return problems_; }
    void finish() {
        for (const auto& [key, value] : object_.items())
            if (taken_.count(key) == 0 && !value.is_null() && !(value.is_structured() && value.empty()))
                complain(problems_, "monitoring.not-covered", pointer_ + "/" + key,
                         "this field of the operator's is not covered outside of its cluster",
                         "leave the document to the operator, or write a ScrapeJob");
    }

private:
    Json object_;
    std::string pointer_;
    sdk::Diagnostics& problems_;
    std::set<std::string> taken_;
};

void copy(Fields& from, Json& to, std::initializer_list<std::pair<const char*, const char*>> names) {
    for (const auto& [camel, snake] : names)
        if (Json value = from.take(camel); !value.is_null()) to[snake] = std::move(value);
}

std::string in_small_letters(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// As Prometheus names them in meta labels.
std::string as_label(const std::string& name) {
    std::string out = name;
    for (char& c : out)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return out;
}

void add_relabellings(Fields& from, const char* key, Json& to) {
    const Json list = from.take(key);
    for (std::size_t i = 0; list.is_array() && i < list.size(); ++i) {
        Fields one(list[i], from.pointer() + "/" + key + "/" + std::to_string(i), from.problems());
        Json out = Json::object();
        copy(one, out,
             {{"sourceLabels", "source_labels"},
              {"separator", "separator"},
              {"targetLabel", "target_label"},
              {"regex", "regex"},
              {"modulus", "modulus"},
              {"replacement", "replacement"},
              {"action", "action"}});
        if (out.contains("action")) out["action"] = in_small_letters(one.text("action"));
        one.finish();
        to.push_back(std::move(out));
    }
}

Json with_action(const char* action, Json from, const std::string& regex) {
    Json out = relabelling(std::move(from), {}, regex);
    out["action"] = action;
    return out;
}

// `what` is service or pod: which labels the selector is about.
void add_selector(Fields selector, const std::string& what, Json& to) {
    const auto labels = [&](const std::string& name) {
        const std::string label = as_label(name);
        return Json::array({"__meta_kubernetes_" + what + "_label_" + label,
                            "__meta_kubernetes_" + what + "_labelpresent_" + label});
    };
    const Json wanted = selector.take("matchLabels");
    for (const auto& [name, value] : wanted.items())
        to.push_back(
            with_action("keep", labels(name),
                        "(" + (value.is_string() ? value.get<std::string>() : value.dump()) + ");true"));
    const Json expressions = selector.take("matchExpressions");
    for (std::size_t i = 0; expressions.is_array() && i < expressions.size(); ++i) {
        Fields one(expressions[i], selector.pointer() + "/matchExpressions/" + std::to_string(i),
                   selector.problems());
        const std::string how = one.text("operator"), name = one.text("key");
        std::string values;
        for (const Json& value : one.take("values"))
            values += (values.empty() ? "" : "|") + value.get<std::string>();
        if (how == "In" || how == "NotIn")
            to.push_back(with_action(how == "In" ? "keep" : "drop", labels(name), "(" + values + ");true"));
        else if (how == "Exists" || how == "DoesNotExist")
            to.push_back(
                with_action(how == "Exists" ? "keep" : "drop", Json::array({labels(name)[1]}), "true"));
        else
            complain(selector.problems(), "monitoring.not-covered", one.pointer() + "/operator",
                     "\"" + how + "\" is no operator of a label selector",
                     "write In, NotIn, Exists or DoesNotExist");
        one.finish();
    }
    selector.finish();
}

// The part of an endpoint that is the same in all three kinds.
Json job_of_endpoint(Fields& endpoint) {
    Json job = Json::object();
    copy(endpoint, job,
         {{"interval", "scrape_interval"},
          {"scrapeTimeout", "scrape_timeout"},
          {"params", "params"},
          {"honorLabels", "honor_labels"},
          {"honorTimestamps", "honor_timestamps"},
          {"trackTimestampsStaleness", "track_timestamps_staleness"},
          {"followRedirects", "follow_redirects"},
          {"enableHttp2", "enable_http2"},
          {"proxyUrl", "proxy_url"},
          {"noProxy", "no_proxy"},
          {"proxyFromEnvironment", "proxy_from_environment"}});
    if (const std::string path = endpoint.text("path"); !path.empty()) job["metrics_path"] = path;
    if (const std::string scheme = endpoint.text("scheme"); !scheme.empty())
        job["scheme"] = in_small_letters(scheme);
    if (const std::string file = endpoint.text("bearerTokenFile"); !file.empty())
        job["authorization"] = {{"credentials_file", file}};
    Fields tls = endpoint.below("tlsConfig");
    Json tls_config = Json::object();
    copy(tls, tls_config,
         {{"caFile", "ca_file"},
          {"certFile", "cert_file"},
          {"keyFile", "key_file"},
          {"serverName", "server_name"},
          {"insecureSkipVerify", "insecure_skip_verify"},
          {"minVersion", "min_version"},
          {"maxVersion", "max_version"}});
    tls.finish();
    if (!tls_config.empty()) job["tls_config"] = std::move(tls_config);
    return job;
}

void copy_limits(Fields& spec, Json& job) {
    copy(spec, job,
         {{"sampleLimit", "sample_limit"},
          {"targetLimit", "target_limit"},
          {"labelLimit", "label_limit"},
          {"labelNameLengthLimit", "label_name_length_limit"},
          {"labelValueLengthLimit", "label_value_length_limit"},
          {"bodySizeLimit", "body_size_limit"},
          {"keepDroppedTargets", "keep_dropped_targets"},
          {"scrapeProtocols", "scrape_protocols"},
          {"fallbackScrapeProtocol", "scrape_fallback_protocol"}});
}

// Where the targets are found; null, with a complaint, where the config names no API.
Json discovery(Fields& spec, const char* role, const std::string& space, const Surroundings& around) {
    Fields selector = spec.below("namespaceSelector");
    const bool is_any = selector.take("any") == true;
    Json names = selector.take("matchNames");
    selector.finish();
    Fields metadata = spec.below("attachMetadata");
    const bool has_node = metadata.take("node") == true;
    metadata.finish();
    if (!around.kubernetes) {
        complain(spec.problems(), "monitoring.no-kubernetes", "/spec",
                 "its targets are found through a Kubernetes API, and the provider's config names none",
                 "set prometheus.kubernetes in the provider's config, or write a ScrapeJob with targets");
        return {};
    }
    Json out = *around.kubernetes;
    out["role"] = role;
    if (!is_any && (!names.is_array() || names.empty())) names = Json::array({space});
    if (!is_any) out["namespaces"] = {{"names", names}};
    if (has_node) out["attach_metadata"] = {{"node", true}};
    return Json::array({std::move(out)});
}

void add_where_from(bool is_service, Json& to) {
    if (is_service)
        for (const auto& [kind, label] : {std::pair("Node", "node"), {"Pod", "pod"}}) {
            Json one = relabelling({"__meta_kubernetes_endpoint_address_target_kind",
                                    "__meta_kubernetes_endpoint_address_target_name"},
                                   label, std::string(kind) + ";(.*)", "${1}");
            one["separator"] = ";";
            to.push_back(std::move(one));
        }
    to.push_back(relabelling({"__meta_kubernetes_namespace"}, "namespace"));
    if (is_service) to.push_back(relabelling({"__meta_kubernetes_service_name"}, "service"));
    if (!is_service) to.push_back(relabelling({"__meta_kubernetes_pod_container_name"}, "container"));
    to.push_back(relabelling({"__meta_kubernetes_pod_name"}, "pod"));
    if (is_service) to.push_back(relabelling({"__meta_kubernetes_pod_container_name"}, "container"));
}

void add_port(Fields& endpoint, bool is_service, Json& to) {
    const std::string port = endpoint.text("port");
    const Json target = endpoint.take("targetPort"), number = endpoint.take("portNumber");
    std::string shown = port;
    if (!port.empty())
        to.push_back(with_action("keep",
                                 Json::array({is_service ? "__meta_kubernetes_endpoint_port_name"
                                                         : "__meta_kubernetes_pod_container_port_name"}),
                                 port));
    else if (const Json& named = target.is_null() ? number : target; !named.is_null()) {
        shown = named.is_string() ? named.get<std::string>() : named.dump();
        to.push_back(
            with_action("keep",
                        Json::array({named.is_string() ? "__meta_kubernetes_pod_container_port_name"
                                                       : "__meta_kubernetes_pod_container_port_number"}),
                        shown));
    }
    if (endpoint.take("filterRunning") != false)
        to.push_back(with_action("drop", Json::array({"__meta_kubernetes_pod_phase"}), "(Failed|Succeeded)"));
    if (!shown.empty()) to.push_back(relabelling(Json::array(), "endpoint", {}, shown));
}

// ServiceMonitor and PodMonitor; a job for each endpoint, called as the operator calls it.
void compile_monitor(const Json& document, bool is_service, const Surroundings& around,
                     std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    const std::string space = sdk::text_at(document, "/metadata/namespace", "default"),
                      name = sdk::text_at(document, "/metadata/name"), what = is_service ? "service" : "pod";
    Fields spec(document.at("spec"), "/spec", problems);
    const Json where = discovery(spec, is_service ? "endpoints" : "pod", space, around);
    Json common = Json::object(), selection = Json::array();
    copy_limits(spec, common);
    add_selector(spec.below("selector"), what, selection);
    const std::string job_label = spec.text("jobLabel");
    const Json target_labels = is_service ? spec.take("targetLabels") : Json();
    const Json pod_labels = spec.take("podTargetLabels");
    const char* const list = is_service ? "endpoints" : "podMetricsEndpoints";
    const Json endpoints = spec.take(list);
    spec.finish();
    for (std::size_t i = 0; endpoints.is_array() && i < endpoints.size(); ++i) {
        Fields endpoint(endpoints[i], std::string("/spec/") + list + "/" + std::to_string(i), problems);
        Json job = job_of_endpoint(endpoint), rules = Json::array();
        job.update(common);
        job["job_name"] = what + "Monitor/" + space + "/" + name + "/" + std::to_string(i);
        job["kubernetes_sd_configs"] = where;
        rules.push_back(relabelling({"job"}, "__tmp_prometheus_job_name"));
        rules.insert(rules.end(), selection.begin(), selection.end());
        Json port = Json::array();
        add_port(endpoint, is_service, port);
        // The endpoint's name comes behind all other labels, so that it wins.
        const bool has_name = !port.empty() && port.back().value("target_label", "") == "endpoint";
        rules.insert(rules.end(), port.begin(), port.end() - (has_name ? 1 : 0));
        add_where_from(is_service, rules);
        for (const auto& [labels, of] : {std::pair(&target_labels, "service"), {&pod_labels, "pod"}})
            for (const Json& label : labels->is_array() ? *labels : Json::array()) {
                const std::string plain = as_label(label.get<std::string>());
                rules.push_back(relabelling({std::string("__meta_kubernetes_") + of + "_label_" + plain},
                                            plain, "(.+)", "${1}"));
            }
        if (is_service)
            rules.push_back(relabelling({"__meta_kubernetes_service_name"}, "job", {}, "${1}"));
        else
            rules.push_back(relabelling(Json::array(), "job", {}, space + "/" + name));
        if (!job_label.empty())
            rules.push_back(relabelling({"__meta_kubernetes_" + what + "_label_" + as_label(job_label)},
                                        "job", "(.+)", "${1}"));
        if (has_name) rules.push_back(port.back());
        add_relabellings(endpoint, "relabelings", rules);
        job["relabel_configs"] = std::move(rules);
        Json metric_rules = Json::array();
        add_relabellings(endpoint, "metricRelabelings", metric_rules);
        if (!metric_rules.empty()) job["metric_relabel_configs"] = std::move(metric_rules);
        endpoint.finish();
        check_duration(endpoints[i], "interval", endpoint.pointer(), problems);
        check_duration(endpoints[i], "scrapeTimeout", endpoint.pointer(), problems);
        out.push_back(job_leaf(job, endpoint.pointer()));
        out.back().part = "endpoint/" + std::to_string(i);
    }
}

} // namespace

void compile_service_monitor(const Json& document, const Surroundings& around, std::vector<Compiled>& out,
                             sdk::Diagnostics& problems) {
    compile_monitor(document, true, around, out, problems);
}

void compile_pod_monitor(const Json& document, const Surroundings& around, std::vector<Compiled>& out,
                         sdk::Diagnostics& problems) {
    compile_monitor(document, false, around, out, problems);
}

// With static targets; Ingresses are not looked for.
void compile_operator_probe(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    const std::string space = sdk::text_at(document, "/metadata/namespace", "default"),
                      name = sdk::text_at(document, "/metadata/name");
    Fields spec(document.at("spec"), "/spec", problems);
    Json job = job_of_endpoint(spec);
    copy_limits(spec, job);
    job["job_name"] = "probe/" + space + "/" + name;
    Fields prober = spec.below("prober"), targets = spec.below("targets"),
           fixed = targets.below("staticConfig");
    job["metrics_path"] = prober.text("path", "/probe");
    if (const std::string scheme = prober.text("scheme"); !scheme.empty())
        job["scheme"] = in_small_letters(scheme);
    if (const std::string proxy = prober.text("proxyUrl"); !proxy.empty()) job["proxy_url"] = proxy;
    if (const std::string module = spec.text("module"); !module.empty())
        job["params"]["module"] = Json::array({module});
    Json labels = fixed.take("labels");
    if (!labels.is_object()) labels = Json::object();
    labels["namespace"] = space;
    job["static_configs"] = Json::array({{{"targets", fixed.take("static")}, {"labels", std::move(labels)}}});
    Json rules = Json::array();
    rules.push_back(relabelling({"job"}, "__tmp_prometheus_job_name"));
    if (const std::string job_name = spec.text("jobName"); !job_name.empty())
        rules.push_back(relabelling(Json::array(), "job", {}, job_name));
    for (const Json& rule : probe_relabellings(prober.text("url"))) rules.push_back(rule);
    add_relabellings(fixed, "relabelingConfigs", rules);
    job["relabel_configs"] = std::move(rules);
    Json metric_rules = Json::array();
    add_relabellings(spec, "metricRelabelings", metric_rules);
    if (!metric_rules.empty()) job["metric_relabel_configs"] = std::move(metric_rules);
    for (Fields* fields : {&prober, &fixed, &targets, &spec}) fields->finish();
    check_duration(document.at("spec"), "interval", "/spec", problems);
    check_duration(document.at("spec"), "scrapeTimeout", "/spec", problems);
    if (prober.text("url").empty())
        complain(problems, "monitoring.no-prober", "/spec/prober/url", "no prober is named",
                 "write prober: {url: HOST:PORT} of a blackbox exporter");
    out.push_back(job_leaf(job, "/spec"));
    out.back().part = "probe";
}

} // namespace holdfast::monitoring

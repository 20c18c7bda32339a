#include "monitoring.hpp"

#include <algorithm>
#include <map>

#include "alert_file.hpp"
#include "grafana.hpp"
#include "job_file.hpp"
#include "rule_folder.hpp"
#include "silences.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

bool has_errors(const sdk::Diagnostics& problems) {
    return std::any_of(problems.begin(), problems.end(),
                       [](const sdk::Diagnostic& why) { return why.severity == sdk::Severity::error; });
}

// What Prometheus is to find Kubernetes' objects by; an empty map: it runs in that cluster.
Json kubernetes_api(const Json& config) {
    Json out = Json::object();
    for (const auto& [pointer, key] :
         {std::pair("/apiServer", "api_server"), {"/kubeconfigFile", "kubeconfig_file"}})
        if (const std::string text = sdk::text_at(config, pointer); !text.empty()) out[key] = text;
    if (const std::string file = sdk::text_at(config, "/tokenFile"); !file.empty())
        out["authorization"] = {{"credentials_file", file}};
    if (const std::string file = sdk::text_at(config, "/caFile"); !file.empty())
        out["tls_config"] = {{"ca_file", file}};
    return out;
}

// For a part that the config does not have.
sdk::Diagnostic not_configured(std::string_view scope) {
    if (scope == scope::rules)
        return problem("monitoring.not-configured", "the provider's config names no folder of rule files",
                       "set prometheus.url, prometheus.rules and prometheus.checkRules");
    if (scope == scope::jobs)
        return problem("monitoring.not-configured", "the provider's config names no file of scrape jobs",
                       "set prometheus.url, prometheus.jobs and prometheus.checkConfig");
    if (scope == scope::silences)
        return problem("monitoring.not-configured", "the provider's config says nothing of an Alertmanager",
                       "set alertmanager.url");
    if (scope == "Folder" || scope == "DataSource" || scope == "Dashboard")
        return problem("monitoring.not-configured", "the provider's config says nothing of a Grafana",
                       "set grafana.url and grafana.token");
    return problem("monitoring.not-configured", "the provider's config says nothing of Alertmanager's file",
                   "set alertmanager.url, alertmanager.config and alertmanager.check");
}

} // namespace

MonitoringProvider::MonitoringProvider(const sdk::Call&, std::string_view config) {
    const Json json = sdk::parse_json(config, "monitoring.config");
    if (const Json* prometheus = sdk::find(json, "/prometheus")) {
        if (prometheus->contains("rules")) parts_.push_back(std::make_unique<RuleFolder>(*prometheus));
        if (prometheus->contains("jobs")) parts_.push_back(std::make_unique<JobFile>(*prometheus));
        if (const Json* api = sdk::find(*prometheus, "/kubernetes"))
            around_.kubernetes = kubernetes_api(*api);
    }
    if (const Json* alertmanager = sdk::find(json, "/alertmanager")) {
        if (alertmanager->contains("config")) parts_.push_back(std::make_unique<AlertFile>(*alertmanager));
        parts_.push_back(std::make_unique<Silences>(*alertmanager));
    }
    if (const Json* grafana = sdk::find(json, "/grafana"))
        for (auto& part : grafana_parts(*grafana)) parts_.push_back(std::move(part));
    if (parts_.empty())
        throw sdk::Error("monitoring.config", "the provider's config names nothing that could be kept",
                         "set prometheus with rules or jobs, alertmanager, or grafana");
    target_ = sdk::text_at(json, "/identity");
    const bool is_named = !target_.empty();
    if (is_named) target_ = "monitoring:" + target_;
    for (const auto& part : parts_)
        if (const std::string id = is_named ? "" : part->target_id(); !id.empty())
            target_ += (target_.empty() ? "" : " ") + id;
    if (const std::string url = is_named ? "" : sdk::text_at(json, "/grafana/url"); !url.empty())
        target_ += (target_.empty() ? "" : " ") + ("grafana:" + url);
    if (target_.empty()) target_ = "silences:" + sdk::text_at(json, "/alertmanager/url");
    if (const Json* poll = sdk::find(json, "/poll")) interval_ = std::chrono::seconds(poll->get<int>());
}

Part* MonitoringProvider::find_part(std::string_view scope) const {
    for (const auto& part : parts_)
        if (part->scope() == scope) return part.get();
    return nullptr;
}

Part& MonitoringProvider::part(std::string_view scope) const {
    if (Part* const found = find_part(scope)) return *found;
    throw sdk::Error(not_configured(scope));
}

void MonitoringProvider::compile(const sdk::Call&, sdk::Items documents, sdk::Results& results) {
    for (const sdk::Item& item : documents) {
        sdk::Result problems;
        const std::vector<Compiled> leaves = compile_document(item.declared(), problems.diagnostics, around_);
        const bool is_good = !has_errors(problems.diagnostics);
        if (!problems.diagnostics.empty()) {
            problems.outcome = sdk::Outcome::failed; // a warning alone does not keep its leaves back
            results.emit(item, problems);
        }
        for (const Compiled& leaf : is_good ? leaves : std::vector<Compiled>()) {
            const std::string kind = kind_id(leaf.key.kind), document = sdk::dump_json(leaf.document);
            results.leaf(item, {kind, leaf.key.identity, leaf.scope, leaf.part, leaf.pointer, document});
        }
    }
}

// Leaves and documents as people write them alike: a leaf compiles to itself.
void MonitoringProvider::validate(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        sdk::Result result;
        for (const Compiled& leaf : compile_document(item.declared(), result.diagnostics, around_))
            if (!find_part(leaf.scope)) result.diagnostics.push_back(not_configured(leaf.scope));
        result.outcome = has_errors(result.diagnostics) ? sdk::Outcome::failed : sdk::Outcome::done;
        results.emit(item, result);
    }
}

void MonitoringProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (!items.empty()) part(scope.name()).observe(scope, items, results);
}

void MonitoringProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request,
                              sdk::Results& results) {
    const std::string kind = short_kind(request.kind);
    for (const auto& part : parts_)
        if (part->holds(kind) && (scope.name().empty() || part->scope() == scope.name()))
            part->list(scope, kind, results);
}

void MonitoringProvider::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (!items.empty()) part(scope.name()).canonicalize(scope, items, results);
}

void MonitoringProvider::review(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    part(scope.name()).review(scope, changes, results);
}

void MonitoringProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    if (!changes.empty()) part(scope.name()).apply(scope, changes, results);
}

// What lies in a folder comes after it.
void MonitoringProvider::order(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    std::map<Key, std::size_t> folders;
    for (const sdk::Item& item : items)
        if (const Key key = key_of(item); key.kind == "Folder") folders.emplace(key, item.index());
    if (folders.empty()) return;
    for (const sdk::Item& item : items) {
        const std::string kind = short_kind(item.kind());
        const char* const pointer = kind == "Folder"      ? "/parentUid"
                                    : kind == "Dashboard" ? "/folder"
                                                          : nullptr;
        if (!pointer) continue;
        const auto found =
            folders.find(grafana_key("Folder", sdk::text_at(spec_in(item.declared()), pointer)));
        if (found != folders.end() && found->second != item.index())
            results.ordered(item, Json{{"after", {found->second}}}.dump());
    }
}

void MonitoringProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    if (!watcher_) watcher_ = std::make_unique<Watcher>(interval_, scope.host());
    part(scope.name()).take_interest(items);
    watcher_->watch(scope, part(scope.name()), !items.empty(), hints);
}

void MonitoringProvider::unwatch() { watcher_.reset(); }

} // namespace holdfast::monitoring

HOLDFAST_PLUGIN(holdfast::monitoring::MonitoringProvider);

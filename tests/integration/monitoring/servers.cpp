#include "servers.hpp"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace holdfast::test {

std::optional<std::string> obstacle() {
    for (const char* program : {"prometheus", "promtool", "prometheus-alertmanager", "amtool", "curl", "jq"})
        if (!has_program(program)) return std::string(program) + " is not installed";
    return enter_network_namespace();
}

PrometheusServer::PrometheusServer(const std::string& rules)
    : rules_(rules.empty() ? folder_ / "rules" : rules) {
    std::filesystem::create_directories(rules_);
    write_file(folder_ / "prometheus.yml", "global: {scrape_interval: 1h, evaluation_interval: 1s}\n"
                                           "rule_files: [\"" +
                                               rules_ + "/*.yml\"]\n");
    start();
}

void PrometheusServer::start() {
    const std::string config = "--config.file=" + folder_ / "prometheus.yml",
                      data = "--storage.tsdb.path=" + (folder_ / "data");
    const char* const words[] = {"prometheus",
                                 config.c_str(),
                                 data.c_str(),
                                 "--web.listen-address=127.0.0.1:19090",
                                 "--web.enable-lifecycle",
                                 nullptr};
    process_ = std::make_unique<BackgroundProgram>(words, folder_ / "log");
    for (int i = 0; i < 500 && process_->is_running(); ++i) {
        if (output_of(std::string("curl -sf ") + prometheus_url + "/-/ready")) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error("Prometheus does not come up: " + log());
}

std::string PrometheusServer::config(const Json& more, int poll_seconds) const {
    Json part{{"url", prometheus_url},
              {"rules", rules_},
              {"checkRules", command("check-rules", {"/usr/bin/promtool", "check", "rules"})},
              {"jobs", folder_ / "prometheus.yml"},
              {"checkConfig", command("check-config", {"/usr/bin/promtool", "check", "config"})},
              {"testRules", command("test-rules", {"/usr/bin/promtool", "test", "rules"})}};
    part.update(more);
    return Json{{"prometheus", part}, {"poll", poll_seconds}}.dump();
}

std::string PrometheusServer::ask(const std::string& path, const std::string& filter) const {
    return output_of(std::string("curl -s '") + prometheus_url + "/api/v1/" + path + "' | jq -j '" + filter +
                     "'")
        .value_or("no answer");
}

std::string PrometheusServer::running() const {
    return ask(
        "rules",
        "[.data.groups[] | .name as $g | .rules[] | \"\\($g)/\\(.name)=\\(.query)\"] | sort | join(\", \")");
}

bool PrometheusServer::reload() const {
    return output_of(std::string("curl -sf -X POST ") + prometheus_url + "/-/reload").has_value();
}

AlertmanagerServer::AlertmanagerServer(const std::string& text) {
    write_file(file(), text);
    start();
}

void AlertmanagerServer::start() {
    const std::string config = "--config.file=" + file(), data = "--storage.path=" + folder_ / "data";
    const char* const words[] = {
        "prometheus-alertmanager",   config.c_str(), data.c_str(), "--web.listen-address=127.0.0.1:19093",
        "--cluster.listen-address=", nullptr};
    process_ = std::make_unique<BackgroundProgram>(words, folder_ / "log");
    for (int i = 0; i < 500 && process_->is_running(); ++i) {
        if (output_of(std::string("curl -sf ") + alertmanager_url + "/-/ready")) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error("Alertmanager does not come up: " + log());
}

std::string AlertmanagerServer::config(const Json& more) const {
    Json part{{"url", alertmanager_url},
              {"config", file()},
              {"check", command("check-alertmanager", {"/usr/bin/amtool", "check-config"})}};
    part.update(more);
    return Json{{"alertmanager", part}, {"poll", 1}}.dump();
}

std::string AlertmanagerServer::ask(const std::string& path, const std::string& filter) const {
    return output_of(std::string("curl -s '") + alertmanager_url + "/api/v2/" + path + "' | jq -j '" +
                     filter + "'")
        .value_or("no answer");
}

std::string AlertmanagerServer::post_silence(const Json& silence) const {
    write_file(folder() + "/silence.json", silence.dump());
    return output_of(std::string("curl -s -X POST -H 'Content-Type: application/json' --data @") + folder() +
                     "/silence.json " + alertmanager_url + "/api/v2/silences | jq -j .silenceID")
        .value_or("");
}

Ask leaf(const std::string& kind, const Json& identity, Json spec) {
    const Json document{
        {"apiVersion", "monitoring.holdfast.dev/v1alpha1"}, {"kind", kind}, {"spec", std::move(spec)}};
    return {.kind = "monitoring.holdfast.dev/v1alpha1/" + kind,
            .identity = identity.dump(),
            .declared = document.dump(),
            .action = ItemAction::create};
}

Json command(const std::string& name, const std::vector<std::string>& run, int timeout_ms) {
    return {{"name", name}, {"run", run}, {"timeoutMs", timeout_ms}};
}

Ask group(const std::string& name, Json rules, Json more, const std::string& file) {
    Json spec{{"file", file}, {"name", name}, {"rules", std::move(rules)}};
    if (more.is_object()) spec.update(more);
    const Json document{
        {"apiVersion", "monitoring.holdfast.dev/v1alpha1"}, {"kind", "RuleGroup"}, {"spec", spec}};
    return {.kind = rule_group,
            .identity = Json::array({file, name}).dump(),
            .declared = document.dump(),
            .action = ItemAction::create};
}

Json alert(const std::string& name, const std::string& expr) { return {{"alert", name}, {"expr", expr}}; }

Ask changed(Ask ask, const Answer& seen) {
    ask.observed = seen.document;
    ask.version = seen.version;
    ask.action = ItemAction::update;
    return ask;
}

Ask removed(Ask ask, const Answer& seen) {
    ask = changed(std::move(ask), seen);
    ask.declared.clear();
    ask.action = ItemAction::remove;
    return ask;
}

} // namespace holdfast::test

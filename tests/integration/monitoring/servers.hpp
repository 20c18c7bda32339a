#pragma once
// A real Prometheus and a real Alertmanager, new for every test and gone with it. Both listen on loopback in
// the network namespace of the test.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/network_namespace.hpp"
#include "support/plugin_driver.hpp"
#include "support/shell.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::test {

using Json = nlohmann::json;

constexpr const char* prometheus_url = "http://127.0.0.1:19090";
constexpr const char* alertmanager_url = "http://127.0.0.1:19093";

// Why these tests cannot run here; nothing once the process is in a network namespace of its own.
std::optional<std::string> obstacle();

class PrometheusServer {
public:
    // Rules in `folder()/rules`, or where `rules` says. Throws where it does not come up, with its log.
    explicit PrometheusServer(const std::string& rules = {});

    const std::string& folder() const { return folder_.path(); }
    const std::string& rules() const { return rules_; }
    void start();
    void stop() { process_.reset(); }
    // The config of a provider for it, with `more` merged into its part `prometheus`.
    std::string config(const Json& more = Json::object(), int poll_seconds = 1) const;
    // What `jq` makes of the API's answer.
    std::string ask(const std::string& path, const std::string& filter) const;
    // "g/A=up == 0, ..." of all rules that it runs.
    std::string running() const;
    bool reload() const;
    std::string log() const { return read_file(folder() + "/log"); }

private:
    TempFolder folder_;
    std::string rules_;
    std::unique_ptr<BackgroundProgram> process_;
};

class AlertmanagerServer {
public:
    // With `text` as its configuration. Throws where it does not come up, with its log.
    explicit AlertmanagerServer(
        const std::string& text = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");

    const std::string& folder() const { return folder_.path(); }
    std::string file() const { return folder() + "/alertmanager.yml"; }
    void start();
    void stop() { process_.reset(); }
    // The config of a provider for it, with `more` merged into its part `alertmanager`.
    std::string config(const Json& more = Json::object()) const;
    // What `jq` makes of the API's answer.
    std::string ask(const std::string& path, const std::string& filter) const;
    // What it runs, as YAML.
    std::string running() const { return ask("status", ".config.original"); }
    // To /api/v2/silences, as somebody else; what it answers.
    std::string post_silence(const Json& silence) const;
    std::string log() const { return read_file(folder() + "/log"); }

private:
    TempFolder folder_;
    std::unique_ptr<BackgroundProgram> process_;
};

// As the engine puts a command of the operator's into a config.
Json command(const std::string& name, const std::vector<std::string>& run, int timeout_ms = 10000);

constexpr const char* rule_group = "monitoring.holdfast.dev/v1alpha1/RuleGroup";

// A leaf as compile makes it, to be created.
Ask group(const std::string& name, Json rules, Json more = Json::object(),
          const std::string& file = "holdfast.yml");
// Any other leaf of this plugin.
Ask leaf(const std::string& kind, const Json& identity, Json spec);
Json alert(const std::string& name, const std::string& expr = "up == 0");
// The same, to be changed or removed, as it was observed.
Ask changed(Ask ask, const Answer& seen);
Ask removed(Ask ask, const Answer& seen);

} // namespace holdfast::test

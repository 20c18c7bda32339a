#include "prometheus.hpp"

#include "names.hpp"
#include "rules.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr std::size_t most_formatted = 100'000; // expressions that are remembered

} // namespace

// Its files are on this machine, and so it is near: to squeeze its answers takes longer than to send them.
std::string Prometheus::answer(const sdk::Call& call, const std::string& path) const {
    sdk::HttpRequest request;
    request.headers = {"Accept-Encoding: identity"};
    sdk::HttpResponse response = server_.ask(call, std::move(request), "/api/v1/" + path);
    if (response.status < 200 || response.status >= 300)
        throw sdk::Error(server_.refusal(response, "GET /api/v1/" + path.substr(0, path.find('?'))));
    return std::move(response.body);
}

Json Prometheus::get(const sdk::Call& call, const std::string& path) const {
    Json said = sdk::parse_json(answer(call, path), "monitoring.bad-answer");
    if (!said.is_object() || !said.contains("data"))
        throw sdk::Error("monitoring.bad-answer", server_.url() + "/api/v1/" + path + " gives no data",
                         "see that the URL in the provider's config is that of a Prometheus");
    return std::move(said["data"]);
}

std::vector<LoadedGroup> Prometheus::rules(const sdk::Call& call) const {
    const std::string said = answer(call, "rules?exclude_alerts=true");
    if (auto groups = read_rules_answer(said)) return *std::move(groups);
    throw sdk::Error("monitoring.bad-answer", server_.url() + "/api/v1/rules gives no groups",
                     "see that the URL in the provider's config is that of a Prometheus");
}

std::string Prometheus::working_directory(const sdk::Call& call) const {
    return get(call, "status/runtimeinfo").value("CWD", "/");
}

std::string Prometheus::load_mark(const sdk::Call& call) const {
    const Json runtime = get(call, "status/runtimeinfo");
    return runtime.value("lastConfigTime", "") + " " + runtime.value("startTime", "") + " " +
           runtime.value("reloadConfigSuccess", Json()).dump();
}

std::optional<double> Prometheus::last_good_reload(const sdk::Call& call) const {
    const sdk::HttpResponse metrics = server_.ask(call, {}, "/metrics");
    if (metrics.status != 200) return std::nullopt;
    if (metric_in(metrics.body, "prometheus_config_last_reload_successful") != 1.0) return std::nullopt;
    return metric_in(metrics.body, "prometheus_config_last_reload_success_timestamp_seconds");
}

std::optional<std::string> Prometheus::format(const sdk::Call& call, const std::string& expression) {
    if (const auto known = formatted_.find(expression); known != formatted_.end()) return known->second;
    sdk::HttpRequest request;
    request.method = "POST";
    request.body = "query=" + percent_encoded(expression);
    request.headers = {"Content-Type: application/x-www-form-urlencoded"};
    const sdk::HttpResponse response = server_.ask(call, std::move(request), "/api/v1/format_query");
    std::optional<std::string> out;
    if (response.status == 200) {
        const Json answer = sdk::parse_json(response.body, "monitoring.bad-answer");
        out = answer.value("data", "");
    } else if (response.status != 400) {
        throw sdk::Error(server_.refusal(response, "to format an expression"));
    }
    if (formatted_.size() >= most_formatted) formatted_.clear();
    formatted_.emplace(expression, out);
    return out;
}

bool Prometheus::is_same_expression(const sdk::Call& call, const std::string& left,
                                    const std::string& right) {
    if (left == right || is_same_but_blanks(left, right)) return true;
    const auto a = format(call, left), b = format(call, right);
    return a && b && *a == *b;
}

} // namespace holdfast::monitoring

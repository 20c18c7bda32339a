#pragma once
// A Prometheus server by its HTTP API (prometheus.io/docs/prometheus/latest/querying/api).

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <holdfast/json.hpp>

#include "rules_answer.hpp"
#include "server.hpp"

namespace holdfast::monitoring {

class Prometheus {
public:
    explicit Prometheus(Server server) : server_(std::move(server)) {}

    // `data` of GET /api/v1/<path>. Throws where there is none. From any thread.
    sdk::Json get(const sdk::Call& call, const std::string& path) const;
    // Every group that it runs. From any thread.
    std::vector<LoadedGroup> rules(const sdk::Call& call) const;
    std::string working_directory(const sdk::Call& call) const;
    // How Prometheus itself writes the expression; nothing where it cannot read it. Answers are kept.
    std::optional<std::string> format(const sdk::Call& call, const std::string& expression);
    // True where both are one expression to Prometheus. Asks only where blanks are not all.
    bool is_same_expression(const sdk::Call& call, const std::string& left, const std::string& right);

    // Another word once it has read its configuration again, was started again, or could not read it.
    std::string load_mark(const sdk::Call& call) const;
    // When it read its files last, in seconds since 1970 by its own clock; nothing where that went wrong, or
    // where it does not say. To the fraction of a second: its API tells whole ones.
    std::optional<double> last_good_reload(const sdk::Call& call) const;

    const Server& server() const { return server_; }

private:
    std::string answer(const sdk::Call& call, const std::string& path) const;

    Server server_;
    std::map<std::string, std::optional<std::string>> formatted_;
};

} // namespace holdfast::monitoring

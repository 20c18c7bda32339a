#pragma once
// The kernel's ruleset in a namespace of the test's own, and questions to the firewall plugin about a table.

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/plugin_driver.hpp"

namespace holdfast::test {

using Json = nlohmann::json;

constexpr const char* table = "inet edge";

// Why these tests cannot run here. Enters a network namespace, once for the whole process.
std::optional<std::string> obstacle();

bool nft(const std::string& command);
// What `nft ARGUMENTS` prints; fails the test where that fails.
std::string nft_output(const std::string& arguments);
// The handle of the only rule of a chain of the table with that text in it.
std::string handle_of(const std::string& chain, const std::string& text);

Ask chain(const std::string& name, Json rules, Json more = Json::object());
Ask set(const std::string& name, Json more);
// A Counter, Quota, Limit, ...
Ask object(const char* kind, const std::string& name, Json fields = Json::object());
Ask rule(const std::string& chain_name, const std::string& name, int order, const std::string& text);
Ask removal(Ask ask);
Json spec_of(const Answer& answer);
inline Json input_hook(const char* policy = "accept") {
    return {{"hook", "input"}, {"priority", 0}, {"policy", policy}};
}

// The plugin, in an empty ruleset.
class Firewall {
public:
    explicit Firewall(const std::string& config = "{}", Isolation isolation = Isolation::in_process);
    PluginDriver plugin;

    Answers ask(Method method, const std::vector<Ask>& items) { return plugin.ask(method, table, items); }
    Answers observe(const std::vector<Ask>& items) { return ask(Method::observe, items); }
    Answers canonicalize(const std::vector<Ask>& items) { return ask(Method::canonicalize, items); }
    // With the versions and as the actions that the engine would give after this observation.
    Answers apply(std::vector<Ask> items, const Answers& observed);
    Answers apply(const std::vector<Ask>& items) { return apply(items, observe(items)); }
    // Indices of the items whose canonical form is not what is observed.
    std::vector<std::size_t> differing(const std::vector<Ask>& items);
    void must_apply(const std::vector<Ask>& items);
};

} // namespace holdfast::test

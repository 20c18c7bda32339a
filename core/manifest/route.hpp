#pragma once
// Which provider instances a document goes to, and what its kind is. Private to manifest.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "manifest/load.hpp"

namespace holdfast {

struct Route {
    std::vector<const Catalog::Instance*> instances; // not empty where `problem` is
    const KindInfo* kind = nullptr;
    bool follows_kubernetes = false; // kubectl's scalar rules, and no references
    Diagnostic problem;              // without a place; its pointer says what is wrong
    bool ok() const { return problem.code.empty(); }
};

// kubectl's rules hold for the plugin that drives Kubernetes.
bool follows_kubernetes(const Description& description);

class Router {
public:
    Router(const StackDocument& stack, const Catalog& catalog) : stack_(stack), catalog_(catalog) {}

    // `chosen` is the provider that the document names, or empty. Answers are kept: references stay valid.
    const Route& route(const std::string& api_version, const std::string& kind, const std::string& chosen);
    // Whether a document of this group would follow kubectl's rules, as far as the group alone says.
    bool group_follows_kubernetes(std::string_view api_version);
    bool has_kubernetes() const;

private:
    Route make(const std::string& api_version, const std::string& kind, const std::string& chosen) const;
    void choose_instances(Route& route, const std::string& group, const std::string& chosen) const;
    void choose_named(Route& route, const std::string& group, const std::string& chosen) const;
    void find_kind(Route& route, const std::string& api_version, const std::string& kind) const;
    bool names(const std::string& instance) const;
    std::vector<std::string> served_groups() const;

    const StackDocument& stack_;
    const Catalog& catalog_;
    std::unordered_map<std::string, std::unique_ptr<Route>> routes_;
};

} // namespace holdfast

#pragma once
// The provider: rules, alert routing and silences, each a scope of its own.

#include <memory>
#include <string>
#include <vector>

#include <holdfast/json.hpp>

#include "compile.hpp"
#include "part.hpp"
#include "watcher.hpp"

namespace holdfast::monitoring {

class MonitoringProvider final : public sdk::Provider,
                                 public sdk::Compile,
                                 public sdk::Canonicalize,
                                 public sdk::Review,
                                 public sdk::Order,
                                 public sdk::Watch {
public:
    static constexpr const char* plugin_name = "monitoring";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();
    static std::string describe_grafana(); // its kinds, with commas between

    MonitoringProvider(const sdk::Call& call, std::string_view config);

    std::string target() const override { return target_; }
    void compile(const sdk::Call& call, sdk::Items documents, sdk::Results& results) override;
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void review(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void order(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;

private:
    Part* find_part(std::string_view scope) const;
    Part& part(std::string_view scope) const; // throws where the config does not have it

    std::vector<std::unique_ptr<Part>> parts_;
    Surroundings around_;
    std::string target_;
    std::chrono::seconds interval_{15};
    std::unique_ptr<Watcher> watcher_; // after the parts: it ends before they do
};

} // namespace holdfast::monitoring

#pragma once
// The provider: routes, rules, nexthop groups and links of one network namespace, and the configuration files
// of routing daemons. What the kernel holds is one scope; a set of routes and a daemon's file are one each.

#include <memory>
#include <string>
#include <unordered_set>

#include <holdfast/json.hpp>

#include "daemon.hpp"
#include "documents.hpp"
#include "file_watcher.hpp"
#include "kernel.hpp"
#include "route_sets.hpp"
#include "settings.hpp"
#include "watcher.hpp"

namespace holdfast::routing {

class RoutingProvider final : public sdk::Provider,
                              public sdk::Compile,
                              public sdk::Canonicalize,
                              public sdk::Watch,
                              public sdk::Checkpoint {
public:
    static constexpr const char* plugin_name = "routing";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    RoutingProvider(const sdk::Call& call, std::string_view config);
    ~RoutingProvider() override;

    std::string target() const override { return target_; }
    void compile(const sdk::Call& call, sdk::Items documents, sdk::Results& results) override;
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;
    std::string snapshot(const sdk::Scope& scope) override;
    void restore(const sdk::Scope& scope, std::string_view snapshot) override;

private:
    // An item's canonical document and identity, or its problems.
    struct Canonical {
        std::string document, identity, scope;
        sdk::Diagnostics problems;
    };
    Canonical canonical_of(std::string_view declared, std::string_view kind, std::string_view observed) const;
    void remember_compiled(std::string_view kind, std::string_view document);
    bool is_compiled(const sdk::Item& item) const;
    // The set whose scope this is; nothing for the kernel's own scope and those of daemons.
    std::optional<RouteSetKey> set_of(std::string_view scope) const;
    void observe_set(const RouteSetKey& key, sdk::Items items, sdk::Results& results);
    void list_sets(const sdk::Scope& scope, sdk::Results& results);
    // What stands there for an item of the kernel's; nothing where there is none.
    std::optional<std::string> live_document(const Picture& picture, const sdk::Item& item) const;
    Wanted wanted_for(sdk::Items items) const;
    void list_kernel(const sdk::Scope& scope, const std::string& kind, sdk::Results& results);
    // The kernel, in the namespace that has the name now.
    Kernel& kernel();
    RoutingDaemon* daemon_of(std::string_view scope_or_kind) const;
    RoutingDaemon& demand_daemon(std::string_view scope_or_kind) const;

    Settings settings_;
    std::string target_;
    std::unordered_set<std::size_t> compiled_; // hashes of documents and their kinds
    std::unique_ptr<Kernel> kernel_;
    std::unique_ptr<RoutingDaemon> bird_, frr_;
    std::unique_ptr<Watcher> watcher_;
    std::map<std::string, std::unique_ptr<FileWatcher>> file_watchers_; // by scope
};

} // namespace holdfast::routing

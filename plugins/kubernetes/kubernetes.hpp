#pragma once
// The provider: every API group that no other plugin owns, in one cluster. A namespace is a scope; what lies
// in none is in the unnamed one.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "applyset.hpp"
#include "cluster.hpp"
#include "order.hpp"
#include "private_data.hpp"
#include "watcher.hpp"

namespace holdfast::kubernetes {

class KubernetesProvider final : public sdk::Provider,
                                 public sdk::Canonicalize,
                                 public sdk::Watch,
                                 public sdk::Health,
                                 public sdk::Order {
public:
    static constexpr const char* plugin_name = "kubernetes";
    static constexpr const char* plugin_version = our_version;
    static std::string describe();

    KubernetesProvider(const sdk::Call& call, std::string_view config);
    ~KubernetesProvider() override;

    std::string target() const override { return target_; }
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void order(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void health(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;

private:
    KubernetesProvider(const sdk::Call& call, const Json& config);
    struct Task { // of one round of `apply`
        sdk::Change change;
        Found found;
        std::optional<Reply> first; // to the request that it begins with, where that was sent already
        sdk::Result result;
        // left: for another pass; told: its result is known to the engine
        enum class State { open, answered, left, told } state = State::open;
        bool is_removal() const { return change.action() == sdk::Action::remove; }
    };
    void find_targets(const sdk::Scope& scope, std::vector<Task>& round);
    void create_together(const sdk::Scope& scope, std::vector<Task>& round, sdk::Results& results);
    void run(const sdk::Scope& scope, Task& task);
    void order_set(const std::vector<Json>& documents, sdk::Items items, std::vector<Place>& places);
    void enter_set(const sdk::Scope& scope, std::vector<Task>& round);
    void leave_set(const sdk::Scope& scope, const std::vector<Target>& gone);
    void settle_definition(const sdk::Scope& scope, const sdk::Change& change, sdk::Result& result);
    bool is_served(const sdk::Scope& scope, const Json& definition);

    std::unique_ptr<Cluster> cluster_;
    std::string target_;
    std::unique_ptr<Watcher> watcher_;
    std::optional<SetParent> parent_; // where the config asks for an ApplySet
    // What a dry-run said changes nothing, as hashes of the declared and the observed document: an object
    // whose status alone has changed since need not be asked about again.
    std::map<std::string, Hashes> known_equal_;
};

} // namespace holdfast::kubernetes

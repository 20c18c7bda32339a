#pragma once
// The provider: tables of nftables. A table is a scope; its chains, sets and single rules are leaves.

#include <memory>
#include <string>

#include <holdfast/json.hpp>

#include "canonical.hpp"
#include "check.hpp"
#include "live.hpp"
#include "transaction.hpp"
#include "watcher.hpp"

namespace holdfast::firewall {

class FirewallProvider final : public sdk::Provider,
                               public sdk::Compile,
                               public sdk::Canonicalize,
                               public sdk::Watch,
                               public sdk::Checkpoint {
public:
    static constexpr const char* plugin_name = "firewall";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    FirewallProvider(const sdk::Call& call, std::string_view config);
    ~FirewallProvider() override;

    std::string target() const override { return target_; }
    void compile(const sdk::Call& call, sdk::Items documents, sdk::Results& results) override;
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;
    std::string snapshot(const sdk::Scope& scope) override;
    void restore(const sdk::Scope& scope, std::string_view snapshot) override;

private:
    FirewallProvider(const sdk::Call& call, const sdk::Json& config);

    TableName table_of(const sdk::Scope& scope) const;
    Live& live();
    Scratch& scratch();

    const NamespaceThread::Where where_;
    const TableFilter filter_;
    std::string target_;
    // Made when they are first needed: describing, compiling and validating take no privileges.
    std::unique_ptr<Live> live_;
    std::unique_ptr<Scratch> scratch_;
    std::unique_ptr<Watcher> watcher_;
};

// What the plugin keeps with a set in the ledger: whether its elements are anybody's.
bool has_external_elements(std::string_view private_data);
std::string private_data_of(const Key& key, const Json& declared_spec);
// What is seen of an object: elements of a set are left out where they are external, or come from packets.
Json seen_spec(TableView& view, const Key& key, std::string_view private_data);

} // namespace holdfast::firewall

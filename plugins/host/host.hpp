#pragma once
// The provider: files, directories and symbolic links beneath one root.

#include <memory>
#include <string>

#include <holdfast/provider.hpp>

#include "names.hpp"
#include "root.hpp"

namespace holdfast::host {

class Watcher;

class HostProvider : public sdk::Provider, public sdk::Canonicalize, public sdk::Watch {
public:
    static constexpr const char* plugin_name = "host";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    HostProvider(const sdk::Call& call, std::string_view config);
    ~HostProvider() override;

    std::string target() const override { return root_.target(); }
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;

private:
    struct Config {
        std::string root;
        bool may_change_owner = true;
    };
    static Config read_config(std::string_view config);

    explicit HostProvider(Config config);
    // What was kept during the last call may have moved since.
    void begin();
    void observe_item(const sdk::Item& item, sdk::Results& results);

    Config config_;
    Root root_;
    Names names_;
    std::unique_ptr<Watcher> watcher_;
    std::string document_; // reused from item to item
};

} // namespace holdfast::host

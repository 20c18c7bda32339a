#pragma once
// The provider: people and what they may do, on one target.

#include <memory>
#include <string>

#include <holdfast/provider.hpp>

#include "adapter.hpp"
#include "compile.hpp"

namespace holdfast::access {

class AccessProvider : public sdk::Provider,
                       public sdk::Compile,
                       public sdk::Canonicalize,
                       public sdk::Watch {
public:
    static constexpr const char* plugin_name = "access";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    AccessProvider(const sdk::Call& call, std::string_view config);
    ~AccessProvider() override;

    std::string target() const override { return target_id_; }
    void compile(const sdk::Call& call, sdk::Items documents, sdk::Results& results) override;
    void validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override;
    void unwatch() override;

private:
    Target target_;
    std::unique_ptr<Adapter> adapter_;
    std::string target_id_;
};

} // namespace holdfast::access

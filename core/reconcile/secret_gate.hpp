#pragma once
// Stands before a provider and lets no secret into the private data that its plugin wants kept: the store
// keeps that as it is given. The data is dropped with a warning; the write that it came with counts.

#include <memory>

#include "log/masker.hpp"
#include "provider/provider.hpp"

namespace holdfast {

class SecretGate final : public Provider {
public:
    SecretGate(std::unique_ptr<Provider> provider, const Masker& masker)
        : provider_(std::move(provider)), masker_(masker) {}

    const std::string& name() const override { return provider_->name(); }
    const Description& description() const override { return provider_->description(); }
    const std::string& target() const override { return provider_->target(); }
    const Hash& plugin_hash() const override { return provider_->plugin_hash(); }
    const Hash& rules_hash() const override { return provider_->rules_hash(); }

    CallEnd call(const Call& call, const OnResult& on_result) override;
    Status watch(std::string_view scope, std::span<const Item> items, const OnHint& on_hint) override {
        return provider_->watch(scope, items, on_hint);
    }
    void unwatch() override { provider_->unwatch(); }

private:
    bool holds_secret(const Item& item, const ItemResult& result) const;

    std::unique_ptr<Provider> provider_;
    const Masker& masker_;
};

} // namespace holdfast

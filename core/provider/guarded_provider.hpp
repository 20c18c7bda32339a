#pragma once
// A Provider over any channel: cuts calls into batches that the plugin can take and guards each of them.

#include "provider/channel.hpp"

namespace holdfast {

struct ProviderNames {
    std::string provider; // of the Provider document
    std::string plugin;
    Hash hash; // of the plugin's file
};

class GuardedProvider final : public Provider {
public:
    GuardedProvider(ProviderNames names, const Hash& rules, std::shared_ptr<const Description> description,
                    std::string target, std::unique_ptr<Channel> channel,
                    std::chrono::milliseconds call_timeout);

    const std::string& name() const override { return names_.provider; }
    const Description& description() const override { return *description_; }
    const std::string& target() const override { return target_; }
    const Hash& plugin_hash() const override { return names_.hash; }
    const Hash& rules_hash() const override { return rules_; }

    CallEnd call(const Call& call, const OnResult& on_result) override;
    Status watch(std::string_view scope, std::span<const Item> items, const OnHint& on_hint) override;
    void unwatch() override;

private:
    class Batches;
    bool belongs_together(const Call& call) const;
    CallEnd call_in_batches(const Call& call, const OnResult& on_result);

    ProviderNames names_;
    Hash rules_;
    std::shared_ptr<const Description> description_;
    std::string target_;
    std::unique_ptr<Channel> channel_;
    std::chrono::milliseconds call_timeout_;
};

// One guarded call over a channel; what GuardedProvider and the opening of an instance share.
CallEnd run_guarded(Channel& channel, const ProviderNames& names, const Call& call,
                    const OnResult& on_result);

} // namespace holdfast

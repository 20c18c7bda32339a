#pragma once
// Stands between what a plugin answers and the engine: exactly one result per item, none for items not
// asked for, only outcomes that the call can have, and a Diagnostic naming plugin, provider and call for
// everything else. One guard per call on the plugin; the same for both hosts.

#include <vector>

#include "provider/channel.hpp"

namespace holdfast {

struct GuardedCall {
    const std::string& plugin;
    const std::string& provider;
    const Call& call; // what is sent: one batch
    std::string_view operation = to_string(call.method);
};

// `on_result` gets results as they come; those about the call as a whole (no_item) only where they are no
// failures: what they say is in `why` then.
class Guard final : public ResultSink {
public:
    Guard(const GuardedCall& call, const OnResult& on_result);

    bool take(const RawResult& raw) override;
    // Reports the items that had no result, and says how the call ended.
    CallEnd finish(const ChannelEnd& end);

    // What is wrong, in words that name plugin, provider and call.
    Diagnostic about_call(std::string_view code, std::string_view what, std::string hint = {}) const;

private:
    bool is_expected(const RawResult& raw);
    void judge(const RawResult& raw, ItemResult& result);
    void read_diagnostics(std::string_view text, ItemResult& result);
    void fail_item(ItemResult& result, Diagnostic why);
    void complain(Diagnostic diagnostic);
    void judge_end(const ChannelEnd& end);
    void report_missing(bool claims_success);
    Outcome lost_outcome() const;

    GuardedCall subject_;
    const OnResult& on_result_;
    std::vector<bool> answered_;
    std::size_t answers_ = 0;
    std::size_t complaints_ = 0;
    bool call_failed_ = false; // a result about the call said so
    CallEnd end_;
};

} // namespace holdfast

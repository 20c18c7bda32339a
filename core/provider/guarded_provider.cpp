#include "provider/guarded_provider.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "provider/guard.hpp"

namespace holdfast {

namespace {

// How many of `items` go into the next batch; at least one, even if it alone is too large.
std::size_t batch_size(std::span<const Item> items, const Description& description) {
    std::size_t count = 0, bytes = 0;
    for (const Item& item : items) {
        bytes += bytes_of(item);
        if (count > 0 && (count == description.max_items || bytes > description.max_bytes)) break;
        ++count;
    }
    return count;
}

// Calls whose items have nothing to do with each other. What compiles may look at all documents.
bool can_be_split(Method method) {
    switch (method) {
        case Method::validate:
        case Method::observe:
        case Method::apply:
        case Method::upgrade:
        case Method::canonicalize:
        case Method::health: return true;
        default: return false;
    }
}

// A big scope is several calls, each with a deadline of its own where the caller set none.
Call with_deadline(Call call, std::chrono::milliseconds timeout) {
    if (call.deadline == std::chrono::steady_clock::time_point::max())
        call.deadline = std::chrono::steady_clock::now() + timeout;
    return call;
}

} // namespace

CallEnd run_guarded(Channel& channel, const ProviderNames& names, const Call& call,
                    const OnResult& on_result) {
    Guard guard({names.plugin, names.provider, call}, on_result);
    return guard.finish(channel.run(operation_of(call.method), call, guard));
}

GuardedProvider::GuardedProvider(ProviderNames names, const Hash& rules,
                                 std::shared_ptr<const Description> description, std::string target,
                                 std::unique_ptr<Channel> channel, std::chrono::milliseconds call_timeout)
    : names_(std::move(names)),
      rules_(rules),
      description_(std::move(description)),
      target_(std::move(target)),
      channel_(std::move(channel)),
      call_timeout_(call_timeout) {}

// The items of an atomic scope happen together or not at all, and `after` cannot name an item of another
// call.
bool GuardedProvider::belongs_together(const Call& call) const {
    return description_->atomic || std::any_of(call.items.begin(), call.items.end(),
                                               [](const Item& item) { return !item.after.empty(); });
}

CallEnd GuardedProvider::call(const Call& call, const OnResult& on_result) {
    if (!can_be_split(call.method) || batch_size(call.items, *description_) == call.items.size())
        return run_guarded(*channel_, names_, with_deadline(call, call_timeout_), on_result);
    if (call.method == Method::apply && belongs_together(call)) {
        // Nothing has been sent, so this is a plain failure of each item.
        Guard guard({names_.plugin, names_.provider, call}, on_result);
        const Diagnostic why = guard.about_call("plugin.batch-too-large",
                                                fmt::format("{} that belong together are more than it takes "
                                                            "at once ({} items, {} bytes); nothing was sent",
                                                            count_of(call.items.size(), "change"),
                                                            description_->max_items, description_->max_bytes),
                                                "spread them over several scopes or commits");
        CallEnd end{.ok = false};
        end.why.add(why);
        for (std::uint32_t i = 0; i < call.items.size(); ++i) {
            ItemResult result{.item = i, .outcome = Outcome::failed};
            result.diagnostics.add(why);
            on_result(result);
        }
        return end;
    }
    return call_in_batches(call, on_result);
}

// Sends one batch after the other. An observed scope has the version of the first batch, the oldest: a
// write against it notices every change since. A written scope has the version that the last batch left.
// After a batch that was cancelled, or lost its instance while writing, the rest is not sent, and
// therefore failed, not unknown.
CallEnd GuardedProvider::call_in_batches(const Call& whole, const OnResult& on_result) {
    CallEnd total;
    std::string scope_version(whole.scope_version);
    bool has_scope_version = false;
    std::size_t first = 0;
    while (first < whole.items.size()) {
        const std::size_t count = batch_size(whole.items.subspan(first), *description_);
        Call batch = with_deadline(whole, call_timeout_);
        batch.items = whole.items.subspan(first, count);
        const std::string version_before = scope_version;
        batch.scope_version = version_before;
        const CallEnd end = run_guarded(*channel_, names_, batch, [&](const ItemResult& result) {
            if (result.item == scope_item && whole.method == Method::apply) scope_version = result.version;
            if (result.item == scope_item && whole.method == Method::observe &&
                std::exchange(has_scope_version, true))
                return;
            ItemResult moved = result;
            if (result.item < count) moved.item += static_cast<std::uint32_t>(first);
            on_result(moved);
        });
        total.ok = total.ok && end.ok;
        total.instance_is_lost = total.instance_is_lost || end.instance_is_lost;
        total.why.append(end.why);
        first += count;
        const bool must_stop = whole.stop.stop_requested() ||
                               std::chrono::steady_clock::now() >= whole.deadline ||
                               (!end.ok && whole.method == Method::apply);
        if (must_stop) break;
    }
    for (; first < whole.items.size(); ++first) {
        ItemResult result{.item = static_cast<std::uint32_t>(first), .outcome = Outcome::failed};
        result.diagnostics
            .add(failure(
                "plugin.not-sent",
                fmt::format("not sent to provider \"{}\", because the call ended before", names_.provider)))
            .retry = Retry::after;
        total.ok = false;
        on_result(result);
    }
    return total;
}

Status GuardedProvider::watch(std::string_view scope, std::span<const Item> items, const OnHint& on_hint) {
    // To the guard a watch is a call without results.
    Call call{.method = Method::restore, .scope = scope, .items = items};
    call = with_deadline(call, call_timeout_);
    const OnResult ignore = [](const ItemResult&) {};
    Guard guard({names_.plugin, names_.provider, call, "watch"}, ignore);
    const CallEnd end = guard.finish(channel_->watch(call, guard, on_hint));
    if (end.ok) return Ok{};
    Diagnostic why =
        end.why.empty() ? failure("plugin.no-reason", "the watch failed") : end.why.list().front();
    why.context.push_back(fmt::format("starting to watch with provider \"{}\"", names_.provider));
    return why;
}

void GuardedProvider::unwatch() { channel_->unwatch(); }

} // namespace holdfast

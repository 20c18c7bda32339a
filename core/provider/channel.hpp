#pragma once
// The way to one plugin instance: in this process, or in a worker. A channel carries requests and raw
// answers and says how a call ended; it judges nothing. The guard does.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <holdfast/provider.h>

#include "provider/provider.hpp"

namespace holdfast {

// The methods, and what else travels to a plugin. The numbers are part of the worker's protocol.
enum class Operation : std::uint32_t {
    describe,
    open,
    validate,
    observe,
    list,
    apply,
    upgrade,
    compile,
    canonicalize,
    snapshot,
    restore,
    health,
    order,
    watch,
    unwatch,
    close,
};
constexpr Operation operation_of(Method method) { return static_cast<Operation>(method); }
std::string_view to_string(Operation operation);

// One answer as the plugin gave it. Borrowed, like ItemResult.
struct RawResult {
    std::uint32_t item = HOLDFAST_CALL;
    std::uint32_t outcome = HOLDFAST_DONE;
    bool is_malformed = false; // the structure itself made no sense; the rest is empty
    bool is_oversized = false; // its texts were over the limit and have been left out
    std::string_view document, version, private_data, refreshed, diagnostics, detail;
    std::string_view kind, identity, scope, part, pointer;
};
inline constexpr std::array raw_result_texts{
    &RawResult::document,    &RawResult::version, &RawResult::private_data, &RawResult::refreshed,
    &RawResult::diagnostics, &RawResult::detail,  &RawResult::kind,         &RawResult::identity,
    &RawResult::scope,       &RawResult::part,    &RawResult::pointer};

class ResultSink {
public:
    virtual ~ResultSink() = default;
    // False: nobody listens any more; the call should end.
    virtual bool take(const RawResult& result) = 0;
};

// How a call ended on the plugin's side.
struct ChannelEnd {
    std::uint32_t status = HOLDFAST_OK; // holdfast_status, or whatever number the plugin returned
    bool instance_is_lost = false;
    std::optional<Diagnostic> why; // what the channel itself noticed: exception, crash, kill, protocol
};

class Channel {
public:
    virtual ~Channel() = default;
    // `sink` is called on this thread only. Indices of `call.items` are those of the answers.
    virtual ChannelEnd run(Operation operation, const Call& call, ResultSink& sink) = 0;
    // `on_hint` is kept until unwatch() or the end of the channel.
    virtual ChannelEnd watch(const Call& call, ResultSink& sink, const OnHint& on_hint) = 0;
    virtual void unwatch() = 0;
};

// The reason both hosts give when an exception came out of a plugin.
Diagnostic thrown_by_plugin(std::string_view what);

// For a clock that a plugin understands: CLOCK_MONOTONIC in nanoseconds; 0 for "none".
std::int64_t monotonic_ns(std::chrono::steady_clock::time_point time);

} // namespace holdfast

#pragma once
// A provider instance as the engine sees it. The same calls as holdfast/provider.h, already guarded:
// nothing that a plugin does wrong gets past this interface other than as a Diagnostic.

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "model/kind.hpp"
#include "model/observed.hpp"

namespace holdfast {

enum class Method {
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
    order
};
std::string_view to_string(Method method);

enum class Outcome { done, unchanged, failed, partial, unknown, skipped, absent, not_yet, must_replace };
std::string_view to_string(Outcome outcome);

enum class ItemAction { none, create, update, remove, refresh };

// Borrowed by the call that takes it.
struct Item {
    ItemAction action = ItemAction::none;
    std::string_view kind; // KindInfo::id()
    std::string_view identity;
    std::string_view declared, recorded, observed;
    std::string_view version, private_data, refresh;
    // apply of an ordered plugin: earlier items of the same call that must be done or unchanged before this
    // one is tried; else it is skipped.
    std::span<const std::uint32_t> after;
    // apply of an ordered plugin: it counts as such only once it is healthy, and the result says so.
    bool wants_health = false;
};
// What counts against Description::max_bytes.
inline std::size_t bytes_of(const Item& item) {
    return item.declared.size() + item.recorded.size() + item.observed.size() + item.private_data.size();
}

struct Call {
    Method method = Method::observe;
    std::string_view scope;
    std::string_view scope_version;
    std::string_view options; // JSON object (restore: raw bytes)
    std::span<const Item> items;
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    std::stop_token stop;
};

constexpr std::uint32_t no_item = UINT32_MAX;        // about the call as a whole
constexpr std::uint32_t scope_item = UINT32_MAX - 1; // about its scope

// Borrowed: valid only while the callback runs. `document` is not parsed yet; it is within the size
// limit, but it may be invalid JSON.
struct ItemResult {
    std::uint32_t item = no_item;
    Outcome outcome = Outcome::done;
    std::string_view document, version, private_data, refreshed;
    std::string_view kind, identity, scope, part, pointer;
    std::string_view detail; // JSON object or empty
    Diagnostics diagnostics;
};

using OnResult = std::function<void(const ItemResult&)>;

// How a call ended. After `ok` every item had exactly one result. After anything else the items that had
// none are reported as `unknown` (apply) or `failed` (every other method) through the same callback,
// with `why`, so that the caller always sees one result per item.
struct CallEnd {
    bool ok = true;
    bool instance_is_lost = false; // the worker died: the next call gets a fresh one
    Diagnostics why;               // names plugin, provider and call
};

struct Hint {
    enum class Reach { item, scope, all } reach = Reach::all;
    std::string scope, kind, identity;
    std::string actor;
    std::int64_t pid = 0, at_ns = 0;
};
using OnHint = std::function<void(const Hint&)>; // from any thread

// One opened instance. Calls from one thread at a time; `on_result` runs on the calling thread.
class Provider {
public:
    virtual ~Provider() = default;

    virtual const std::string& name() const = 0; // of the Provider document
    virtual const Description& description() const = 0;
    virtual const std::string& target() const = 0; // what `open` returned
    virtual const Hash& plugin_hash() const = 0;   // of the shared library's bytes
    // Of all that decides what is equal beside the documents: the plugin's bytes and its config as written.
    virtual const Hash& rules_hash() const = 0;

    virtual CallEnd call(const Call& call, const OnResult& on_result) = 0;

    // Watches exactly these items of `scope`, instead of those named before. `on_hint` outlives the
    // provider or the next unwatch(). Error: `provider.unsupported` without holdfast.watch/1.
    virtual Status watch(std::string_view scope, std::span<const Item> items, const OnHint& on_hint) = 0;
    virtual void unwatch() = 0;
};

} // namespace holdfast

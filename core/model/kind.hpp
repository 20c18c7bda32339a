#pragma once
// What a plugin says of itself in `describe`: the kinds it owns and what the engine must know of each.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/locked.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace holdfast {

// How a list is compared, as Kubernetes' list types are. `atomic`: as a whole; `ordered`: element by
// element; `keyed`: by the values at `by`, order does not count; `set`: scalars, order does not count.
enum class ListType { atomic, ordered, keyed, set };

struct ListRule {
    std::string pointer; // "/spec/rules", "*" stands for any key or index: "/spec/zones/*/records"
    ListType type = ListType::atomic;
    std::vector<std::string> by; // keyed: names of members of the elements
    bool exclusive = false;      // keyed, set: while the list is declared, elements that nobody declares go
};

// One of a kind's `confirm`: pointers ("*" stands for any key or index) and the values that all of them hold
// in a document that can cut people off. Without any it fits every document.
using ConfirmRule = std::vector<std::pair<std::string, Value>>;

struct KindInfo {
    std::string api_version; // "host.holdfast.dev/v1alpha1"
    std::string kind;        // "File"
    bool is_document = true; // may be written in Git
    bool compiles = false;   // holdfast.compile/1 turns it into leaves of other kinds
    Value schema;            // JSON Schema (draft 7) of the whole document
    // JSON pointers into the document; "*" stands for any key or index.
    std::vector<std::string> identity;   // what names the target object
    std::vector<std::string> scope;      // what names the scope; empty: one scope per provider
    std::vector<std::string> compare;    // what is compared; {"/spec"} unless the plugin says otherwise
    std::vector<std::string> immutable;  // a difference means replace
    std::vector<std::string> observed;   // set by the target: outputs, never compared
    std::vector<std::string> write_only; // cannot be read back: compared with what is recorded
    std::vector<std::string> sensitive;  // masked everywhere
    std::vector<std::string> files;      // relative paths in the same commit, given to the plugin as blobs
    std::vector<ListRule> lists;         // atomic where none matches
    std::vector<ConfirmRule> confirm;    // a write of what one of them fits is confirmed, or taken back
    bool stateful = false;               // deleting it loses data: always parked
    bool create_first = false;           // replace makes the new object before it removes the old one
    bool has_health = true;              // false: healthy once written, also where the plugin tells health
    int rank = 0;                        // containment: lower ranks are made first and deleted last

    std::string id() const { return api_version + "/" + kind; } // "host.holdfast.dev/v1alpha1/File"
};

// The kinds of a plugin that cannot name them all, because its target decides (Kubernetes): what `describe`
// says of the kind "*" holds for every other. Each is made when it is first asked for and stays. Thread-safe.
class OpenKinds {
public:
    explicit OpenKinds(KindInfo rest) : rest_(std::move(rest)) {}
    // `like`, or what holds for the rest, under these names.
    const KindInfo* find(const KindInfo* like, std::string_view api_version, std::string_view kind) const;
    const KindInfo& rest() const { return rest_; }

private:
    using Made = std::map<std::pair<std::string, std::string>, std::unique_ptr<const KindInfo>>;
    KindInfo rest_;
    mutable Locked<Made> made_;
};

enum class CompareAndSwap { none, recheck, atomic };
enum class Ownership { owned, additive, exclusive, observe };

struct Description {
    std::string plugin;
    std::string version;
    std::vector<std::string> groups;
    std::vector<KindInfo> kinds;
    std::shared_ptr<const OpenKinds> open_kinds; // null: there are none but `kinds`
    Value config_schema;
    std::vector<std::string> sensitive_config; // JSON pointers into the provider's config
    std::vector<std::string> extensions;       // "holdfast.canonicalize/1", ...
    std::vector<Ownership> ownership;          // modes it can do
    bool atomic = false;                       // an apply in one scope happens whole or not at all
    bool ordered = false;                      // an apply honours Item::after
    CompareAndSwap cas = CompareAndSwap::none;
    std::size_t max_items = 1000;     // per call
    std::size_t max_bytes = 8U << 20; // of documents per call

    // Null where there is no such kind. Of a plugin with open kinds there is every one.
    const KindInfo* find(std::string_view api_version, std::string_view kind) const;
    bool has(std::string_view extension) const;
};

// From the JSON that `describe` emits. Error: `plugin.describe` with the pointer that is wrong.
Result<Description> parse_description(const Value& document);

// True where `pattern` ("/spec/*/ttl") covers `pointer` or a parent of it ("/spec/www/ttl/0").
bool covers(std::string_view pattern, std::string_view pointer);
bool any_covers(const std::vector<std::string>& patterns, std::string_view pointer);
// The rule for the list at `pointer`; atomic without one.
const ListRule& list_rule(const KindInfo& kind, std::string_view pointer);

// Whether a write of this document has to be confirmed.
bool needs_confirmation(const KindInfo& kind, const Value& document);

std::string_view to_string(Ownership ownership);
std::string_view to_string(CompareAndSwap cas);

} // namespace holdfast

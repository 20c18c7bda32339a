#pragma once
// How documents and leaves are named: id `[group/]Kind/[namespace/]name` and address `stack:id`.

#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace holdfast {

// "host.holdfast.dev/v1alpha1" -> group and version; the core group of Kubernetes ("v1") is empty.
struct ApiVersion {
    std::string group;
    std::string version;
};
ApiVersion split_api_version(std::string_view text);
std::string to_string(const ApiVersion& api_version);

// Names a document; never holds the version, so that an API bump is not a delete. `part` is set for a
// leaf that a plugin compiled out of a larger document ("www/A" of a zone), and comes after '#'.
struct ResourceId {
    std::string group;
    std::string kind;
    std::string name_space;
    std::string name;
    std::string part;

    auto operator<=>(const ResourceId&) const = default;
    bool empty() const { return kind.empty(); }
    // The document that a leaf came from.
    ResourceId parent() const { return {group, kind, name_space, name, {}}; }
};

// "host.holdfast.dev/File/motd", "apps/Deployment/shop/web", "Namespace/shop", "dns.../Zone/example#www/A".
std::string to_string(const ResourceId& id);
// "Kind/[namespace/]name[#part]", for where the group is clear from the context.
std::string short_name(const ResourceId& id);
// The kind is the first segment that begins with a capital letter. Error: `id.invalid`.
Result<ResourceId> parse_id(std::string_view text);

// The ledger's key.
struct Address {
    std::string stack;
    ResourceId id;

    auto operator<=>(const Address&) const = default;
};
std::string to_string(const Address& address);
// "stack:id"; `stack` may be missing ("id") and is empty then. Error: `id.invalid`.
Result<Address> parse_address(std::string_view text);

// True for what may be a name of a stack, a provider or a secret: [a-z0-9]([-a-z0-9.]*[a-z0-9])?, at most
// 253.
bool is_name(std::string_view text);

} // namespace holdfast

template <>
struct std::hash<holdfast::ResourceId> {
    std::size_t operator()(const holdfast::ResourceId& id) const noexcept;
};
template <>
struct std::hash<holdfast::Address> {
    std::size_t operator()(const holdfast::Address& address) const noexcept;
};

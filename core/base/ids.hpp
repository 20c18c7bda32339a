#pragma once
// How documents and leaves are named: id `[group/]Kind/[namespace/]name` and address `stack:id`.

#include <array>
#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/symbol.hpp"

namespace holdfast {

// "host.holdfast.dev/v1alpha1" -> group and version; the core group of Kubernetes ("v1") is empty.
struct ApiVersion {
    std::string group;
    std::string version;
};
ApiVersion split_api_version(std::string_view text);
std::string to_string(const ApiVersion& api_version);

// Names a document; never holds the version, so that an API bump is not a delete. `part` comes after '#':
// of a document that goes to several providers "@" and the provider's name ("@ns1"), of a leaf that a plugin
// compiled out of a larger document its name in there ("www/A"), of both the one below the other
// ("@ns1/www/A").
struct ResourceId {
    Symbol group;
    Symbol kind;
    Symbol name_space;
    std::string name;
    std::string part;

    auto operator<=>(const ResourceId&) const = default;
    bool empty() const { return kind.empty(); }
    // The document as it was written, whatever became of it.
    ResourceId parent() const { return {group, kind, name_space, name, {}}; }
    // The document as one provider gets it: the parent, with the provider where the id names one.
    ResourceId resource() const { return {group, kind, name_space, name, std::string(provider_part())}; }
    // "@ns1" of "@ns1/www/A"; empty where the id names no provider.
    std::string_view provider_part() const;
    // The same document for one of several providers.
    ResourceId for_provider(std::string_view provider) const;
    // A leaf of this document, which may be one for a provider.
    ResourceId leaf(std::string_view name_inside) const;
    // All of it, in the order of its members. Lives as long as the id.
    std::array<std::string_view, 5> texts() const { return {group, kind, name_space, name, part}; }
};

// "host.holdfast.dev/File/motd", "apps/Deployment/shop/web", "Namespace/shop", "dns.../Zone/example#www/A".
std::string to_string(const ResourceId& id);
// "Kind/[namespace/]name[#part]", for where the group is clear from the context.
std::string short_name(const ResourceId& id);
// The kind is the first segment that begins with a capital letter. Error: `id.invalid`.
Result<ResourceId> parse_id(std::string_view text);

// The ledger's key.
struct Address {
    Symbol stack;
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

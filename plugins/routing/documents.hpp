#pragma once
// Objects to documents and back. What is declared may be spelled in many ways; each object has one canonical
// document, in which equal objects are equal texts.

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <holdfast/json.hpp>

#include "objects.hpp"
#include "settings.hpp"

namespace holdfast::routing {

constexpr std::string_view api_version = "routing.holdfast.dev/v1alpha1";
constexpr std::string_view route_kind = "routing.holdfast.dev/v1alpha1/Route";
constexpr std::string_view set_kind = "routing.holdfast.dev/v1alpha1/RouteSet";
constexpr std::string_view rule_kind = "routing.holdfast.dev/v1alpha1/Rule";
constexpr std::string_view group_kind = "routing.holdfast.dev/v1alpha1/NexthopGroup";
constexpr std::string_view link_kind = "routing.holdfast.dev/v1alpha1/Link";
constexpr std::string_view bird_kind = "routing.holdfast.dev/v1alpha1/BirdConfig";
constexpr std::string_view frr_kind = "routing.holdfast.dev/v1alpha1/FrrConfig";

// A Link as declared: what it does not say stays as it is.
struct DesiredLink {
    std::string name;
    std::optional<bool> up;
    std::optional<std::uint32_t> mtu;
    std::set<Prefix> addresses;
    bool asks_for_changes() const { return up || mtu || !addresses.empty(); }
};

// ---- documents to objects. `problems` are added to; what is returned is good only without them ----
Route read_route(const sdk::Json& document, const Tables& tables, sdk::Diagnostics& problems);
RouteSet read_route_set(const sdk::Json& document, const Settings& settings, sdk::Diagnostics& problems);
Rule read_rule(const sdk::Json& document, const Tables& tables, sdk::Diagnostics& problems);
Group read_group(const sdk::Json& document, sdk::Diagnostics& problems);
DesiredLink read_link(const sdk::Json& document, sdk::Diagnostics& problems);

// ---- objects to canonical documents. With `other`, the live object: what is not set here and is set there
// is written out as not set ("src":"none"), since the engine compares only what is declared, and a route or
// rule is one value, of which nothing is nobody's business ----
void append_document(std::string& out, const Route& route, const Tables& tables,
                     const Route* other = nullptr);
void append_document(std::string& out, const RouteSet& set, const Tables& tables,
                     const RouteSet* other = nullptr);
void append_document(std::string& out, const Rule& rule, const Tables& tables, const Rule* other = nullptr);
void append_document(std::string& out, const Group& group);
void append_document(std::string& out, const DesiredLink& link);
void append_document(std::string& out, const Link& link);
// Appends {"status":{"protocol":"boot"}} to a document, of an object that somebody else made.
void append_protocol(std::string& document, std::uint8_t protocol);

// As `ip` would say it: "10.0.0.0/8 type unicast via 192.0.2.1 dev v0 metric 20".
std::string text_of(const Route& route);

// Hops that name no device get that of the live hop by the same gateway.
void settle_devices(std::vector<Nexthop>& hops, const std::vector<Nexthop>& live);

// ---- identities: canonical JSON. The other way throws `routing.identity` ----
std::string identity_of(const RouteKey& key, const Tables& tables);    // ["main","10.0.0.0/8",0]
std::string identity_of(const RouteSetKey& key, const Tables& tables); // ["blocked","main","ipv4"]
std::string identity_of(const RuleKey& key);                           // ["ipv4",100]
RouteKey route_key_of(std::string_view identity, const Tables& tables);
RouteSetKey route_set_key_of(std::string_view identity, const Tables& tables);
RuleKey rule_key_of(std::string_view identity);
std::uint32_t group_id_of(std::string_view identity);
std::string link_name_of(std::string_view identity);

// Of a document: 16 hex digits.
std::string version_of(std::string_view document);

} // namespace holdfast::routing

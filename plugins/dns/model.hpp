#pragma once
// A zone as this plugin sees it, whichever server holds it, and the documents of its RRsets.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>
#include <holdfast/parts.hpp>

#include "names.hpp"
#include "rdata.hpp"

namespace holdfast::dns {

constexpr std::string_view api_version = "dns.holdfast.dev/v1alpha1";
constexpr std::string_view record_set_kind = "dns.holdfast.dev/v1alpha1/RecordSet";
constexpr std::uint32_t default_ttl = 3600; // what a new RRset gets where nobody says

// Which RRset of a zone: what people call it, so that maps are in the order of texts.
struct Key {
    std::string name; // relative to the zone, in lower case; "@" for the apex
    TypeNumber type = 0;

    auto operator<=>(const Key&) const = default;
    std::string part() const { return name + "/" + type_text(type); } // "www/A"
};

struct RrSet {
    std::uint32_t ttl = 0;
    std::vector<Wire> values; // canonical, sorted, each once

    bool operator==(const RrSet&) const = default;
    void add(Wire value) { values.push_back(std::move(value)); }
    void settle(); // sorts
};

// The zone's start of authority: its serial tells that something changed.
struct Soa {
    Wire rdata; // letters as the server has them
    std::uint32_t ttl = 0;

    std::uint32_t serial() const;
    std::uint32_t refresh() const; // seconds
    bool operator==(const Soa&) const = default;
};

// Everything in the zone but its SOA and what signing makes.
struct ZoneData {
    Wire origin;
    Soa soa;
    std::string version; // what the scope's version is: the SOA's data, or a hash, in hex
    using Sets = std::map<Key, RrSet>;
    Sets sets;

    const RrSet* find(const Key& key) const;
    // The same for keys that come in order: the one behind `near`, which is moved, nearly always is meant.
    const RrSet* find_near(const Key& key, Sets::const_iterator& near) const;
    void settle();
};

// One RRset as declared.
struct Desired {
    Key key;
    std::optional<std::uint32_t> ttl; // not declared: as it is, or default_ttl
    std::vector<Wire> values;
};

// One RRset that is to become something else.
struct Change {
    Key key;
    std::optional<RrSet> before, after; // nothing: it is not there
};

// `identity` is ["www","A"]. Throws `dns.identity`.
Key key_of_identity(std::string_view identity);
std::string identity_of(const Key& key);

// A leaf's document: {"apiVersion","kind","spec":{"name","ttl","type","values","zone"}}.
Desired read_leaf(std::string_view document);
Desired read_leaf(const sdk::Json& document);
std::string document_of(std::string_view origin, const Key& key, const RrSet& set);

// The name that `name` of a key stands for, in wire form, lower case.
Wire owner_of(const Key& key, std::string_view origin);

std::uint32_t number32(std::string_view bytes, std::size_t at);

using sdk::problem;
using sdk::to_hex;

} // namespace holdfast::dns

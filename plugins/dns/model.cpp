#include "model.hpp"

#include <algorithm>

namespace holdfast::dns {

using sdk::Json;

void RrSet::settle() {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

std::uint32_t number32(std::string_view bytes, std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i) out = out << 8U | static_cast<unsigned char>(bytes[at + i]);
    return out;
}

// RFC 1035 section 3.3.13: two names and five numbers, the serial first.
std::uint32_t Soa::serial() const { return rdata.size() < 20 ? 0 : number32(rdata, rdata.size() - 20); }
std::uint32_t Soa::refresh() const { return rdata.size() < 20 ? 0 : number32(rdata, rdata.size() - 16); }

const RrSet* ZoneData::find(const Key& key) const {
    const auto found = sets.find(key);
    return found == sets.end() ? nullptr : &found->second;
}

const RrSet* ZoneData::find_near(const Key& key, Sets::const_iterator& near) const {
    if (near != sets.end() && near->first < key) ++near;
    if (near == sets.end() || near->first != key) near = sets.find(key);
    return near == sets.end() ? nullptr : &near->second;
}

void ZoneData::settle() {
    for (auto& [key, set] : sets) set.settle();
}

std::string identity_of(const Key& key) {
    return "[" + sdk::quote(key.name) + "," + sdk::quote(type_text(key.type)) + "]";
}

namespace {

// ["www","A"] with nothing escaped, as nearly all are: no need for a parser.
std::optional<Key> plain_key(std::string_view identity) {
    constexpr std::string_view before = "[\"", between = "\",\"", behind = "\"]";
    if (identity.size() < 7 || identity.substr(0, 2) != before || identity.find('\\') != identity.npos)
        return std::nullopt;
    const std::size_t middle = identity.find(between);
    if (middle == identity.npos || identity.substr(identity.size() - 2) != behind) return std::nullopt;
    const std::size_t type_at = middle + between.size();
    if (type_at + behind.size() > identity.size()) return std::nullopt;
    const std::string_view name = identity.substr(2, middle - 2),
                           type = identity.substr(type_at, identity.size() - behind.size() - type_at);
    if (name.find('"') != name.npos || type.find('"') != type.npos) return std::nullopt;
    return Key{std::string(name), parse_type(type)};
}

} // namespace

Key key_of_identity(std::string_view identity) {
    if (std::optional<Key> key = plain_key(identity)) return *std::move(key);
    const Json json = sdk::parse_json(identity, "dns.identity");
    if (!json.is_array() || json.size() != 2 || !json[0].is_string() || !json[1].is_string())
        throw sdk::Error("dns.identity",
                         std::string(identity) + " names no RRset: it should be [\"www\",\"A\"]");
    return {json[0].get<std::string>(), parse_type(json[1].get<std::string>())};
}

Desired read_leaf(std::string_view document) { return read_leaf(sdk::parse_json(document, "dns.document")); }

Desired read_leaf(const Json& document) {
    Desired out;
    const Wire origin = parse_zone(sdk::text_at(document, "/spec/zone"));
    out.key = {sdk::text_at(document, "/spec/name"), parse_type(sdk::text_at(document, "/spec/type"))};
    if (const Json* ttl = sdk::find(document, "/spec/ttl"); ttl && ttl->is_number_integer())
        out.ttl = ttl->get<std::uint32_t>();
    const Json* values = sdk::find(document, "/spec/values");
    if (values && values->is_array())
        for (const Json& value : *values)
            if (value.is_string())
                out.values.push_back(parse_rdata(out.key.type, value.get<std::string>(), origin));
    std::sort(out.values.begin(), out.values.end());
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
    return out;
}

std::string document_of(std::string_view origin, const Key& key, const RrSet& set) {
    std::string out = R"({"apiVersion":"dns.holdfast.dev/v1alpha1","kind":"RecordSet","spec":{"name":)";
    sdk::append_quoted(out, key.name);
    out += ",\"ttl\":" + std::to_string(set.ttl) + ",\"type\":";
    sdk::append_quoted(out, type_text(key.type));
    out += ",\"values\":[";
    for (std::size_t i = 0; i < set.values.size(); ++i) {
        if (i > 0) out += ',';
        sdk::append_quoted(out, rdata_text(key.type, set.values[i]));
    }
    out += "],\"zone\":";
    sdk::append_quoted(out, zone_text(origin));
    return out += "}}";
}

Wire owner_of(const Key& key, std::string_view origin) {
    return lower(parse_name(key.name, origin, Relative::any_labels));
}

} // namespace holdfast::dns

#include "markers.hpp"

#include <algorithm>

#include "txt.hpp"

namespace holdfast::dns {

namespace {

// All of them stand below one name, not below the names that they are about: there a delegation or a DNAME
// would hide them.
constexpr std::string_view place = "_holdfast", behind_place = "._holdfast", says = "owner=";

std::string text_of(std::string_view owner) { return std::string(says) + std::string(owner); }

} // namespace

Markers::Markers(const sdk::Json& config) : owner_(sdk::text_at(config, "/owner")) {}

bool Markers::is_marker(const Key& key) {
    return key.name == place || std::string_view(key.name).ends_with(behind_place);
}

Key Markers::marker_of(const Key& key) {
    const std::string below = "_" + lower(type_text(key.type)) + std::string(behind_place);
    return {key.name == "@" ? below : key.name + "." + below, type::txt};
}

bool Markers::stand_in(const ZoneData& zone) {
    return std::any_of(zone.sets.begin(), zone.sets.end(),
                       [](const auto& set) { return set.first.type == type::txt && is_marker(set.first); });
}

std::string Markers::other_owner(const ZoneData& zone, const Key& key) const {
    const RrSet* const marker = zone.find(marker_of(key));
    if (!marker) return {};
    std::string other;
    for (const Wire& value : marker->values) {
        const std::string text = txt_text(value).value_or("");
        if (!text.starts_with(says)) continue;
        other = text.substr(says.size());
        if (other == owner_ && !owner_.empty()) return {};
    }
    return other;
}

std::optional<Change> Markers::change_for(const ZoneData& zone, const Change& change) const {
    if (owner_.empty()) return std::nullopt;
    Change out{marker_of(change.key), {}, {}};
    if (const RrSet* const now = zone.find(out.key)) out.before = *now;
    const Wire ours = parse_txt(text_of(owner_));
    if (change.after) out.after = RrSet{out.before ? out.before->ttl : default_ttl, {ours}};
    if (out.before == out.after) return std::nullopt;
    return out;
}

} // namespace holdfast::dns

#include "hash.hpp"

#include <holdfast/sha256.hpp>

#include "message.hpp"

namespace holdfast::dns {

std::string content_hash(const ZoneData& zone) {
    std::string all = zone.soa.rdata;
    for (const auto& [key, set] : zone.sets) {
        all += key.name;
        all += '\0';
        append16(all, key.type);
        append32(all, set.ttl);
        append32(all, static_cast<std::uint32_t>(set.values.size()));
        for (const Wire& value : set.values) {
            append16(all, static_cast<std::uint16_t>(value.size()));
            all += value;
        }
    }
    return sdk::sha256_hex(all);
}

} // namespace holdfast::dns

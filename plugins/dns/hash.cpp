#include "hash.hpp"

#include <array>

#include <openssl/evp.h>

#include "message.hpp"

namespace holdfast::dns {

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
    return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

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
    return sha256_hex(all);
}

} // namespace holdfast::dns

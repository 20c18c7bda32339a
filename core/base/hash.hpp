#pragma once
// SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), through OpenSSL's libcrypto.

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// 32 bytes; all zero means "none".
struct Hash {
    std::array<std::uint8_t, 32> bytes{};

    bool is_none() const { return *this == Hash{}; }
    auto operator<=>(const Hash&) const = default;
};

Hash sha256(std::string_view bytes);
// Several texts as one, each preceded by its length, so that {"ab","c"} and {"a","bc"} differ.
Hash sha256_of(std::initializer_list<std::string_view> parts);
Hash hmac_sha256(std::string_view key, std::string_view bytes);

std::string to_hex(const Hash& hash); // 64 lower-case digits
std::string short_hex(const Hash& hash, std::size_t digits = 12);
std::optional<Hash> hash_from_hex(std::string_view text);
inline std::string_view as_bytes(const Hash& hash) {
    return {reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()};
}
// From exactly 32 bytes; `none` for any other length.
Hash hash_from_bytes(std::string_view bytes);

// Adds up a hash from many texts, each preceded by its length. Owns its OpenSSL context; not copyable.
class Hasher {
public:
    Hasher();
    ~Hasher();
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;

    Hasher& add(std::string_view text);
    Hash finish();

private:
    void* context_;
};

} // namespace holdfast

template <>
struct std::hash<holdfast::Hash> {
    std::size_t operator()(const holdfast::Hash& value) const noexcept {
        std::size_t out;
        static_assert(sizeof out <= sizeof value.bytes);
        __builtin_memcpy(&out, value.bytes.data(), sizeof out);
        return out;
    }
};

#include "base/hash.hpp"

#include <cassert>
#include <cstring>
#include <initializer_list>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace holdfast {

namespace {

// Looked up once: OpenSSL 3 searches its providers on every EVP_sha256() use otherwise.
const EVP_MD* sha256_method() {
    static const EVP_MD* method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    assert(method);
    return method;
}

constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace

Hash sha256(std::string_view bytes) {
    struct Context { // kept by its thread: making one costs as much as hashing a document
        EVP_MD_CTX* raw = EVP_MD_CTX_new();
        ~Context() { EVP_MD_CTX_free(raw); }
    };
    static thread_local const Context context;
    Hash hash;
    [[maybe_unused]] const bool ok = EVP_DigestInit_ex(context.raw, sha256_method(), nullptr) == 1 &&
                                     EVP_DigestUpdate(context.raw, bytes.data(), bytes.size()) == 1 &&
                                     EVP_DigestFinal_ex(context.raw, hash.bytes.data(), nullptr) == 1;
    assert(ok);
    return hash;
}

Hash sha256_of(std::initializer_list<std::string_view> parts) {
    Hasher hasher;
    for (std::string_view part : parts) hasher.add(part);
    return hasher.finish();
}

Hash hmac_sha256(std::string_view key, std::string_view bytes) {
    Hash hash;
    unsigned size = 0;
    HMAC(sha256_method(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.bytes.data(), &size);
    assert(size == hash.bytes.size());
    return hash;
}

std::string to_hex(const Hash& hash) {
    std::string text;
    text.reserve(64);
    for (std::uint8_t byte : hash.bytes) {
        text += hex_digits[byte >> 4];
        text += hex_digits[byte & 15];
    }
    return text;
}

std::string short_hex(const Hash& hash, std::size_t digits) { return to_hex(hash).substr(0, digits); }

std::optional<Hash> hash_from_hex(std::string_view text) {
    Hash hash;
    if (text.size() != 2 * hash.bytes.size()) return std::nullopt;
    for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
        const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        hash.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return hash;
}

Hash hash_from_bytes(std::string_view bytes) {
    Hash hash;
    if (bytes.size() == hash.bytes.size()) std::memcpy(hash.bytes.data(), bytes.data(), bytes.size());
    return hash;
}

Hasher::Hasher() : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), sha256_method(), nullptr);
}

Hasher::~Hasher() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

Hasher& Hasher::add(std::string_view text) {
    const std::uint64_t size = text.size();
    EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), &size, sizeof size);
    EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), text.data(), text.size());
    return *this;
}

Hash Hasher::finish() {
    Hash hash;
    EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), hash.bytes.data(), nullptr);
    return hash;
}

} // namespace holdfast

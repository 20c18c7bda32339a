#pragma once
// SHA-256 (FIPS 180-4) by OpenSSL. Whoever includes this links OpenSSL::Crypto; the rest of the SDK does not.

#include <array>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include <holdfast/parts.hpp>

namespace holdfast::sdk {

// Of bytes that come one after the other. Throws std::bad_alloc where OpenSSL cannot make its state.
class Sha256 {
public:
    Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
            throw std::bad_alloc();
    }
    Sha256& add(std::string_view bytes) {
        EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
        return *this;
    }
    // 32 bytes. Nothing can be added afterwards.
    std::string finish() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned size = 0;
        EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
        return {reinterpret_cast<const char*>(digest.data()), size};
    }

private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

inline std::string sha256(std::string_view bytes) { return Sha256().add(bytes).finish(); }
inline std::string sha256_hex(std::string_view bytes) { return to_hex(sha256(bytes)); }

} // namespace holdfast::sdk

#pragma once
// Signatures of messages (RFC 8945), on their bytes: libldns 1.8 cannot sign with hmac-sha384 and does not
// verify transfers.

#include <cstdint>
#include <string>
#include <string_view>

#include "names.hpp"

namespace holdfast::dns {

struct TsigKey {
    Wire name;          // lower case
    Wire algorithm;     // as a name
    std::string digest; // OpenSSL's word for its hash
    std::string secret; // bytes
};

// `algorithm`: hmac-sha256 and its like, hmac-md5; `secret` in base64. Throws `dns.key`, without the secret.
TsigKey make_key(std::string_view name, std::string_view algorithm, std::string_view secret);

// The signatures of one question and its answers, each over the one before.
class Signatures {
public:
    explicit Signatures(const TsigKey& key) : key_(key) {}

    void sign(std::string& message, std::int64_t now);
    // `message` as received; its TSIG record is at `tsig_at`. Throws `dns.bad-signature` or `dns.clock`.
    void verify(std::string_view message, std::size_t tsig_at, std::int64_t now);

private:
    std::string hmac(std::string_view bytes) const;
    std::string variables(std::string_view time_and_fudge, std::string_view error_and_other) const;

    const TsigKey& key_;
    std::string last_mac_;
    bool is_first_ = true;
};

} // namespace holdfast::dns

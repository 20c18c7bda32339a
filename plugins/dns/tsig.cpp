#include "tsig.hpp"

#include <array>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <holdfast/provider.hpp>

#include "message.hpp"
#include "model.hpp"

namespace holdfast::dns {

namespace {

constexpr std::uint16_t fudge_s = 300;

struct Algorithm {
    const char* word;
    const char* name; // as it travels
    const char* digest;
};
constexpr std::array algorithms{Algorithm{"hmac-sha256", "hmac-sha256.", "SHA256"},
                                Algorithm{"hmac-sha512", "hmac-sha512.", "SHA512"},
                                Algorithm{"hmac-sha384", "hmac-sha384.", "SHA384"},
                                Algorithm{"hmac-sha224", "hmac-sha224.", "SHA224"},
                                Algorithm{"hmac-sha1", "hmac-sha1.", "SHA1"},
                                Algorithm{"hmac-md5", "hmac-md5.sig-alg.reg.int.", "MD5"}};

std::string from_base64(std::string_view text) {
    static constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    unsigned count = 0;
    while (!text.empty() && (text.back() == '=' || text.back() == '\n')) text.remove_suffix(1);
    for (const char c : text) {
        const std::size_t value = letters.find(c);
        if (value == std::string_view::npos) return {};
        bits = bits << 6U | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 255U);
    }
    return out;
}

[[noreturn]] void refuse_signature(const std::string& why, const char* hint) {
    throw sdk::Error(problem("dns.bad-signature", why, hint));
}

} // namespace

TsigKey make_key(std::string_view name, std::string_view algorithm, std::string_view secret) {
    TsigKey key;
    std::string word(algorithm);
    for (char& c : word)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!word.empty() && word.back() == '.') word.pop_back();
    for (const Algorithm& known : algorithms) {
        if (word != known.word && word + "." != known.name) continue;
        key.algorithm = parse_zone(known.name);
        key.digest = known.digest;
    }
    if (key.digest.empty())
        throw sdk::Error("dns.key", "\"" + std::string(algorithm) + "\" is no algorithm for TSIG keys",
                         "write hmac-sha256, or what the server's configuration says");
    key.name = parse_zone(name);
    key.secret = from_base64(secret);
    if (key.secret.empty())
        throw sdk::Error("dns.key", "the secret of TSIG key " + name_text(key.name) + " is not base64",
                         "copy the text in quotes behind `secret` of the server's configuration");
    return key;
}

std::string Signatures::hmac(std::string_view bytes) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    const EVP_MD* digest = EVP_get_digestbyname(key_.digest.c_str());
    if (!digest ||
        !HMAC(digest, key_.secret.data(), static_cast<int>(key_.secret.size()),
              reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), mac.data(), &size))
        throw sdk::Error("dns.key", "this machine's OpenSSL does not offer " + key_.digest,
                         "use hmac-sha256 for the key");
    return {reinterpret_cast<const char*>(mac.data()), size};
}

// RFC 8945 section 4.3.3
std::string Signatures::variables(std::string_view time_and_fudge, std::string_view error_and_other) const {
    std::string out = key_.name;
    append16(out, type::any); // class
    append32(out, 0);         // TTL
    out += key_.algorithm;
    out += time_and_fudge;
    return out.append(error_and_other);
}

void Signatures::sign(std::string& message, std::int64_t now) {
    std::string timers;
    append16(timers, static_cast<std::uint16_t>(now >> 32));
    append32(timers, static_cast<std::uint32_t>(now));
    append16(timers, fudge_s);
    const std::string none(4, '\0'); // no error, no other data
    last_mac_ = hmac(message + variables(timers, none));
    is_first_ = true;

    std::string rdata = key_.algorithm + timers;
    append16(rdata, static_cast<std::uint16_t>(last_mac_.size()));
    rdata += last_mac_;
    rdata += message.substr(0, 2); // the original id
    rdata += none;
    append_record(message, key_.name, type::tsig, type::any, 0, rdata);
    set16(message, 10, static_cast<std::uint16_t>(get16(message, 10) + 1U));
}

// The first answer is signed over the question's signature, each further message of a transfer over its
// predecessor's and with its times alone (RFC 8945 section 5.3.1). That section lets servers leave out some
// signatures in between; BIND, Knot and PowerDNS sign every message, and one without is refused.
void Signatures::verify(std::string_view message, std::size_t tsig_at, std::int64_t now) {
    Reader read(message, tsig_at);
    const Wire name = lower(read.name());
    read.skip(8); // type, class, TTL
    const std::size_t size = read.number16(), end = read.at() + size;
    const Wire algorithm = lower(read.name());
    const std::string timers(read.bytes(8));
    const std::string mac(read.bytes(read.number16()));
    const std::string original_id(read.bytes(2));
    const std::string error_and_other(read.bytes(end - read.at()));
    if (error_and_other.size() < 4)
        refuse_signature("the server's signature is malformed", "look at the server's log");
    const unsigned error = get16(error_and_other, 0);
    if (error == 18) // BADTIME
        throw sdk::Error("dns.clock",
                         "the server says that our clock and its own differ by more than 5 minutes",
                         "set both clocks right");
    if (error != 0 || name != key_.name || algorithm != key_.algorithm)
        refuse_signature("the server does not accept key " + name_text(key_.name) +
                             (error == 16   ? ": the signature is wrong"
                              : error == 17 ? ": it does not know it"
                                            : ""),
                         "compare the key's name, algorithm and secret with the server's configuration");

    std::string signed_part;
    append16(signed_part, static_cast<std::uint16_t>(last_mac_.size()));
    signed_part += last_mac_;
    const std::size_t from = signed_part.size();
    signed_part += message.substr(0, tsig_at);
    signed_part.replace(from, 2, original_id);
    set16(signed_part, from + 10, static_cast<std::uint16_t>(get16(message, 10) - 1U));
    signed_part += is_first_ ? variables(timers, error_and_other) : timers;
    const std::string expected = hmac(signed_part);
    if (mac.size() != expected.size() || CRYPTO_memcmp(mac.data(), expected.data(), mac.size()) != 0)
        refuse_signature("the server's signature with key " + name_text(key_.name) + " is wrong",
                         "compare the key's secret with the server's configuration");
    const auto signed_at =
        static_cast<std::int64_t>(get16(timers, 0)) << 32 | static_cast<std::int64_t>(get32(timers, 2));
    const std::int64_t apart = signed_at > now ? signed_at - now : now - signed_at;
    if (apart > fudge_s)
        throw sdk::Error("dns.clock", "the server's clock and ours differ by " + std::to_string(apart) + " s",
                         "set both clocks right");
    last_mac_ = mac;
    is_first_ = false;
}

} // namespace holdfast::dns

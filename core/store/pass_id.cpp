#include <string>

#include "base/locked.hpp"
#include "store/store.hpp"
#include "sys/random.hpp"

namespace holdfast {

namespace {

constexpr std::string_view crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct Last {
    std::int64_t ms = -1;
    std::string random; // 10 bytes, big-endian
};

// As a ULID: 48 bits of time, 80 random ones, in Crockford's base 32. Within one millisecond, and where
// the clock steps back, the random part counts up, so that a process's ids are in order.
std::string next_bytes(Last& last, std::int64_t now_ms) {
    if (now_ms > last.ms) {
        last = {now_ms, random_bytes(10)};
    } else {
        std::size_t at = last.random.size();
        while (at > 0 && static_cast<unsigned char>(++last.random[at - 1]) == 0) --at;
        if (at == 0) ++last.ms; // 80 bits are used up: only a test gets here
    }
    std::string bytes;
    for (int shift = 40; shift >= 0; shift -= 8)
        bytes += static_cast<char>((static_cast<std::uint64_t>(last.ms) >> shift) & 0xff);
    return bytes + last.random;
}

} // namespace

std::string new_pass_id(std::int64_t now_ms) {
    static Locked<Last> last;
    const std::string bytes = last.with([&](Last& state) { return next_bytes(state, now_ms); });
    // 128 bits in 26 digits: the first digit holds only three of them.
    std::string id;
    unsigned pending = 0;
    int bits = 2; // two zero bits in front make 130
    for (const char c : bytes) {
        pending = (pending << 8 | static_cast<unsigned char>(c)) & 0x1fff;
        for (bits += 8; bits >= 5; bits -= 5) id += crockford[(pending >> (bits - 5)) & 31];
    }
    return id;
}

} // namespace holdfast

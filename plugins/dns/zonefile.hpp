#pragma once
// Zone files (RFC 1035 section 5) as text: read with every record checked, printed in one canonical form.

#include <cstdint>
#include <string>
#include <string_view>

#include "model.hpp"

namespace holdfast::dns {

// `text` in the zone `origin`. Throws `dns.zone-file` with file and line; $INCLUDE and records of DNSSEC are
// refused, since they would be lost when the file is written.
ZoneData parse_zone_file(std::string_view text, const Wire& origin, const std::string& path);

// The SOA first, then all RRsets sorted; times to live on each line.
std::string print_zone_file(const ZoneData& zone);

enum class SerialPolicy { increment, date, unixtime };
// A serial that is newer than `serial` (RFC 1982): today's (YYYYMMDDnn), the time, or the next number.
std::uint32_t next_serial(std::uint32_t serial, SerialPolicy policy, std::int64_t now_s);
void set_serial(Soa& soa, std::uint32_t serial);

} // namespace holdfast::dns

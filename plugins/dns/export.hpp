#pragma once
// A zone as PowerDNS exports it: one record a line, its name, time to live, class, type and data behind tabs.

#include <string_view>

#include "model.hpp"

namespace holdfast::dns {

// Throws `dns.bad-answer` where a line is none of those, or where the SOA or the end is missing: it is never
// a part of a zone. Types that only PowerDNS knows are left out. The version is not set.
ZoneData read_export(std::string_view text, const Wire& origin);

} // namespace holdfast::dns

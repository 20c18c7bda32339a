#pragma once
// Types and data of records: text as in a zone file to canonical wire form and back. Wire form is what is
// compared; its text is one for one, so documents may be compared as well. Throws sdk::Error.

#include <cstdint>
#include <string>
#include <string_view>

#include "names.hpp"

namespace holdfast::dns {

using TypeNumber = std::uint16_t;

namespace type {
constexpr TypeNumber a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28, srv = 33,
                     ds = 43, dname = 39, tsig = 250, axfr = 252, any = 255, spf = 99, alias = 65401;
} // namespace type

// "A", "TYPE65280" (RFC 3597 section 5) in either case. `dns.type` for what is none.
TypeNumber parse_type(std::string_view text);
std::string type_text(TypeNumber type);

// SOA, what DNSSEC signing makes, and types that are questions: never declared, changed or listed by us.
bool is_servers_own(TypeNumber type);

// Data as in a zone file; names relative to `origin`, `\# 4 0a000001` for any type (RFC 3597). TXT: what does
// not begin with a quote is the text itself, and is split into strings of 255 bytes. `dns.bad-value`.
Wire parse_rdata(TypeNumber type, std::string_view text, std::string_view origin);
std::string rdata_text(TypeNumber type, std::string_view rdata);

// The data at [at, at + size) of a message: names uncompressed, and in lower case where RFC 4034 section 6.2
// says so (not with `keep_case`). `dns.bad-answer` where it is malformed.
enum class Case { lower, keep };
Wire expand_rdata(TypeNumber type, std::string_view message, std::size_t at, std::size_t size, Case letters);
// The name at `at` of a message, uncompressed; moves `at` past it.
Wire expand_name(std::string_view message, std::size_t& at);

// Where in the data its first name begins: the target of NS, CNAME, MX, SRV... 0-based; npos without one.
std::size_t target_offset(TypeNumber type);

// "5m", "1h30m", "2w", "300" -> seconds, at most 2^31 - 1 (RFC 2181 section 8). `dns.ttl`.
std::uint32_t parse_ttl(std::string_view text);

} // namespace holdfast::dns

#pragma once
// Domain names: as people write them, as they travel (RFC 1035 section 3.1), and the one text of each that
// documents hold. A name in wire form is its labels with their lengths, the root's empty one last.

#include <string>
#include <string_view>

namespace holdfast::dns {

using Wire = std::string;

// How far a name without a final dot may go before it is taken for one whose dot was forgotten.
enum class Relative { any_labels, one_label };

// A name as in a zone file: "@" is `origin`, without a final dot it is relative to it, \. and \DDD escape.
// Labels that are not ASCII become A-labels (IDNA2008, non-transitional). Letters keep their case.
// Throws sdk::Error `dns.name`, or `dns.dot` where the final dot seems to be forgotten.
Wire parse_name(std::string_view text, std::string_view origin, Relative relative);
// A zone's name, with or without the final dot, in lower case.
Wire parse_zone(std::string_view text);

// "www.example.org."; what is no plain letter is escaped.
std::string name_text(std::string_view name);
// "www", or "@" for the origin itself. `name` lies at or below `origin`, and both are in lower case.
std::string relative_text(std::string_view name, std::string_view origin);
// Whether a relative name is spelled as we spell it, and without any escape; most are. False says nothing.
bool is_plain_name(std::string_view relative);
// "example.org", and "." for the root: how a zone is called as a scope.
std::string zone_text(std::string_view origin);

bool is_within(std::string_view name, std::string_view origin);
Wire lower(std::string_view name);
// Bytes of the name that begins at `at`, which may not be compressed; 0 where there is none.
std::size_t name_size(std::string_view bytes, std::size_t at);

} // namespace holdfast::dns

#pragma once
// TXT data, where most tools go wrong: long texts, quotes, escapes, bytes that are not ASCII.

#include <optional>
#include <string>
#include <string_view>

#include "names.hpp"

namespace holdfast::dns {

// `"one" "two"`: strings as in a zone file, with \" \\ and \DDD. Anything else is the text itself, letter by
// letter (a backslash is a backslash), split into strings of 255 bytes. `dns.bad-value`.
Wire parse_txt(std::string_view text);

// The text alone where parse_txt() makes the same strings of it, else the quoted form. Nothing for bytes
// that are no TXT data.
std::optional<std::string> txt_text(std::string_view rdata);

// Always the quoted form, in ASCII: for zone files and PowerDNS.
std::string txt_quoted(std::string_view rdata);

} // namespace holdfast::dns

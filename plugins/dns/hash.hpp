#pragma once
// A word for the content of a zone, for targets whose serial does not tell of every change.

#include <string>
#include <string_view>

#include "model.hpp"

namespace holdfast::dns {

std::string sha256_hex(std::string_view bytes);
// Of all RRsets and the SOA.
std::string content_hash(const ZoneData& zone);

} // namespace holdfast::dns

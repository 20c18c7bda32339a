#pragma once
// A word for the content of a zone, for targets whose serial does not tell of every change.

#include <string>

#include "model.hpp"

namespace holdfast::dns {

// Of all RRsets and the SOA.
std::string content_hash(const ZoneData& zone);

} // namespace holdfast::dns

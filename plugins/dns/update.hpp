#pragma once
// Changes of RRsets as UPDATE messages (RFC 2136): in which order, and how many go into one.

#include <string>
#include <vector>

#include "model.hpp"

namespace holdfast::dns {

struct UpdateMessage {
    std::string bytes;     // without signature
    std::size_t count = 0; // of changes in it
};

// One message with as many of the changes from `first` on as fit; at least all of one name. It is refused by
// the server unless the zone's SOA is `soa`. Throws `dns.too-large` where one name is too much for a message.
UpdateMessage make_update(std::string_view origin, const Soa& soa, const std::vector<Change>& changes,
                          std::size_t first);

} // namespace holdfast::dns

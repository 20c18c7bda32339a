#pragma once
// What the target holds now.

#include <string>

#include "base/diagnostic.hpp"
#include "base/hash.hpp"

namespace holdfast {

enum class Presence {
    unread, // not asked
    present,
    absent,
    failed, // could not be read: never the same as absent (law 1)
};

struct Observed {
    Presence presence = Presence::unread;
    std::string document;    // JSON as the plugin sent it; may be dropped once it is known to be settled
    Hash raw_hash;           // of those bytes
    bool is_settled = false; // the settle memo (plan/plan.hpp) says: equal, as it was the last time
    std::string version;
    std::string private_data;
    std::string refreshed;
    Diagnostics diagnostics;
};

} // namespace holdfast

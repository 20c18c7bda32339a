#pragma once
// Whose an RRset is, said in the zone itself, so that installations which know nothing of each other's ledger
// leave each other alone: beside www/A a TXT record `www._a._holdfast` with "owner=NAME".

#include <string>
#include <vector>

#include <holdfast/json.hpp>

#include "model.hpp"

namespace holdfast::dns {

class Markers {
public:
    // `owner` of the provider's config; without it nothing is marked, and what others marked is still theirs.
    explicit Markers(const sdk::Json& config);

    // A name where markers stand; of any type, since nothing else has to do there.
    static bool is_marker(const Key& key);
    static Key marker_of(const Key& key);
    // Whether there is any. Spares the search where nobody marks.
    static bool stand_in(const ZoneData& zone);
    // Who else says that the RRset is his; empty where nobody does.
    std::string other_owner(const ZoneData& zone, const Key& key) const;
    // What has to happen to the marker so that `change` is marked; nothing where that is so.
    std::optional<Change> change_for(const ZoneData& zone, const Change& change) const;

private:
    std::string owner_;
};

} // namespace holdfast::dns

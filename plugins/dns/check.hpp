#pragma once
// What holds for a zone as a whole, whoever declared its parts: a CNAME stands alone, the apex keeps its name
// servers, names that others point at are no aliases.

#include <map>
#include <string>
#include <vector>

#include "model.hpp"

namespace holdfast::dns {

struct Declared {
    Key key;
    const std::vector<Wire>* values;
    std::string pointer; // of the RRset, for diagnostics; may be empty
};

// Among RRsets that are declared together. Errors for what no server serves as meant; warnings for what is
// probably a slip. Each names its pointer.
void check_together(const std::vector<Declared>& declared, std::string_view origin,
                    sdk::Diagnostics& problems);

// What the zone would break by these changes, by the changes' indices. Only names that they touch are judged:
// what is wrong elsewhere is not theirs.
std::multimap<std::size_t, sdk::Diagnostic> check_changes(const ZoneData& before,
                                                          const std::vector<Change>& changes);

} // namespace holdfast::dns

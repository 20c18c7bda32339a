#pragma once
// A table as it was, in bytes that need nothing else to bring it back.

#include <string>
#include <string_view>

#include "canonical.hpp"
#include "live.hpp"

namespace holdfast::firewall {

// Proven to load: what cannot be brought back is no snapshot. Throws Error `firewall.snapshot`.
std::string take_snapshot(Live& live, Scratch& scratch, const TableName& table);

// With the least change, so that counters and elements that others put into sets since stay; where that
// does not do, the whole table anew in one transaction. Throws Error `firewall.restore`.
void restore_snapshot(Live& live, const TableName& table, std::string_view snapshot);

} // namespace holdfast::firewall

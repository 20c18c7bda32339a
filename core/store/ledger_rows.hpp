#pragma once
// The columns of a ledger row and how one becomes an entry. Private to store.

#include "store/database.hpp"
#include "store/store.hpp"

// What `read_entry` expects, in its order.
#define HOLDFAST_MATCH_COLUMNS                                                                               \
    "stack, group_name, kind, name_space, name, part, provider, api_version, target, scope, object_kind, "   \
    "identity, state, declared_hash, settled, version, private_data, refreshed, protect, deletion, "         \
    "plugin_version, comes_after, wave"
#define HOLDFAST_BRIEF_COLUMNS HOLDFAST_MATCH_COLUMNS ", commit_id, author, file, line, pass, applied_at_ms"
#define HOLDFAST_ORDER " ORDER BY stack, group_name, kind, name_space, name, part"
#define HOLDFAST_THIS_ADDRESS                                                                                \
    " WHERE stack = ?1 AND group_name = ?2 AND kind = ?3 AND name_space = ?4 AND name = ?5 AND part = ?6"

namespace holdfast {

// A row of HOLDFAST_MATCH_COLUMNS, of HOLDFAST_BRIEF_COLUMNS, or of these with `declared, observed`.
void read_entry(Query& row, LedgerEntry& entry, Detail detail);

} // namespace holdfast

#pragma once
// The tables of the store, and how an older file becomes today's.

#include "store/database.hpp"

namespace holdfast {

// Counts the steps below; SQLite's `user_version`.
int newest_schema_version();
// "HFST": tells a store from another program's SQLite file.
constexpr std::int64_t store_application_id = 0x48465354;

// Throws `store.newer`, `store.foreign`. 0 for a new file.
std::int64_t schema_version(Database& database);
// Runs the missing steps, each in a transaction of its own. Only one process may do it at a time.
void migrate(Database& database);

} // namespace holdfast

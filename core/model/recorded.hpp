#pragma once
// What Holdfast last applied: one ledger entry per leaf, keyed by address. Entries hold no secrets.

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "model/leaf.hpp"

namespace holdfast {

enum class EntryState {
    creating, // the intent is durable, the outcome is not known yet
    applied,
    deleting,
    deposed, // replaced; the old object waits for its removal
};

struct LedgerEntry {
    Address address;
    Symbol provider;
    Symbol api_version;
    TargetObject object;
    EntryState state = EntryState::applied;

    Hash declared_hash;   // of the recordable declared document
    Hash settled;         // see plan/settle.hpp: the comparison that last came out equal
    std::string declared; // recordable JSON. Empty where the store was asked for the brief form
    std::string observed; // recordable JSON of what stood there after the last apply; likewise
    std::string version;  // opaque, of the plugin
    std::string private_data;
    std::string refreshed;

    bool protect = false;
    Deletion deletion = Deletion::remove;

    // The order in which it was last applied, for the day on which nobody declares it: its delete comes
    // before the deletes of what it came after, and before those of lower waves.
    std::vector<Address> after;
    std::int32_t wave = 0;

    // Where it came from and when.
    Symbol plugin_version;
    Symbol author;
    std::string commit, pass; // no symbols: each pass that changes something brings others
    std::string file;
    std::uint32_t line = 0;
    std::int64_t applied_at_ms = 0; // Unix time

    std::int64_t row = 0; // where the store that gave the entry keeps it
};

// The address that a replaced object keeps until it is gone: its leaf's with "deposed-<n>" behind '#'.
Address deposed_address(const Address& address, std::size_t number);

std::string_view to_string(EntryState state);

} // namespace holdfast

#pragma once
// The ledger's rows: one entry per leaf.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "store/database.hpp"
#include "store/store.hpp"

namespace holdfast {

class Ledger {
public:
    explicit Ledger(Database& database) : database_(database) {}

    std::vector<LedgerEntry> entries(std::string_view stack, Detail detail);
    std::vector<LedgerEntry> all_entries(Detail detail);
    std::optional<LedgerEntry> entry(const Address& address);
    std::vector<LedgerEntry> owners_elsewhere(std::string_view stack, std::span<const Hash> object_keys);

    // To be called inside a transaction.
    void upsert(const LedgerEntry& entry);
    void erase(const Address& address);
    void move(std::span<const std::pair<Address, Address>> moves);
    void remember_settled(const Store::Settled& settled);

    // In the order of their addresses.
    void for_each(const std::function<void(const LedgerEntry&)>& visit);

private:
    Query rows_of_stack(Detail detail);
    void insert(const LedgerEntry& entry);
    void update(std::int64_t entry, const LedgerEntry& content, const Hash& key_before);

    Database& database_;
};

// The words that the database holds; nothing for any other text.
std::optional<EntryState> entry_state_from(std::string_view word);
std::optional<Deletion> deletion_from(std::string_view word);

} // namespace holdfast

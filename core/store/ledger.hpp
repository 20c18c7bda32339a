#pragma once
// The ledger's rows: one entry per leaf.

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "store/database.hpp"
#include "store/store.hpp"

namespace holdfast {

// Who reads so many entries reads no page of them twice.
constexpr std::size_t many_entries = 10'000;

class Ledger {
public:
    explicit Ledger(Database& database) : database_(database) {}

    std::vector<LedgerEntry> entries(std::string_view stack, Detail detail);
    std::vector<LedgerEntry> all_entries(Detail detail);
    std::optional<LedgerEntry> entry(const Address& address);
    std::vector<LedgerEntry> owners_elsewhere(std::string_view stack, std::span<const Hash> object_keys);

    // What a pass over a part of a stack asks (ledger_lookup.cpp); see Store.
    std::vector<LedgerEntry> entries_of(std::string_view stack, std::span<const ResourceId> documents);
    std::vector<LedgerEntry> entries_of_objects(std::span<const Hash> object_keys);
    std::vector<Address> addresses_in_scope(std::string_view stack, std::string_view target,
                                            std::string_view scope, std::size_t limit);
    std::vector<Address> followers(std::string_view stack, std::span<const Address> leaders);
    std::map<std::string, std::size_t, std::less<>> counts_by_kind(std::string_view stack);
    void for_each_object(std::string_view stack, const Store::OnObject& visit);

    // To be called inside a transaction.
    void correct_origins(std::span<const Store::Place> places);
    void upsert(const LedgerEntry& entry);
    void erase(const Address& address);
    void move(std::span<const std::pair<Address, Address>> moves);
    void remember_settled(const Store::Settled& settled);

    // In the order of their addresses.
    void for_each(const std::function<void(const LedgerEntry&)>& visit);

private:
    Query rows_of_stack(Detail detail);
    void follow_moves(const std::unordered_map<Address, Address>& moves);
    void insert(const LedgerEntry& entry);
    void update(std::int64_t entry, const LedgerEntry& content, const Hash& key_before);

    Database& database_;
};

// The words that the database holds; nothing for any other text.
std::optional<EntryState> entry_state_from(std::string_view word);
std::optional<Deletion> deletion_from(std::string_view word);

// The text of `comes_after`; false where it is damaged, with the addresses before the damage.
std::string write_addresses(const std::vector<Address>& addresses);
bool read_addresses(std::string_view text, std::vector<Address>& addresses);

} // namespace holdfast

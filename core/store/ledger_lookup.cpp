// What a pass over a part of a stack asks of the ledger: by document, by object, by what comes after what.

#include <algorithm>
#include <unordered_set>

#include "store/ledger.hpp"
#include "store/ledger_rows.hpp"

namespace holdfast {

std::vector<LedgerEntry> Ledger::entries_of(std::string_view stack, std::span<const ResourceId> documents) {
    const ReadTransaction one_state(database_);
    const std::string name(stack);
    std::vector<ResourceId> parents;
    for (const ResourceId& id : documents) parents.push_back(id.parent());
    std::sort(parents.begin(), parents.end());
    parents.erase(std::unique(parents.begin(), parents.end()), parents.end());
    Query rows =
        database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                        ", declared, observed FROM ledger JOIN document USING (entry) WHERE stack = ?1 AND "
                        "group_name = ?2 AND kind = ?3 AND name_space = ?4 AND name = ?5" HOLDFAST_ORDER);
    std::vector<LedgerEntry> entries;
    for (const ResourceId& id : parents) {
        rows.reset();
        rows.start(name, id.group, id.kind, id.name_space, id.name);
        while (rows.next()) read_entry(rows, entries.emplace_back(), Detail::full);
    }
    return entries;
}

std::vector<LedgerEntry> Ledger::entries_of_objects(std::span<const Hash> object_keys) {
    const ReadTransaction one_state(database_);
    Query rows = database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                                 ", declared, observed FROM ledger JOIN document USING (entry) "
                                 "WHERE object_key = ?1");
    std::vector<LedgerEntry> entries;
    for (const Hash& key : object_keys) {
        rows.reset();
        rows.start(key);
        while (rows.next()) read_entry(rows, entries.emplace_back(), Detail::full);
    }
    return entries;
}

namespace {

void read_address(Query& row, Address& address) {
    ResourceId& id = address.id;
    row.read(address.stack, id.group, id.kind, id.name_space, id.name, id.part);
}

} // namespace

std::vector<Address> Ledger::addresses_in_scope(std::string_view stack, std::string_view target,
                                                std::string_view scope, std::size_t limit) {
    Query rows = database_.query("SELECT stack, group_name, kind, name_space, name, part FROM ledger "
                                 "WHERE stack = ?1 AND target = ?2 AND scope = ?3 LIMIT ?4");
    const std::string name(stack), target_id(target), scope_name(scope);
    std::vector<Address> found;
    rows.start(name, target_id, scope_name, static_cast<std::int64_t>(limit));
    while (rows.next()) read_address(rows, found.emplace_back());
    return found;
}

// An order names leaves, or a document that compiles to none.
std::vector<Address> Ledger::followers(std::string_view stack, std::span<const Address> leaders) {
    std::unordered_set<Address> wanted;
    for (const Address& leader : leaders) {
        wanted.insert(leader);
        wanted.insert({leader.stack, leader.id.resource()});
        wanted.insert({leader.stack, leader.id.parent()});
    }
    Query rows = database_.query("SELECT entry, comes_after FROM ledger INDEXED BY ledger_by_order "
                                 "WHERE stack = ?1 AND comes_after <> ''");
    const std::string name(stack);
    std::vector<std::int64_t> entries;
    std::vector<Address> before;
    rows.start(name);
    while (rows.next()) {
        std::int64_t entry = 0;
        std::string_view text;
        rows.read(entry, text);
        before.clear();
        read_addresses(text, before); // damage is for the check to tell
        if (std::any_of(before.begin(), before.end(), [&](const Address& a) { return wanted.contains(a); }))
            entries.push_back(entry);
    }
    std::vector<Address> found;
    for (const std::int64_t entry : entries) {
        Query row = database_.query(
            "SELECT stack, group_name, kind, name_space, name, part FROM ledger WHERE entry = ?1");
        if (row.find(entry)) read_address(row, found.emplace_back());
    }
    return found;
}

std::map<std::string, std::size_t, std::less<>> Ledger::counts_by_kind(std::string_view stack) {
    Query rows = database_.query("SELECT object_kind, count(*) FROM ledger "
                                 "WHERE stack = ?1 AND state <> 'deposed' GROUP BY object_kind");
    const std::string name(stack);
    std::map<std::string, std::size_t, std::less<>> counts;
    rows.start(name);
    while (rows.next()) {
        std::string kind;
        std::int64_t count = 0;
        rows.read(kind, count);
        counts.emplace(std::move(kind), static_cast<std::size_t>(count));
    }
    return counts;
}

void Ledger::for_each_object(std::string_view stack, const Store::OnObject& visit) {
    Query rows = database_.query("SELECT stack, group_name, kind, name_space, name, part, provider, "
                                 "api_version, object_kind, scope, identity, file, line FROM ledger "
                                 "WHERE stack = ?1");
    const std::string name(stack);
    Address address;
    Store::RecordedObject object{.address = address};
    rows.start(name);
    std::size_t visited = 0;
    for (; rows.next(); ++visited) {
        read_address(rows, address);
        rows.read_from(6, object.provider, object.api_version, object.object_kind, object.scope,
                       object.identity, object.file, object.line);
        visit(object);
    }
    rows.reset();
    if (visited >= many_entries) database_.release_memory();
}

void Ledger::correct_origins(std::span<const Store::Place> places) {
    for (const Store::Place& place : places) {
        const ResourceId& id = place.address.id;
        database_.query("UPDATE ledger SET file = ?7, line = ?8" HOLDFAST_THIS_ADDRESS)
            .run(place.address.stack, id.group, id.kind, id.name_space, id.name, id.part, place.file,
                 place.line);
    }
}

} // namespace holdfast

#include "store/ledger.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

#include <fmt/core.h>

#include "store/ledger_rows.hpp"

namespace holdfast {

namespace {

constexpr int origin_column = 24, document_column = 30;

std::vector<LedgerEntry> read_all(Query& rows, Detail detail, std::size_t expected) {
    std::vector<LedgerEntry> entries;
    entries.reserve(expected);
    while (rows.next()) read_entry(rows, entries.emplace_back(), detail);
    return entries;
}

} // namespace

void read_entry(Query& row, LedgerEntry& e, Detail detail) {
    std::string_view state, deletion, after;
    std::int64_t wave = 0;
    ResourceId& id = e.address.id;
    row.read(e.row, e.address.stack, id.group, id.kind, id.name_space, id.name, id.part, e.provider,
             e.api_version, e.object.target, e.object.scope, e.object.kind, e.object.identity, state,
             e.declared_hash, e.settled, e.version, e.private_data, e.refreshed, e.protect, deletion,
             e.plugin_version, after, wave);
    if (detail != Detail::match)
        row.read_from(origin_column, e.commit, e.author, e.file, e.line, e.pass, e.applied_at_ms);
    e.state = entry_state_from(state).value_or(EntryState::applied); // the table's CHECK allows no other
    e.deletion = deletion_from(deletion).value_or(Deletion::remove);
    e.after.clear();
    if (!after.empty()) read_addresses(after, e.after);
    e.wave = static_cast<std::int32_t>(wave);
    if (detail == Detail::full) row.read_from(document_column, e.declared, e.observed);
}

namespace {

void append_sized(std::string& text, std::string_view piece) {
    text.append(std::to_string(piece.size())).append(":").append(piece);
}

} // namespace

// Names may hold any character but NUL, and parts do, so each text goes behind its length: "3:web4:File".
std::string write_addresses(const std::vector<Address>& addresses) {
    std::string text;
    for (const Address& address : addresses) {
        append_sized(text, address.stack);
        for (const std::string_view piece : address.id.texts()) append_sized(text, piece);
    }
    return text;
}

bool read_addresses(std::string_view text, std::vector<Address>& addresses) {
    auto take = [&](auto& piece) {
        std::size_t size = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
        if (error != std::errc{}) return false;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (!text.starts_with(':') || text.size() <= size) return false;
        piece = text.substr(1, size);
        text.remove_prefix(1 + size);
        return true;
    };
    while (!text.empty()) {
        Address address;
        ResourceId& id = address.id;
        if (!take(address.stack) || !take(id.group) || !take(id.kind) || !take(id.name_space) ||
            !take(id.name) || !take(id.part))
            return false;
        addresses.push_back(std::move(address));
    }
    return true;
}

std::optional<EntryState> entry_state_from(std::string_view word) {
    for (const EntryState state :
         {EntryState::applied, EntryState::creating, EntryState::deleting, EntryState::deposed})
        if (word == to_string(state)) return state;
    return std::nullopt;
}

std::optional<Deletion> deletion_from(std::string_view word) {
    for (const Deletion deletion : {Deletion::remove, Deletion::orphan})
        if (word == to_string(deletion)) return deletion;
    return std::nullopt;
}

Query Ledger::rows_of_stack(Detail detail) {
    switch (detail) {
        case Detail::match:
            return database_.query("SELECT " HOLDFAST_MATCH_COLUMNS
                                   " FROM ledger WHERE stack = ?1" HOLDFAST_ORDER);
        case Detail::brief:
            return database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                                   " FROM ledger WHERE stack = ?1" HOLDFAST_ORDER);
        default:
            return database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS ", declared, observed FROM ledger "
                                   "JOIN document USING (entry) WHERE stack = ?1" HOLDFAST_ORDER);
    }
}

std::vector<LedgerEntry> Ledger::entries(std::string_view stack, Detail detail) {
    const ReadTransaction one_state(database_);
    const std::string name(stack);
    Query counting = database_.query("SELECT count(*) FROM ledger WHERE stack = ?1");
    std::int64_t count = 0;
    if (counting.find(name)) counting.read(count);
    std::vector<LedgerEntry> entries =
        read_all(rows_of_stack(detail).start(name), detail, static_cast<std::size_t>(count));
    if (entries.size() >= many_entries) database_.release_memory();
    return entries;
}

std::vector<LedgerEntry> Ledger::all_entries(Detail detail) {
    assert(detail != Detail::match); // there is no use for it
    Query rows =
        detail == Detail::brief
            ? database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS " FROM ledger" HOLDFAST_ORDER)
            : database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                              ", declared, observed FROM ledger JOIN document USING (entry)" HOLDFAST_ORDER);
    return read_all(rows, detail, 0);
}

void Ledger::for_each(const std::function<void(const LedgerEntry&)>& visit) {
    Query rows =
        database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                        ", declared, observed FROM ledger JOIN document USING (entry)" HOLDFAST_ORDER);
    LedgerEntry entry;
    while (rows.next()) {
        read_entry(rows, entry, Detail::full);
        visit(entry);
    }
}

std::optional<LedgerEntry> Ledger::entry(const Address& address) {
    const ResourceId& id = address.id;
    Query row =
        database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                        ", declared, observed FROM ledger JOIN document USING (entry)" HOLDFAST_THIS_ADDRESS);
    if (!row.find(address.stack, id.group, id.kind, id.name_space, id.name, id.part)) return std::nullopt;
    LedgerEntry entry;
    read_entry(row, entry, Detail::full);
    return entry;
}

std::vector<LedgerEntry> Ledger::owners_elsewhere(std::string_view stack, std::span<const Hash> object_keys) {
    const ReadTransaction one_state(database_);
    const std::string name(stack);
    // Most installations that call this for every leaf of a pass have a single stack.
    if (!database_.query("SELECT 1 FROM ledger WHERE stack < ?1 OR stack > ?1 LIMIT 1").find(name)) return {};
    std::vector<Hash> keys(object_keys.begin(), object_keys.end());
    std::sort(keys.begin(), keys.end()); // neighbours in the index are read one after the other
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    Query rows = database_.query("SELECT " HOLDFAST_BRIEF_COLUMNS
                                 ", declared, observed FROM ledger JOIN document USING (entry) "
                                 "WHERE object_key = ?1 AND stack <> ?2");
    std::vector<LedgerEntry> owners;
    for (const Hash& key : keys) {
        rows.start(key, name);
        while (rows.next()) read_entry(rows, owners.emplace_back(), Detail::full);
    }
    return owners;
}

void Ledger::upsert(const LedgerEntry& e) {
    const ResourceId& id = e.address.id;
    std::int64_t entry = 0;
    Hash key_before;
    if (Query row = database_.query("SELECT entry, object_key FROM ledger" HOLDFAST_THIS_ADDRESS);
        row.find(e.address.stack, id.group, id.kind, id.name_space, id.name, id.part))
        row.read(entry, key_before);
    if (entry == 0)
        insert(e);
    else
        update(entry, e, key_before);
}

void Ledger::insert(const LedgerEntry& e) {
    const ResourceId& id = e.address.id;
    const Hash key = e.object.key();
    const std::string state(to_string(e.state)), deletion(to_string(e.deletion));
    const std::string after = write_addresses(e.after);
    database_
        .query("INSERT INTO ledger (" HOLDFAST_BRIEF_COLUMNS
               ", object_key) VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
               "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, "
               "?27, ?28, ?29, ?30)")
        .run(e.address.stack, id.group, id.kind, id.name_space, id.name, id.part, e.provider, e.api_version,
             e.object.target, e.object.scope, e.object.kind, e.object.identity, state, e.declared_hash,
             e.settled, ConstBlob{e.version}, ConstBlob{e.private_data}, ConstBlob{e.refreshed}, e.protect,
             deletion, e.plugin_version, after, std::int64_t{e.wave}, e.commit, e.author, e.file, e.line,
             e.pass, e.applied_at_ms, key);
    database_.query("INSERT INTO document (entry, declared, observed) VALUES (last_insert_rowid(), ?1, ?2)")
        .run(e.declared, e.observed);
}

void Ledger::update(std::int64_t entry, const LedgerEntry& e, const Hash& key_before) {
    const std::string state(to_string(e.state)), deletion(to_string(e.deletion));
    const std::string after = write_addresses(e.after);
    database_
        .query(
            "UPDATE ledger SET provider = ?1, api_version = ?2, target = ?3, scope = ?4, object_kind = ?5, "
            "identity = ?6, state = ?7, declared_hash = ?8, settled = ?9, version = ?10, private_data = ?11, "
            "refreshed = ?12, protect = ?13, deletion = ?14, plugin_version = ?15, commit_id = ?16, "
            "author = ?17, file = ?18, line = ?19, pass = ?20, applied_at_ms = ?21, comes_after = ?22, "
            "wave = ?23 WHERE entry = ?24")
        .run(e.provider, e.api_version, e.object.target, e.object.scope, e.object.kind, e.object.identity,
             state, e.declared_hash, e.settled, ConstBlob{e.version}, ConstBlob{e.private_data},
             ConstBlob{e.refreshed}, e.protect, deletion, e.plugin_version, e.commit, e.author, e.file,
             e.line, e.pass, e.applied_at_ms, after, std::int64_t{e.wave}, entry);
    // Apart, because to set an indexed column costs a write of the index also where nothing changes.
    if (const Hash key = e.object.key(); key != key_before)
        database_.query("UPDATE ledger SET object_key = ?1 WHERE entry = ?2").run(key, entry);
    // An entry that was read in the brief form and is written back keeps its documents.
    if (e.declared.empty() && e.observed.empty()) return;
    database_
        .query("UPDATE document SET declared = iif(?1 = '', declared, ?1), observed = iif(?2 = '', observed, "
               "?2) "
               "WHERE entry = ?3")
        .run(e.declared, e.observed, entry);
}

void Ledger::erase(const Address& address) {
    const ResourceId& id = address.id;
    database_.query("DELETE FROM ledger" HOLDFAST_THIS_ADDRESS)
        .run(address.stack, id.group, id.kind, id.name_space, id.name, id.part);
}

// In two phases, so that a batch may swap two addresses or shift a whole row of them: first every entry
// leaves its old address for one that no document can have, then each takes its new one.
void Ledger::move(std::span<const std::pair<Address, Address>> moves) {
    std::vector<std::pair<std::int64_t, const Address*>> leaving;
    for (const auto& [from, to] : moves) {
        const ResourceId& id = from.id;
        Query row = database_.query("SELECT entry FROM ledger" HOLDFAST_THIS_ADDRESS);
        if (!row.find(from.stack, id.group, id.kind, id.name_space, id.name, id.part)) continue;
        row.read(leaving.emplace_back(0, &to).first);
    }
    for (const auto& [entry, to] : leaving)
        database_.query("UPDATE ledger SET stack = char(1), kind = entry WHERE entry = ?1").run(entry);
    for (const auto& [entry, to] : leaving) {
        if (this->entry(*to))
            throw Error("store.occupied",
                        fmt::format("{}: cannot move a ledger entry to {}: it has one already",
                                    database_.path(), to_string(*to)),
                        "forget one of the two entries (`holdfast forget`), then run the command again");
        const ResourceId& id = to->id;
        database_
            .query("UPDATE ledger SET stack = ?1, group_name = ?2, kind = ?3, name_space = ?4, name = ?5, "
                   "part = ?6 WHERE entry = ?7")
            .run(to->stack, id.group, id.kind, id.name_space, id.name, id.part, entry);
    }
    if (!leaving.empty()) follow_moves({moves.begin(), moves.end()});
}

// Whoever came after an entry still does under its new address.
void Ledger::follow_moves(const std::unordered_map<Address, Address>& moves) {
    std::vector<std::pair<std::int64_t, std::string>> changed;
    Query rows = database_.query("SELECT entry, comes_after FROM ledger WHERE comes_after <> ''");
    std::vector<Address> after;
    while (rows.next()) {
        std::int64_t entry = 0;
        std::string_view text;
        rows.read(entry, text);
        after.clear();
        if (!read_addresses(text, after)) continue; // for the check to tell
        bool is_touched = false;
        for (Address& before : after)
            if (auto moved = moves.find(before); moved != moves.end()) {
                before = moved->second;
                is_touched = true;
            }
        if (is_touched) changed.emplace_back(entry, write_addresses(after));
    }
    for (const auto& [entry, text] : changed)
        database_.query("UPDATE ledger SET comes_after = ?1 WHERE entry = ?2").run(text, entry);
}

// By its row, which spares the search for the six columns of an address. Another process may have written
// the entry since, or given its row to another one: with another declaration it is left alone.
void Ledger::remember_settled(const Store::Settled& settled) {
    database_.query("UPDATE ledger SET settled = ?3, version = ?4 WHERE entry = ?1 AND declared_hash = ?2")
        .run(settled.entry->row, settled.entry->declared_hash, settled.settled, ConstBlob{settled.version});
}

} // namespace holdfast

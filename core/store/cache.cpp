#include "store/cache.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/core.h>
#include <unistd.h>

namespace holdfast {

namespace {

constexpr std::int64_t cache_version = 1;

// Apart from the documents, because `use` is rewritten now and then and they are large. Pages of 16 KiB hold
// about twenty documents each.
constexpr const char* cache_tables = R"sql(
CREATE TABLE document (slot INTEGER PRIMARY KEY, key BLOB NOT NULL, content BLOB NOT NULL) STRICT;
CREATE TABLE trimmed (at_ms INTEGER NOT NULL) STRICT;
INSERT INTO trimmed VALUES (0);
CREATE TABLE use (slot INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
)sql";

// Where a document lies: a 64-bit hash of its key (FNV-1a), so that one integer finds it and neighbours in
// a sorted batch are neighbours in the file. Of two keys with one slot the later one stays, and the other
// is parsed again: the whole key is compared before anything is handed out.
std::int64_t slot_of(std::string_view key) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return static_cast<std::int64_t>(hash);
}

struct Wanted {
    std::int64_t slot;
    std::size_t index;
};

std::vector<Wanted> in_order_of_slots(std::span<const std::string> keys) {
    std::vector<Wanted> wanted;
    wanted.reserve(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) wanted.push_back({slot_of(keys[i]), i});
    std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return a.slot < b.slot; });
    return wanted;
}

// Finds slots in rising order. Nearly always most of the cache is wanted, and then a step to the next row
// costs a quarter of a search from the root; where rows that nobody wants lie between, it is a search again.
class SlotReader {
public:
    explicit SlotReader(Database& database)
        : rows_(database.query("SELECT slot, key, content FROM document WHERE slot >= ?1 ORDER BY slot")) {}

    bool find(std::int64_t wanted) {
        constexpr int most_steps = 8;
        if (state_ == State::before_first) search(wanted);
        for (int i = 0; is_before(wanted) && i < most_steps; ++i) take(rows_.next());
        if (is_before(wanted)) search(wanted);
        return state_ == State::at_row && slot_ == wanted;
    }
    // Key and content at the slot that was found; borrowed until the next call.
    std::pair<std::string_view, std::string_view> document() {
        std::string_view key, content;
        rows_.read_from(1, key, content);
        return {key, content};
    }

private:
    enum class State { before_first, at_row, at_end };

    bool is_before(std::int64_t wanted) const { return state_ == State::at_row && slot_ < wanted; }
    void search(std::int64_t wanted) { take(rows_.find(wanted)); }
    void take(bool is_row) {
        state_ = is_row ? State::at_row : State::at_end;
        if (is_row) rows_.read(slot_);
    }

    Query rows_;
    State state_ = State::before_first;
    std::int64_t slot_ = 0;
};

} // namespace

void CacheFile::open() {
    database_ = std::make_unique<Database>(path_, access_);
    if (access_ != Access::read_write) {
        is_usable_ = database_->number("PRAGMA user_version") == cache_version;
        return;
    }
    if (database_->number("PRAGMA user_version") == 0)
        database_->run("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL");
    // The cache can lose its last writes in a power cut; it cannot be damaged by one.
    database_->run("PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF");
    Transaction transaction(*database_, Transaction::Durability::as_it_is);
    const std::int64_t version = database_->number("PRAGMA user_version");
    if (version == 0)
        database_->run(cache_tables + fmt::format("PRAGMA user_version = {}", cache_version));
    else if (version != cache_version)
        is_usable_ = false; // another Holdfast's; not worth a fight
    transaction.commit();
}

// Null where there is no cache to be had.
Database* CacheFile::database() {
    if (!is_usable_) return nullptr;
    if (database_) return database_.get();
    try {
        open();
    } catch (const Error& error) {
        give_up(error);
        if (!is_usable_) return nullptr;
        try {
            open();
        } catch (const Error&) {
            is_usable_ = false;
        }
    }
    return is_usable_ ? database_.get() : nullptr;
}

// A damaged file is removed, and the next call begins an empty one; after any other failure this process
// goes on without a cache.
void CacheFile::give_up(const Error& error) {
    database_.reset();
    used_.clear();
    const std::string& code = error.diagnostic().code;
    const bool is_damaged = code == "store.corrupt" || code == "store.not-a-database";
    if (!is_damaged || access_ != Access::read_write) {
        is_usable_ = false;
        return;
    }
    for (const char* suffix : {"", "-wal", "-shm"}) unlink((path_ + suffix).c_str());
}

void CacheFile::read(std::span<const std::string> keys, const Found& found) {
    Database* database = keys.empty() ? nullptr : this->database();
    if (!database) return;
    try {
        const ReadTransaction one_state(*database);
        SlotReader reader(*database);
        for (const Wanted& wanted : in_order_of_slots(keys)) {
            if (!reader.find(wanted.slot)) continue;
            const auto [key, content] = reader.document();
            if (key != keys[wanted.index]) continue;
            used_.push_back(wanted.slot);
            found(wanted.index, content);
        }
        if (used_.size() > most_used_) note_used_once();
    } catch (const Error& error) {
        give_up(error);
    }
}

// A process that lives for long reads the same documents over and over.
void CacheFile::note_used_once() {
    std::sort(used_.begin(), used_.end());
    used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
    used_.shrink_to_fit();
    most_used_ = std::max(2 * used_.size(), few_used_slots);
}

void CacheFile::release_memory() {
    if (database_) database_->release_memory();
}

void CacheFile::write(std::span<const std::pair<std::string, std::string>> entries) {
    if (access_ != Access::read_write || entries.empty()) return;
    Database* database = this->database();
    if (!database) return;
    std::vector<std::size_t> order(entries.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<std::int64_t> slots;
    slots.reserve(entries.size());
    for (const auto& [key, content] : entries) slots.push_back(slot_of(key));
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return slots[a] < slots[b]; });
    try {
        Transaction transaction(*database, Transaction::Durability::as_it_is);
        Query document =
            database->query("INSERT OR REPLACE INTO document (slot, key, content) VALUES (?1, ?2, ?3)");
        for (const std::size_t i : order)
            document.run(slots[i], ConstBlob{entries[i].first}, ConstBlob{entries[i].second});
        transaction.commit();
    } catch (const Error& error) {
        give_up(error);
    }
}

// The times of use are written down only every eighth of `keep_ms`, so that passes that find everything
// cached write nothing. A document without one has been written since the last trim.
void CacheFile::trim(std::int64_t now_ms, std::int64_t keep_ms) {
    if (access_ != Access::read_write) return;
    Database* database = this->database();
    if (!database) return;
    try {
        if (now_ms < database->number("SELECT at_ms FROM trimmed") + keep_ms / 8) return;
        Transaction transaction(*database, Transaction::Durability::as_it_is);
        database->query("INSERT OR IGNORE INTO use SELECT slot, ?1 FROM document").run(now_ms);
        Query touch = database->query("UPDATE use SET at_ms = ?1 WHERE slot = ?2");
        for (const std::int64_t slot : used_) touch.run(now_ms, slot);
        const std::int64_t dead = now_ms - keep_ms;
        database->query("DELETE FROM document WHERE slot IN (SELECT slot FROM use WHERE at_ms <= ?1)")
            .run(dead);
        database->query("DELETE FROM use WHERE at_ms <= ?1").run(dead);
        database->query("UPDATE trimmed SET at_ms = ?1").run(now_ms);
        transaction.commit();
        used_.clear();
    } catch (const Error& error) {
        give_up(error);
    }
}

} // namespace holdfast

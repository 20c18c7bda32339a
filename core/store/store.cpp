#include "store/store.hpp"

#include <set>

#include <fmt/core.h>

#include "store/audit.hpp"
#include "store/cache.hpp"
#include "store/check.hpp"
#include "store/database.hpp"
#include "store/exchange.hpp"
#include "store/journal.hpp"
#include "store/ledger.hpp"
#include "store/lock.hpp"
#include "store/schema.hpp"
#include "store/stacks.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr const char* in_memory = ":memory:";

// Where a store keeps what; all of it in the folder of the database file.
struct Places {
    std::string database, cache, locks;
};

Places places_of(const std::string& path) {
    if (path == in_memory) return {path, path, {}};
    const std::string folder = parent_path(path);
    return {path, path + "-cache", folder + "/locks"};
}

void set_pragmas(Database& database) {
    // 16 MiB of pages: a batch of 10,000 steps then goes to the log once, not page by page in between.
    // The constraints on words are for other programs that write here: ours come from enumerations, and each
    // constraint of a row written makes SQLite build a table of the words anew.
    database.run("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
                 "PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; "
                 "PRAGMA ignore_check_constraints = ON");
}

// ---- opening

std::unique_ptr<Database> open_empty() {
    auto database = std::make_unique<Database>(in_memory, Access::read_write);
    set_pragmas(*database);
    migrate(*database);
    return database;
}

std::unique_ptr<Database> open_for_writing(const Places& places) {
    if (places.database == in_memory) return open_empty();
    if (Status made = make_directories(parent_path(places.database), 0700); !made) throw Error(made.error());
    auto database = std::make_unique<Database>(places.database, Access::read_write);
    const bool is_ready = schema_version(*database) == newest_schema_version() &&
                          database->text("PRAGMA journal_mode") == "wal";
    if (!is_ready) {
        // Two processes that start at once would both make the tables, or meet in the change to WAL.
        if (Status made = make_directories(places.locks, 0700); !made) throw Error(made.error());
        const auto alone = wait_for_file_lock(places.locks + "/open.lock");
        database->run("PRAGMA journal_mode = WAL");
        set_pragmas(*database);
        migrate(*database);
    }
    set_pragmas(*database);
    return database;
}

// SQLite reads a WAL database through shared memory beside it, which it must be able to make. Where the
// folder cannot be written and no writer left a log behind, the file alone is the whole truth.
std::unique_ptr<Database> open_without_log(const Places& places, const Error& why) {
    const std::string log = places.database + "-wal";
    const Result<std::string> content = read_file(log, 0);
    if (exists(log) && !(content && content->empty())) throw why;
    return std::make_unique<Database>(places.database, Access::immutable);
}

std::unique_ptr<Database> open_for_reading(const Places& places) {
    if (places.database == in_memory || !exists(places.database)) return open_empty();
    auto database = std::make_unique<Database>(places.database, Access::read_only);
    std::int64_t version = 0;
    try {
        version = schema_version(*database);
    } catch (const Error& error) {
        const std::string& code = error.diagnostic().code;
        if (code != "store.open" && code != "store.read-only" && code != "store.io") throw;
        database = open_without_log(places, error);
        version = schema_version(*database);
    }
    if (version == newest_schema_version()) return database;
    // An older form is brought up to date in memory: the file is not ours to change now.
    auto copy = std::make_unique<Database>(in_memory, Access::read_write);
    copy->copy_from(*database);
    set_pragmas(*copy);
    migrate(*copy);
    return copy;
}

std::string read_masking_key(Database& database) {
    std::string key;
    if (Query row = database.query("SELECT masking_key FROM installation"); row.find()) row.read(key);
    if (key.size() != 32)
        throw Error("store.corrupt", fmt::format("{}: the masking key is missing", database.path()),
                    "put the file aside and import the last export (`holdfast store import`)");
    return key;
}

// ---- the store

class SqliteStore final : public Store {
public:
    SqliteStore(const StoreOptions& options, const Places& places, std::unique_ptr<Database> database)
        : options_(options),
          database_(std::move(database)),
          masking_key_(read_masking_key(*database_)),
          cache_(places.cache, options.read_only ? Access::read_only : Access::read_write),
          locks_(places.locks.empty() ? make_memory_locks() : make_lock_folder(places.locks)) {}

    std::vector<LedgerEntry> entries(std::string_view stack, Detail detail) override {
        return ledger_.entries(stack, detail);
    }
    std::vector<LedgerEntry> all_entries(Detail detail) override { return ledger_.all_entries(detail); }
    std::optional<LedgerEntry> entry(const Address& address) override { return ledger_.entry(address); }
    std::vector<LedgerEntry> owners_elsewhere(std::string_view stack,
                                              std::span<const Hash> object_keys) override {
        return ledger_.owners_elsewhere(stack, object_keys);
    }

    std::vector<LedgerEntry> entries_of(std::string_view stack,
                                        std::span<const ResourceId> documents) override {
        return ledger_.entries_of(stack, documents);
    }
    std::vector<LedgerEntry> entries_of_objects(std::span<const Hash> object_keys) override {
        return ledger_.entries_of_objects(object_keys);
    }
    std::vector<Address> addresses_in_scope(std::string_view stack, std::string_view target,
                                            std::string_view scope, std::size_t limit) override {
        return ledger_.addresses_in_scope(stack, target, scope, limit);
    }
    std::vector<Address> followers(std::string_view stack, std::span<const Address> leaders) override {
        return ledger_.followers(stack, leaders);
    }
    std::map<std::string, std::size_t, std::less<>> counts_by_kind(std::string_view stack) override {
        return ledger_.counts_by_kind(stack);
    }
    void for_each_object(std::string_view stack, const OnObject& visit) override {
        ledger_.for_each_object(stack, visit);
    }
    void correct_origins(std::span<const Place> places) override {
        if (!places.empty()) write_relaxed([&] { ledger_.correct_origins(places); });
    }

    void commit(const StoreBatch& batch) override {
        if (batch.empty()) return;
        write([&] {
            for (const std::string& stack : stacks_in(batch)) stacks_.end_rest(stack);
            for (const JournalStep& step : batch.steps) journal_.append(step);
            for (const LedgerEntry& entry : batch.upserts) ledger_.upsert(entry);
            for (const Address& address : batch.erased) ledger_.erase(address);
            ledger_.move(batch.moved);
        });
    }
    void remember_settled(std::span<const Settled> entries) override {
        if (entries.empty()) return;
        write_relaxed([&] {
            for (const Settled& settled : entries) ledger_.remember_settled(settled);
        });
    }

    void begin_pass(const PassRecord& pass) override {
        write([&] {
            journal_.mark_interrupted(pass.stack, pass.started_ms);
            journal_.begin(pass);
        });
    }
    void end_pass(const PassRecord& pass) override {
        write([&] { journal_.end(pass); });
        database_->release_much_memory(); // whoever holds the store may not need it for long
    }
    std::vector<PassRecord> passes(std::string_view stack, std::size_t limit) override {
        return journal_.passes(stack, limit);
    }
    std::vector<JournalStep> steps_of_pass(std::string_view pass) override {
        return journal_.steps_of_pass(pass);
    }
    std::vector<JournalStep> steps_of(const Address& address, std::size_t limit) override {
        return journal_.steps_of(address, limit);
    }
    std::vector<JournalStep> open_steps(std::string_view stack) override {
        return journal_.open_steps(stack);
    }

    void approve(std::string_view stack, const Hash& plan, std::string_view actor,
                 std::int64_t at_ms) override {
        write([&] { stacks_.approve({std::string(stack), plan, std::string(actor), at_ms}); });
    }
    bool is_approved(std::string_view stack, const Hash& plan) override {
        return stacks_.is_approved(stack, plan);
    }
    void drop_approvals(std::string_view stack) override {
        write([&] { stacks_.drop_approvals(stack); });
    }

    std::vector<StackMemory> stacks() override { return stacks_.all(); }
    void remember_stack(const StackMemory& stack) override {
        write([&] { stacks_.remember(stack); });
    }
    void forget_stack(std::string_view name) override {
        write([&] { stacks_.forget(name); });
    }

    std::vector<StackHold> holds() override { return stacks_.holds(); }
    void set_hold(const StackHold& hold) override {
        write([&] { stacks_.set_hold(hold); });
    }
    std::vector<Quarantined> quarantined(std::string_view stack) override {
        return stacks_.quarantined(stack);
    }
    void quarantine(std::span<const Quarantined> changes) override {
        if (changes.empty()) return;
        write([&] {
            for (const Quarantined& change : changes) stacks_.quarantine(change);
        });
    }
    std::size_t end_quarantine(std::string_view stack, std::span<const Address> leaves) override {
        if (stacks_.quarantined(stack).empty()) return 0;
        std::size_t count = 0;
        write([&] { count = stacks_.end_quarantine(stack, leaves); });
        return count;
    }
    std::optional<Rest> rest(std::string_view stack) override { return stacks_.rest(stack); }
    void remember_rest(const Rest& rest) override {
        write_relaxed([&] { stacks_.remember_rest(rest); });
    }
    void end_rest(std::string_view stack) override {
        write_relaxed([&] { stacks_.end_rest(stack); });
    }

    void audit(std::int64_t at_ms, std::string_view actor, std::string_view action, std::string_view subject,
               std::string_view detail) override {
        write([&] {
            audit_.append({.at_ms = at_ms,
                           .actor = std::string(actor),
                           .action = std::string(action),
                           .subject = std::string(subject),
                           .detail = std::string(detail)});
        });
    }
    std::vector<AuditRecord> audit_log(std::size_t limit) override { return audit_.newest(limit); }

    void cached(std::span<const std::string> keys,
                const std::function<void(std::size_t index, std::string_view bytes)>& found) override {
        cache_.read(keys, found);
    }
    void cache(std::span<const std::pair<std::string, std::string>> entries) override {
        cache_.write(entries);
    }
    void trim_cache(std::int64_t now_ms, std::int64_t keep_ms) override { cache_.trim(now_ms, keep_ms); }
    void release_memory() override {
        database_->release_memory();
        cache_.release_memory();
    }

    Result<std::unique_ptr<ScopeLock>> lock(std::string_view name, std::string_view actor) override {
        if (options_.read_only) return refusal();
        return locks_->lock(name, actor);
    }

    const std::string& masking_key() override { return masking_key_; }

    Diagnostics check() override { return check_store(*database_, ledger_, journal_, audit_); }
    void export_to(const std::function<void(std::string_view line)>& write_line) override {
        export_store(parts(), write_line);
    }
    Status import_from(const std::function<bool(std::string& line)>& read) override {
        if (options_.read_only) return refusal();
        Status status = import_store(parts(), read);
        if (status) masking_key_ = read_masking_key(*database_);
        return status;
    }

private:
    // One durable transaction.
    template <typename Function>
    void write(Function&& function) {
        if (options_.read_only) throw Error(refusal());
        Transaction transaction(*database_);
        function();
        transaction.commit();
    }

    // One that a power cut may lose; nothing where nothing may be written.
    template <typename Function>
    void write_relaxed(Function&& function) {
        if (options_.read_only) return;
        Transaction transaction(*database_, Transaction::Durability::relaxed);
        function();
        transaction.commit();
    }

    static std::set<std::string> stacks_in(const StoreBatch& batch) {
        std::set<std::string> stacks;
        const auto add = [&](const std::string& stack) {
            if (!stacks.contains(stack)) stacks.insert(stack);
        };
        for (const JournalStep& step : batch.steps) add(step.address.stack);
        for (const LedgerEntry& entry : batch.upserts) add(entry.address.stack);
        for (const Address& address : batch.erased) add(address.stack);
        for (const auto& [from, to] : batch.moved) add(from.stack), add(to.stack);
        return stacks;
    }

    Diagnostic refusal() const {
        Diagnostic why = failure(
            "store.read-only",
            fmt::format("{} was opened for reading only, and something has to be recorded", options_.path),
            "run the command as a user who may write the store");
        why.subject = options_.path;
        return why;
    }

    StoreParts parts() { return {*database_, ledger_, journal_, audit_, stacks_}; }

    StoreOptions options_;
    std::unique_ptr<Database> database_;
    std::string masking_key_;
    Ledger ledger_{*database_};
    JournalTable journal_{*database_};
    Audit audit_{*database_};
    Stacks stacks_{*database_};
    CacheFile cache_;
    std::unique_ptr<LockFolder> locks_;
};

} // namespace

Result<std::unique_ptr<Store>> open_store(const StoreOptions& options) {
    try {
        const Places places = places_of(options.path);
        std::unique_ptr<Database> database =
            options.read_only ? open_for_reading(places) : open_for_writing(places);
        return std::unique_ptr<Store>(std::make_unique<SqliteStore>(options, places, std::move(database)));
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

} // namespace holdfast

#pragma once
// What Holdfast remembers: ledger, journal, pass history, audit and the document cache. An interface;
// `open_store` gives the embedded SQLite form. Throws `Error` (`store.*`) where the operation cannot go
// on (disk full, corrupt file). One thread at a time; several processes may have the same store open.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/plan.hpp"
#include "model/recorded.hpp"

namespace holdfast {

// reverted: what it wrote in guarded scopes was taken back (law 10).
enum class PassState { running, done, failed, parked, interrupted, reverted };

struct PassRecord {
    std::string id; // sortable: time in ms and random bits, base 32
    std::string stack;
    std::string command; // "apply", "destroy", "import"
    std::string actor;   // who ran it: user@host
    std::string commit, commit_subject, commit_author;
    std::string plan_hash;
    PassState state = PassState::running;
    std::int64_t started_ms = 0, ended_ms = 0;
    std::string summary; // JSON: counts by action and outcome
};

// One line of the journal: a step of a change that was intended or has ended.
enum class StepState { intended, done, unchanged, failed, partial, unknown, skipped };
// The object is as it was to become, whether or not that took a write.
constexpr bool has_succeeded(StepState state) {
    return state == StepState::done || state == StepState::unchanged;
}
struct JournalStep {
    // Given by the store. An outcome may carry the sequence of the intended step that it closes; without
    // it closes what its pass intended for the leaf with the same action, and all that earlier passes did.
    std::int64_t sequence = 0;
    std::string pass;
    Address address;
    Action action = Action::none;
    StepState state = StepState::intended;
    std::string commit;
    std::string changes; // JSON: the recordable field changes; for `history` and `why`
    std::string message; // diagnostic text of a step that did not succeed
    std::int64_t at_ms = 0;
};

// What one durable transaction of the executor writes, in this order.
struct StoreBatch {
    std::vector<JournalStep> steps;
    std::vector<LedgerEntry> upserts; // by address; an empty document keeps the recorded one
    std::vector<Address> erased;
    std::vector<std::pair<Address, Address>> moved; // from, to; all at once, so that two may swap
    bool empty() const { return steps.empty() && upserts.empty() && erased.empty() && moved.empty(); }
};

struct AuditRecord {
    std::int64_t sequence = 0;
    std::int64_t at_ms = 0;
    std::string actor, action, subject, detail;
    std::string chain; // hash over the record and the previous chain value: an edit shows
};

// How much of an entry is read. match: what a pass needs to match and compare it. brief: besides, where it
// came from and when. full: besides, `declared` and `observed`.
enum class Detail { match, brief, full };

// Held while it lives; released by its destructor and by the death of its process.
class ScopeLock {
public:
    virtual ~ScopeLock() = default;
};

class Store {
public:
    virtual ~Store() = default;

    // ---- ledger ----
    virtual std::vector<LedgerEntry> entries(std::string_view stack, Detail detail) = 0;
    virtual std::vector<LedgerEntry> all_entries(Detail detail) = 0;
    virtual std::optional<LedgerEntry> entry(const Address& address) = 0;
    // Everything that a stack other than `stack` has recorded for one of these objects.
    virtual std::vector<LedgerEntry> owners_elsewhere(std::string_view stack,
                                                      std::span<const Hash> object_keys) = 0;

    // ---- ledger, a part of a stack (law 13): each costs what it gives, unless it says otherwise ----
    // All leaves of these documents of `stack`, in full: compiled ones, those for several providers, deposed
    // ones. Parts of the ids do not count.
    virtual std::vector<LedgerEntry> entries_of(std::string_view stack,
                                                std::span<const ResourceId> documents) = 0;
    // What any stack has recorded for one of these objects, in full.
    virtual std::vector<LedgerEntry> entries_of_objects(std::span<const Hash> object_keys) = 0;
    // At most `limit`. Reads all rows of the stack.
    virtual std::vector<Address> addresses_in_scope(std::string_view stack, std::string_view target,
                                                    std::string_view scope, std::size_t limit) = 0;
    // The leaves of `stack` that were recorded as coming after one of `leaders`, or after the document of
    // one. Reads the order of all leaves that have one.
    virtual std::vector<Address> followers(std::string_view stack, std::span<const Address> leaders) = 0;
    // Of all entries but deposed ones, by TargetObject::kind. Reads all rows of the stack.
    virtual std::map<std::string, std::size_t, std::less<>> counts_by_kind(std::string_view stack) = 0;
    // Every recorded object of a stack, ordered by nothing; the texts are borrowed.
    struct RecordedObject {
        const Address& address;
        std::string_view provider, api_version, object_kind, scope, identity;
        std::string_view file;
        std::uint32_t line = 0;
    };
    using OnObject = std::function<void(const RecordedObject& object)>;
    virtual void for_each_object(std::string_view stack, const OnObject& visit) = 0;
    // Where documents stand now that have not changed otherwise; need not be durable.
    struct Place {
        Address address;
        std::string file;
        std::uint32_t line = 0;
    };
    virtual void correct_origins(std::span<const Place> places) = 0;

    // ---- one durable transaction: returns once it is on disk ----
    virtual void commit(const StoreBatch& batch) = 0;
    // Only `settled` hashes, `version` and the like of entries that did not change; need not be durable.
    struct Settled {
        const LedgerEntry* entry; // as this store gave it; borrowed. One that has changed since is left alone
        Hash settled;
        std::string_view version; // borrowed
    };
    virtual void remember_settled(std::span<const Settled> entries) = 0;

    // ---- passes and journal ----
    // Also marks a pass of the stack that still runs by its record as interrupted: whoever begins is the
    // stack's one writer, so that one is dead.
    virtual void begin_pass(const PassRecord& pass) = 0;
    virtual void end_pass(const PassRecord& pass) = 0;
    // Newest first; an empty stack means all.
    virtual std::vector<PassRecord> passes(std::string_view stack, std::size_t limit) = 0;
    virtual std::vector<JournalStep> steps_of_pass(std::string_view pass) = 0;
    virtual std::vector<JournalStep> steps_of(const Address& address, std::size_t limit) = 0;
    // Steps without an outcome, of passes that did not end as done: what the next pass has to find out.
    // An empty stack means all.
    virtual std::vector<JournalStep> open_steps(std::string_view stack) = 0;

    // ---- approvals of parked plans (law 2) ----
    virtual void approve(std::string_view stack, const Hash& plan, std::string_view actor,
                         std::int64_t at_ms) = 0;
    virtual bool is_approved(std::string_view stack, const Hash& plan) = 0;
    virtual void drop_approvals(std::string_view stack) = 0;

    // ---- stacks and providers seen before (law 16) ----
    struct StackMemory {
        std::string name;
        Deletion deletion = Deletion::orphan;
        std::string last_commit; // applied in full
        std::string providers;   // JSON: name -> target id
        std::int64_t applied_at_ms = 0;
    };
    virtual std::vector<StackMemory> stacks() = 0;
    virtual void remember_stack(const StackMemory& stack) = 0;
    virtual void forget_stack(std::string_view name) = 0;

    // ---- what people asked of a stack, until they take it back ----
    struct StackHold {
        std::string stack;
        bool is_suspended = false;
        std::string suspended_by, suspend_reason; // user@host; the words of `suspend --reason`
        std::int64_t suspended_at_ms = 0;
        std::string pin; // commit that `rollback` holds the stack at; empty: none
        std::string pinned_by, pin_reason;
        std::int64_t pinned_at_ms = 0;

        bool is_empty() const { return !is_suspended && pin.empty(); }
        bool operator==(const StackHold&) const = default;
    };
    virtual std::vector<StackHold> holds() = 0;       // by stack
    virtual void set_hold(const StackHold& hold) = 0; // an empty one removes it

    // ---- what was taken back (law 10), until somebody resumes the stack ----
    struct Quarantined {
        Address address;
        Hash declared;    // of the declaration that was taken back; none: its delete
        std::string pass; // that applied it
        std::string why;  // a sentence without its end
        std::int64_t at_ms = 0;
    };
    virtual std::vector<Quarantined> quarantined(std::string_view stack) = 0; // by address
    virtual void quarantine(std::span<const Quarantined> changes) = 0;        // instead of older ones
    // Of these leaves; of all of the stack where there are none. How many there were.
    virtual std::size_t end_quarantine(std::string_view stack, std::span<const Address> leaves) = 0;

    // ---- stacks at rest (law 13) ----
    // What the last pass of a stack that converged took in. Any `commit` that touches the stack's ledger or
    // steps ends the rest, in the same transaction: as long as it lasts, the ledger is what that pass left.
    struct Rest {
        std::string stack;
        std::string commit, tree; // id of the tree of the stack's path
        std::string facts;        // JSON, of whoever runs passes
        bool lasts = true;
    };
    virtual std::optional<Rest> rest(std::string_view stack) = 0;
    // Need not be durable: without it the next pass looks at everything.
    virtual void remember_rest(const Rest& rest) = 0;
    virtual void end_rest(std::string_view stack) = 0;

    // ---- audit, append-only ----
    virtual void audit(std::int64_t at_ms, std::string_view actor, std::string_view action,
                       std::string_view subject, std::string_view detail) = 0;
    virtual std::vector<AuditRecord> audit_log(std::size_t limit) = 0;

    // ---- document cache: parsed documents by blob id and parser version ----
    // Calls `found(index, bytes)` for each key that is there; the bytes are borrowed.
    virtual void cached(std::span<const std::string> keys,
                        const std::function<void(std::size_t index, std::string_view bytes)>& found) = 0;
    virtual void cache(std::span<const std::pair<std::string, std::string>> entries) = 0;
    // Drops what no pass has used for `keep_ms`; everything where that is 0.
    virtual void trim_cache(std::int64_t now_ms, std::int64_t keep_ms) = 0;

    // Gives back what is held in memory for the next read; for a process that rests for a while.
    virtual void release_memory() = 0;

    // ---- locks: one writer a scope, on every process that shares the store (law 15) ----
    // The lock, or `store.locked` naming the process that holds it. A dead owner's lock is taken over.
    virtual Result<std::unique_ptr<ScopeLock>> lock(std::string_view name, std::string_view actor) = 0;

    // Random bytes made with the store: the key of all hashes of secrets in it.
    virtual const std::string& masking_key() = 0;

    // ---- care ----
    // Problems found: SQLite's own check, foreign keys, the audit chain, open steps.
    virtual Diagnostics check() = 0;
    // All of it but the cache, as JSON lines; `import_from` takes them into an empty store. The masking key
    // is in there: an export is to be kept as safe as the store itself.
    virtual void export_to(const std::function<void(std::string_view line)>& write) = 0;
    virtual Status import_from(const std::function<bool(std::string& line)>& read) = 0;
};

struct StoreOptions {
    // Of the database file; its folder is made with mode 0700. ":memory:" gives a store of this process's
    // own, whose locks hold in it only.
    std::string path;
    // For `plan` and `status` where the file may not be written. One that does not exist is empty then and
    // is not made; whatever would have to be recorded throws `store.read-only`, memos are dropped.
    bool read_only = false;
};

// Errors: `store.open`, `store.newer` (written by a newer Holdfast), `store.foreign`, `store.corrupt`,
// `store.not-a-database`, `store.busy`, `store.full`, `store.io`, `store.read-only`, `file.unwritable`.
Result<std::unique_ptr<Store>> open_store(const StoreOptions& options);

// An entry as an export writes it, and back. Error: `store.import`.
std::string export_entry(const LedgerEntry& entry);
Result<LedgerEntry> import_entry(std::string_view json);

std::string new_pass_id(std::int64_t now_ms);
std::string_view to_string(PassState state);
std::string_view to_string(StepState state);

} // namespace holdfast

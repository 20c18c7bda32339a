#pragma once
// Questions about what is recorded: why, history, outputs, status; and the commands that change only the
// ledger (forget, approve) or only files (import).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "confirm/checkpoint.hpp"
#include "reconcile/run.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// How long a parsed document stays in the cache that no pass has used.
constexpr std::int64_t cache_kept_ms = 30LL * 24 * 60 * 60 * 1000;

// Finds a leaf by what a person types: an address, an id, `Kind/name`, or a value of its identity such as a
// path. Errors: `query.unknown` with a suggestion, `query.ambiguous` with the candidates.
Result<LedgerEntry> find_entry(Session& session, const std::string& text);

// Why is this leaf as it is: law 12.
struct Why {
    LedgerEntry entry;
    CommitInfo declared_by;         // newest commit that changed its file; id empty where Git has none
    CommitInfo line_by;             // commit that last touched the document's first line
    std::vector<JournalStep> steps; // newest first
    std::vector<PassRecord> passes; // of those steps
    Diagnostics problems;
};
Result<Why> why(Session& session, const std::string& text, std::size_t limit = 20);

// What was done to one leaf. One that is gone from the ledger still has its steps, if it is named by its
// address. Errors as find_entry.
struct LeafHistory {
    Address address;
    std::vector<JournalStep> steps; // newest first
    std::vector<PassRecord> passes; // of those steps
};
Result<LeafHistory> history_of(Session& session, const std::string& text, std::size_t limit);
// Of these stacks, or of all; newest first.
std::vector<PassRecord> passes_of(Store& store, const std::vector<std::string>& stacks, std::size_t limit);

struct StackStatus {
    std::string name;
    bool is_declared = true;
    std::size_t leaves = 0, creating = 0, deleting = 0, deposed = 0, protected_leaves = 0;
    PassRecord last; // newest pass; id empty where there was none
    Store::StackMemory memory;
    Store::StackHold hold;                       // what people asked of the daemon
    std::optional<PendingConfirmation> pending;  // law 10: what waits for its confirmation
    std::vector<Store::Quarantined> quarantined; // what was taken back
    std::vector<std::string> providers;
    std::vector<JournalStep> failures; // steps of that pass that did not succeed, the first few
    std::size_t more_failures = 0;     // that are not among them
};
std::vector<StackStatus> status(Session& session);

// Of the source of this name, or of all where it is empty; `fetch`: asked for now. What is wrong with one
// is in its status. Error: `source.unknown`.
Result<std::vector<SourceStatus>> sources(Session& session, const std::string& name, bool fetch);

struct Outputs {
    Address address;
    Value values; // the observed-only fields, secrets masked
};
std::vector<Outputs> outputs(Session& session, const std::string& stack);

// Takes a leaf out of the ledger; the object stays as it is.
Result<LedgerEntry> forget(Session& session, const std::string& text);

// Approves the plan that is parked now and whose hash begins with these digits (at least 6), for `apply` or
// for `destroy`. What is left out or replaced on request makes another plan, so `selection` has to be that
// of the plan. Error: `approve.unknown`.
struct Approved {
    std::string stack;
    Hash plan;
    bool destroy = false;
    std::size_t changes = 0; // that were parked
};
Result<Approved> approve(Session& session, const std::string& plan_hash, const RunOptions& selection);

// What the target holds and no stack declares, as documents ready to be committed.
struct Imported {
    std::string id;
    std::string yaml;
    std::string file; // suggested, relative to the repository's root
};
struct ImportOptions {
    std::string provider; // instance
    std::string kind;     // "File"; empty: all kinds of the plugin
    std::string scope;
    std::vector<std::string> identities; // globs; empty: everything
    std::string stack;                   // whose folder the files are for
};
Result<std::vector<Imported>> import_objects(Session& session, const ImportOptions& options);

// Declared order: for `graph`.
struct GraphNode {
    Address address;
    std::vector<Address> after; // explicit and by reference
    Origin origin;
};
// Nothing where the stack has errors; all of them, and its warnings, go to `problems`.
std::optional<std::vector<GraphNode>> graph(Session& session, const std::string& stack,
                                            Diagnostics& problems);

} // namespace holdfast

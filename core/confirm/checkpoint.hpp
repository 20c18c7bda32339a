#pragma once
// What it takes to take a change back, on disk: a folder <store>/confirm/<id> that a fresh process can act on
// without Git, store or network. It exists as long as the change is neither confirmed nor taken in as
// reverted. ADR 0010 says what is in it and why.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace holdfast {

// One scope as it was before the change, and the provider that can put it back.
struct GuardedScope {
    std::string provider; // name of the Provider document
    std::string plugin;
    Hash plugin_hash;
    std::string config; // JSON, secrets resolved
    std::string target, scope;
    std::string snapshot; // name of a file in the folder
};

struct GuardedChange {
    Address address;
    std::string action; // "update"
    Hash declared;      // none: its delete
};

struct Checkpoint {
    std::string directory;
    std::string pass, stack, plan, commit, actor;
    std::string boot_id; // of the kernel that it was written under
    std::int64_t at_ms = 0;
    std::int64_t timeout_ms = 0; // from the last write to a confirmation
    // From the beginning to the last write: after that the writing counts as hanging.
    std::int64_t apply_limit_ms = 900'000;
    std::int64_t restore_limit_ms = 600'000; // for which a restore that fails is tried again
    bool is_manual = false;                  // a person confirms
    std::string blob_directory;
    std::vector<GuardedScope> scopes;
    std::vector<GuardedChange> changes;
    std::vector<std::string> entries; // of the ledger, as they were: export_entry()
};

// `snapshots` go with the scopes; `plugin_files` name each plugin's file, to be copied. Everything is on disk
// when this returns, or nothing is left. Errors: `confirm.cannot-write`, `confirm.plugin-changed`.
Status write_checkpoint(const Checkpoint& checkpoint, const std::vector<std::string>& snapshots,
                        const std::vector<std::pair<std::string, std::string>>& plugin_files);
// Error: `confirm.unreadable`.
Result<Checkpoint> read_checkpoint(const std::string& directory);

std::string confirm_directory(const std::string& store_directory); // "<store>/confirm"
// The folders in it that hold a checkpoint, oldest first. What is not one is left out.
std::vector<std::string> checkpoints_in(const std::string& store_directory);
// Confirmed or taken in: it goes, its checkpoint.json first.
void remove_checkpoint(const std::string& directory);

// ---- how it ends: exactly one of these wins, whoever says it, and stays
enum class Verdict {
    none,
    confirmed,
    revert,  // somebody wants it back: the engine, a person, a signal
    expired, // nobody confirmed in time
};
std::string_view to_string(Verdict verdict);

struct GivenVerdict {
    Verdict verdict = Verdict::none;
    std::string by;       // "ana@edge-1", "probes"; may be empty
    std::string why;      // a sentence without its end; may be empty
    bool is_calm = false; // reverted for no fault of the change: it is not quarantined
    std::int64_t at_ms = 0;
};
// False where there is a verdict already; that one stands. `confirmed` where the folder is gone.
bool give_verdict(const std::string& directory, const GivenVerdict& given);
// A folder that is gone was confirmed.
GivenVerdict read_verdict(const std::string& directory);

// ---- the writing is over, and the time to confirm runs
void mark_applied(const std::string& directory);
std::optional<std::int64_t> applied_at_ms(const std::string& directory); // Unix time

// Whether a supervisor lives that will end it.
bool is_supervised(const std::string& directory);

// ---- what became of the restore
struct Reverted {
    std::int64_t at_ms = 0;
    bool is_complete = false;
    GivenVerdict verdict;
    std::vector<std::string> done;     // "provider edge, scope filter"
    std::vector<std::string> problems; // sentences; may hold secrets until they are masked
};
std::optional<Reverted> read_reverted(const std::string& directory);
Status write_reverted(const std::string& directory, const Reverted& reverted);

// ---- for people
struct PendingConfirmation {
    std::string directory, stack, pass, actor, commit;
    bool is_manual = false, is_supervised = false;
    std::int64_t until_ms = 0; // Unix time; 0: still being applied
    std::vector<std::string> changes;
};
// What waits now, neither confirmed nor reverted.
std::vector<PendingConfirmation> pending_confirmations(const std::string& store_directory);
// Error: `confirm.nothing`, also where it was too late.
Result<PendingConfirmation> confirm_change(const std::string& store_directory, const std::string& stack,
                                           const std::string& actor, std::int64_t now_ms);

} // namespace holdfast

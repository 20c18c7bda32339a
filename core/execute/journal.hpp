#pragma once
// Turns steps and their outcomes into what the store writes: journal lines and ledger entries. Pure; the
// caller commits `take()` before it acts on what was journalled (law 3).
//
// What a ledger entry goes through, by step (a crash leaves what `intend` wrote, and the next plan reads it):
//
//   step            intend                        done          failed for certain      half done, not known
//   create          entry `creating`              `applied`     erased                  stays `creating`
//     create-first  and the old one `deposed`                   and the old one back
//   update, refresh its new fields too            `applied`     as it was               new observed document
//   remove          entry `deleting`              erased        as it was               stays `deleting`
//   remove deposed  nothing                       erased        nothing                 nothing
//
// An update of an object without an entry (adopted and corrected in one go) counts as a create here.

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "execute/step.hpp"
#include "store/store.hpp"

namespace holdfast {

// One step of one change, as the journal has to know it.
struct StepRecord {
    std::size_t change = 0;
    StepKind kind = StepKind::create;
    const LedgerEntry* old = nullptr; // in full, at the address where it is now; null without one
    std::optional<Address> deposed;   // create-first: where the old entry waits
};

class Journal {
public:
    // All of them have to outlive the journal.
    Journal(const Plan& plan, const PlanInput& input, const PassRecord& pass, const CommitInfo& commit,
            std::string masking_key, std::function<std::string(std::string_view)> mask = {});

    void intend(const StepRecord& step, std::int64_t now_ms);
    void end(const StepRecord& step, StepState state, const Standing& standing, const std::string& message,
             std::int64_t now_ms);
    // A change of which no step was begun, because of another one.
    void skip(std::size_t change, const std::string& message, std::int64_t now_ms);
    // What a plugin notes of an object that has become healthy.
    void keep(LedgerEntry entry) { put(std::move(entry)); }
    // The address of an entry, with its history. Ordered: see order_moves().
    void move(const Address& from, const Address& to);

    bool empty() const;
    // That wait to be taken, as far as no move has closed a batch of them.
    std::size_t steps() const { return open_.steps.size(); }
    // To be committed in this order. More than one only where a move and a write meet at one address.
    std::vector<StoreBatch> take();

    // `json` without plaintext secrets; nothing where it is no JSON.
    std::optional<Value> masked(std::size_t change, std::string_view json) const;

private:
    struct Open {
        std::vector<JournalStep> steps;
        std::vector<std::pair<Address, std::optional<LedgerEntry>>> ledger; // nothing: erased
        std::unordered_map<Address, std::size_t> ledger_index;
        std::vector<std::pair<Address, Address>> moved;
        std::unordered_map<Address, int> moved_addresses;
    };

    void add_step(const Address& address, Action action, StepState state, std::string changes,
                  std::string message, std::int64_t now_ms);
    void put(LedgerEntry entry);
    void set_entry(const Address& address, std::optional<LedgerEntry> entry);
    LedgerEntry entry_while_updating(const StepRecord& step) const;
    void end_create(const StepRecord& step, StepState state, const Standing& standing, std::int64_t now_ms);
    void end_update(const StepRecord& step, StepState state, const Standing& standing, std::int64_t now_ms);
    void end_removal(const StepRecord& step, StepState state);
    LedgerEntry entry_for(const Change& change, EntryState state, const Standing& standing,
                          std::int64_t now_ms) const;
    std::string changes_json(const Change& change) const;
    void mask_known(Value& node) const;
    void close();
    static StoreBatch to_batch(Open open);

    const Plan& plan_;
    const PlanInput& input_;
    const PassRecord& pass_;
    const CommitInfo& commit_;
    std::string masking_key_;
    std::function<std::string(std::string_view)> mask_; // of ExecuteOptions; may be empty
    std::vector<StoreBatch> closed_;
    Open open_;
};

// Orders moves of entries so that none lands on an entry that has yet to leave; a circle (two documents
// that swapped their names) goes through an address of its own.
std::vector<std::pair<Address, Address>> order_moves(const std::vector<std::pair<Address, Address>>& moves);

} // namespace holdfast

#pragma once
// A store in memory that dies on command: at its n-th commit, before or after the transaction took hold.
// What was committed survives ("the disk"); the same object is used again after revive().

#include <algorithm>
#include <map>

#include "store/store.hpp"
#include "support/killed.hpp"

namespace holdfast {

class FakeStore final : public Store {
public:
    // ---- the script ----
    enum class Moment { before, after };
    void die_at_commit(int n, Moment moment) { die_at_ = commits + n, moment_ = moment; }
    void fail_at_commit(int n) { fail_at_ = commits + n; } // `Error` store.full, as a full disk gives it
    void revive() { die_at_ = fail_at_ = 0; }
    std::function<void(const StoreBatch&)> before_commit;

    int commits = 0;
    std::map<Address, LedgerEntry> ledger;
    std::vector<JournalStep> journal;
    std::vector<PassRecord> all_passes;

    std::vector<LedgerEntry> entries(std::string_view stack, Detail detail) override {
        std::vector<LedgerEntry> found;
        for (const auto& [address, entry] : ledger)
            if (stack.empty() || address.stack == stack) found.push_back(shown(entry, detail));
        return found;
    }
    std::vector<LedgerEntry> all_entries(Detail detail) override { return entries("", detail); }
    std::optional<LedgerEntry> entry(const Address& address) override {
        auto found = ledger.find(address);
        if (found == ledger.end()) return std::nullopt;
        return found->second;
    }
    std::vector<LedgerEntry> owners_elsewhere(std::string_view stack,
                                              std::span<const Hash> object_keys) override {
        std::vector<LedgerEntry> found;
        for (const auto& [address, entry] : ledger)
            if (address.stack != stack &&
                std::find(object_keys.begin(), object_keys.end(), entry.object.key()) != object_keys.end())
                found.push_back(entry);
        return found;
    }

    std::vector<LedgerEntry> entries_of(std::string_view stack,
                                        std::span<const ResourceId> documents) override {
        return entries_where(stack, [&](const LedgerEntry& entry) {
            return std::any_of(documents.begin(), documents.end(), [&](const ResourceId& id) {
                return id.parent() == entry.address.id.parent();
            });
        });
    }
    std::vector<LedgerEntry> entries_of_objects(std::span<const Hash> object_keys) override {
        return entries_where("", [&](const LedgerEntry& entry) {
            return std::find(object_keys.begin(), object_keys.end(), entry.object.key()) != object_keys.end();
        });
    }
    std::vector<Address> addresses_in_scope(std::string_view stack, std::string_view target,
                                            std::string_view scope, std::size_t limit) override {
        std::vector<Address> found;
        for (const LedgerEntry& entry : entries_where(stack, [&](const LedgerEntry& e) {
                 return e.object.target == target && e.object.scope == scope;
             }))
            if (found.size() < limit) found.push_back(entry.address);
        return found;
    }
    std::vector<Address> followers(std::string_view stack, std::span<const Address> leaders) override {
        std::vector<Address> found;
        for (const LedgerEntry& entry : entries_where(stack, [&](const LedgerEntry& e) {
                 return std::any_of(leaders.begin(), leaders.end(), [&](const Address& leader) {
                     return std::find(e.after.begin(), e.after.end(), leader) != e.after.end();
                 });
             }))
            found.push_back(entry.address);
        return found;
    }
    std::map<std::string, std::size_t, std::less<>> counts_by_kind(std::string_view stack) override {
        std::map<std::string, std::size_t, std::less<>> counts;
        for (const LedgerEntry& entry :
             entries_where(stack, [](const LedgerEntry& e) { return e.state != EntryState::deposed; }))
            ++counts[entry.object.kind];
        return counts;
    }
    void for_each_object(std::string_view stack, const OnObject& visit) override {
        for (const LedgerEntry& e : entries_where(stack, [](const LedgerEntry&) { return true; }))
            visit({e.address, e.provider, e.api_version, e.object.kind, e.object.scope, e.object.identity,
                   e.file, e.line});
    }
    void correct_origins(std::span<const Place> places) override {
        for (const Place& place : places)
            if (auto found = ledger.find(place.address); found != ledger.end())
                found->second.file = place.file, found->second.line = place.line;
    }
    std::vector<Quarantined> quarantined(std::string_view stack) override {
        std::vector<Quarantined> found;
        for (const auto& [address, one] : quarantine_)
            if (stack.empty() || address.stack == stack) found.push_back(one);
        return found;
    }
    void quarantine(std::span<const Quarantined> changes) override {
        for (const Quarantined& one : changes) quarantine_[one.address] = one;
    }
    std::size_t end_quarantine(std::string_view stack, std::span<const Address> leaves) override {
        return std::erase_if(quarantine_, [&](const auto& one) {
            return leaves.empty() ? one.first.stack == stack
                                  : std::find(leaves.begin(), leaves.end(), one.first) != leaves.end();
        });
    }
    std::optional<Rest> rest(std::string_view stack) override {
        auto found = rests_.find(stack);
        return found == rests_.end() ? std::nullopt : std::optional(found->second);
    }
    void remember_rest(const Rest& rest) override { rests_[rest.stack] = rest; }
    void end_rest(std::string_view stack) override {
        if (auto found = rests_.find(stack); found != rests_.end()) found->second.lasts = false;
    }

    void commit(const StoreBatch& batch) override {
        ++commits;
        if (before_commit) before_commit(batch);
        if (commits == fail_at_) throw Error("store.full", "no space left on the device");
        if (commits == die_at_ && moment_ == Moment::before) throw Killed{};
        write(batch);
        if (commits == die_at_) throw Killed{};
    }
    void remember_settled(std::span<const Settled> settled) override {
        for (const Settled& one : settled) {
            auto found = ledger.find(one.entry->address);
            if (found == ledger.end()) continue;
            found->second.settled = one.settled;
            if (!one.version.empty()) found->second.version = one.version;
        }
    }

    void begin_pass(const PassRecord& pass) override { all_passes.insert(all_passes.begin(), pass); }
    void end_pass(const PassRecord& pass) override {
        for (PassRecord& known : all_passes)
            if (known.id == pass.id) known = pass;
    }
    std::vector<PassRecord> passes(std::string_view stack, std::size_t limit) override {
        std::vector<PassRecord> found;
        for (const PassRecord& pass : all_passes)
            if (found.size() < limit && (stack.empty() || pass.stack == stack)) found.push_back(pass);
        return found;
    }
    std::vector<JournalStep> steps_of_pass(std::string_view pass) override {
        return steps_where([&](const JournalStep& step) { return step.pass == pass; });
    }
    std::vector<JournalStep> steps_of(const Address& address, std::size_t limit) override {
        std::vector<JournalStep> found =
            steps_where([&](const JournalStep& step) { return step.address == address; });
        std::reverse(found.begin(), found.end());
        if (found.size() > limit) found.resize(limit);
        return found;
    }
    std::vector<JournalStep> open_steps(std::string_view stack) override {
        return steps_where([&](const JournalStep& intended) {
            if (intended.state != StepState::intended || intended.address.stack != stack) return false;
            return std::none_of(journal.begin(), journal.end(), [&](const JournalStep& end) {
                return end.state != StepState::intended && end.sequence > intended.sequence &&
                       end.pass == intended.pass && end.address == intended.address &&
                       end.action == intended.action;
            });
        });
    }

    void approve(std::string_view, const Hash& plan, std::string_view, std::int64_t) override {
        approvals_.push_back(plan);
    }
    bool is_approved(std::string_view, const Hash& plan) override {
        return std::find(approvals_.begin(), approvals_.end(), plan) != approvals_.end();
    }
    void drop_approvals(std::string_view) override { approvals_.clear(); }
    std::vector<StackHold> holds() override { return holds_; }
    void set_hold(const StackHold& hold) override {
        std::erase_if(holds_, [&](const StackHold& known) { return known.stack == hold.stack; });
        if (!hold.is_empty()) holds_.push_back(hold);
    }
    std::vector<StackMemory> stacks() override { return stacks_; }
    void remember_stack(const StackMemory& stack) override {
        forget_stack(stack.name);
        stacks_.push_back(stack);
    }
    void forget_stack(std::string_view name) override {
        std::erase_if(stacks_, [&](const StackMemory& stack) { return stack.name == name; });
    }
    void audit(std::int64_t at_ms, std::string_view actor, std::string_view action, std::string_view subject,
               std::string_view detail) override {
        audit_.push_back({static_cast<std::int64_t>(audit_.size()) + 1,
                          at_ms,
                          std::string(actor),
                          std::string(action),
                          std::string(subject),
                          std::string(detail),
                          {}});
    }
    std::vector<AuditRecord> audit_log(std::size_t limit) override {
        std::vector<AuditRecord> newest(audit_.rbegin(), audit_.rend());
        if (newest.size() > limit) newest.resize(limit);
        return newest;
    }
    void cached(std::span<const std::string> keys,
                const std::function<void(std::size_t, std::string_view)>& found) override {
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (auto it = cache_.find(keys[i]); it != cache_.end()) found(i, it->second);
    }
    void cache(std::span<const std::pair<std::string, std::string>> documents) override {
        for (const auto& [key, bytes] : documents) cache_[key] = bytes;
    }
    void trim_cache(std::int64_t, std::int64_t) override {}
    void release_memory() override {}
    Result<std::unique_ptr<ScopeLock>> lock(std::string_view, std::string_view) override {
        return std::make_unique<ScopeLock>();
    }
    const std::string& masking_key() override { return masking_key_; }
    Diagnostics check() override { return {}; }
    void export_to(const std::function<void(std::string_view)>&) override {}
    Status import_from(const std::function<bool(std::string&)>&) override { return Ok{}; }

private:
    static LedgerEntry shown(LedgerEntry entry, Detail detail) {
        if (detail != Detail::full) entry.declared.clear(), entry.observed.clear();
        return entry;
    }

    void write(const StoreBatch& batch) {
        for (auto& [stack, rest] : rests_) rest.lasts = false;
        for (JournalStep step : batch.steps) {
            step.sequence = static_cast<std::int64_t>(journal.size()) + 1;
            journal.push_back(std::move(step));
        }
        for (const LedgerEntry& entry : batch.upserts) ledger[entry.address] = entry;
        for (const Address& address : batch.erased) ledger.erase(address);
        for (const auto& [from, to] : batch.moved) move(from, to);
    }

    void move(const Address& from, const Address& to) {
        auto found = ledger.find(from);
        if (found == ledger.end()) return;
        LedgerEntry entry = found->second;
        ledger.erase(found);
        entry.address = to;
        ledger[to] = std::move(entry);
        for (JournalStep& step : journal)
            if (step.address == from) step.address = to;
    }

    template <typename Predicate>
    std::vector<LedgerEntry> entries_where(std::string_view stack, const Predicate& predicate) const {
        std::vector<LedgerEntry> found;
        for (const auto& [address, entry] : ledger)
            if ((stack.empty() || address.stack == stack) && predicate(entry)) found.push_back(entry);
        return found;
    }

    template <typename Predicate>
    std::vector<JournalStep> steps_where(const Predicate& predicate) const {
        std::vector<JournalStep> found;
        std::copy_if(journal.begin(), journal.end(), std::back_inserter(found), predicate);
        return found;
    }

    int die_at_ = 0, fail_at_ = 0;
    Moment moment_ = Moment::before;
    std::vector<Hash> approvals_;
    std::vector<StackMemory> stacks_;
    std::vector<StackHold> holds_;
    std::map<Address, Quarantined> quarantine_;
    std::map<std::string, Rest, std::less<>> rests_;
    std::vector<AuditRecord> audit_;
    std::map<std::string, std::string> cache_;
    std::string masking_key_ = "the masking key of the fake store";
};

} // namespace holdfast

#include "plan/match.hpp"

#include <algorithm>
#include <unordered_map>

#include "plan/entry_finder.hpp"

namespace holdfast {

// The target object decides first: what stands in the target is the same thing under whatever name it is
// declared, so a renamed document keeps its object. Only a leaf whose object nobody in this stack has
// recorded is looked up by its names: its address, what moved-from says, and a deposed object that an
// interrupted replace left standing. Everything is one look-up a leaf; nothing is copied, and no
// SHA-256 is taken unless other stacks have to be asked.

namespace {

using ObjectIndex = std::unordered_map<ObjectView, std::size_t, ObjectViewHash>;

class Matcher {
public:
    explicit Matcher(Draft& draft)
        : draft_(draft), input_(draft.input), ledger_(input_.recorded, EntryFinder::Deposed::left_out) {
        matches_.leaves.resize(input_.leaves.size());
        matches_.leaf_of_entry.assign(input_.recorded.size(), no_index);
    }

    Matches run() {
        index_deposed();
        for (std::size_t leaf = 0; leaf < input_.leaves.size(); ++leaf) match_by_object(leaf);
        for (std::size_t leaf : unmatched_) match_by_name(leaf);
        find_superseded();
        return std::move(matches_);
    }

private:
    void index_deposed() {
        for (std::size_t i = 0; i < input_.recorded.size(); ++i)
            if (input_.recorded[i].state == EntryState::deposed)
                deposed_.emplace(view_of(input_.recorded[i].object), i);
    }

    void match_by_object(std::size_t index) {
        const Leaf& leaf = input_.leaves[index];
        if (leaf.identity.empty()) return unmatched_.push_back(index);
        if (const auto known = known_entry(index)) return claim_object(index, *known);
        const ProviderFacts* facts = draft_.provider(leaf.provider);
        const ObjectView object = view_of(leaf, facts ? std::string_view(facts->target) : std::string_view{});
        if (const auto entry = ledger_.find(object)) return claim_object(index, *entry);
        const auto [rival, is_first] = fresh_.emplace(object, index);
        if (!is_first) return mark_duplicates(rival->second, index);
        unmatched_.push_back(index);
    }

    std::optional<std::size_t> known_entry(std::size_t leaf) const {
        if (leaf >= input_.entry_of_leaf.size()) return std::nullopt;
        const std::size_t entry = input_.entry_of_leaf[leaf];
        if (entry == no_index || input_.recorded[entry].state == EntryState::deposed) return std::nullopt;
        return entry;
    }

    void claim_object(std::size_t leaf, std::size_t entry) {
        const std::size_t rival = matches_.leaf_of_entry[entry];
        if (rival != no_index) return mark_duplicates(rival, leaf);
        const bool is_same = input_.recorded[entry].address == input_.leaves[leaf].address;
        claim(leaf, entry, is_same ? MatchKind::same : MatchKind::moved);
    }

    void match_by_name(std::size_t index) {
        const Leaf& leaf = input_.leaves[index];
        const bool is_known = !leaf.identity.empty() && !matches_.leaves[index].is_duplicate;
        if (is_known && match_elsewhere(index)) return;
        if (is_known && match_interrupted_replace(index)) return;
        const MatchKind kind = is_known ? MatchKind::other_object : MatchKind::by_address;
        if (claim_at(leaf.address, index, kind)) return;
        for (const Address& former : leaf.moved_from)
            if (claim_at(former, index, kind)) return;
    }

    bool match_elsewhere(std::size_t index) {
        if (input_.recorded_elsewhere.empty()) return false;
        const Leaf& leaf = input_.leaves[index];
        const ProviderFacts* facts = draft_.provider(leaf.provider);
        auto it = input_.recorded_elsewhere.find(
            target_object(leaf, facts ? std::string_view(facts->target) : std::string_view{}).key());
        if (it == input_.recorded_elsewhere.end()) return false;
        matches_.leaves[index] = {.kind = MatchKind::elsewhere, .entry = &it->second};
        return true;
    }

    // Killed between deposing the old object and removing it: the object that stands there is the old one,
    // and goes back to its leaf.
    bool match_interrupted_replace(std::size_t index) {
        if (deposed_.empty() || input_.observed_leaves[index].presence != Presence::present) return false;
        const Leaf& leaf = input_.leaves[index];
        const ProviderFacts* facts = draft_.provider(leaf.provider);
        auto it = deposed_.find(view_of(leaf, facts ? std::string_view(facts->target) : std::string_view{}));
        if (it == deposed_.end() || matches_.leaf_of_entry[it->second] != no_index) return false;
        claim(index, it->second, MatchKind::moved);
        return true;
    }

    bool claim_at(const Address& address, std::size_t leaf, MatchKind kind) {
        if (by_address_.empty()) index_addresses();
        auto it = by_address_.find(address);
        if (it == by_address_.end() || matches_.leaf_of_entry[it->second] != no_index) return false;
        // The old object is another stack's now: its entry goes there, and this leaf begins anew.
        if (draft_.is_declared_elsewhere(input_.recorded[it->second].object)) return false;
        claim(leaf, it->second, kind);
        return true;
    }

    void index_addresses() {
        by_address_.reserve(input_.recorded.size());
        for (std::size_t i = 0; i < input_.recorded.size(); ++i)
            if (input_.recorded[i].state != EntryState::deposed)
                by_address_.emplace(input_.recorded[i].address, i);
    }

    void claim(std::size_t leaf, std::size_t recorded, MatchKind kind) {
        matches_.leaf_of_entry[recorded] = leaf;
        LeafMatch& match = matches_.leaves[leaf];
        match.kind = kind;
        match.recorded = recorded;
        match.entry = &input_.recorded[recorded];
    }

    void mark_duplicates(std::size_t first, std::size_t another) {
        matches_.leaves[first].is_duplicate = matches_.leaves[another].is_duplicate = true;
        matches_.duplicates.emplace_back(first, another);
        // What is recorded under its name is not to be pruned while nobody knows who is right.
        unmatched_.push_back(another);
    }

    void find_superseded() {
        for (const auto& [object, recorded] : deposed_) {
            if (matches_.leaf_of_entry[recorded] != no_index) continue;
            const auto live = ledger_.find(object);
            const bool is_recorded = live && matches_.leaf_of_entry[*live] != no_index;
            auto fresh = fresh_.find(object);
            const bool is_gone =
                fresh != fresh_.end() && input_.observed_leaves[fresh->second].presence == Presence::absent;
            if (is_recorded || is_gone) matches_.superseded.push_back(recorded);
        }
        std::sort(matches_.superseded.begin(), matches_.superseded.end());
    }

    Draft& draft_;
    const PlanInput& input_;
    Matches matches_;
    EntryFinder ledger_;  // objects that stand under their own address
    ObjectIndex deposed_; // object -> index of the entry
    ObjectIndex fresh_;   // objects that this stack has not recorded -> index of the leaf
    std::unordered_map<Address, std::size_t> by_address_;
    std::vector<std::size_t> unmatched_;
};

} // namespace

Matches match_leaves(Draft& draft) { return Matcher(draft).run(); }

} // namespace holdfast

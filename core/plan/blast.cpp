#include "plan/blast.hpp"

#include <map>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

// The limits are asked of what the stack holds before the plan: of ten files, three are 30 % however many
// the same plan creates. Blocked ones count as well, else a mass delete would pass in slices as they are
// unblocked; those whose deletion was already under way have passed the limits once.
struct KindToll {
    std::size_t recorded = 0, hit = 0;
};

bool destroys(const Change& change) {
    return change.action == Action::remove || change.action == Action::replace;
}

bool is_under_way(const Draft& draft, const Change& change) {
    if (change.action != Action::remove || !change.recorded) return false;
    const EntryState state = draft.input.recorded[*change.recorded].state;
    return state == EntryState::deposed || state == EntryState::deleting;
}

bool counts(const Draft& draft, const Change& change) {
    return destroys(change) && !is_under_way(draft, change);
}

using Tolls = std::map<std::string, KindToll, std::less<>>;

Tolls take_tolls(const Draft& draft) {
    Tolls tolls;
    for (const Change& change : draft.plan.changes) {
        if (!counts(draft, change)) continue;
        KindToll& toll = tolls[change.object.kind];
        ++toll.hit;
        if (!change.recorded) ++toll.recorded; // a foreign object
    }
    if (tolls.empty()) return tolls;
    const PlanInput& input = draft.input;
    for (const auto& [kind, count] : input.destroyed_of_kind) tolls[kind].hit += count;
    if (!input.recorded_of_kind.empty()) {
        for (auto& [kind, toll] : tolls)
            if (auto it = input.recorded_of_kind.find(kind); it != input.recorded_of_kind.end())
                toll.recorded += it->second;
        return tolls;
    }
    for (const LedgerEntry& entry : draft.input.recorded)
        if (auto it = tolls.find(entry.object.kind); it != tolls.end() && entry.state != EntryState::deposed)
            ++it->second.recorded;
    return tolls;
}

// Why all deletes and replaces of a kind are parked; empty: they are not.
std::string reason_for_kind(const KindToll& toll, const BlastLimits& limits, std::string_view kind) {
    const auto share =
        static_cast<double>(toll.hit) / static_cast<double>(std::max<std::size_t>(toll.recorded, 1));
    if (toll.hit >= toll.recorded && toll.recorded >= limits.all_from)
        return fmt::format("hits all {} of {}", count_of(toll.recorded, "leaf", "leaves"), kind);
    if (toll.recorded >= limits.share_from && share > limits.max_share)
        return fmt::format("hits {} of {} of {}, more than {:.0f} %", toll.hit,
                           count_of(toll.recorded, "leaf", "leaves"), kind, limits.max_share * 100);
    return {};
}

bool is_stateful(Draft& draft, const Change& change) {
    // Of a kind that its plugin no longer describes nobody knows what a delete would lose.
    const KindInfo* kind = draft.kind(change.provider, change.api_version, change.object.kind_name());
    const ProviderFacts* facts = draft.provider(change.provider);
    return kind ? kind->stateful : facts && facts->description;
}

} // namespace

void apply_blast_limits(Draft& draft) {
    const PlanInput& input = draft.input;
    const Tolls tolls = take_tolls(draft);
    const BlastLimits limits = input.stack ? input.stack->limits : BlastLimits{};
    std::size_t total = 0;
    for (const auto& [kind, toll] : tolls) total += toll.hit;
    for (Change& change : draft.plan.changes) {
        if (!counts(draft, change)) continue;
        const std::string_view kind = change.object.kind_name();
        if (std::string why = reason_for_kind(tolls.find(change.object.kind)->second, limits, kind);
            !why.empty())
            park(change, why);
        if (total > limits.max_leaves)
            park(change, fmt::format("the plan deletes or replaces {}, more than {}",
                                     count_of(total, "leaf", "leaves"), limits.max_leaves));
        if (is_stateful(draft, change)) park(change, fmt::format("{} holds data that would be lost", kind));
        if (input.tree_is_empty) park(change, "the stack's path holds no document at all");
    }
    const bool is_approved = !input.approved.is_none() && input.approved == draft.plan.hash;
    for (Change& change : draft.plan.changes)
        if (is_approved && change.readiness == Readiness::parked) change.readiness = Readiness::ready;
}

} // namespace holdfast

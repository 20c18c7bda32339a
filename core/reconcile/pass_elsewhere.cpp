// What a stack has to do with others: what its documents name of them with depends-on, refresh-on and
// moved-from, whose entries it takes over, and who has to be gone before it.

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "reconcile/pass.hpp"

namespace holdfast {

namespace {

// The pointer to the annotation, for the place of a problem.
constexpr std::string_view depends_on_pointer = "/metadata/annotations/holdfast.dev~1depends-on";

bool names(const Address& address, const Address& leaf) {
    return address.stack == leaf.stack && address.id.name == leaf.id.name &&
           (address.id == leaf.id || address.id == leaf.id.resource() || address.id == leaf.id.parent());
}

} // namespace

std::set<std::string> Pass::stacks_named() const {
    std::set<std::string> stacks;
    for (const Address& address : declaration_->awaited_elsewhere()) stacks.insert(address.stack);
    return stacks;
}

void Pass::ask(Neighbours& neighbours) const {
    for (const Address& address : declaration_->awaited_elsewhere()) neighbours.named.try_emplace(address);
    for (const Address& address : declaration_->moved_from_elsewhere()) neighbours.named.try_emplace(address);
}

// What is only observed is never recorded, so nobody waits for that.
void Pass::tell_named(Neighbours& neighbours) const {
    for (auto& [address, named] : neighbours.named) {
        if (address.stack != stack().name) continue;
        named = {};
        for (const Leaf& leaf : declaration_->leaves()) {
            if (!names(address, leaf.address)) continue;
            named.is_declared = true;
            const ProviderDocument* provider = session_.project().provider(leaf.provider);
            const bool is_made =
                !leaf.policy.observe_only && provider && provider->ownership != Ownership::observe;
            if (is_made) named.leaves.push_back(leaf.address);
        }
        for (const ResourceId& id : declaration_->unloaded()) {
            if (!names(address, {stack().name, id})) continue;
            named.is_declared = true;
            neighbours.unfinished.insert({stack().name, id});
        }
    }
}

// Only where the leaf has nothing of its own yet: afterwards moved-from is history.
void Pass::tell_taken_over(Neighbours& neighbours) const {
    if (declaration_->moved_from_elsewhere().empty()) return;
    for (const Leaf& leaf : declaration_->leaves())
        for (const Address& former : leaf.moved_from)
            if (former.stack != stack().name && session_.store().entry(former) &&
                !session_.store().entry(leaf.address))
                neighbours.taken_over.emplace(former, leaf.address);
}

void Pass::tell_unfinished(Neighbours& neighbours) const {
    std::set<std::size_t> for_approval;
    if (was_executed() && !neighbours.named.empty()) for_approval = held_.behind(parked_, unfinished_);
    for (const auto& [address, named] : neighbours.named) {
        if (address.stack != stack().name) continue;
        std::set<Address>& unfinished = neighbours.unfinished;
        std::erase_if(unfinished, [&](const Address& leaf) { return names(address, leaf); });
        for (const ResourceId& id : declaration_->unloaded())
            if (names(address, {stack().name, id})) unfinished.insert({stack().name, id});
        for (const Leaf& leaf : declaration_->leaves())
            if (was_executed() && names(address, leaf.address) &&
                hold_of(leaf.address, for_approval) == Hold::failure)
                unfinished.insert(leaf.address);
        if (was_executed() || outcome_.rounds.empty()) continue;
        for (const Change& change : outcome_.rounds.front().plan.changes)
            if (change.leaf && change.readiness == Readiness::blocked && names(address, change.address))
                unfinished.insert(change.address);
    }
}

void Pass::tell_moves(Neighbours& neighbours) const {
    std::erase_if(neighbours.moving, [&](const auto& move) { return move.second == stack().name; });
    if (outcome_.rounds.empty()) return;
    for (const Change& change : outcome_.rounds.front().plan.changes) {
        const Address& from = change.moved_from;
        if (change.leaf && change.readiness == Readiness::ready && !from.id.empty() &&
            from.stack != stack().name)
            neighbours.moving.emplace(from, stack().name);
    }
}

// A leaf that goes from one stack to another is a move in the plans of both. Where both are applied, the one
// that declares it now makes the move, and the journal has it once.
void Pass::leave_moves_to_others() {
    Plan& plan = outcome_.rounds.front().plan;
    bool any = false;
    for (Change& change : plan.changes) {
        if (change.leaf || change.action != Action::move) continue;
        const auto by = neighbours_->moving.find(change.moved_from);
        if (by == neighbours_->moving.end() || by->second != change.address.stack) continue;
        change.action = Action::none;
        change.reasons = {fmt::format("is moved by the pass of stack {}", by->second)};
        change.moved_from = {};
        --plan.counts.move;
        any = true;
    }
    if (any) give_result();
}

void Pass::leave_for(const Pass& dependent) {
    const std::string message =
        fmt::format("stack {} is left as it is: {}, which depends on it, is not gone yet", stack().name,
                    dependent.stack().name);
    const bool waits_for_approval = dependent.outcome().result == StackResult::parked;
    Diagnostic& problem = waits_for_approval ? outcome_.problems.warning("stack.still-needed", message)
                                             : outcome_.problems.error("stack.still-needed", message);
    problem.hint = waits_for_approval
                       ? fmt::format("approve the plan of stack {} as well", dependent.stack().name)
                       : fmt::format("mend what keeps {} from being deleted", dependent.stack().name);
    outcome_.result = waits_for_approval ? StackResult::parked : StackResult::failed;
    outcome_.problems.sort_by_place();
}

// Entries of other stacks that a document claims by moved-from are looked at as if they were ours. While
// their stack declares them still they are not; while nobody can know, nothing is made in their place.
void Pass::take_in_moved() {
    for (const auto& [former, leaf] : neighbours_->taken_over) {
        if (leaf.stack != stack().name) continue;
        auto named = neighbours_->named.find(former);
        if (named != neighbours_->named.end() && named->second.is_declared) continue;
        if (std::optional<LedgerEntry> entry = session_.store().entry(former))
            input_.recorded.push_back(*std::move(entry));
    }
}

void Pass::wait_for_other_stacks() {
    const std::vector<Leaf>& leaves = declaration_->leaves();
    const auto& broken = neighbours_->broken;
    for (const auto& [former, by] : neighbours_->taken_over) {
        if (by.stack != stack().name || std::find(broken.begin(), broken.end(), former.stack) == broken.end())
            continue;
        Diagnostic problem = failure("reference.moved-from-broken",
                                     fmt::format("is to take over {}, but stack {} could not be loaded",
                                                 to_string(former), former.stack),
                                     "mend that stack first: it may still declare it");
        for (std::size_t i = 0; i < leaves.size(); ++i) {
            if (leaves[i].address != by) continue;
            Diagnostics problems;
            problems.add(problem);
            input_.invalid[i] = placed(leaves[i], problems);
        }
    }
    if (declaration_->awaited_elsewhere().empty()) return;
    for (std::size_t i = 0; i < leaves.size(); ++i) wait_for_other_stacks(i);
}

void Pass::wait_for_other_stacks(std::size_t index) {
    Leaf& leaf = declaration_->leaves()[index];
    if (declaration_->is_dropped(index)) return;
    Diagnostics problems;
    for (const Address& before : leaf.depends_on) {
        if (before.stack == stack().name) continue;
        const Wait wait{before, {}};
        if (std::optional<Diagnostic> never = why_never(before))
            problems.add(*std::move(never));
        else if (!is_applied(before) &&
                 std::find(leaf.waits.begin(), leaf.waits.end(), wait) == leaf.waits.end())
            leaf.waits.push_back(wait);
    }
    if (problems.has_errors()) input_.invalid[index] = placed(leaf, problems);
}

std::optional<Diagnostic> Pass::why_never(const Address& awaited) const {
    const std::string name = to_string(awaited);
    auto error = [&](std::string_view code, std::string message, std::string hint) {
        Diagnostic problem = failure(code, std::move(message), std::move(hint));
        problem.pointer = depends_on_pointer;
        return problem;
    };
    if (auto ring = neighbours_->rings.find(stack().name + " -> " + awaited.stack);
        ring != neighbours_->rings.end())
        return error("stack.cycle",
                     fmt::format("depends on {}, but that stack waits for this one: {} -> {}", name,
                                 stack().name, ring->second),
                     "move one of the two documents, so that one of the stacks can be applied first");
    const auto& stacks = session_.project().stacks;
    if (!session_.project().stack(awaited.stack)) {
        std::vector<std::string> known;
        for (const StackDocument& other : stacks) known.push_back(other.name);
        const auto meant = closest(awaited.stack, known);
        return error("plan.unknown-dependency",
                     fmt::format("depends on {}, but there is no stack named {}", name, awaited.stack),
                     meant ? fmt::format("did you mean {}?", *meant) : "stacks: " + join(known, ", "));
    }
    const auto& broken = neighbours_->broken;
    if (std::find(broken.begin(), broken.end(), awaited.stack) != broken.end()) return std::nullopt;
    auto named = neighbours_->named.find(awaited);
    if (named == neighbours_->named.end() || named->second.is_declared) return std::nullopt;
    std::vector<std::string> documents;
    for (const Address& other : neighbours_->documents)
        if (other.stack == awaited.stack) documents.push_back(to_string(other));
    const auto meant = closest(name, documents);
    return error("plan.unknown-dependency",
                 fmt::format("depends on {}, which that stack does not declare", name),
                 meant ? fmt::format("did you mean {}?", *meant) : "correct the annotation, or declare it");
}

// By this run, or by an earlier one whose record holds.
bool Pass::is_applied(const Address& awaited) {
    const std::vector<LedgerEntry>& recorded = declaration_->recorded_elsewhere(awaited);
    const auto& unfinished = neighbours_->unfinished;
    if (std::any_of(unfinished.begin(), unfinished.end(),
                    [&](const Address& a) { return names(awaited, a); }))
        return false;
    auto is_recorded = [&](const Address& leaf) {
        return std::any_of(recorded.begin(), recorded.end(), [&](const LedgerEntry& entry) {
            return entry.state == EntryState::applied && names(leaf, entry.address);
        });
    };
    auto named = neighbours_->named.find(awaited);
    if (named == neighbours_->named.end() || !named->second.is_declared) return is_recorded(awaited);
    return std::all_of(named->second.leaves.begin(), named->second.leaves.end(), is_recorded);
}

} // namespace holdfast

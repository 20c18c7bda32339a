#include "plan/prune.hpp"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast {

// A prune destroys what nobody can bring back, so every doubt is decided for the object: what was not read
// is not absent, what was not loaded is not undeclared, and what somebody else declares is theirs (laws 1,
// 5 and 7). Doubts are asked first, since even forgetting an entry loses what only the ledger knows.

namespace {

using ScopeName = std::pair<std::string, std::string>; // provider, scope

class Pruner {
public:
    Pruner(Draft& draft, const ChangedTargets& changed_targets)
        : draft_(draft), input_(draft.input), changed_targets_(changed_targets) {
        unloaded_.insert(input_.unloaded.begin(), input_.unloaded.end());
        for (const ResourceId& id : input_.unloaded) unloaded_of_group_.emplace(id.group, id);
        unread_.insert(input_.unread_scopes.begin(), input_.unread_scopes.end());
    }

    // A leaf without an identity may turn out to be any object of its kind, and one that is blocked stops
    // the prunes of its scope.
    void take_in_leaves(const Matches& matches) {
        for (const Change& change : draft_.plan.changes) {
            if (!change.leaf) continue;
            const bool is_nameless = change.object.identity.empty();
            const bool has_entry = matches.leaves[*change.leaf].kind == MatchKind::by_address;
            if (is_nameless && !has_entry)
                nameless_.emplace(change.object.target + '\0' + change.object.kind, change.address);
            if (change.readiness == Readiness::blocked)
                bad_.try_emplace({change.provider, change.object.scope}, change.address);
        }
    }

    void prune(std::size_t recorded, bool is_superseded);
    void destroy(std::size_t recorded);
    void remove_foreign(const ForeignObject& foreign);

private:
    std::string doubt() const;
    bool is_stopped();
    void stop_where_scope_is_bad();
    bool is_taken_over();
    bool decide_without_asking(const LedgerEntry& entry);
    void decide_by_presence(std::size_t recorded);
    void forget(std::string reason);
    void block_prune(const std::string& why);
    void keep() { draft_.plan.changes.push_back(std::move(change_)); }

    Draft& draft_;
    const PlanInput& input_;
    const ChangedTargets& changed_targets_;
    std::unordered_set<ResourceId> unloaded_;
    std::map<std::string, ResourceId> unloaded_of_group_; // one of each group
    std::set<ScopeName> unread_;
    std::map<std::string, Address> nameless_;
    std::map<ScopeName, Address> bad_;
    Change change_; // the one that is being decided
};

void Pruner::prune(std::size_t recorded, bool is_superseded) {
    const LedgerEntry& entry = input_.recorded[recorded];
    change_ = draft_.change_for_entry(recorded);
    change_.action = Action::remove;
    if (is_superseded) return forget("its successor has taken its place");
    if (is_taken_over()) return keep();
    if (is_stopped()) return keep();
    const bool is_replaced = entry.state == EntryState::deposed;
    change_.reasons.push_back(is_replaced                           ? "was replaced"
                              : entry.state == EntryState::deleting ? "its deletion was interrupted"
                                                                    : std::string(no_longer_declared));
    if (!is_replaced && decide_without_asking(entry)) return;
    decide_by_presence(recorded);
}

void Pruner::destroy(std::size_t recorded) {
    const LedgerEntry& entry = input_.recorded[recorded];
    change_ = draft_.change_for_entry(recorded);
    change_.action = Action::remove;
    if (is_taken_over()) return keep();
    // Giving an object up needs nobody's answer, not even a provider that is still there.
    if (entry.deletion == Deletion::orphan) return forget("its deletion policy is orphan: the object stays");
    if (is_stopped()) return keep();
    Address owner;
    if (draft_.is_declared_elsewhere(entry.object, &owner))
        return forget(fmt::format("{} declares it", to_string(owner)));
    const Ownership ownership = draft_.provider(entry.provider)->ownership;
    if (ownership == Ownership::additive || ownership == Ownership::observe)
        return forget(fmt::format("its provider's ownership is {}: the object stays", to_string(ownership)));
    if (entry.protect) park(change_, "is protected (holdfast.dev/protect)");
    park(change_, "destroy removes everything");
    decide_by_presence(recorded);
}

// Why it may still be declared although no leaf was found for it; empty: it is not.
std::string Pruner::doubt() const {
    if (input_.destroy) return {};
    if (!input_.all_prunes_blocked.empty()) return input_.all_prunes_blocked;
    const ResourceId& id = change_.address.id;
    if (unloaded_.contains(id) || unloaded_.contains(id.resource()) || unloaded_.contains(change_.parent))
        return "its document could not be loaded";
    if (!change_.recorded && !unloaded_.empty())
        return fmt::format("{}, which may declare it, could not be loaded", to_string(*unloaded_.begin()));
    // Renamed and broken in one commit, a document still stands for the object of before.
    if (auto broken = unloaded_of_group_.find(id.group); broken != unloaded_of_group_.end())
        return fmt::format("{}, which may declare it now, could not be loaded", to_string(broken->second));
    auto nameless = nameless_.find(change_.object.target + '\0' + change_.object.kind);
    if (nameless != nameless_.end())
        return fmt::format("it is not known yet which object {} names", to_string(nameless->second));
    return {};
}

bool Pruner::is_stopped() {
    const std::string& provider = change_.provider;
    const std::string& scope = change_.object.scope;
    if (std::string why = doubt(); !why.empty()) {
        block_prune(why);
        return true;
    }
    if (unread_.contains({provider, scope})) {
        block_prune(fmt::format("scope \"{}\" of provider \"{}\" could not be read", scope, provider));
        return true;
    }
    if (!draft_.provider(provider)) {
        block(change_,
              problem_of(change_, "plan.no-provider",
                         fmt::format("provider \"{}\", which holds it, is not configured", provider),
                         "keep the Provider document until its objects are gone, or give them up with "
                         "\"holdfast forget\""));
        return true;
    }
    if (auto changed = changed_targets_.find(provider); changed != changed_targets_.end()) {
        block(change_, target_changed(change_, changed->second));
        return true;
    }
    return false;
}

bool Pruner::is_taken_over() {
    const auto by = input_.taken_over.find(change_.address);
    if (by == input_.taken_over.end()) return false;
    change_.action = Action::none;
    change_.reasons = {fmt::format("{} takes it over (holdfast.dev/moved-from)", to_string(by->second))};
    return true;
}

// What does not hang on whether the object is still there.
bool Pruner::decide_without_asking(const LedgerEntry& entry) {
    Address owner;
    if (draft_.is_declared_elsewhere(entry.object, &owner)) {
        change_.action = Action::move;
        change_.moved_from = entry.address;
        change_.address = owner;
        change_.parent = owner.id.parent();
        change_.reasons = {fmt::format("stack {} declares it now", owner.stack)};
        return keep(), true;
    }
    const Ownership ownership = draft_.provider(entry.provider)->ownership;
    if (entry.deletion == Deletion::orphan)
        return forget("no longer declared; its deletion policy is orphan: the object stays"), true;
    if (ownership == Ownership::additive || ownership == Ownership::observe)
        return forget(fmt::format("no longer declared; its provider's ownership is {}: the object stays",
                                  to_string(ownership))),
               true;
    if (input_.stack && !input_.stack->prune) {
        change_.action = Action::none;
        change_.reasons.push_back("the stack's prune is off: the object stays");
        return keep(), true;
    }
    if (entry.protect && entry.state != EntryState::deleting)
        park(change_, "is protected (holdfast.dev/protect)");
    return false;
}

void Pruner::decide_by_presence(std::size_t recorded) {
    const Observed& observed = input_.sight_of_recorded(recorded);
    if (observed.presence == Presence::absent) {
        change_.readiness = Readiness::ready;
        return forget("is gone already");
    }
    if (observed.presence != Presence::present) {
        change_.diagnostics.append(observed.diagnostics);
        block_prune("the target could not be read");
    }
    stop_where_scope_is_bad();
    keep();
}

void Pruner::stop_where_scope_is_bad() {
    if (auto bad = bad_.find({change_.provider, change_.object.scope}); bad != bad_.end())
        block_prune(fmt::format("{}, of the same scope, is blocked", to_string(bad->second)));
}

void Pruner::forget(std::string reason) {
    change_.action = Action::forget;
    change_.reasons = {std::move(reason)};
    keep();
}

// A warning: what it is blocked by is an error of its own.
void Pruner::block_prune(const std::string& why) {
    Diagnostic problem =
        problem_of(change_, "plan.prune-blocked", fmt::format("is not deleted, because {}", why),
                   "mend that first; the delete is planned again as soon as it is certain");
    problem.severity = Severity::warning;
    block(change_, std::move(problem));
}

// A name that people recognise, for an object that no document names.
ResourceId id_of(const ForeignObject& foreign) {
    const std::string_view kind = foreign.object.kind;
    const std::size_t slash = kind.rfind('/');
    ResourceId id;
    if (slash != std::string_view::npos) id.group = kind.substr(0, slash);
    id.kind = kind.substr(slash + 1);
    Result<Value> identity = parse_json(foreign.object.identity);
    const std::string* text = identity ? identity->if_string() : nullptr;
    id.name = text ? *text : foreign.object.identity;
    return id;
}

void Pruner::remove_foreign(const ForeignObject& foreign) {
    change_ = {};
    change_.action = Action::remove;
    change_.address = {input_.stack ? input_.stack->name : std::string{}, id_of(foreign)};
    change_.parent = change_.address.id;
    change_.provider = foreign.provider;
    change_.api_version = foreign.api_version;
    change_.object = foreign.object;
    change_.reasons.push_back("nobody declares it, and its provider's ownership is exclusive");
    if (!is_stopped()) stop_where_scope_is_bad();
    keep();
}

} // namespace

Address successor_of(const Address& deposed) {
    Address address = deposed;
    std::string& part = address.id.part;
    const std::size_t at = part.rfind("deposed-");
    part.erase(at == std::string::npos ? part.size() : at);
    if (part.ends_with('~')) part.pop_back();
    return address;
}

void plan_prunes(Draft& draft, const Matches& matches, const ChangedTargets& changed_targets) {
    Pruner pruner(draft, changed_targets);
    pruner.take_in_leaves(matches);
    for (std::size_t i = 0; i < draft.input.recorded.size(); ++i) {
        if (matches.leaf_of_entry[i] != no_index) continue;
        const LedgerEntry& entry = draft.input.recorded[i];
        const bool is_ours = !draft.input.stack || entry.address.stack == draft.input.stack->name;
        if (is_ours)
            pruner.prune(i, std::binary_search(matches.superseded.begin(), matches.superseded.end(), i));
    }
}

void plan_destroy(Draft& draft, const ChangedTargets& changed_targets) {
    Pruner pruner(draft, changed_targets);
    for (std::size_t i = 0; i < draft.input.recorded.size(); ++i) pruner.destroy(i);
}

void plan_foreign(Draft& draft, const Matches& matches, const ChangedTargets& changed_targets) {
    const PlanInput& input = draft.input;
    if (input.foreign.empty()) return;
    std::set<TargetObject> known;
    for (const Leaf& leaf : input.leaves)
        if (const ProviderFacts* facts = draft.provider(leaf.provider))
            known.insert(target_object(leaf, facts->target));
    for (const LedgerEntry& entry : input.recorded) known.insert(entry.object);
    Pruner pruner(draft, changed_targets);
    pruner.take_in_leaves(matches);
    for (const ForeignObject& foreign : input.foreign) {
        const ProviderFacts* facts = draft.provider(foreign.provider);
        if (!facts || facts->ownership != Ownership::exclusive || known.contains(foreign.object)) continue;
        if (draft.is_declared_elsewhere(foreign.object)) continue;
        if (!input.recorded_elsewhere.empty() && input.recorded_elsewhere.contains(foreign.object.key()))
            continue;
        pruner.remove_foreign(foreign);
    }
}

} // namespace holdfast

#include "plan/decide.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "plan/compare.hpp"
#include "plan/mask.hpp"

namespace holdfast {

namespace {

// "/spec/disk/size" -> "disk.size", as people say it.
std::string spoken(std::string_view pointer) {
    if (pointer.starts_with("/spec/")) pointer.remove_prefix(5);
    std::vector<std::string> tokens = split_pointer(pointer);
    return join(tokens, ".");
}

bool is_replace_asked(const PlanInput& input, const Leaf& leaf) {
    return std::any_of(input.replace.begin(), input.replace.end(), [&](const Address& wanted) {
        const bool is_stack = wanted.stack.empty() || wanted.stack == leaf.address.stack;
        const ResourceId& id = leaf.address.id;
        return is_stack && (wanted.id == id || wanted.id == id.parent() || wanted.id == id.resource());
    });
}

// Of a leaf's order nothing is compared, but its delete will go by what the ledger says.
bool is_recorded_in_order(const Leaf& leaf, const LedgerEntry& entry) {
    if (entry.wave != leaf.policy.wave) return false;
    return leaf.producers.empty() ? entry.after == leaf.depends_on : entry.after == leaf.comes_after();
}

constexpr const char* how_to_adopt =
    "run \"holdfast import\" to write it down as it is, annotate the document with "
    "holdfast.dev/adopt: always to take it over, or remove the object";

class LeafDecision {
public:
    LeafDecision(Draft& draft, std::size_t index, const LeafMatch& match)
        : draft_(draft),
          input_(draft.input),
          leaf_(draft.input.leaves[index]),
          match_(match),
          observed_(draft.input.observed_leaves[index]),
          change_(draft.change_for_leaf(index)),
          index_(index),
          canonical_(index < input_.canonical.size() ? &input_.canonical[index] : nullptr) {}

    void run(const ChangedTargets& changed_targets) {
        if (is_blocked_before_looking(changed_targets)) return keep();
        if (!leaf_.waits.empty()) return wait();
        if (observed_.presence == Presence::failed || observed_.presence == Presence::unread)
            return unreadable();
        if (only_observes()) return observe_only();
        if (match_.kind == MatchKind::other_object) return replace_other_object();
        if (observed_.presence == Presence::absent) return absent();
        if (match_.kind == MatchKind::none) return unrecorded();
        recorded();
    }

private:
    bool is_blocked_before_looking(const ChangedTargets& changed_targets);
    bool only_observes();
    void wait();
    void unreadable();
    void observe_only();
    void absent();
    bool has_done_its_work() const;
    void show_what_is_made();
    void unrecorded();
    void recorded();
    void replace_other_object();

    bool compare_trees();
    void take_removes(const Value& observed);
    bool is_spelled_equal(const std::string& wanted) const;
    bool is_recorded_as_declared() const;
    bool read(std::string_view json, std::string_view whose, Value& tree);
    void force_replace_if_asked();
    void decide_recorded_action();
    void settle_or_restore();
    bool leaves_drift_alone();
    bool needs_refresh() const;
    void refresh();
    bool is_protected() const { return leaf_.policy.protect || (match_.entry && match_.entry->protect); }
    const KindInfo& kind() const;
    bool is_renamed() const { return match_.kind == MatchKind::moved || match_.kind == MatchKind::elsewhere; }
    void make_replace();
    void refuse_as_existing(std::string message, std::string hint = how_to_adopt);
    void keep() { draft_.plan.changes.push_back(std::move(change_)); }
    void keep_as(Action action) {
        change_.action = action;
        keep();
    }

    Draft& draft_;
    const PlanInput& input_;
    const Leaf& leaf_;
    const LeafMatch& match_;
    const Observed& observed_;
    Change change_;
    std::size_t index_;
    const Canonical* const canonical_; // null where the plugin was not asked
};

const KindInfo& LeafDecision::kind() const {
    static const KindInfo unknown = [] {
        KindInfo info;
        info.compare = {"/spec"};
        return info;
    }();
    const KindInfo* found = draft_.kind(leaf_.provider, leaf_.api_version, leaf_.kind_name());
    return found ? *found : unknown;
}

bool LeafDecision::is_blocked_before_looking(const ChangedTargets& changed_targets) {
    if (match_.recorded != no_index) change_.recorded = match_.recorded;
    if (is_renamed() && match_.entry->address != leaf_.address) change_.moved_from = match_.entry->address;
    if (auto invalid = input_.invalid.find(index_); invalid != input_.invalid.end()) {
        change_.readiness = Readiness::blocked;
        change_.diagnostics.append(invalid->second);
        return true;
    }
    if (match_.is_duplicate) {
        change_.readiness = Readiness::blocked;
        change_.reasons.push_back("another document declares the same target object");
        return true;
    }
    if (!draft_.provider(leaf_.provider)) {
        block(change_,
              problem_of(change_, "plan.no-provider",
                         fmt::format("provider \"{}\" is not configured", leaf_.provider),
                         "add a Provider document of that name, or route the document to another one"));
        return true;
    }
    if (auto changed = changed_targets.find(leaf_.provider); changed != changed_targets.end()) {
        block(change_, target_changed(change_, changed->second));
        return true;
    }
    Address owner;
    const bool is_new_here = match_.kind == MatchKind::none || match_.kind == MatchKind::elsewhere ||
                             match_.kind == MatchKind::other_object;
    if (is_new_here && !leaf_.identity.empty() && draft_.is_declared_elsewhere(change_.object, &owner)) {
        block(change_,
              problem_of(change_, "plan.two-owners",
                         fmt::format("{} and {} declare the same target object", to_string(leaf_.address),
                                     to_string(owner)),
                         "remove it from one of the two stacks; the ledger entry then moves to the other"));
        return true;
    }
    return false;
}

bool LeafDecision::only_observes() {
    return leaf_.policy.observe_only || draft_.provider(leaf_.provider)->ownership == Ownership::observe;
}

void LeafDecision::wait() {
    change_.waits = leaf_.waits;
    keep_as(Action::wait);
}

void LeafDecision::unreadable() {
    const bool was_asked = observed_.presence == Presence::failed;
    Diagnostic problem =
        problem_of(change_, "plan.not-observed",
                   was_asked ? "the target could not be read, so nothing is planned for it"
                             : "the target was not asked for it, so nothing is planned for it",
                   "see the provider's message; the next pass tries again");
    for (const Diagnostic& cause : observed_.diagnostics) change_.diagnostics.add(cause);
    block(change_, std::move(problem));
    keep();
}

void LeafDecision::observe_only() {
    if (observed_.presence == Presence::present) {
        ++draft_.plan.counts.unchanged;
        return;
    }
    block(change_, problem_of(change_, "plan.observed-is-absent",
                              "it is only observed, never made, and the target does not hold it",
                              "make it by other means, or remove the annotation holdfast.dev/observe"));
    keep();
}

void LeafDecision::absent() {
    const bool was_there = match_.entry && match_.entry->state == EntryState::applied;
    if (was_there && has_done_its_work()) {
        if (!needs_refresh()) {
            ++draft_.plan.counts.unchanged;
            return;
        }
        change_.reasons.push_back(canonical_->refresh);
    } else if (was_there) {
        change_.is_drift = true;
        change_.reasons.push_back("was deleted outside Git");
        if (leaves_drift_alone()) return;
    }
    if (canonical_ && canonical_->state == Canonical::State::not_yet && !canonical_->reason.empty())
        change_.reasons.push_back("not checked yet: " + canonical_->reason);
    show_what_is_made();
    keep_as(Action::create);
}

// It is the plugin that knows; of another declaration than the recorded one it says so of nothing.
bool LeafDecision::has_done_its_work() const {
    return is_recorded_as_declared() && canonical_ && canonical_->state == Canonical::State::absent;
}

// For people, and for the journal. The declared hash stands for it in the plan's hash already.
void LeafDecision::show_what_is_made() {
    Value declared;
    if (Result<Value> parsed = parse_json(leaf_.recordable().json)) declared = *std::move(parsed);
    change_.fields = compare(declared, {}, {},
                             {.kind = kind(),
                              .ignore = leaf_.policy.ignore,
                              .sensitive = leaf_.sensitive,
                              .masking_key = input_.masking_key});
    for (FieldChange& field : change_.fields) field.forces_replace = false;
}

// What stands there was not made by us. It becomes ours only where the policy says so.
void LeafDecision::unrecorded() {
    if (leaf_.policy.adopt == Adopt::never)
        return refuse_as_existing("exists already, and its policy is never to adopt");
    if (!compare_trees()) return keep();
    const KindInfo& info = kind();
    const auto is_readable = [&](const FieldChange& f) { return !any_covers(info.write_only, f.pointer); };
    const auto differing =
        static_cast<std::size_t>(std::count_if(change_.fields.begin(), change_.fields.end(), is_readable));
    if (leaf_.policy.adopt == Adopt::equal && differing > 0)
        return refuse_as_existing(fmt::format("exists already, was not made by Holdfast, and differs in {}",
                                              count_of(differing, "field")));
    if (change_.action == Action::replace)
        return refuse_as_existing(
            "exists already, was not made by Holdfast, and would have to be replaced",
            "what Holdfast did not make it does not replace: run \"holdfast import\" to "
            "write it down as it is, or remove the object");
    if (change_.fields.empty()) {
        change_.reasons.push_back("exists already and is equal");
        return keep_as(Action::adopt);
    }
    change_.reasons.push_back("exists already and is adopted");
    keep_as(Action::update);
}

void LeafDecision::refuse_as_existing(std::string message, std::string hint) {
    change_.action = Action::none;
    change_.reasons.clear();
    block(change_, problem_of(change_, "plan.exists", std::move(message), std::move(hint)));
    keep();
}

void LeafDecision::recorded() {
    if (!compare_trees()) return keep();
    const LedgerEntry& entry = *match_.entry;
    const bool same_declaration = leaf_.recordable().hash == entry.declared_hash;
    change_.is_drift = same_declaration && entry.state == EntryState::applied && !change_.fields.empty();
    force_replace_if_asked();
    if (change_.is_drift && leaves_drift_alone()) return;
    decide_recorded_action();
}

void LeafDecision::decide_recorded_action() {
    if (change_.action == Action::replace) {
        make_replace();
        return keep();
    }
    if (!change_.fields.empty()) return keep_as(Action::update);
    if (needs_refresh() || (canonical_ && canonical_->is_refresh_due)) return refresh();
    if (!change_.moved_from.id.empty()) return keep_as(Action::move);
    settle_or_restore();
}

void LeafDecision::refresh() {
    change_.reasons.push_back(canonical_ && !canonical_->refresh.empty()
                                  ? canonical_->refresh
                                  : "acts on a change of what holdfast.dev/refresh-on names");
    keep_as(Action::refresh);
}

// Equal in everything that is compared. An entry whose last step has no known outcome is written anew.
void LeafDecision::settle_or_restore() {
    if (match_.entry->state != EntryState::applied) {
        change_.reasons.push_back("an interrupted apply had done it already");
        return keep_as(Action::adopt);
    }
    const LedgerEntry& entry = *match_.entry;
    const ProviderFacts& facts = *draft_.provider(leaf_.provider);
    draft_.plan.settled.push_back(
        {.leaf = index_,
         .recorded = match_.recorded,
         .hash = settle_hash(leaf_, facts.rules, observed_.raw_hash, input_.masking_key),
         .rewrite_entry = leaf_.recordable().hash != entry.declared_hash ||
                          entry.provider != leaf_.provider || entry.api_version != leaf_.api_version ||
                          entry.protect != leaf_.policy.protect || entry.deletion != leaf_.policy.deletion ||
                          !is_recorded_in_order(leaf_, entry)});
    ++draft_.plan.counts.unchanged;
}

// Law 9. True where the policy leaves nothing to be executed; what else is due (a rename, a refresh) still
// is.
bool LeafDecision::leaves_drift_alone() {
    const DriftPolicy policy = leaf_.policy.drift;
    if (policy == DriftPolicy::correct) return false;
    if (policy == DriftPolicy::ignore) {
        change_.fields.clear();
        change_.is_drift = false;
        change_.reasons.clear();
    } else {
        change_.reasons.emplace_back(only_reported);
    }
    if (observed_.presence == Presence::present && needs_refresh())
        refresh();
    else if (!change_.moved_from.id.empty())
        keep_as(Action::move);
    else if (policy == DriftPolicy::report)
        keep_as(Action::none);
    else
        ++draft_.plan.counts.unchanged;
    return true;
}

bool LeafDecision::needs_refresh() const {
    if (leaf_.refresh.is_none()) return false;
    const std::string& acted_on =
        !observed_.refreshed.empty() || !match_.entry ? observed_.refreshed : match_.entry->refreshed;
    return acted_on != to_hex(leaf_.refresh);
}

bool LeafDecision::read(std::string_view json, std::string_view whose, Value& tree) {
    Result<Value> parsed = parse_json(json);
    if (parsed) {
        tree = *std::move(parsed);
        return true;
    }
    block(change_,
          problem_of(change_, "plan.unreadable-document",
                     fmt::format("the {} document cannot be read: {}", whose, parsed.error().message),
                     "a document that was observed is the plugin's to mend; for a recorded one run "
                     "\"holdfast store check\""));
    return false;
}

bool LeafDecision::is_recorded_as_declared() const {
    return match_.entry && match_.entry->declared_hash == leaf_.recordable().hash;
}

// Equal text is equal under every rule of the comparison, and nothing that was recorded is left to be
// unset: then no tree has to be made. Other spellings of equal documents take the long way.
bool LeafDecision::is_spelled_equal(const std::string& wanted) const {
    if (!is_recorded_as_declared()) return false;
    const std::vector<std::string>& roots = kind().compare;
    return std::all_of(roots.begin(), roots.end(), [&](const std::string& root) {
        const auto ours = json_text_at(wanted, root), theirs = json_text_at(observed_.document, root);
        return ours && theirs && *ours == *theirs;
    });
}

// Fills in the fields; false where a document could not be read (the change is blocked then).
bool LeafDecision::compare_trees() {
    Value declared, recorded, observed;
    using State = Canonical::State;
    const State state = canonical_ ? canonical_->state : State::as_declared;
    const bool is_canonical =
        state == State::done || (state == State::must_replace && !canonical_->document.empty());
    const std::string& wanted = is_canonical ? canonical_->document.json : leaf_.recordable().json;
    const bool takes_away = canonical_ && !canonical_->removes.empty();
    if (state != State::not_yet && state != State::must_replace && !takes_away && is_spelled_equal(wanted))
        return true;
    if (!read(wanted, "declared", declared) || !read(observed_.document, "observed", observed)) return false;
    const std::string* last = is_recorded_as_declared() ? &leaf_.recordable().json
                              : match_.entry            ? &match_.entry->declared
                                                        : nullptr;
    if (last && !last->empty() && !read(*last, "recorded", recorded)) return false;
    const KindInfo& info = kind();
    change_.fields = compare(declared, recorded, observed,
                             {.kind = info,
                              .ignore = leaf_.policy.ignore,
                              .sensitive = leaf_.sensitive,
                              .masking_key = input_.masking_key});
    if (state == State::done) take_removes(observed);
    for (const FieldChange& field : change_.fields) {
        if (!field.forces_replace) continue;
        change_.action = Action::replace;
        change_.reasons.push_back(spoken(field.pointer) + " cannot be changed in place");
    }
    if (state == State::not_yet && !canonical_->reason.empty())
        change_.reasons.push_back("compared as written: " + canonical_->reason);
    if (state == State::must_replace) {
        change_.action = Action::replace;
        for (const std::string& path : canonical_->paths) {
            std::string reason = spoken(path) + " cannot be changed in place";
            if (std::find(change_.reasons.begin(), change_.reasons.end(), reason) == change_.reasons.end())
                change_.reasons.push_back(std::move(reason));
        }
    }
    return true;
}

// What neither Git nor the ledger knows is none of our business (compare.cpp), unless the plugin says that it
// is: then it is shown as what it is, something that goes.
void LeafDecision::take_removes(const Value& observed) {
    for (const std::string& pointer : canonical_->removes) {
        const Value* there = find_at(observed, pointer);
        if (!there || any_covers(leaf_.policy.ignore, pointer)) continue;
        const auto same = [&](const FieldChange& field) { return field.pointer == pointer; };
        if (std::any_of(change_.fields.begin(), change_.fields.end(), same)) continue;
        const bool is_secret = any_covers(kind().sensitive, pointer) || any_covers(leaf_.sensitive, pointer);
        FieldChange field{.pointer = pointer, .sensitive = is_secret, .by_drift = true};
        field.before = is_secret ? mask_of(*there, input_.masking_key) : *there;
        change_.fields.push_back(std::move(field));
    }
    if (!change_.fields.empty())
        change_.reasons.insert(change_.reasons.end(), canonical_->notes.begin(), canonical_->notes.end());
}

void LeafDecision::force_replace_if_asked() {
    if (!is_replace_asked(input_, leaf_)) return;
    change_.action = Action::replace;
    change_.reasons.push_back("asked for with --replace");
}

void LeafDecision::make_replace() {
    change_.action = Action::replace;
    change_.order = leaf_.policy.replace;
    const KindInfo& info = kind();
    const bool is_wanted = change_.order == ReplaceOrder::create_first ||
                           (change_.order == ReplaceOrder::by_kind && info.create_first);
    // The new object cannot be made beside the old one where both have the same identity, unless the plugin
    // says that its target can tell them apart. Deleting the old one afterwards would delete the new one.
    const bool is_possible = info.create_first || !match_.entry || match_.entry->object != change_.object;
    change_.create_first = is_wanted && is_possible;
    if (is_wanted && !is_possible)
        change_.reasons.push_back("the old one is deleted first, since both have the same identity");
    if (draft_.provider(leaf_.provider)->ownership == Ownership::additive)
        block(
            change_,
            problem_of(
                change_, "plan.additive",
                "it cannot be changed in place, and its provider's ownership is additive: nothing is deleted",
                "delete the object by hand, or change the provider's ownership"));
    if (is_protected()) park(change_, "is protected (holdfast.dev/protect)");
    if (canonical_ && !canonical_->asks.empty() && !is_replace_asked(input_, leaf_))
        park(change_, canonical_->asks);
}

// The document names another object than the one that was recorded for it.
void LeafDecision::replace_other_object() {
    const LedgerEntry& old = *match_.entry;
    const Presence old_presence = input_.sight_of_recorded(match_.recorded).presence;
    if (old.address != leaf_.address) change_.moved_from = old.address;
    const bool is_orphaned = old.deletion == Deletion::orphan;
    const bool is_left = is_orphaned || draft_.provider(leaf_.provider)->ownership == Ownership::additive;
    if (observed_.presence == Presence::present) {
        if (!compare_trees()) return keep();
        const bool is_free = leaf_.policy.adopt == Adopt::always ||
                             (leaf_.policy.adopt == Adopt::equal && change_.fields.empty());
        if (!is_free)
            return refuse_as_existing(
                "is to become an object that exists already and was not made by Holdfast");
        change_.reasons.clear();
    }
    change_.reasons.push_back("names another target object than before");
    const Action anew = observed_.presence == Presence::absent ? Action::create
                        : change_.fields.empty()               ? Action::adopt
                                                               : Action::update;
    if (is_left || old_presence == Presence::absent) {
        change_.reasons.push_back(is_left ? "the old object stays" : "the old object is gone already");
        return keep_as(anew);
    }
    if (old_presence != Presence::present) return unreadable();
    if (!draft_.provider(old.provider)) {
        block(change_,
              problem_of(
                  change_, "plan.no-provider",
                  fmt::format("provider \"{}\", which holds the old object, is not configured", old.provider),
                  "keep the Provider document until its objects are gone"));
        return keep();
    }
    make_replace();
    keep();
}

// The path that nearly every leaf of nearly every pass takes: nothing is parsed, nothing is allocated but
// the text that is hashed.
bool is_settled(Draft& draft, std::size_t index, const LeafMatch& match) {
    const PlanInput& input = draft.input;
    if (match.kind != MatchKind::same || match.is_duplicate) return false;
    const Leaf& leaf = input.leaves[index];
    if (is_replace_asked(input, leaf)) return false;
    const LedgerEntry& entry = *match.entry;
    const Observed& observed = input.observed_leaves[index];
    if (observed.presence != Presence::present || !leaf.waits.empty() || !has_memo_of(entry, leaf))
        return false;
    if (!input.invalid.empty() && input.invalid.contains(index)) return false;
    if (leaf.refresh.is_none()) return observed.is_settled; // whoever observed has asked the memo
    const ProviderFacts* facts = draft.provider(leaf.provider);
    return facts && entry.settled == settle_hash(leaf, facts->rules, observed.raw_hash, input.masking_key);
}

} // namespace

ChangedTargets find_changed_targets(Draft& draft) {
    ChangedTargets changed;
    for (const LedgerEntry& entry : draft.input.recorded) {
        const ProviderFacts* facts = draft.provider(entry.provider);
        if (facts && facts->target != entry.object.target)
            changed.emplace(entry.provider, entry.object.target);
    }
    return changed;
}

Diagnostic target_changed(const Change& change, const std::string& recorded_target) {
    return problem_of(
        change, "plan.target-changed",
        fmt::format("provider \"{}\" is another target than the one it was when this stack was "
                    "applied ({}): nothing is written",
                    change.provider, recorded_target),
        "point the provider at the old target, or give the new target a provider of its own name; "
        "\"holdfast forget\" gives up what the old one holds");
}

void decide_leaf(Draft& draft, std::size_t leaf, const Matches& matches,
                 const ChangedTargets& changed_targets) {
    const LeafMatch& match = matches.leaves[leaf];
    if (is_settled(draft, leaf, match)) {
        ++draft.plan.counts.unchanged;
        if (!is_recorded_in_order(draft.input.leaves[leaf], *match.entry))
            draft.plan.settled.push_back({.leaf = leaf,
                                          .recorded = match.recorded,
                                          .hash = match.entry->settled,
                                          .rewrite_entry = true});
        return;
    }
    LeafDecision(draft, leaf, match).run(changed_targets);
}

void report_duplicates(Draft& draft, const Matches& matches) {
    for (const auto& [first, another] : matches.duplicates) {
        const Leaf &a = draft.input.leaves[first], &b = draft.input.leaves[another];
        draft.plan.diagnostics.add(problem_of(
            draft.change_for_leaf(another), "plan.duplicate-object",
            fmt::format("{} ({}) and {} ({}) declare the same target object {}", to_string(a.address),
                        to_string(a.origin), to_string(b.address), to_string(b.origin), b.identity),
            "remove one of the two, or change what names its object"));
    }
}

} // namespace holdfast

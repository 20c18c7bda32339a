#include "reconcile/pass.hpp"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "reconcile/review.hpp"

namespace holdfast {

namespace {

bool destroys(const Plan& plan) {
    return std::any_of(plan.changes.begin(), plan.changes.end(), [](const Change& change) {
        return change.action == Action::remove || change.action == Action::replace;
    });
}

} // namespace

Pass::Pass(Session& session, const StackDocument& stack, const RunOptions& options, bool is_removed)
    : session_(session), stack_(stack), options_(options), declaration_(std::in_place, session, stack) {
    outcome_.stack = stack.name;
    outcome_.is_removed = is_removed;
}

// ---- declared ----

void Pass::declare() {
    if (!is_torn_down()) {
        declaration_->load();
        declaration_->declare();
    }
    outcome_.files = declaration_->loaded().files;
    outcome_.documents = declaration_->loaded().documents;
    stacks_before_ = {stack().depends_on.begin(), stack().depends_on.end()};
    for (const Leaf& leaf : declaration_->leaves())
        for (const Address& producer : leaf.producers) stacks_before_.insert(producer.stack);
    stacks_before_.merge(stacks_named());
    if (is_torn_down() && !is_orphaned())
        for (const LedgerEntry& entry : session_.store().entries(stack().name, Detail::match))
            for (const Address& before : entry.after) stacks_before_.insert(before.stack);
    stacks_before_.erase(stack().name);
}

void Pass::tell(Neighbours& neighbours) {
    if (is_broken()) neighbours.broken.push_back(stack().name);
    for (const Leaf& leaf : declaration_->leaves()) {
        neighbours.documents.insert({leaf.address.stack, leaf.address.id.parent()});
        if (leaf.identity.empty()) continue;
        if (Result<Provider*> provider = session_.provider(leaf.provider))
            neighbours.declared.emplace(target_object(leaf, (*provider)->target()).key(), leaf.address);
    }
    tell_named(neighbours);
    tell_taken_over(neighbours);
}

// What a plugin says of a leaf, with the place in Git that it is about.
Diagnostics Pass::placed(const Leaf& leaf, const Diagnostics& problems) const {
    Diagnostics all;
    for (Diagnostic problem : problems) {
        if (problem.subject.empty()) problem.subject = to_string(leaf.address);
        if (problem.span.file.empty())
            problem.span =
                locate(*session_.files(stack()).tree, leaf.origin, problem.pointer, &problem.excerpt);
        all.add(session_.masker().mask(std::move(problem)));
    }
    return all;
}

void Pass::validate(std::stop_token stop) {
    outcome_.problems = session_.problems();
    const std::vector<Leaf>& leaves = declaration_->leaves();
    std::vector<Diagnostics> invalid(leaves.size());
    std::vector<CanonicalProbe> probes;
    for (std::size_t i = 0; i < leaves.size(); ++i)
        if (leaves[i].waits.empty()) probes.push_back({.leaf = &leaves[i], .invalid = &invalid[i]});
    for (const std::string& name : declaration_->providers())
        if (Result<Provider*> provider = session_.provider(name); !provider)
            declaration_->problems().add(provider.error());
    canonicalize(session_, probes, stop);
    outcome_.problems.append(declaration_->problems());
    for (std::size_t i = 0; i < leaves.size(); ++i) outcome_.problems.append(placed(leaves[i], invalid[i]));
    outcome_.leaves = leaves.size();
    outcome_.problems.sort_by_place();
    outcome_.result = outcome_.problems.has_errors() ? StackResult::invalid : StackResult::unchanged;
}

// ---- observed ----

// Opens the providers of everything declared and recorded. False where one that is needed is gone.
bool Pass::open_providers() {
    Diagnostics problems;
    std::set<std::string> names;
    for (const std::string& name : declaration_->providers()) names.insert(name);
    for (const LedgerEntry& entry : input_.recorded) names.insert(entry.provider);
    for (const std::string& name : names) {
        if (!session_.project().provider(name)) {
            problems
                .error("provider.removed",
                       fmt::format("no Provider is named {}, but stack {} has recorded leaves on it", name,
                                   stack().name))
                .hint =
                fmt::format("put the Provider document back, or forget those leaves with `holdfast forget`");
            continue;
        }
        Result<Provider*> provider = session_.provider(name);
        if (!provider) {
            problems.add(provider.error());
            continue;
        }
        const ProviderDocument& document = *session_.project().provider(name);
        input_.providers[name] = {(*provider)->target(), (*provider)->rules_hash(),
                                  &(*provider)->description(), document.ownership};
    }
    check_targets(problems);
    outcome_.problems.append(problems);
    return !problems.has_errors();
}

// The Stack document is gone, and its objects are to stay: nothing is asked of their providers (law 16).
bool Pass::is_orphaned() const { return outcome_.is_removed && stack().deletion == Deletion::orphan; }

void Pass::read_ledger() {
    if (part_) {
        input_.recorded = part_->entries;
        entry_finder_.emplace(input_.recorded, EntryFinder::Deposed::found);
        return;
    }
    // Entries without a leaf are read in full before they are observed; those of an orphaned stack are not
    // observed, and a plan says where they were declared.
    input_.recorded = session_.store().entries(stack().name, is_orphaned() ? Detail::brief : Detail::match);
    if (is_orphaned())
        for (LedgerEntry& entry : input_.recorded) entry.deletion = Deletion::orphan;
    take_in_moved();
    entry_finder_.emplace(input_.recorded, EntryFinder::Deposed::found);
}

// A provider that suddenly talks to another target must not be driven by what was recorded of the old one.
void Pass::check_targets(Diagnostics& problems) {
    std::set<std::string> reported;
    for (const LedgerEntry& entry : input_.recorded) {
        auto facts = input_.providers.find(entry.provider);
        if (facts == input_.providers.end() || facts->second.target == entry.object.target) continue;
        if (!reported.insert(entry.provider).second) continue;
        Diagnostic& problem = problems.error(
            "provider.target-changed",
            fmt::format("provider {} now reaches {}, but what stack {} has recorded on it is on {}; nothing "
                        "is written",
                        entry.provider, facts->second.target, stack().name, entry.object.target));
        problem.hint =
            fmt::format("correct its config if {0} is meant; else leave it as it was, and give {1} "
                        "a Provider of another name (`holdfast forget` gives up what {0} holds)",
                        entry.object.target, facts->second.target);
        if (const ProviderDocument* document = session_.project().provider(entry.provider))
            problem.span = {document->origin.file, {document->origin.line, 1}, 0};
    }
}

// ---- planned ----

void Pass::plan(const Neighbours& neighbours, const RunEvents& events, std::stop_token stop) {
    neighbours_ = &neighbours;
    outcome_.rounds.clear();
    outcome_.problems = session_.problems();
    input_.stack = &stack();
    input_.destroy = options_.mode == Mode::destroy || is_orphaned();

    read_ledger();
    if (!is_orphaned() && !open_providers()) {
        outcome_.problems.append(declaration_->problems());
        outcome_.result = StackResult::invalid;
        outcome_.problems.sort_by_place();
        return;
    }
    if (!part_) facts_ = facts_of_everything();
    if (const std::int64_t until = declaration_->until_ms(); part_ && until != 0)
        facts_.until_ms = facts_.until_ms == 0 ? until : std::min(until, facts_.until_ms);
    outcome_.until_ms = facts_.until_ms;
    look(events, stop);
    if (was_cut_short(stop)) return give_up();
    finish_input(neighbours);

    Plan plan = make_plan_with_approval(input_, stop);
    if (part_ && destroys(plan)) { // how much that is hangs on what the whole stack holds
        input_.recorded_of_kind = session_.store().counts_by_kind(stack().name);
        plan = make_plan_with_approval(input_, stop);
    }
    foretell(plan);
    remember_settled(input_, plan);
    outcome_.leaves = input_.leaves.size();
    outcome_.problems.append(declaration_->problems());
    outcome_.problems.append(plan.diagnostics);
    outcome_.problems.sort_by_place();
    outcome_.rounds.push_back({.plan = std::move(plan)});
    give_result();
}

// Everything that the plan is made from besides documents and ledger.
void Pass::look(const RunEvents& events, std::stop_token stop) {
    resolve_and_observe(events, stop);
    if (was_cut_short(stop)) return;
    order(stop);
    declaration_->link();
    wait_for_other_stacks();
    observe_orphans(events, stop);
    list_exclusive_scopes(stop);
    std::vector<std::size_t> all(declaration_->leaves().size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    canonicalize_unsettled(all, stop);
}

// A plan in which all that nobody wanted to wait for is blocked would be made for nobody, and be the largest
// of all.
bool Pass::was_cut_short(const std::stop_token& stop) const {
    return stop.stop_requested() &&
           std::any_of(input_.observed_leaves.begin(), input_.observed_leaves.end(),
                       [](const Observed& o) { return o.presence == Presence::failed; });
}

void Pass::give_up() {
    outcome_.leaves = declaration_->leaves().size();
    outcome_.problems.append(declaration_->problems());
    for (const Observed& observed : input_.observed_leaves) {
        if (observed.diagnostics.empty()) continue;
        outcome_.problems.append(observed.diagnostics);
        break;
    }
    outcome_.problems.sort_by_place();
    outcome_.result = StackResult::failed;
}

// In a part of a stack a plugin cannot see all that a leaf hangs on; what was recorded of the rest holds.
void Pass::order(std::stop_token stop) {
    for (const Declaration::Remark& remark : declaration_->order(std::move(stop))) {
        outcome_.problems.append(placed(declaration_->leaves()[remark.leaf], remark.problems));
        // What stands there stays, by the plugin's own word; what does not is not made.
        if (remark.is_left && input_.observed_leaves[remark.leaf].presence == Presence::absent)
            declaration_->drop(remark.leaf);
    }
    remove_dropped();
    if (const std::string_view why = declaration_->why_whole_by_files(); !why.empty())
        facts_.whole_by_files = why;
    if (!part_) return;
    for (std::size_t i = 0; i < declaration_->leaves().size(); ++i) {
        Leaf& leaf = declaration_->leaves()[i];
        const Description* description = declaration_->description(leaf.provider);
        const auto entry = description && description->has("holdfast.order/1") ? entry_of(i) : std::nullopt;
        if (!entry) continue;
        std::vector<Address>& on = leaf.depends_on;
        for (const Address& before : input_.recorded[*entry].after)
            if (before.stack == stack().name && !leaf_at(before) &&
                std::find(on.begin(), on.end(), before) == on.end())
                on.push_back(before);
        std::sort(on.begin(), on.end());
    }
}

void Pass::plan_again(const Neighbours& neighbours, const RunEvents& events, std::stop_token stop) {
    forget_all();
    declare();
    plan(neighbours, events, stop);
}

void Pass::forget_all() {
    declaration_.emplace(session_, stack_);
    input_ = {};
    entry_finder_.reset();
    entry_by_address_.clear();
    leaf_by_address_.clear();
    scope_versions_.clear();
    quarantined_no_more_.clear();
}

void Pass::finish_input(const Neighbours& neighbours) {
    input_.leaves = std::move(declaration_->leaves());
    input_.unloaded = declaration_->unloaded();
    input_.all_prunes_blocked = declaration_->loaded().prunes_blocked;
    input_.tree_is_empty = declaration_->loaded().tree_is_empty;
    if (!neighbours.broken.empty() && input_.all_prunes_blocked.empty() && !input_.destroy)
        for (const std::string& broken : neighbours.broken)
            if (broken != stack().name)
                input_.all_prunes_blocked =
                    fmt::format("stack {} could not be loaded: it may declare the same objects", broken);
    for (const auto& [key, address] : neighbours.declared)
        if (address.stack != stack().name) input_.declared_elsewhere.emplace(key, address);
    for (const auto& [recorded, by] : neighbours.taken_over)
        if (recorded.stack == stack().name) input_.taken_over.emplace(recorded, by);
    input_.only = options_.only;
    input_.exclude = options_.exclude;
    input_.masking_key = session_.store().masking_key();
    take_in_quarantined();
    input_.inputs = declaration_->loaded().inputs;
    for (const std::string& text : options_.replace)
        if (Result<Address> address = parse_address(text)) {
            if (address->stack.empty()) address->stack = stack().name;
            input_.replace.push_back(*address);
        }

    std::vector<Hash> keys;
    for (std::size_t i = 0; i < input_.leaves.size(); ++i) {
        const Leaf& leaf = input_.leaves[i];
        auto facts = input_.providers.find(leaf.provider);
        if (leaf.identity.empty() || facts == input_.providers.end() || input_.observed_leaves[i].is_settled)
            continue;
        if (!entry_of(i)) keys.push_back(target_object(leaf, facts->second.target).key());
    }
    if (!keys.empty())
        for (LedgerEntry& entry : session_.store().owners_elsewhere(stack().name, keys)) {
            const Hash key = entry.object.key();
            input_.recorded_elsewhere.emplace(key, std::move(entry));
        }
}

// What was taken back together was to blame together: once one of it is declared otherwise, and be it as it
// was before, all of it may be tried again.
void Pass::take_in_quarantined() {
    const std::vector<Store::Quarantined> all = session_.store().quarantined(stack().name);
    if (all.empty()) return;
    index_leaves();
    std::set<std::string> over; // passes
    for (const Store::Quarantined& change : all) {
        const std::optional<std::size_t> leaf = leaf_at(change.address);
        if (leaf && !input_.leaves[*leaf].waits.empty()) continue;
        const Hash declared = leaf ? input_.leaves[*leaf].recordable().hash : Hash{};
        if (declared != change.declared) over.insert(change.pass);
    }
    for (const Store::Quarantined& change : all)
        if (over.contains(change.pass))
            quarantined_no_more_.push_back(change.address);
        else
            input_.quarantined[change.address] = {
                change.declared,
                fmt::format("taken back at {}, because {}", utc_time(change.at_ms), change.why)};
}

Plan Pass::make_plan_with_approval(PlanInput& input, const std::stop_token& stop) {
    input.refused.clear();
    Plan plan = make_plan(input);
    take_in_refused(input, plan, stop);
    if (!input.refused.empty()) plan = make_plan(input); // what hangs on them is blocked with them
    if (!plan.is_parked() || !session_.store().is_approved(stack().name, plan.hash)) return plan;
    input.approved = plan.hash;
    return make_plan(input);
}

void Pass::take_in_refused(PlanInput& input, const Plan& plan, const std::stop_token& stop) const {
    for (auto& [index, problems] : review(session_, plan, input, stop)) {
        const Change& change = plan.changes[index];
        if (change.leaf) {
            problems = placed(input.leaves[*change.leaf], problems);
        } else {
            Diagnostics all;
            for (Diagnostic problem : problems) {
                problem.subject = to_string(change.address);
                problem.span = {change.origin.file, {change.origin.line, change.origin.line ? 1U : 0U}, 0};
                all.add(session_.masker().mask(std::move(problem)));
            }
            problems = std::move(all);
        }
        input.refused.insert_or_assign(change.address, std::move(problems));
    }
}

// What came out equal is not compared again until one of the two sides changes.
void Pass::remember_settled(const PlanInput& input, const Plan& plan) {
    if (session_.options().read_only) return;
    std::vector<Store::Settled> settled;
    for (const SettledLeaf& leaf : plan.settled)
        if (!leaf.rewrite_entry)
            settled.push_back(
                {&input.recorded[leaf.recorded], leaf.hash, input.observed_leaves[leaf.leaf].version});
    if (settled.empty()) return;
    try {
        session_.store().remember_settled(settled);
    } catch (const Error&) {
        // Only the next pass is slower for it. What must be recorded says so by itself if the store is full.
    }
}

void Pass::give_result() {
    const Plan& plan = outcome_.rounds.front().plan;
    if (session_.files(stack()).is_rewritten && !is_orphaned() && !input_.destroy)
        outcome_.result = StackResult::parked; // law 17: it waits for a person
    else if (outcome_.problems.has_errors() || plan.counts.blocked > 0)
        outcome_.result = StackResult::failed;
    else if (plan.is_parked())
        outcome_.result = StackResult::parked;
    else if (!plan.is_empty())
        outcome_.result = StackResult::changes;
    else
        outcome_.result = StackResult::unchanged;
}

} // namespace holdfast

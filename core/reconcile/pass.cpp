#include "reconcile/pass.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/identity.hpp"

namespace holdfast {

Pass::Pass(Session& session, const StackDocument& stack, const RunOptions& options, bool is_removed)
    : session_(session), stack_(stack), options_(options), declaration_(std::in_place, session, stack) {
    outcome_.stack = stack.name;
    outcome_.is_removed = is_removed;
}

// ---- declared ----

void Pass::declare() {
    if (!outcome_.is_removed && options_.mode != Mode::destroy) {
        declaration_->load();
        declaration_->declare();
    }
    outcome_.files = declaration_->loaded().files;
    outcome_.documents = declaration_->loaded().documents;
    stacks_before_ = {stack().depends_on.begin(), stack().depends_on.end()};
    for (const Leaf& leaf : declaration_->leaves())
        for (const Address& producer : leaf.producers) stacks_before_.insert(producer.stack);
    stacks_before_.merge(stacks_named());
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
        input_.providers[name] = {(*provider)->target(), (*provider)->plugin_hash(),
                                  &(*provider)->description(), document.ownership};
    }
    check_targets(problems);
    outcome_.problems.append(problems);
    return !problems.has_errors();
}

// The Stack document is gone, and its objects are to stay: nothing is asked of their providers (law 16).
bool Pass::is_orphaned() const { return outcome_.is_removed && stack().deletion == Deletion::orphan; }

void Pass::read_ledger() {
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
        problems
            .error("provider.target-changed",
                   fmt::format("provider {} now reaches {}, but its leaves are recorded on {}",
                               entry.provider, facts->second.target, entry.object.target))
            .hint = "point it at the old target again; or give the new target a Provider of another name";
    }
}

std::optional<std::size_t> Pass::entry_of(const Leaf& leaf) {
    auto facts = input_.providers.find(leaf.provider);
    if (facts == input_.providers.end()) return std::nullopt;
    return entry_finder_->find(view_of(leaf, facts->second.target));
}

std::optional<std::size_t> Pass::entry_at(const Address& address) const {
    return entry_by_address_.find(std::hash<Address>{}(address),
                                  [&](std::size_t i) { return input_.recorded[i].address == address; });
}

std::optional<std::size_t> Pass::leaf_at(const Address& address) const {
    const std::vector<Leaf>& leaves = declaration_->leaves().empty() ? input_.leaves : declaration_->leaves();
    return leaf_by_address_.find(std::hash<Address>{}(address),
                                 [&](std::size_t i) { return leaves[i].address == address; });
}

// Only where somebody asks by address: a plan of leaves that know nothing of each other does not.
void Pass::index_leaves() {
    const std::vector<Leaf>& leaves = declaration_->leaves().empty() ? input_.leaves : declaration_->leaves();
    leaf_by_address_.clear();
    leaf_by_address_.reserve(leaves.size());
    for (std::size_t i = 0; i < leaves.size(); ++i)
        leaf_by_address_.add(std::hash<Address>{}(leaves[i].address), i);
    entry_by_address_.clear();
    for (std::size_t i = 0; i < input_.recorded.size(); ++i)
        entry_by_address_.add(std::hash<Address>{}(input_.recorded[i].address), i);
}

void Pass::observe_leaves(const std::vector<std::size_t>& leaves, const RunEvents& events,
                          std::stop_token stop) {
    std::vector<Leaf>& all = declaration_->leaves();
    input_.observed_leaves.resize(all.size());
    std::vector<Probe> probes;
    probes.reserve(leaves.size());
    for (std::size_t i : leaves) {
        const std::optional<std::size_t> entry = entry_of(all[i]);
        input_.observed_leaves[i] = {};
        probes.push_back({.leaf = &all[i],
                          .entry = entry ? &input_.recorded[*entry] : nullptr,
                          .observed = &input_.observed_leaves[i],
                          .keep_document = !options_.replace.empty() || // compared even where settled
                                           declaration_->consumers_of(all[i].address) != nullptr});
    }
    for (auto& [scope, version] : observe(session_, probes, events.progress, stop))
        scope_versions_[scope] = version;
}

// Leaves without references first, then, level by level, those whose producers have been observed.
void Pass::resolve_and_observe(const RunEvents& events, std::stop_token stop) {
    std::vector<Leaf>& leaves = declaration_->leaves();
    std::vector<std::size_t> level;
    level.reserve(leaves.size());
    bool any_producers = false;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        any_producers |= !leaves[i].producers.empty();
        if (leaves[i].waits.empty()) level.push_back(i);
    }
    if (any_producers) index_leaves();
    // Leaves that wait for nothing of this stack are tried as well: their producers are in other stacks.
    std::vector<std::size_t> first_tries;
    for (std::size_t i = 0; i < leaves.size(); ++i)
        if (!leaves[i].waits.empty() &&
            std::none_of(leaves[i].producers.begin(), leaves[i].producers.end(),
                         [&](const Address& p) { return p.stack == stack().name && leaf_at(p); }))
            first_tries.push_back(i);
    for (std::size_t i : first_tries) redeclare(i, level);

    while (!level.empty()) {
        observe_leaves(level, events, stop);
        std::vector<std::size_t> next;
        for (std::size_t i : consumers(level))
            if (!leaves[i].waits.empty()) redeclare(i, next);
        level = std::move(next);
    }
    input_.observed_leaves.resize(leaves.size());
    remove_dropped();
}

// Tries a leaf whose producers may be known now. It and those that come with it are appended to `known`.
void Pass::redeclare(std::size_t leaf, std::vector<std::size_t>& known) {
    std::vector<std::size_t> made;
    declaration_->redeclare(
        leaf, [this](const Reference& reference) { return output(reference); }, made);
    for (std::size_t i : made) {
        const Address& address = declaration_->leaves()[i].address;
        if (!leaf_at(address)) leaf_by_address_.add(std::hash<Address>{}(address), i);
        known.push_back(i);
    }
}

// A document that compiles to nothing had a leaf only while it waited.
void Pass::remove_dropped() {
    if (declaration_->dropped().empty()) return;
    std::vector<Observed> observed;
    for (std::size_t i : declaration_->remove_dropped())
        observed.push_back(std::move(input_.observed_leaves[i]));
    input_.observed_leaves = std::move(observed);
    index_leaves();
}

std::vector<std::size_t> Pass::consumers(const std::vector<std::size_t>& producers) const {
    std::set<std::size_t> found;
    for (std::size_t producer : producers)
        if (const auto* list = declaration_->consumers_of(declaration_->leaves()[producer].address))
            found.insert(list->begin(), list->end());
    return {found.begin(), found.end()};
}

Resolution Pass::output(const Reference& reference) {
    auto from_document = [&](std::string_view json, const std::vector<std::string>& sensitive) -> Resolution {
        Result<Value> document = parse_json(json);
        if (!document) return {.state = Resolution::State::not_yet};
        const Value* value = follow_path(*document, reference.path);
        const std::string text = value ? to_json(*value) : "";
        // What was recorded of a secret is its hash, and no plugin must see that.
        if (!value || text.find("{\"$secret\":") != std::string::npos)
            return {.state = Resolution::State::not_yet};
        std::string pointer;
        for (const std::string& token : reference.path) pointer = append_pointer(pointer, token);
        const bool holds_sensitive =
            std::any_of(sensitive.begin(), sensitive.end(), [&](const std::string& pattern) {
                const std::vector<std::string> places = expand_pointer(*document, pattern);
                return std::any_of(places.begin(), places.end(), [&](const std::string& place) {
                    return place.starts_with(pointer + "/");
                });
            });
        return {.value = *value,
                .sensitive = any_covers(sensitive, pointer) || holds_sensitive ||
                             session_.masker().holds_secret(text)};
    };
    const std::optional<std::size_t> leaf = leaf_at(reference.producer);
    if (leaf) {
        const Leaf& producer = declaration_->leaves()[*leaf];
        if (*leaf >= input_.observed_leaves.size()) return {.state = Resolution::State::not_yet};
        const Observed& observed = input_.observed_leaves[*leaf];
        if (observed.presence == Presence::present)
            return from_document(observed.document, producer.sensitive);
        if (observed.presence != Presence::failed) return {.state = Resolution::State::not_yet};
    }
    // A producer of another stack, or one that cannot be read now: what was recorded holds.
    if (std::optional<LedgerEntry> entry = session_.store().entry(reference.producer))
        return from_document(entry->observed, {});
    if (leaf) return {.state = Resolution::State::not_yet};
    const std::string& there = reference.producer.stack;
    const bool is_loaded =
        there == stack().name || (neighbours_ && !neighbours_->documents.empty() &&
                                  std::find(neighbours_->broken.begin(), neighbours_->broken.end(), there) ==
                                      neighbours_->broken.end());
    if (session_.project().stack(there) &&
        (!is_loaded ||
         (neighbours_ && neighbours_->documents.contains({there, reference.producer.id.parent()}))))
        return {.state = Resolution::State::not_yet};
    std::vector<std::string> candidates;
    for (const Leaf& other : declaration_->leaves()) candidates.push_back(to_string(other.address.id));
    if (there != stack().name && neighbours_) {
        candidates.clear();
        for (const Address& other : neighbours_->documents)
            if (other.stack == there) candidates.push_back(to_string(other.id));
    }
    const auto meant = closest(to_string(reference.producer.id), candidates);
    return {
        .state = Resolution::State::error,
        .problem = failure(
            "reference.unknown-producer",
            fmt::format("{} names {}, which nobody declares", reference.text, to_string(reference.producer)),
            meant ? fmt::format("did you mean \"{}\"?", *meant) : "declare it, or correct the address")};
}

// Entries whose leaf is gone: they are pruned only if they are still there.
void Pass::observe_orphans(const RunEvents& events, std::stop_token stop) {
    input_.observed_recorded.resize(input_.recorded.size());
    if (is_orphaned()) return;
    std::vector<bool> has_leaf(input_.recorded.size());
    for (const Leaf& leaf : declaration_->leaves())
        if (const auto entry = leaf.identity.empty() ? std::nullopt : entry_of(leaf)) has_leaf[*entry] = true;
    std::vector<Probe> probes;
    for (std::size_t i = 0; i < input_.recorded.size(); ++i) {
        if (has_leaf[i]) continue;
        if (std::optional<LedgerEntry> full = session_.store().entry(input_.recorded[i].address))
            input_.recorded[i] = *std::move(full);
        probes.push_back({.entry = &input_.recorded[i], .observed = &input_.observed_recorded[i]});
    }
    observe(session_, probes, events.progress, stop);
}

void Pass::list_exclusive_scopes(std::stop_token stop) {
    std::set<std::pair<std::string, std::string>> scopes;
    std::set<Hash> known;
    for (const Leaf& leaf : declaration_->leaves()) {
        const auto facts = input_.providers.find(leaf.provider);
        if (facts == input_.providers.end() || facts->second.ownership != Ownership::exclusive) continue;
        scopes.emplace(leaf.provider, leaf.scope);
        known.insert(target_object(leaf, facts->second.target).key());
    }
    if (scopes.empty()) return;
    for (const LedgerEntry& entry : input_.recorded) known.insert(entry.object.key());
    for (const auto& [provider, scope] : scopes) {
        auto foreign = list_foreign(
            session_, provider, scope,
            [&](const TargetObject& object) { return known.contains(object.key()); }, stop);
        if (!foreign) {
            outcome_.problems.add(foreign.error())
                .context.push_back("listing what scope \"" + scope + "\" holds");
            input_.unread_scopes.emplace_back(provider, scope);
            continue;
        }
        for (ForeignObject& object : *foreign) input_.foreign.push_back(std::move(object));
    }
}

bool Pass::was_applied_by_this_version(const LedgerEntry& entry) const {
    auto facts = input_.providers.find(entry.provider);
    return entry.state == EntryState::applied && facts != input_.providers.end() &&
           facts->second.description && facts->second.description->version == entry.plugin_version;
}

// Only what the memo did not settle needs to be looked at closely: its entry is read in full where another
// document was recorded, the plugin checks it and says what the target would store. What the same version
// of the plugin has applied, it has checked before.
void Pass::canonicalize_unsettled(const std::vector<std::size_t>& candidates, std::stop_token stop) {
    const std::vector<Leaf>& leaves = declaration_->leaves();
    input_.canonical.resize(leaves.size());
    std::vector<CanonicalProbe> probes;
    std::vector<Diagnostics> invalid(candidates.size());
    for (std::size_t c = 0; c < candidates.size(); ++c) {
        const std::size_t i = candidates[c];
        const Observed& observed = input_.observed_leaves[i];
        if (!leaves[i].waits.empty() || observed.is_settled || observed.presence == Presence::unread)
            continue;
        const std::optional<std::size_t> entry = entry_of(leaves[i]);
        const bool is_recorded_so =
            entry && input_.recorded[*entry].declared_hash == leaves[i].recordable().hash;
        if (entry && !is_recorded_so && input_.recorded[*entry].declared.empty())
            if (std::optional<LedgerEntry> full = session_.store().entry(input_.recorded[*entry].address))
                input_.recorded[*entry] = *std::move(full);
        probes.push_back({.leaf = &leaves[i],
                          .entry = entry ? &input_.recorded[*entry] : nullptr,
                          .observed = &observed,
                          .canonical = observed.presence == Presence::failed ? nullptr : &input_.canonical[i],
                          .is_valid = is_recorded_so && was_applied_by_this_version(input_.recorded[*entry]),
                          .invalid = &invalid[c]});
    }
    canonicalize(session_, probes, stop);
    for (std::size_t c = 0; c < candidates.size(); ++c)
        if (invalid[c].has_errors())
            input_.invalid[candidates[c]] = placed(leaves[candidates[c]], invalid[c]);
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
    resolve_and_observe(events, stop);
    declaration_->link();
    wait_for_other_stacks();
    observe_orphans(events, stop);
    list_exclusive_scopes(stop);
    std::vector<std::size_t> all(declaration_->leaves().size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    canonicalize_unsettled(all, stop);
    finish_input(neighbours);

    Plan plan = make_plan_with_approval(input_);
    remember_settled(input_, plan);
    outcome_.leaves = declaration_->leaves().size();
    outcome_.problems.append(declaration_->problems());
    outcome_.problems.append(plan.diagnostics);
    outcome_.problems.sort_by_place();
    outcome_.rounds.push_back({.plan = std::move(plan)});
    give_result();
}

void Pass::plan_again(const Neighbours& neighbours, const RunEvents& events, std::stop_token stop) {
    declaration_.emplace(session_, stack_);
    input_ = {};
    entry_finder_.reset();
    entry_by_address_.clear();
    leaf_by_address_.clear();
    declare();
    plan(neighbours, events, stop);
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
        if (!entry_of(leaf)) keys.push_back(target_object(leaf, facts->second.target).key());
    }
    if (!keys.empty())
        for (LedgerEntry& entry : session_.store().owners_elsewhere(stack().name, keys)) {
            const Hash key = entry.object.key();
            input_.recorded_elsewhere.emplace(key, std::move(entry));
        }
}

Plan Pass::make_plan_with_approval(PlanInput& input) {
    Plan plan = make_plan(input);
    if (!plan.is_parked() || !session_.store().is_approved(stack().name, plan.hash)) return plan;
    input.approved = plan.hash;
    return make_plan(input);
}

// What came out equal is not compared again until one of the two sides changes.
void Pass::remember_settled(const PlanInput& input, const Plan& plan) {
    if (session_.options().read_only) return;
    std::vector<Store::Settled> settled;
    for (const SettledLeaf& leaf : plan.settled)
        if (!leaf.rewrite_entry)
            settled.push_back(
                {input.recorded[leaf.recorded].address, leaf.hash, input.observed_leaves[leaf.leaf].version});
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

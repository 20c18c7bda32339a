// What a pass asks of its providers before it plans, and what it finds leaves and entries by.

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/identity.hpp"
#include "reconcile/pass.hpp"

namespace holdfast {

// Which they were moved to by `finish_input`.
const std::vector<Leaf>& Pass::leaves() const {
    return declaration_->leaves().empty() ? input_.leaves : declaration_->leaves();
}

// Every look-up reads two cold texts, so what it finds is kept for the planner too.
std::optional<std::size_t> Pass::entry_of(std::size_t index) {
    std::vector<std::size_t>& known = input_.entry_of_leaf;
    if (index >= known.size()) known.resize(leaves().size(), no_index);
    if (known[index] != no_index) return known[index];
    const Leaf& leaf = leaves()[index];
    auto facts = input_.providers.find(leaf.provider);
    if (leaf.identity.empty() || facts == input_.providers.end()) return std::nullopt;
    const std::optional<std::size_t> entry = entry_finder_->find(view_of(leaf, facts->second.target));
    if (entry) known[index] = *entry;
    return entry;
}

// Of a leaf that has been declared anew.
std::optional<std::size_t> Pass::find_entry_of(std::size_t index) {
    if (index < input_.entry_of_leaf.size()) input_.entry_of_leaf[index] = no_index;
    return entry_of(index);
}

std::optional<std::size_t> Pass::entry_at(const Address& address) const {
    return entry_by_address_.find(std::hash<Address>{}(address),
                                  [&](std::size_t i) { return input_.recorded[i].address == address; });
}

std::optional<std::size_t> Pass::leaf_at(const Address& address) const {
    const std::vector<Leaf>& all = leaves();
    return leaf_by_address_.find(std::hash<Address>{}(address),
                                 [&](std::size_t i) { return all[i].address == address; });
}

// Only where somebody asks by address: a plan of leaves that know nothing of each other does not.
void Pass::index_leaves() {
    const std::vector<Leaf>& all = leaves();
    leaf_by_address_.clear();
    leaf_by_address_.reserve(all.size());
    for (std::size_t i = 0; i < all.size(); ++i)
        leaf_by_address_.add(std::hash<Address>{}(all[i].address), i);
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
    // The memo says that the documents are equal; of what a leaf is to be refreshed by it can say only what
    // was linked, which comes later.
    const auto is_refreshed = [&](std::size_t i) {
        const Resource* resource = declaration_->resource_of(i);
        return resource && !resource->refresh_on.empty();
    };
    for (std::size_t i : leaves) {
        const std::optional<std::size_t> entry = find_entry_of(i);
        input_.observed_leaves[i] = {};
        probes.push_back({.leaf = &all[i],
                          .entry = entry ? &input_.recorded[*entry] : nullptr,
                          .observed = &input_.observed_leaves[i],
                          .keep_document = !options_.replace.empty() || // compared even where settled
                                           is_refreshed(i) ||
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
    input_.entry_of_leaf.clear(); // its indices are others now
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
    if (is_orphaned()) return;
    std::vector<bool> has_leaf(input_.recorded.size());
    for (std::size_t i = 0; i < declaration_->leaves().size(); ++i)
        if (const auto entry = entry_of(i)) has_leaf[*entry] = true;
    if (std::find(has_leaf.begin(), has_leaf.end(), false) == has_leaf.end()) return;
    input_.observed_recorded.resize(input_.recorded.size());
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
    const auto is_to_be_asked = [&](std::size_t i) {
        const Observed& observed = input_.observed_leaves[i];
        return leaves[i].waits.empty() && !observed.is_settled && observed.presence != Presence::unread;
    };
    if (std::none_of(candidates.begin(), candidates.end(), is_to_be_asked)) return;
    input_.canonical.resize(leaves.size());
    std::vector<CanonicalProbe> probes;
    std::vector<Diagnostics> invalid(candidates.size());
    for (std::size_t c = 0; c < candidates.size(); ++c) {
        const std::size_t i = candidates[c];
        if (!is_to_be_asked(i)) continue;
        const Observed& observed = input_.observed_leaves[i];
        const std::optional<std::size_t> entry = entry_of(i);
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

} // namespace holdfast

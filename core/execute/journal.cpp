#include "execute/journal.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/json.hpp"
#include "plan/mask.hpp"

namespace holdfast {

Journal::Journal(const Plan& plan, const PlanInput& input, const PassRecord& pass, const CommitInfo& commit,
                 std::string masking_key, std::function<std::string(std::string_view)> mask)
    : plan_(plan),
      input_(input),
      pass_(pass),
      commit_(commit),
      masking_key_(std::move(masking_key)),
      mask_(std::move(mask)) {}

namespace {

// Nothing was written, for certain.
bool left_alone(StepState state) { return state == StepState::failed || state == StepState::skipped; }
bool has_no_entry_yet(const StepRecord& step) { return step.kind != StepKind::create && step.old == nullptr; }

} // namespace

void Journal::intend(const StepRecord& step, std::int64_t now_ms) {
    const Change& change = plan_.changes[step.change];
    add_step(change.address, action_of(step.kind), StepState::intended, {}, {}, now_ms);
    switch (step.kind) {
        case StepKind::create:
            if (step.deposed) {
                LedgerEntry deposed = *step.old;
                deposed.address = *step.deposed;
                deposed.state = EntryState::deposed;
                put(std::move(deposed));
            }
            put(entry_for(change, EntryState::creating, {}, now_ms));
            break;
        case StepKind::update:
        case StepKind::refresh:
            if (has_no_entry_yet(step))
                put(entry_for(change, EntryState::creating, {}, now_ms));
            else if (LedgerEntry entry = entry_while_updating(step); entry.declared != step.old->declared)
                put(std::move(entry));
            break;
        case StepKind::remove:
            if (step.old) {
                LedgerEntry deleting = *step.old;
                if (deleting.state != EntryState::deposed) deleting.state = EntryState::deleting;
                deleting.settled = {};
                put(std::move(deleting));
            }
            break;
        case StepKind::remove_deposed:
        case StepKind::adopt:
        case StepKind::move:
        case StepKind::forget: break;
    }
}

void Journal::end(const StepRecord& step, StepState state, const Standing& standing,
                  const std::string& message, std::int64_t now_ms) {
    const Change& change = plan_.changes[step.change];
    add_step(change.address, action_of(step.kind), state, changes_json(change), message, now_ms);
    switch (step.kind) {
        case StepKind::create: end_create(step, state, standing, now_ms); break;
        case StepKind::update:
        case StepKind::refresh: end_update(step, state, standing, now_ms); break;
        case StepKind::remove:
        case StepKind::remove_deposed: end_removal(step, state); break;
        case StepKind::adopt: put(entry_for(change, EntryState::applied, standing, now_ms)); break;
        case StepKind::forget: set_entry(step.old ? step.old->address : change.address, std::nullopt); break;
        case StepKind::move: break;
    }
}

// Killed now, or with a reply that is lost, the next pass does not know which of the new fields stand there,
// and has to take them for ours. The hash is that of no declaration: so the entry is written anew in any
// case.
LedgerEntry Journal::entry_while_updating(const StepRecord& step) const {
    LedgerEntry entry = *step.old;
    const Leaf* leaf = leaf_of(plan_.changes[step.change], input_);
    if (!leaf) return entry;
    std::optional<std::string> both = with_fields_of(entry.declared, leaf->recordable().json);
    if (!both) return entry;
    entry.declared = *std::move(both);
    entry.declared_hash = sha256(entry.declared);
    entry.settled = {};
    return entry;
}

void Journal::end_create(const StepRecord& step, StepState state, const Standing& standing,
                         std::int64_t now_ms) {
    const Change& change = plan_.changes[step.change];
    if (has_succeeded(state)) return put(entry_for(change, EntryState::applied, standing, now_ms));
    if (!left_alone(state)) return put(entry_for(change, EntryState::creating, standing, now_ms));
    set_entry(change.address, std::nullopt);
    // An object that was ours, and is said to be gone by a read that may be stale, stays ours: "it exists
    // already" would otherwise make it somebody else's.
    if (step.old && change.action == Action::create) return put(*step.old);
    if (!step.deposed) return;
    LedgerEntry back = *step.old;
    back.address = change.address;
    set_entry(*step.deposed, std::nullopt);
    put(std::move(back));
}

void Journal::end_update(const StepRecord& step, StepState state, const Standing& standing,
                         std::int64_t now_ms) {
    if (has_succeeded(state) || has_no_entry_yet(step)) return end_create(step, state, standing, now_ms);
    LedgerEntry half_done = entry_while_updating(step);
    if (left_alone(state)) {
        if (half_done.declared != step.old->declared) put(*step.old);
        return;
    }
    if (standing.document.empty()) return;
    half_done.observed = standing.document;
    half_done.version = standing.version;
    half_done.private_data = standing.private_data;
    half_done.settled = {};
    put(std::move(half_done));
}

void Journal::end_removal(const StepRecord& step, StepState state) {
    if (!step.old) return;
    const Address& address = step.deposed ? *step.deposed : step.old->address;
    if (has_succeeded(state)) return set_entry(address, std::nullopt);
    if (left_alone(state) && step.kind == StepKind::remove) put(*step.old);
}

void Journal::skip(std::size_t change, const std::string& message, std::int64_t now_ms) {
    const Change& skipped = plan_.changes[change];
    add_step(skipped.address, skipped.action, StepState::skipped, {}, message, now_ms);
}

void Journal::move(const Address& from, const Address& to) {
    if (open_.ledger_index.contains(from) || open_.ledger_index.contains(to)) close();
    open_.moved.emplace_back(from, to);
    ++open_.moved_addresses[from];
    ++open_.moved_addresses[to];
}

void Journal::add_step(const Address& address, Action action, StepState state, std::string changes,
                       std::string message, std::int64_t now_ms) {
    JournalStep step;
    step.pass = pass_.id;
    step.address = address;
    step.action = action;
    step.state = state;
    step.commit = commit_.id;
    step.changes = std::move(changes);
    step.message = std::move(message);
    step.at_ms = now_ms;
    open_.steps.push_back(std::move(step));
}

void Journal::put(LedgerEntry entry) {
    const Address address = entry.address; // the entry is moved from before its address would be read
    set_entry(address, std::move(entry));
}

void Journal::set_entry(const Address& address, std::optional<LedgerEntry> entry) {
    if (open_.moved_addresses.contains(address)) close();
    auto [place, is_new] = open_.ledger_index.try_emplace(address, open_.ledger.size());
    if (is_new)
        open_.ledger.emplace_back(address, std::move(entry));
    else
        open_.ledger[place->second].second = std::move(entry);
}

LedgerEntry Journal::entry_for(const Change& change, EntryState state, const Standing& standing,
                               std::int64_t now_ms) const {
    LedgerEntry entry;
    entry.address = change.address;
    entry.provider = change.provider;
    entry.api_version = change.api_version;
    entry.object = change.object;
    entry.state = state;
    entry.observed = standing.document;
    entry.version = standing.version;
    entry.private_data = standing.private_data;
    entry.refreshed = standing.refreshed;
    if (const Leaf* leaf = leaf_of(change, input_)) {
        entry.declared_hash = leaf->recordable().hash;
        entry.declared = leaf->recordable().json;
        entry.protect = leaf->policy.protect;
        entry.deletion = leaf->policy.deletion;
        entry.after = leaf->comes_after();
        entry.wave = leaf->policy.wave;
        entry.file = leaf->origin.file;
        entry.line = leaf->origin.line;
    }
    auto provider = input_.providers.find(change.provider);
    if (provider != input_.providers.end() && provider->second.description)
        entry.plugin_version = provider->second.description->version;
    entry.commit = commit_.id;
    entry.author = commit_.author;
    entry.pass = pass_.id;
    entry.applied_at_ms = now_ms;
    return entry;
}

std::optional<Value> Journal::masked(std::size_t change, std::string_view json) const {
    Result<Value> tree = parse_json(json);
    if (!tree) return std::nullopt;
    const std::vector<std::string> secrets = secrets_of(plan_.changes[change], input_);
    if (!secrets.empty()) *tree = mask_document(*tree, secrets, masking_key_);
    // A target may repeat a secret where nobody said that it would, in its status for example.
    if (mask_ && mask_(json) != json) mask_known(*tree);
    return *std::move(tree);
}

void Journal::mask_known(Value& node) const {
    if (Map* map = node.if_map()) {
        // A secret among the keys: nothing of the map can be shown.
        if (std::any_of(map->begin(), map->end(), [&](const MapEntry& e) { return mask_(e.key) != e.key; })) {
            node = mask_of(node, masking_key_);
            return;
        }
        for (MapEntry& entry : *map) mask_known(entry.value);
    } else if (List* list = node.if_list()) {
        for (Value& item : *list) mask_known(item);
    } else if (const std::string* text = node.if_string(); text && mask_(*text) != *text) {
        node = mask_of(node, masking_key_);
    }
}

namespace {

// Whether something stands at the rest of a secret's path. A scalar on the way may be the secret itself, in
// another shape, and so may an element that is not named by its index.
bool holds_at(const Value& value, std::span<const std::string> path) {
    if (path.empty() || value.is_scalar()) return !value.is_null();
    const bool is_any = path.front() == "*";
    if (const Map* map = value.if_map())
        return std::any_of(map->begin(), map->end(), [&](const MapEntry& entry) {
            return (is_any || entry.key == path.front()) && holds_at(entry.value, path.subspan(1));
        });
    const List& items = *value.if_list();
    return std::any_of(items.begin(), items.end(),
                       [&](const Value& item) { return holds_at(item, path.subspan(1)); });
}

bool touches_secret(const FieldChange& field, const std::vector<std::string>& secrets) {
    if (field.sensitive || any_covers(secrets, field.pointer)) return true;
    // A secret below the field: the field is a whole list or map that may hold it.
    const std::vector<std::string> tokens = split_pointer(field.pointer);
    return std::any_of(secrets.begin(), secrets.end(), [&](const std::string& secret) {
        const std::vector<std::string> deep = split_pointer(secret);
        if (deep.size() < tokens.size()) return false;
        for (std::size_t i = 0; i < tokens.size(); ++i)
            if (deep[i] != "*" && deep[i] != tokens[i]) return false;
        const std::span<const std::string> rest = std::span(deep).subspan(tokens.size());
        return (field.before && holds_at(*field.before, rest)) ||
               (field.after && holds_at(*field.after, rest));
    });
}

} // namespace

std::string Journal::changes_json(const Change& change) const {
    if (change.fields.empty()) return {};
    const std::vector<std::string> secrets = secrets_of(change, input_);
    const bool is_known = kind_of(change, input_) != nullptr; // else nobody knows what is secret in it
    List fields;
    for (const FieldChange& field : change.fields) {
        Map line;
        line.set("pointer", field.pointer);
        if (!is_known || touches_secret(field, secrets)) {
            line.set("sensitive", true);
        } else {
            for (const auto& [key, value] :
                 {std::pair{"before", &field.before}, std::pair{"after", &field.after}}) {
                if (!*value) continue;
                Value recordable = **value;
                if (mask_) mask_known(recordable);
                line.set(key, std::move(recordable));
            }
        }
        if (field.by_drift) line.set("drift", true);
        fields.emplace_back(std::move(line));
    }
    return to_json(Value(std::move(fields)));
}

bool Journal::empty() const {
    return closed_.empty() && open_.steps.empty() && open_.ledger.empty() && open_.moved.empty();
}

void Journal::close() { closed_.push_back(to_batch(std::exchange(open_, {}))); }

StoreBatch Journal::to_batch(Open open) {
    StoreBatch batch;
    batch.steps = std::move(open.steps);
    batch.moved = std::move(open.moved);
    batch.upserts.reserve(open.ledger.size());
    for (auto& [address, entry] : open.ledger) {
        if (entry)
            batch.upserts.push_back(*std::move(entry));
        else
            batch.erased.push_back(address);
    }
    return batch;
}

std::vector<StoreBatch> Journal::take() {
    close();
    std::vector<StoreBatch> batches = std::exchange(closed_, {});
    std::erase_if(batches, [](const StoreBatch& batch) { return batch.empty(); });
    return batches;
}

std::vector<std::pair<Address, Address>> order_moves(const std::vector<std::pair<Address, Address>>& moves) {
    // Every address is left at most once and reached at most once, so moves form chains and circles. A
    // chain is done from its end, where the address is free; a circle is opened by taking one entry aside.
    std::unordered_map<Address, Address> pending(moves.begin(), moves.end());
    std::vector<std::pair<Address, Address>> ordered;
    for (const auto& [start, unused] : moves) {
        std::vector<std::pair<Address, Address>> chain;
        Address from = start;
        for (auto next = pending.find(from); next != pending.end(); next = pending.find(from)) {
            chain.emplace_back(from, next->second);
            from = next->second;
            pending.erase(next);
        }
        if (!chain.empty() && from == start) {
            const Address aside = deposed_address(start, 0);
            ordered.emplace_back(start, aside);
            chain.front().first = aside;
        }
        ordered.insert(ordered.end(), chain.rbegin(), chain.rend());
    }
    return ordered;
}

} // namespace holdfast

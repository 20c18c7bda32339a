#include <algorithm>
#include <cassert>
#include <cmath>

#include "execute/execution.hpp"

namespace holdfast {

using std::chrono::milliseconds;

namespace {

// Of one call; so many are not held in memory until all of them are committed together.
constexpr std::size_t many_steps = 5000;

} // namespace

// Sets the task up for the step it is at: where it goes, and what stands there.
void Execution::enter_step(Task& task) {
    const Change& change = plan_.changes[task.change];
    const bool is_of_old = is_removal(task.step()) && task.old;
    std::string provider = change.provider;
    if (is_of_old && providers_.contains(task.old->provider)) provider = task.old->provider;
    task.scope = {provider, is_of_old ? task.old->object.scope : change.object.scope};
    const TargetObject& object = is_of_old ? task.old->object : change.object;
    task.kind_id = change.api_version + "/" + std::string(object.kind_name());
    task.intended = task.may_have_written = task.is_unresolved = task.is_told_healthy = false;
    task.attempts = task.looks = task.polls = 0;
    task.problems = {};
    task.next = Task::Next::apply;
    task.known = {};
    if (const Observed* seen = planned_sight(change, task.step(), input_);
        seen && task.step() != StepKind::create)
        task.known = *seen;
    if (task.old && task.step() != StepKind::create) {
        if (task.known.version.empty()) task.known.version = task.old->version;
        if (task.known.private_data.empty()) task.known.private_data = task.old->private_data;
    }
    const Leaf* leaf = leaf_of(change, input_);
    if (leaf && !is_removal(task.step()) && !leaf->refresh.is_none()) task.refresh = to_hex(leaf->refresh);
}

void Execution::enqueue(Task& task) {
    if (task.next == Task::Next::apply && task.at == 0 && !schedule_.is_free(task.change)) {
        task.is_left_behind = true;
        return;
    }
    ScopeQueue& queue = scopes_[task.scope];
    switch (task.next) {
        case Task::Next::apply: queue.apply.insert(task.change); break;
        case Task::Next::look:
        case Task::Next::look_for_health: queue.look.insert(task.change); break;
        case Task::Next::health: queue.health.insert(task.change); break;
    }
}

void Execution::enqueue_after(Task& task, milliseconds delay) {
    timers_.emplace(clock_.steady() + delay, task.change);
}

// Doubles from attempt to attempt; half of it is jitter, so that many who failed together do not come back
// together.
milliseconds Execution::backoff(int attempts) {
    const double doubled =
        static_cast<double>(options_.first_backoff.count()) * std::exp2(std::max(attempts - 1, 0));
    const double full = std::min(doubled, static_cast<double>(options_.max_backoff.count()));
    const double share = 0.5 + 0.5 * static_cast<double>(random_() >> 11) / static_cast<double>(1ULL << 53);
    return milliseconds(static_cast<milliseconds::rep>(std::ceil(full * share)));
}

// The longest that a plugin asks for.
milliseconds Execution::asked_pause(const Diagnostics& problems) const {
    milliseconds longest{0};
    for (const Diagnostic& problem : problems)
        if (problem.retry != Retry::never) longest = std::max(longest, problem.retry_after);
    return std::min(longest, options_.max_retry_after);
}

void Execution::prepare_calls() {
    for (auto it = scopes_.begin(); it != scopes_.end();) {
        if (!it->second.is_busy) prepare_call(it->first, it->second);
        it = it->second.is_idle() ? scopes_.erase(it) : std::next(it);
    }
}

// Doubts come first: what they decide may join the next apply.
void Execution::prepare_call(const ScopeKey& key, ScopeQueue& queue) {
    Method method = Method::apply;
    std::set<std::size_t>* waiting = &queue.apply;
    if (!queue.look.empty()) {
        method = Method::observe;
        waiting = &queue.look;
    } else if (queue.apply.empty()) {
        method = Method::health;
        waiting = &queue.health;
    }
    if (waiting->empty()) return;

    Batch batch = choose(key, *waiting, method);
    if (method == Method::apply) join_dependents(key, batch);
    InFlight call{.scope = key, .method = method, .tasks = std::move(batch.tasks)};
    call.answered.resize(call.tasks.size(), false);
    call.succeeded = call.answered;
    Request request{
        .number = next_request_++, .method = method, .scope = key.second, .timeout = options_.call_timeout};
    if (method == Method::apply) request.scope_version = scope_versions_[key];
    for (std::size_t change : call.tasks) {
        Task& task = tasks_.at(change);
        if (method == Method::apply) task.declared = without_ignored(task);
        request.items.push_back(item_for(task, method));
        if (method != Method::apply) continue;
        call.after.push_back(items_before(call, task));
        request.items.back().after = call.after.back();
        request.items.back().wants_health = tells_health_at_once(task);
        if (!task.intended) journal_.intend(task.record(), clock_.now_ms());
        task.intended = true;
        ++task.attempts;
        if (journal_.steps() >= many_steps) commit(); // nothing is sent before the last of them is durable
    }
    queue.is_busy = true;
    outbox_.emplace_back(providers_.at(key.first), std::move(request));
    in_flight_.emplace(outbox_.back().second.number, std::move(call));
}

// Takes what goes into the next call: as much as the plugin takes at once; outside atomic scopes the prunes
// only once no create or update is left to be sent before them.
Execution::Batch Execution::choose(const ScopeKey& key, std::set<std::size_t>& waiting, Method method) {
    const Description& plugin = providers_.at(key.first)->description();
    const bool prunes_wait = method == Method::apply && !plugin.atomic &&
                             !std::all_of(waiting.begin(), waiting.end(),
                                          [&](std::size_t change) { return is_prune(tasks_.at(change)); });
    Batch batch;
    for (std::size_t change : waiting) {
        const Task& task = tasks_.at(change);
        if (prunes_wait && is_prune(task)) continue;
        if (!fits(plugin, batch, task, method)) break;
        batch.tasks.push_back(change);
    }
    for (std::size_t change : batch.tasks) waiting.erase(change);
    return batch;
}

bool Execution::is_prune(const Task& task) const {
    return is_removal(task.step()) && (task.at > 0 || plan_.changes[task.change].action == Action::remove);
}

// A single item always does.
bool Execution::fits(const Description& plugin, Batch& batch, const Task& task, Method method) const {
    const std::size_t bytes = batch.bytes + bytes_of(item_for(task, method));
    batch.is_full =
        !batch.tasks.empty() && (batch.tasks.size() >= plugin.max_items || bytes > plugin.max_bytes);
    if (!batch.is_full) batch.bytes = bytes;
    return !batch.is_full;
}

namespace {

// Where the journal writes for a task.
std::vector<Address> entries_of(const Change& change, const Task& task) {
    std::vector<Address> entries{change.address};
    if (task.old && task.old->address != change.address) entries.push_back(task.old->address);
    if (task.deposed) entries.push_back(*task.deposed);
    return entries;
}

} // namespace

// A chain of dependencies, one call and one transaction a link, takes a thousand times the time of one link.
// A plugin that keeps the order given, and skips an item where an earlier one that it names did not succeed,
// can have the whole chain as one call. So whatever lacks nothing but changes of this very call goes along,
// transitively; among these are chains, trees and diamonds, and the deletes of a chain backwards. What was
// skipped then waits for its culprit as if it had never been sent, see leave_behind(). Not taken along is
//   - what stands behind a gate: waves, and prunes behind their scope's creates;
//   - what comes after the first half of a replace, or in an atomic scope after what has to be healthy first;
//   - outside atomic scopes, prunes with others: they are a call of their own, as in choose();
//   - what writes to a ledger entry of another member: one entry cannot hold two intents.
void Execution::join_dependents(const ScopeKey& key, Batch& batch) {
    if (batch.is_full || !providers_.at(key.first)->description().ordered) return;
    Schedule::Foresight foresight(schedule_);
    std::set<std::size_t> freed;
    auto look_behind = [&](std::size_t change) {
        if (!satisfies_edges(tasks_.at(change))) return;
        for (std::size_t dependent : foresight.freed_by(change)) freed.insert(dependent);
    };
    for (std::size_t change : batch.tasks) look_behind(change);
    if (freed.empty()) return;
    std::set<Address> entries;
    for (std::size_t change : batch.tasks)
        for (Address& entry : entries_of(plan_.changes[change], tasks_.at(change)))
            entries.insert(std::move(entry));
    while (!freed.empty() && !batch.is_full) {
        const std::size_t change = *freed.begin();
        freed.erase(freed.begin());
        if (join(key, batch, entries, change)) look_behind(change);
    }
    std::sort(batch.tasks.begin(), batch.tasks.end());
}

bool Execution::join(const ScopeKey& key, Batch& batch, std::set<Address>& entries, std::size_t index) {
    const Change& change = plan_.changes[index];
    if (change.provider != key.first || change.object.scope != key.second) return false;
    auto begun = tasks_.find(index);
    const bool is_new = begun == tasks_.end();
    if (!is_new && !begun->second.is_left_behind) return false;
    Task task = is_new ? make_task(index) : begun->second;
    if (is_bookkeeping(task.step())) return false;
    if (is_new) enter_step(task);
    const Description& plugin = providers_.at(key.first)->description();
    const bool mixes = !plugin.atomic && is_prune(task) != is_prune(tasks_.at(batch.tasks.front()));
    const std::vector<Address> own = entries_of(change, task);
    const bool is_alone =
        std::none_of(own.begin(), own.end(), [&](const Address& entry) { return entries.contains(entry); });
    if (task.scope != key || mixes || !is_alone || !fits(plugin, batch, task, Method::apply)) return false;
    entries.insert(own.begin(), own.end());
    batch.tasks.push_back(index);
    task.is_left_behind = false;
    tasks_.insert_or_assign(index, std::move(task));
    if (is_new) started_.push_back(index);
    return true;
}

// True where success of the task's step is all that its dependents wait for.
bool Execution::satisfies_edges(const Task& task) const {
    if (task.step() == StepKind::remove_deposed) return false; // satisfied when the new object stood
    if (task.step() == StepKind::remove) return task.is_last_step();
    return !is_asked_for_health(task) || !providers_.at(task.scope.first)->description().atomic;
}

// An ordered plugin says with the result whether what others wait for is healthy, and goes on only then. One
// whose scopes are written as a whole cannot look in between.
bool Execution::tells_health_at_once(const Task& task) const {
    const Description& plugin = providers_.at(task.scope.first)->description();
    const bool is_awaited = schedule_.is_awaited(task.change) || !task.is_last_step();
    return plugin.ordered && !plugin.atomic && is_awaited && !is_removal(task.step()) &&
           is_asked_for_health(task);
}

bool Execution::is_asked_for_health(const Task& task) const {
    if (!providers_.at(task.scope.first)->description().has("holdfast.health/1")) return false;
    const KindInfo* kind = kind_of(plan_.changes[task.change], input_);
    return !kind || kind->has_health;
}

std::vector<std::uint32_t> Execution::items_before(const InFlight& call, const Task& task) const {
    std::vector<std::uint32_t> items;
    if (schedule_.is_free(task.change)) return items;
    for (std::size_t before : plan_.changes[task.change].after) {
        assert(before < task.change); // plans are sorted so
        const auto found = std::lower_bound(call.tasks.begin(), call.tasks.end(), before);
        if (found != call.tasks.end() && *found == before && satisfies_edges(tasks_.at(before)))
            items.push_back(static_cast<std::uint32_t>(found - call.tasks.begin()));
    }
    return items;
}

namespace {

ItemAction item_action(StepKind step) {
    switch (step) {
        case StepKind::create: return ItemAction::create;
        case StepKind::update: return ItemAction::update;
        case StepKind::refresh: return ItemAction::refresh;
        case StepKind::remove:
        case StepKind::remove_deposed: return ItemAction::remove;
        default: return ItemAction::none;
    }
}

} // namespace

// Empty where the leaf's own document is what the plugin gets.
std::string Execution::without_ignored(const Task& task) const {
    const Change& change = plan_.changes[task.change];
    const Leaf* leaf = leaf_of(change, input_);
    const KindInfo* kind = kind_of(change, input_);
    const bool is_update = task.step() == StepKind::update;
    if (!is_update || !leaf || !kind || leaf->policy.ignore.empty() || task.known.document.empty()) return {};
    return with_ignored_as_observed(leaf->declared.json, task.known.document, leaf->policy.ignore,
                                    kind->write_only);
}

Item Execution::item_for(const Task& task, Method method) const {
    const Change& change = plan_.changes[task.change];
    const Leaf* leaf = leaf_of(change, input_);
    const bool is_of_old = is_removal(task.step()) && task.old;
    Item item;
    item.kind = task.kind_id;
    item.identity = is_of_old ? task.old->object.identity : change.object.identity;
    item.version = task.known.version;
    item.private_data = task.known.private_data;
    if (method == Method::observe) return item;
    item.observed = task.known.document;
    if (method == Method::health) return item;
    item.action = item_action(task.step());
    if (leaf && !is_removal(task.step()))
        item.declared = task.declared.empty() ? leaf->declared.json : task.declared;
    if (task.old && task.step() != StepKind::create) item.recorded = task.old->declared;
    item.refresh = task.refresh;
    return item;
}

void Execution::send() {
    for (auto& [provider, request] : std::exchange(outbox_, {})) lanes_.send(*provider, std::move(request));
}

} // namespace holdfast

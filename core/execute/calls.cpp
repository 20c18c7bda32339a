#include <algorithm>
#include <cmath>

#include "execute/execution.hpp"

namespace holdfast {

using std::chrono::milliseconds;

// Sets the task up for the step it is at: where it goes, and what stands there.
void Execution::enter_step(Task& task) {
    const Change& change = plan_.changes[task.change];
    const bool is_of_old = is_removal(task.step()) && task.old;
    std::string provider = change.provider;
    if (is_of_old && providers_.contains(task.old->provider)) provider = task.old->provider;
    task.scope = {provider, is_of_old ? task.old->object.scope : change.object.scope};
    const TargetObject& object = is_of_old ? task.old->object : change.object;
    task.kind_id = change.api_version + "/" + std::string(object.kind_name());
    task.intended = task.may_have_written = task.is_unresolved = false;
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

    InFlight call{.scope = key, .method = method, .tasks = choose(key, *waiting, method)};
    call.answered.resize(call.tasks.size(), false);
    Request request{
        .number = next_request_++, .method = method, .scope = key.second, .timeout = options_.call_timeout};
    if (method == Method::apply) request.scope_version = scope_versions_[key];
    for (std::size_t change : call.tasks) {
        Task& task = tasks_.at(change);
        if (method == Method::apply) task.declared = without_ignored(task);
        request.items.push_back(item_for(task, method));
        if (method != Method::apply) continue;
        if (!task.intended) journal_.intend(task.record(), clock_.now_ms());
        task.intended = true;
        ++task.attempts;
    }
    queue.is_busy = true;
    outbox_.emplace_back(providers_.at(key.first), std::move(request));
    in_flight_.emplace(outbox_.back().second.number, std::move(call));
}

// Takes what goes into the next call: as much as the plugin takes at once; outside atomic scopes the prunes
// only once no create or update is left to be sent before them.
std::vector<std::size_t> Execution::choose(const ScopeKey& key, std::set<std::size_t>& waiting,
                                           Method method) {
    const Description& plugin = providers_.at(key.first)->description();
    auto is_prune = [&](std::size_t change) {
        const Task& task = tasks_.at(change);
        return is_removal(task.step()) && (task.at > 0 || plan_.changes[change].action == Action::remove);
    };
    const bool prunes_wait =
        method == Method::apply && !plugin.atomic && !std::all_of(waiting.begin(), waiting.end(), is_prune);
    std::vector<std::size_t> chosen;
    std::size_t bytes = 0;
    for (std::size_t change : waiting) {
        if (prunes_wait && is_prune(change)) continue;
        const Item item = item_for(tasks_.at(change), method);
        bytes += item.declared.size() + item.recorded.size() + item.observed.size();
        if (!chosen.empty() && (chosen.size() >= plugin.max_items || bytes > plugin.max_bytes)) break;
        chosen.push_back(change);
    }
    for (std::size_t change : chosen) waiting.erase(change);
    return chosen;
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

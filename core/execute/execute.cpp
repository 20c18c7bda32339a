#include "execute/execute.hpp"

#include <algorithm>
#include <cassert>

#include "base/json.hpp"
#include "execute/execution.hpp"

namespace holdfast {

using std::chrono::milliseconds;

namespace {

// Long calls are journalled in slices of this length.
constexpr milliseconds slice{100};
constexpr milliseconds longest_wait{60'000};

} // namespace

bool ExecutionReport::ok() const {
    return !interrupted && std::all_of(results.begin(), results.end(), [](const StepResult& result) {
        return result.state == StepState::intended || has_succeeded(result.state);
    });
}

ExecutionReport execute(const Plan& plan, const PlanInput& input, const PassRecord& pass,
                        const CommitInfo& commit, const std::map<std::string, Provider*>& providers,
                        Store& store, Clock& clock, const ExecuteOptions& options, std::stop_token stop,
                        const ExecutionEvents& events) {
    return Execution(plan, input, pass, commit, providers, store, clock, options, std::move(stop), events)
        .run();
}

Execution::Execution(const Plan& plan, const PlanInput& input, const PassRecord& pass,
                     const CommitInfo& commit, const std::map<std::string, Provider*>& providers,
                     Store& store, Clock& clock, const ExecuteOptions& options, std::stop_token stop,
                     const ExecutionEvents& events)
    : plan_(plan),
      input_(input),
      providers_(providers),
      store_(store),
      clock_(clock),
      options_(options),
      stop_(stop),
      events_(events),
      masking_key_(store.masking_key()),
      schedule_(plan),
      journal_(plan, input, pass, commit, masking_key_, options.mask),
      random_(options.random_seed),
      scope_versions_(options.scope_versions),
      lanes_(clock, stop, options.stop_calls.value_or(stop)) {
    report_.results.resize(plan.changes.size());
    for (std::size_t i = 0; i < plan.changes.size(); ++i) report_.results[i].action = plan.changes[i].action;
}

// What is ready is intended, what is intended is made durable, and only then sent; what comes back is made
// durable together with the intents of what it made ready, so a chain costs one transaction a link, or,
// where the plugin takes it as one ordered call, one for all (join_dependents).
ExecutionReport Execution::run() {
    open();
    for (;;) {
        if (!has_stopped()) {
            wake_due();
            start_ready();
            prepare_calls();
        }
        commit();
        send();
        const bool is_waiting = lanes_.in_flight() > 0 || (!timers_.empty() && !has_stopped());
        if (!is_waiting) break;
        take_in();
    }
    wind_up();
    commit();
    return std::move(report_);
}

void Execution::open() {
    for (const Schedule::Held& held : schedule_.held_by_plan()) {
        const Change& culprit = plan_.changes[held.culprit];
        Diagnostic note = failure(
            "execute.held-back",
            "not started: " + to_string(culprit.address) + " comes first, and it is " +
                (culprit.action == Action::wait ? "waiting" : std::string(to_string(culprit.readiness))));
        note.severity = Severity::note;
        note.subject = to_string(plan_.changes[held.change].address);
        report_.results[held.change].diagnostics.add(std::move(note));
    }
    move_entries();
    commit();
}

// All moves come first, of changes that wait too: an entry must have left its address before another one
// arrives there. What stands at a goal and has no goal of its own is about to be pruned, and steps aside.
void Execution::move_entries() {
    std::vector<std::pair<Address, Address>> moves;
    std::set<Address> leaving, goals;
    for (const Change& change : plan_.changes) {
        if (change.moved_from.id.empty() || change.moved_from == change.address) continue;
        if (!leaving.insert(change.moved_from).second) continue;
        moves.emplace_back(change.moved_from, change.address);
        goals.insert(change.address);
    }
    if (moves.empty()) return;
    for (const LedgerEntry& entry : input_.recorded) {
        if (!goals.contains(entry.address) || leaving.contains(entry.address)) continue;
        std::size_t number = 1;
        while (store_.entry(deposed_address(entry.address, number))) ++number;
        moves.emplace_back(entry.address, deposed_address(entry.address, number));
    }
    for (const auto& [from, to] : moves) now_at_[from] = to;
    for (const auto& [from, to] : order_moves(moves)) journal_.move(from, to);
}

void Execution::start_ready() {
    for (std::vector<std::size_t> ready = schedule_.take_ready(); !ready.empty();
         ready = schedule_.take_ready())
        for (std::size_t change : ready) {
            auto begun = tasks_.find(change); // it went out with what it comes after
            if (begun == tasks_.end())
                start(change);
            else if (std::exchange(begun->second.is_left_behind, false))
                enqueue(begun->second);
        }
}

Task Execution::make_task(std::size_t index) {
    const Change& change = plan_.changes[index];
    Task task;
    task.change = index;
    task.old = entry_of(change);
    task.steps = steps_of(change, task.old.get());
    if (task.steps.front() == StepKind::create && task.steps.size() == 2) {
        std::size_t number = 1;
        while (store_.entry(deposed_address(change.address, number))) ++number;
        task.deposed = deposed_address(change.address, number);
    }
    return task;
}

void Execution::start(std::size_t index) {
    const Change& change = plan_.changes[index];
    Task& task = tasks_[index] = make_task(index);
    started_.push_back(index);
    if (is_bookkeeping(task.step())) return do_bookkeeping(task);
    if (!providers_.contains(change.provider)) {
        add_problem(task, "execute.no-provider", "provider \"" + change.provider + "\" is not open",
                    "look for the error of its opening above; nothing of it was touched");
        return fail_step(task, StepState::failed);
    }
    enter_step(task);
    enqueue(task);
}

// In full; it is asked for where it is by now.
std::shared_ptr<const LedgerEntry> Execution::entry_of(const Change& change) {
    if (!change.recorded && change.moved_from.id.empty()) return nullptr;
    Address address = change.recorded ? input_.recorded[*change.recorded].address : change.moved_from;
    if (auto moved = now_at_.find(address); moved != now_at_.end()) address = moved->second;
    std::optional<LedgerEntry> entry = store_.entry(address);
    return entry ? std::make_shared<const LedgerEntry>(*std::move(entry)) : nullptr;
}

void Execution::do_bookkeeping(Task& task) {
    Standing standing;
    const Observed* seen = planned_sight(plan_.changes[task.change], task.step(), input_);
    if (task.step() == StepKind::adopt && seen) {
        const std::optional<Value> document = journal_.masked(task.change, seen->document);
        standing = {.document = document ? to_json(*document) : "",
                    .version = seen->version,
                    .private_data = seen->private_data,
                    .refreshed = seen->refreshed};
        report_.results[task.change].observed = seen->document;
    }
    journal_.end(task.record(), StepState::done, standing, {}, clock_.now_ms());
    report_.results[task.change].state = StepState::done;
    report_end(task.change);
    schedule_.satisfy(task.change);
    tasks_.erase(task.change);
}

void Execution::wake_due() {
    const auto now = clock_.steady();
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const std::size_t change = timers_.begin()->second;
        timers_.erase(timers_.begin());
        Task& task = tasks_.at(change);
        if (task.is_called_off())
            end_held(change, *std::exchange(task.held, std::nullopt));
        else
            enqueue(task);
    }
}

void Execution::commit() {
    for (const StoreBatch& batch : journal_.take()) store_.commit(batch);
    for (std::size_t change : std::exchange(started_, {}))
        if (events_.started) events_.started(change);
    for (std::size_t change : std::exchange(ended_, {}))
        if (events_.ended) events_.ended(change, report_.results[change]);
}

milliseconds Execution::until_next_timer() const {
    if (timers_.empty() || has_stopped()) return longest_wait;
    const auto left = std::chrono::ceil<milliseconds>(timers_.begin()->first - clock_.steady());
    return std::clamp(left, milliseconds(0), longest_wait);
}

void Execution::take_in() {
    if (lanes_.in_flight() == 0) {
        clock_.sleep_for(until_next_timer(), stop_);
        return;
    }
    for (Delivery& delivery : lanes_.wait(until_next_timer(), slice)) receive(delivery);
}

void Execution::wind_up() {
    for (auto it = tasks_.begin(); it != tasks_.end();) {
        Task& task = it->second;
        ++it;
        wind_up(task);
    }
    assert(has_stopped() || tasks_.empty());
    tasks_.clear();
    if (!has_stopped()) return;
    for (std::size_t i = 0; i < plan_.changes.size(); ++i)
        if (is_executable(plan_.changes[i]) && report_.results[i].state == StepState::intended)
            report_.interrupted = true;
}

// What is known is journalled; what is not known stays open in the journal for the next pass.
void Execution::wind_up(Task& task) {
    StepResult& result = report_.results[task.change];
    if (task.next == Task::Next::look_for_health || task.next == Task::Next::health) {
        if (!task.is_last_step()) report_.interrupted = true;
        return;
    }
    report_.interrupted = true;
    const bool is_untouched = task.at == 0 && task.attempts == 0;
    if (task.is_unresolved) {
        result.state = StepState::unknown;
        add_problem(task, "execute.interrupted", "stopped before it was known whether the write came through",
                    "run again: the next pass looks at the object first");
    } else {
        if (task.intended)
            journal_.end(task.record(), is_untouched ? StepState::skipped : StepState::failed, {},
                         "interrupted", clock_.now_ms());
        if (is_untouched) return;
        result.state = task.at > 0 ? StepState::partial : StepState::failed;
        add_problem(task, "execute.interrupted",
                    task.at > 0 ? "stopped between the two steps of a replace"
                                : "stopped before it was tried again",
                    "run again: the next plan takes it from there");
    }
    result.diagnostics.append(task.problems);
    report_end(task.change);
}

} // namespace holdfast

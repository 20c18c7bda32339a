#include <algorithm>

#include "base/json.hpp"
#include "execute/execution.hpp"

namespace holdfast {

using std::chrono::milliseconds;

namespace {

std::string first_error(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics)
        if (diagnostic.severity == Severity::error) return diagnostic.message + " [" + diagnostic.code + "]";
    return diagnostics.empty() ? std::string() : diagnostics.list().front().message;
}

std::string health_in(const Reply& reply) {
    const Result<Value> detail = parse_json(reply.detail.empty() ? "{}" : reply.detail);
    return detail ? std::string(detail->text_at("health")) : std::string();
}

// The plugin host promises one answer for each item; this is for the day on which it does not hold.
Reply missing_reply(std::uint32_t item, Method method, const CallEnd& end) {
    return {.item = item,
            .outcome = method == Method::apply ? Outcome::unknown : Outcome::failed,
            .diagnostics = end.why};
}

} // namespace

void Execution::receive(Delivery& delivery) {
    if (delivery.exception) std::rethrow_exception(delivery.exception);
    auto found = in_flight_.find(delivery.request);
    InFlight& call = found->second;
    for (Reply& reply : delivery.replies) receive(call, reply);
    if (!delivery.end) return;
    if (!delivery.never_sent) {
        end_call(call, *delivery.end);
    } else if (call.method == Method::apply) {
        for (std::size_t change : call.tasks) --tasks_.at(change).attempts;
    }
    scopes_[call.scope].is_busy = false;
    in_flight_.erase(found);
}

void Execution::receive(InFlight& call, Reply& reply) {
    if (reply.item == scope_item) {
        if (!reply.version.empty()) scope_versions_[call.scope] = reply.version;
        return;
    }
    if (reply.item >= call.tasks.size()) {
        for (const Diagnostic& diagnostic : reply.diagnostics) report_.diagnostics.add(diagnostic);
        return;
    }
    if (call.answered[reply.item]) return;
    call.answered[reply.item] = true;
    const std::size_t change = call.tasks[reply.item];
    const bool is_done = reply.outcome == Outcome::done || reply.outcome == Outcome::unchanged;
    if (call.method != Method::apply || !is_done) {
        call.later.emplace_back(change, std::move(reply));
        return;
    }
    Task& task = tasks_.at(change);
    const bool wants_health = tells_health_at_once(task);
    task.is_told_healthy = wants_health && health_in(reply) == "healthy";
    call.succeeded[reply.item] = !wants_health || task.is_told_healthy;
    end_step(task, reply.outcome == Outcome::done ? StepState::done : StepState::unchanged, reply);
    call.done.push_back(change);
}

void Execution::end_call(InFlight& call, const CallEnd& end) {
    for (std::uint32_t item = 0; item < call.tasks.size(); ++item)
        if (!call.answered[item])
            call.later.emplace_back(call.tasks[item], missing_reply(item, call.method, end));
    if (call.method == Method::apply) return settle_applied(call);
    for (const auto& [change, reply] : call.later) {
        Task& task = tasks_.at(change);
        if (call.method == Method::health)
            receive_health(task, reply);
        else if (task.next == Task::Next::look_for_health)
            receive_health_look(task, reply);
        else
            receive_look(task, reply);
    }
}

// What was not tried since it comes after an item that did not succeed has not failed: it waits, intended as
// it is, until that is done, or is held like every other dependent.
void Execution::leave_behind(InFlight& call) {
    std::erase_if(call.later, [&](const auto& answer) {
        const auto& [change, reply] = answer;
        const std::vector<std::uint32_t>& after = call.after[reply.item];
        const bool is_behind = reply.outcome == Outcome::skipped &&
                               std::any_of(after.begin(), after.end(),
                                           [&](std::uint32_t before) { return !call.succeeded[before]; });
        if (!is_behind) return false;
        Task& task = tasks_.at(change);
        --task.attempts;
        task.is_left_behind = true;
        if (task.is_called_off()) end_held(change, *std::exchange(task.held, std::nullopt));
        return true;
    });
}

// Failures first: they hold back prunes that the successes would otherwise let go.
void Execution::settle_applied(InFlight& call) {
    leave_behind(call);
    const Task* culprit = nullptr;
    bool may_be_retried = false;
    int attempts = 0;
    milliseconds asked{0};
    for (const auto& [change, reply] : call.later) {
        const Task& task = tasks_.at(change);
        attempts = std::max(attempts, task.attempts);
        asked = std::max(asked, asked_pause(reply.diagnostics));
        if (reply.outcome == Outcome::skipped) continue;
        culprit = &task;
        may_be_retried = may_be_retried || reply.outcome == Outcome::unknown ||
                         retry_class(reply.diagnostics) != Retry::never;
    }
    const milliseconds delay = call.later.empty() ? milliseconds(0) : std::max(backoff(attempts), asked);
    // The skipped ones go before their culprit goes: they name it.
    std::stable_partition(call.later.begin(), call.later.end(),
                          [](const auto& item) { return item.second.outcome == Outcome::skipped; });
    for (const auto& [change, reply] : call.later)
        trouble(tasks_.at(change), reply, delay, may_be_retried ? nullptr : culprit);
    for (std::size_t change : call.done) advance(tasks_.at(change));
}

// `culprit` of an atomic scope, where there is no use in trying again.
void Execution::trouble(Task& task, const Reply& reply, milliseconds delay, const Task* culprit) {
    note_problems(task, reply.diagnostics);
    switch (reply.outcome) {
        case Outcome::failed: {
            const Retry retry = retry_class(reply.diagnostics);
            if (retry == Retry::never) return fail_step(task, StepState::failed);
            if (retry == Retry::after) return try_again(task, delay);
            if (task.attempts >= options_.attempts) return give_up(task);
            task.doubt = Doubt::conflict;
            task.next = Task::Next::look;
            return enqueue_after(task, delay);
        }
        case Outcome::partial: return fail_step(task, StepState::partial, standing_of(task, reply));
        case Outcome::skipped:
            if (!culprit) return try_again(task, delay);
            add_problem(task, "execute.skipped",
                        "not done because " + to_string(plan_.changes[culprit->change].address) +
                            " failed, and their scope is written whole or not at all");
            return fail_step(task, StepState::skipped);
        default:
            // `unknown`, or an answer that means nothing here: only the target itself can tell.
            task.may_have_written = task.is_unresolved = true;
            task.doubt = Doubt::unknown;
            task.next = Task::Next::look;
            return enqueue_after(task, delay);
    }
}

void Execution::receive_look(Task& task, const Reply& reply) {
    if (reply.outcome != Outcome::done && reply.outcome != Outcome::absent) {
        note_problems(task, reply.diagnostics);
        if (++task.looks < options_.attempts)
            return enqueue_after(task, std::max(backoff(task.looks), asked_pause(reply.diagnostics)));
        add_problem(task, "execute.unread",
                    task.is_unresolved
                        ? "the write was sent without an answer, and the object cannot be read since"
                        : "the target reported a conflict, and the object cannot be read since",
                    "run again once the provider answers: the next pass looks at the object first");
        return fail_step(task, task.is_unresolved ? StepState::unknown : StepState::failed);
    }
    task.looks = 0;
    Observed seen;
    seen.presence = reply.outcome == Outcome::done ? Presence::present : Presence::absent;
    seen.document = reply.document;
    seen.version = reply.version;
    seen.private_data = reply.private_data;
    seen.refreshed = reply.refreshed;
    const Change& change = plan_.changes[task.change];
    const Sight sight = judge_sight(change, task.step(), input_, task.old.get(), seen, masking_key_);
    task.known = std::move(seen);
    task.is_unresolved = false;
    act_on(task, decide(task.step(), task.doubt, sight, task.may_have_written), reply);
}

void Execution::act_on(Task& task, Verdict verdict, const Reply& seen) {
    switch (verdict) {
        case Verdict::done:
            end_step(task, task.may_have_written ? StepState::done : StepState::unchanged, seen);
            return advance(task);
        case Verdict::retry: return try_again(task, milliseconds(0));
        case Verdict::stale:
            add_problem(
                task, "execute.stale",
                seen.outcome == Outcome::absent
                    ? "the object is gone since the plan was made"
                    : "the object is not what the plan was made from: somebody else changed it meanwhile",
                "plan again, look at the difference, and apply that plan");
            return fail_step(task, StepState::failed);
        case Verdict::half_done:
            add_problem(
                task, "execute.half-done",
                "the write ended without an answer, and the object is neither as it was nor as declared",
                "run again: the next plan compares what stands there now");
            return fail_step(task, StepState::partial, standing_of(task, seen));
    }
}

void Execution::try_again(Task& task, milliseconds delay) {
    if (task.held && task.at == 0) return end_held(task.change, *std::exchange(task.held, std::nullopt));
    if (task.attempts >= options_.attempts) return give_up(task);
    task.next = Task::Next::apply;
    if (delay == milliseconds(0)) return enqueue(task);
    enqueue_after(task, delay);
}

void Execution::give_up(Task& task) {
    add_problem(task, "execute.gave-up", "gave up after " + std::to_string(task.attempts) + " attempts",
                "the provider's own message says why; run again when that is mended");
    fail_step(task, StepState::failed);
}

void Execution::end_step(Task& task, StepState state, const Reply& reply) {
    StepResult& result = report_.results[task.change];
    Standing standing;
    if (!is_removal(task.step())) {
        Value document;
        standing = standing_of(task, reply, &document);
        task.known.private_data = standing.private_data; // for whoever is asked for its health
        const KindInfo* kind = kind_of(plan_.changes[task.change], input_);
        result.observed = reply.document;
        result.output_changed =
            kind &&
            outputs_differ(*kind, task.old ? std::string_view(task.old->observed) : std::string_view(),
                           document);
    }
    for (const Diagnostic& diagnostic : reply.diagnostics)
        result.diagnostics.add(placed(task.change, diagnostic));
    journal_.end(task.record(), state, standing, {}, clock_.now_ms());
    if (!task.is_last_step()) return;
    result.state = task.at == 0 ? state : StepState::done;
    report_end(task.change);
}

void Execution::fail_step(Task& task, StepState state, const Standing& standing) {
    const std::size_t change = task.change;
    StepResult& result = report_.results[change];
    const bool is_removed_already = task.at > 0 && task.step() == StepKind::create;
    if (is_removed_already && state == StepState::failed)
        add_problem(task, "execute.half-replaced",
                    "the old object is gone, and the new one could not be made",
                    "run again: the next plan creates it");
    if (!task.problems.has_errors())
        add_problem(task, "execute.no-reason", "the provider gave no reason",
                    "ask the plugin's author: every failure has to come with a diagnostic");
    const std::string why = first_error(task.problems);
    if (task.intended)
        journal_.end(task.record(), state, standing, why, clock_.now_ms());
    else
        journal_.skip(change, why, clock_.now_ms());
    result.state = task.step() == StepKind::remove_deposed ? StepState::partial : state;
    result.diagnostics.append(task.problems);
    report_end(change);
    // Behind a new object that stands, dependents have been let go already.
    const bool is_new_one_done = task.step() == StepKind::remove_deposed;
    tasks_.erase(change);
    if (!is_new_one_done) skip(schedule_.fail(change), "execute.skipped", "failed: " + why);
}

void Execution::advance(Task& task) {
    if (task.step() == StepKind::remove && !task.is_last_step()) return next_step(task);
    const bool is_awaited = schedule_.is_awaited(task.change) || !task.is_last_step();
    const bool has_health = !is_removal(task.step()) && is_awaited && is_asked_for_health(task);
    if (!has_health || task.is_told_healthy) return pass_gate(task);
    task.known.document = report_.results[task.change].observed;
    task.health_deadline = clock_.steady() + options_.health_timeout;
    task.next = Task::Next::health;
    enqueue(task);
}

void Execution::next_step(Task& task) {
    ++task.at;
    enter_step(task);
    enqueue(task);
}

void Execution::pass_gate(Task& task) {
    schedule_.satisfy(task.change);
    if (!task.is_last_step()) return next_step(task);
    tasks_.erase(task.change);
}

void Execution::receive_health_look(Task& task, const Reply& reply) {
    if (reply.outcome == Outcome::absent) return fail_gate(task, "it is gone since it was applied");
    if (reply.outcome != Outcome::done) return poll_later(task, "it cannot be read");
    task.known.document = reply.document;
    task.known.version = reply.version;
    task.next = Task::Next::health;
    enqueue(task);
}

void Execution::receive_health(Task& task, const Reply& reply) {
    const Result<Value> detail = parse_json(reply.detail.empty() ? "{}" : reply.detail);
    const std::string_view health = detail ? detail->text_at("health") : std::string_view();
    const std::string_view message = detail ? detail->text_at("message") : std::string_view();
    if (reply.outcome == Outcome::done && health == "healthy") {
        keep_private_data(task, reply.private_data);
        return pass_gate(task);
    }
    std::string said = "it is " + std::string(health.empty() ? "of unknown health" : health);
    if (!message.empty()) said += ": " + (options_.mask ? options_.mask(message) : std::string(message));
    // Nobody knows when what was suspended on purpose goes on: waiting for the deadline would only take
    // longer.
    if (reply.outcome == Outcome::done && (health == "degraded" || health == "suspended"))
        return fail_gate(task, said);
    poll_later(task, said);
}

// It is asked for with the health, since by then the write has had its answer.
void Execution::keep_private_data(const Task& task, const std::string& private_data) {
    if (private_data.empty()) return;
    std::optional<LedgerEntry> entry = store_.entry(plan_.changes[task.change].address);
    if (!entry || entry->state != EntryState::applied) return;
    entry->private_data = private_data;
    journal_.keep(*std::move(entry));
}

void Execution::poll_later(Task& task, const std::string& health) {
    const auto left = std::chrono::ceil<milliseconds>(task.health_deadline - clock_.steady());
    if (left <= milliseconds(0))
        return fail_gate(task, health + ", " + std::to_string(options_.health_timeout.count() / 1000) +
                                   " seconds after it was applied");
    task.next = Task::Next::look_for_health;
    enqueue_after(task, std::min(backoff(++task.polls), left));
}

// The change itself is done; what depends on it is not started. A replace keeps its old object.
void Execution::fail_gate(Task& task, const std::string& why) {
    const std::size_t change = task.change;
    StepResult& result = report_.results[change];
    Diagnostic problem = failure("execute.not-healthy", "applied, but not healthy: " + why,
                                 "what depends on it was not started; find out why, then run again");
    if (task.is_last_step()) {
        problem.severity = Severity::warning;
    } else {
        result.state = StepState::partial;
        report_end(change);
    }
    result.diagnostics.add(placed(change, std::move(problem)));
    tasks_.erase(change);
    skip(schedule_.hold_dependents(change), "execute.not-healthy", "is not healthy: " + why);
}

void Execution::skip(const std::vector<Schedule::Held>& held, std::string_view code, const std::string& why) {
    for (const Schedule::Held& item : held) {
        Diagnostic reason = failure(code, "not started because " +
                                              to_string(plan_.changes[item.culprit].address) + " " + why);
        auto begun = tasks_.find(item.change);
        if (begun != tasks_.end() && !begun->second.is_left_behind)
            begun->second.held = std::move(reason); // what is under way is found out about first
        else
            end_held(item.change, std::move(reason));
    }
}

void Execution::end_held(std::size_t change, Diagnostic reason) {
    auto begun = tasks_.find(change);
    if (begun != tasks_.end() && begun->second.intended)
        journal_.end(begun->second.record(), StepState::skipped, {}, reason.message, clock_.now_ms());
    else
        journal_.skip(change, reason.message, clock_.now_ms());
    if (begun != tasks_.end()) tasks_.erase(begun);
    StepResult& result = report_.results[change];
    result.state = StepState::skipped;
    result.diagnostics.add(placed(change, std::move(reason)));
    report_end(change);
}

void Execution::note_problems(Task& task, const Diagnostics& diagnostics) {
    task.problems = {};
    for (const Diagnostic& diagnostic : diagnostics) task.problems.add(placed(task.change, diagnostic));
}

void Execution::add_problem(Task& task, std::string_view code, std::string message, std::string hint) {
    task.problems.add(placed(task.change, failure(code, std::move(message), std::move(hint))));
}

// A plugin's diagnostic knows neither the address nor the line, and may quote what it was given.
Diagnostic Execution::placed(std::size_t index, Diagnostic diagnostic) const {
    const Change& change = plan_.changes[index];
    const Leaf* leaf = leaf_of(change, input_);
    const Origin& origin = leaf ? leaf->origin : change.origin;
    if (diagnostic.subject.empty()) diagnostic.subject = to_string(change.address);
    if (diagnostic.span.file.empty()) diagnostic.span = {.file = origin.file, .position = {origin.line, 1}};
    if (options_.mask) {
        diagnostic.message = options_.mask(diagnostic.message);
        diagnostic.hint = options_.mask(diagnostic.hint);
    }
    return diagnostic;
}

Standing Execution::standing_of(Task& task, const Reply& reply, Value* document) {
    Standing standing;
    standing.version = reply.version;
    standing.private_data = reply.private_data;
    standing.refreshed = reply.refreshed;
    if (reply.outcome == Outcome::unchanged) {
        if (standing.version.empty()) standing.version = task.known.version;
        if (standing.private_data.empty()) standing.private_data = task.known.private_data;
    }
    if (standing.refreshed.empty() && task.old) standing.refreshed = task.old->refreshed;
    if (reply.document.empty()) return standing;
    if (std::optional<Value> masked = journal_.masked(task.change, reply.document)) {
        standing.document = to_json(*masked);
        if (document) *document = *std::move(masked);
    } else {
        Diagnostic warning = failure(
            "execute.bad-document", "the provider described what stands there in something that is no JSON",
            "it is written, but its outputs are not known; tell the plugin's author");
        warning.severity = Severity::warning;
        report_.results[task.change].diagnostics.add(placed(task.change, std::move(warning)));
    }
    return standing;
}

} // namespace holdfast

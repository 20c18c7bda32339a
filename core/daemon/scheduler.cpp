#include "daemon/scheduler.hpp"

#include <algorithm>
#include <cassert>
#include <set>

namespace holdfast {

using namespace std::chrono_literals;

namespace {

// A step that comes this much later than it was asked for means that the machine slept, or the process stood.
constexpr Moment overslept = 60s;
// Over this time the passes are spread that were missed meanwhile.
constexpr Moment longest_spread = 30s;
constexpr Moment busy_retry = 500ms;
constexpr Moment longest_busy_retry = 30s;

} // namespace

Moment Scheduler::doubled(Moment first, int times, Moment most) {
    Moment value = first;
    for (int i = 0; i < times && value < most; ++i) value *= 2;
    return std::min(value, most);
}

std::string_view to_string(Cause cause) {
    switch (cause) {
        case Cause::start: return "start";
        case Cause::commit: return "commit";
        case Cause::interval: return "interval";
        case Cause::resync: return "resync";
        case Cause::hint: return "hint";
        case Cause::retry: return "retry";
        case Cause::dependency: return "dependency";
        case Cause::request: return "request";
        case Cause::resumed: return "resumed";
        case Cause::pinned: return "pinned";
    }
    return "interval";
}

std::string_view to_string(PassEnd end) {
    switch (end) {
        case PassEnd::unchanged: return "unchanged";
        case PassEnd::applied: return "applied";
        case PassEnd::parked: return "parked";
        case PassEnd::reverted: return "reverted";
        case PassEnd::failed: return "failed";
        case PassEnd::invalid: return "invalid";
        case PassEnd::busy: return "busy";
        case PassEnd::stopped: return "stopped";
    }
    return "failed";
}

std::string_view to_string(CancelReason reason) {
    switch (reason) {
        case CancelReason::superseded: return "superseded";
        case CancelReason::timeout: return "timeout";
        case CancelReason::suspended: return "suspended";
    }
    return "superseded";
}

Moment Scheduler::varied(Moment duration, double share) {
    const double span = share * static_cast<double>(duration.count());
    return duration +
           Moment(static_cast<std::int64_t>(std::uniform_real_distribution<>(-span, span)(random_)));
}

Moment Scheduler::interval_of(const Stack& stack) const {
    return stack.declared.schedule.interval.value_or(options_.interval);
}

Moment Scheduler::backoff(const Stack& stack) const {
    const Moment first = stack.declared.schedule.retry_interval.value_or(options_.retry_interval);
    return doubled(first, stack.failures - 1, std::max(first, options_.max_retry));
}

// ---- events

void Scheduler::make_due(Stack& stack, Moment at, Cause cause) {
    if (stack.running) {
        if (!stack.again) stack.again = cause;
        return;
    }
    // What is due already says from now on what it is about, where that is more than the passing of time.
    const bool is_news = cause == Cause::commit || cause == Cause::resumed || cause == Cause::pinned;
    if (at > stack.due && !is_news) return;
    stack.due = std::min(stack.due, at);
    stack.cause = cause;
}

void Scheduler::take_new_declaration(Stack& stack, ScheduledStack declared, Moment now) {
    const Goal before = stack.goal();
    const Moment old_interval = interval_of(stack);
    stack.declared = std::move(declared);
    stack.is_gone = false;
    const bool is_new_revision = stack.goal() != before;
    if (is_new_revision) {
        stack.failures = 0; // what went wrong may have been mended
        // A pass that runs is cancelled by the next step, and what comes after it is the new commit.
        make_due(stack, now, Cause::commit);
    } else if (const Moment interval = interval_of(stack); interval < old_interval && stack.failures == 0) {
        make_due(stack, now + varied(interval, options_.jitter), Cause::interval);
    }
}

void Scheduler::set_stacks(std::vector<ScheduledStack> stacks, Moment now) {
    std::set<std::string> listed;
    for (ScheduledStack& declared : stacks) {
        listed.insert(declared.name);
        const auto [at, is_new] = stacks_.try_emplace(declared.name);
        Stack& stack = at->second;
        if (!is_new) {
            take_new_declaration(stack, std::move(declared), now);
            continue;
        }
        stack.declared = std::move(declared);
        if (const auto hold = holds_.find(at->first); hold != holds_.end()) stack.hold = hold->second;
        stack.due = stack.resync_due = now;
    }
    for (auto at = stacks_.begin(); at != stacks_.end();) {
        if (!listed.contains(at->first)) at->second.is_gone = true;
        const bool has_left = at->second.is_gone && !at->second.running;
        at = has_left ? stacks_.erase(at) : std::next(at);
    }
}

void Scheduler::look_ended(bool ok, Moment now) {
    is_looking_ = false;
    look_failures_ = ok ? 0 : look_failures_ + 1;
    const Moment wait =
        ok ? options_.poll
           : doubled(options_.poll, look_failures_ - 1, std::max(options_.poll, options_.max_retry));
    look_due_ = look_again_ ? now : now + varied(wait, options_.jitter);
    if (std::exchange(look_again_, false)) return; // whoever asked meanwhile waits for that one
    if (ok)
        for (auto& [name, remote] : remotes_) remote.was_tried = remote.was_fetched;
    for (auto& [name, stack] : stacks_) {
        if (stack.waits_for_fetch || !std::exchange(stack.waits_for_look, false)) continue;
        if (stack.running) {
            stack.again = Cause::request;
            stack.again_requested = true;
            continue;
        }
        stack.due = now;
        stack.cause = Cause::request;
        stack.is_requested = true;
    }
}

void Scheduler::set_hold(const std::string& name, bool is_suspended, const std::string& pin, Moment now) {
    if (!is_suspended && pin.empty())
        holds_.erase(name);
    else
        holds_[name] = {is_suspended, pin};
    const auto found = stacks_.find(name);
    if (found == stacks_.end()) return;
    Stack& stack = found->second;
    const Hold before = std::exchange(stack.hold, {is_suspended, pin});
    if (stack.hold.pin != before.pin) {
        stack.failures = 0;
        make_due(stack, now, pin.empty() ? Cause::resumed : Cause::pinned);
    } else if (before.is_suspended && !is_suspended) {
        stack.failures = 0;
        make_due(stack, now, Cause::resumed);
    }
}

bool Scheduler::request(const std::string& name, Moment now) {
    const auto found = stacks_.find(name);
    if (found == stacks_.end() || found->second.is_gone || found->second.is_suspended()) return false;
    found->second.waits_for_look = true;
    found->second.failures = 0;
    look_soon(now);
    if (Remote* remote = remote_of(found->second)) {
        found->second.waits_for_fetch = true;
        remote->again |= remote->is_fetching; // it may have asked before the commit that is meant was there
        remote->due = now;
    }
    return true;
}

void Scheduler::hint(const std::string& name, Moment now) {
    const auto found = stacks_.find(name);
    if (found == stacks_.end() || found->second.is_suspended()) return;
    Stack& stack = found->second;
    if (stack.failures > 0 && !stack.running) return; // it has a date already, and failed for a reason
    make_due(stack, std::max(now + options_.hint_delay, stack.calm_until), Cause::hint);
}

void Scheduler::set_watched(const std::string& name, bool is_watched) {
    if (const auto found = stacks_.find(name); found != stacks_.end()) found->second.is_watched = is_watched;
}

void Scheduler::wake(const std::string& name, Moment at) {
    const auto found = stacks_.find(name);
    if (found == stacks_.end() || found->second.running || found->second.failures > 0) return;
    Stack& stack = found->second;
    if (at >= stack.due) return;
    stack.due = at;
    stack.cause = Cause::interval;
}

void Scheduler::calm(const std::string& name, Moment until) {
    if (const auto found = stacks_.find(name); found != stacks_.end()) found->second.calm_until = until;
}

void Scheduler::wake_dependents(const std::string& name, Moment now) {
    for (auto& [other_name, other] : stacks_) {
        const auto& before = other.declared.depends_on;
        if (std::find(before.begin(), before.end(), name) != before.end())
            make_due(other, now, Cause::dependency);
    }
}

void Scheduler::ended(const std::string& name, PassEnd end, Moment now) {
    const auto found = stacks_.find(name);
    assert(found != stacks_.end() && found->second.running);
    Stack& stack = found->second;
    const Running ran = *std::exchange(stack.running, std::nullopt);
    if (stack.is_gone) {
        stacks_.erase(found);
        return;
    }
    const bool is_superseded = ran.cancelled == CancelReason::superseded;
    // A pass that was told to stop and came to its end all the same has ended as it says.
    if (end == PassEnd::stopped && ran.cancelled == CancelReason::timeout) end = PassEnd::failed;
    if (end != PassEnd::stopped) stack.last = end;
    stack.supersedes = end == PassEnd::stopped && is_superseded ? stack.supersedes + 1 : 0;
    if (end == PassEnd::unchanged || end == PassEnd::applied)
        stack.ready = ran.goal;
    else if (end != PassEnd::busy)
        stack.ready.reset();
    plan_next(stack, end, ran.everything, now);
    if (ran.goal != stack.goal()) {
        stack.due = now;
        stack.cause = stack.hold.pin.empty() ? Cause::commit : Cause::pinned;
    }
    if (const auto again = std::exchange(stack.again, std::nullopt)) {
        const bool is_hint = *again == Cause::hint;
        if (!is_hint || stack.failures == 0)
            make_due(stack, is_hint ? std::max(now + options_.hint_delay, stack.calm_until) : now, *again);
    }
    // Whoever waits for a pass that came to no end waits for the next.
    const bool has_no_answer = end == PassEnd::busy || (end == PassEnd::stopped && is_superseded);
    stack.is_requested = std::exchange(stack.again_requested, false) || (ran.is_requested && has_no_answer);
    if (end == PassEnd::applied) wake_dependents(name, now);
}

void Scheduler::plan_next(Stack& stack, PassEnd end, bool was_everything, Moment now) {
    const Moment interval = varied(interval_of(stack), options_.jitter);
    stack.cause = Cause::interval;
    stack.busy = end == PassEnd::busy ? stack.busy + 1 : 0;
    switch (end) {
        case PassEnd::unchanged:
        case PassEnd::applied:
        case PassEnd::parked:
        case PassEnd::reverted:
            stack.failures = 0;
            stack.due = now + interval;
            break;
        case PassEnd::failed:
            ++stack.failures;
            stack.due = now + varied(backoff(stack), 0.2);
            stack.cause = Cause::retry;
            break;
        case PassEnd::invalid:
            ++stack.failures;
            stack.due = now + std::max(interval, backoff(stack));
            stack.cause = Cause::retry;
            break;
        case PassEnd::busy:
            stack.due = now + varied(doubled(busy_retry, stack.busy - 1, longest_busy_retry), 0.5);
            stack.cause = Cause::retry;
            break;
        case PassEnd::stopped: stack.due = now; break;
    }
    const bool has_seen_all = end == PassEnd::unchanged || end == PassEnd::applied || end == PassEnd::parked;
    if (was_everything && has_seen_all) {
        const Moment resync = stack.declared.schedule.resync.value_or(options_.resync);
        stack.resync_due = now + varied(resync, options_.jitter);
    }
}

// ---- time

void Scheduler::shift(Moment by) {
    look_due_ += by;
    for (auto& [name, remote] : remotes_) remote.due += by;
    for (auto& [name, stack] : stacks_) {
        stack.due += by;
        stack.resync_due += by;
        stack.calm_until += by;
        if (!stack.running) continue;
        stack.running->since += by;
        stack.running->deadline += by;
    }
}

// Time must neither starve nor storm. A clock that went back (a virtual machine that was restored) takes all
// dates back with it: each keeps its distance. After a gap (the machine slept) everything is overdue at once;
// each stack gets one pass, and what was due only because time passed is spread over the next half minute.
void Scheduler::keep_time(Moment now) {
    if (last_step_ && now < *last_step_) shift(now - *last_step_);
    const Moment expected = last_wake_.value_or(now);
    if (last_step_ && now - std::max(*last_step_, expected) > overslept) {
        for (auto& [name, stack] : stacks_) {
            const bool is_by_time = stack.cause == Cause::interval || stack.cause == Cause::retry;
            if (stack.running || stack.is_requested || !is_by_time || stack.due > now) continue;
            const Moment most = std::min(longest_spread, interval_of(stack));
            stack.due = now + Moment(std::uniform_int_distribution<std::int64_t>(0, most.count())(random_));
        }
    }
    last_step_ = now;
}

// ---- what is due

// The stack that this one waits for; empty: none. Ready is: its last pass converged, and for a stack of the
// same source, at the revision that this one is to be brought to; else this one would be applied against the
// old state of what it stands on. A pinned stack is not of this time and takes the others as they are.
// And no stack begins before its source was asked for the first time since the start, with whatever outcome:
// else each restart would bring back what was fetched long ago.
std::string Scheduler::blocked_by(const Stack& stack) const {
    if (const Remote* remote = remote_of(stack); remote && !remote->was_tried)
        return "source " + stack.declared.source;
    for (const std::string& name : stack.declared.depends_on) {
        const auto found = stacks_.find(name);
        if (found == stacks_.end() || found->second.is_gone) continue;
        const Stack& before = found->second;
        if (!before.ready) return name;
        const bool must_agree = before.declared.source == stack.declared.source && stack.hold.pin.empty();
        if (must_agree && *before.ready != stack.goal()) return name;
    }
    return {};
}

bool Scheduler::is_startable(const Stack& stack) const {
    return !stack.running && !stack.is_gone && !stack.is_suspended();
}

std::size_t Scheduler::places_taken(Moment now) const {
    std::size_t taken = 0;
    for (const auto& [name, stack] : stacks_)
        if (stack.running && now - stack.running->since < options_.slow_after) ++taken;
    return taken;
}

void Scheduler::cancel_what_is_late(Step& step, Moment now) {
    for (auto& [name, stack] : stacks_) {
        if (!stack.running || stack.running->cancelled == CancelReason::timeout) continue;
        Running& running = *stack.running;
        std::optional<CancelReason> reason;
        const bool is_old = running.goal != stack.goal() && !stack.is_gone;
        if (is_old && stack.supersedes < options_.most_supersedes) reason = CancelReason::superseded;
        if (stack.is_suspended()) reason = CancelReason::suspended;
        // Who was told to stop after the write that it is at is not let write for ever.
        if (running.cancelled) reason.reset();
        if (now >= running.deadline) reason = CancelReason::timeout;
        if (!reason) continue;
        running.cancelled = reason;
        step.cancel.push_back({name, *reason});
    }
}

DuePass Scheduler::start(Stack& stack, Moment now) {
    const Moment timeout = stack.declared.schedule.timeout.value_or(options_.timeout);
    const bool by_time = stack.cause == Cause::hint || stack.cause == Cause::interval;
    const bool only_touched = by_time || stack.cause == Cause::commit || stack.cause == Cause::dependency;
    const bool is_resync = now >= stack.resync_due;
    if (is_resync && stack.cause == Cause::interval) stack.cause = Cause::resync;
    const Goal goal = stack.goal();
    DuePass pass{.stack = stack.declared.name,
                 .revision = goal.revision,
                 .project = goal.project,
                 .is_pinned = !stack.hold.pin.empty(),
                 .cause = stack.cause,
                 .everything = is_resync || !only_touched || !stack.ready,
                 // Where nothing is watched, the interval is when changes by hand are seen.
                 .targets = by_time && !stack.is_watched,
                 .is_requested = std::exchange(stack.is_requested, false),
                 .timeout = timeout};
    stack.running = {.goal = goal,
                     .since = now,
                     .deadline = now + timeout,
                     .everything = pass.everything,
                     .is_requested = pass.is_requested,
                     .cancelled = std::nullopt};
    return pass;
}

// Who waits longest is first, so that no stack is passed over for ever; who was asked for is before them,
// since a person waits.
void Scheduler::start_what_is_due(Step& step, Moment now) {
    std::vector<Stack*> due;
    for (auto& [name, stack] : stacks_)
        if (is_startable(stack) && stack.due <= now) due.push_back(&stack);
    std::stable_sort(due.begin(), due.end(), [](const Stack* a, const Stack* b) {
        return std::pair(!a->is_requested, a->due) < std::pair(!b->is_requested, b->due);
    });
    std::size_t taken = places_taken(now), all = running();
    for (Stack* stack : due) {
        if (taken >= options_.concurrency || all >= options_.most_running) break;
        if (!blocked_by(*stack).empty()) continue;
        step.start.push_back(start(*stack, now));
        ++taken;
        ++all;
    }
}

std::optional<Moment> Scheduler::next_wake(Moment now) const {
    std::optional<Moment> wake;
    const auto consider = [&](Moment at) {
        if (at > now && (!wake || at < *wake)) wake = at;
    };
    if (!is_looking_) consider(look_due_);
    for (const auto& [name, remote] : remotes_)
        if (!remote.is_fetching) consider(remote.due);
    for (const auto& [name, stack] : stacks_) {
        if (is_startable(stack)) consider(stack.due);
        if (!stack.running) continue;
        if (stack.running->cancelled != CancelReason::timeout) consider(stack.running->deadline);
        consider(stack.running->since + options_.slow_after);
    }
    return wake;
}

Scheduler::Step Scheduler::step(Moment now) {
    keep_time(now);
    Step step;
    cancel_what_is_late(step, now);
    if (!is_looking_ && now >= look_due_) step.look = is_looking_ = true;
    fetch_what_is_due(step, now);
    start_what_is_due(step, now);
    step.wake = last_wake_ = next_wake(now);
    return step;
}

// ---- for people

Scheduler::View Scheduler::view_of(const Stack& stack) const {
    View view{.name = stack.declared.name,
              .source = stack.declared.source,
              .revision = stack.declared.revision,
              .ready_revision = stack.ready ? stack.ready->revision : "",
              .pin = stack.hold.pin,
              .waits_for = {},
              .next = stack.due,
              .failures = stack.failures,
              .is_removed = stack.declared.is_removed,
              .is_suspended_in_git = stack.declared.schedule.is_suspended,
              .last = stack.last};
    const bool is_due = last_step_ && stack.due <= *last_step_;
    if (stack.running) {
        view.state = View::State::running;
        view.next = stack.running->since;
    } else if (stack.is_suspended()) {
        view.state = View::State::suspended;
    } else if (is_due) {
        view.waits_for = blocked_by(stack);
        view.state = view.waits_for.empty() ? View::State::due : View::State::waiting;
    } else if (stack.failures > 0) {
        view.state = View::State::retrying;
    }
    return view;
}

std::vector<Scheduler::View> Scheduler::view() const {
    std::vector<View> views;
    for (const auto& [name, stack] : stacks_)
        if (!stack.is_gone) views.push_back(view_of(stack));
    return views;
}

std::optional<Scheduler::View> Scheduler::view(const std::string& name) const {
    const auto found = stacks_.find(name);
    if (found == stacks_.end() || found->second.is_gone) return std::nullopt;
    return view_of(found->second);
}

bool Scheduler::is_running(const std::string& name) const {
    const auto found = stacks_.find(name);
    return found != stacks_.end() && found->second.running.has_value();
}

std::size_t Scheduler::running() const {
    return static_cast<std::size_t>(std::count_if(
        stacks_.begin(), stacks_.end(), [](const auto& s) { return s.second.running.has_value(); }));
}

} // namespace holdfast

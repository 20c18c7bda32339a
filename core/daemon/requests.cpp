// What people ask of the daemon over its socket; docs/daemon.md has the protocol. All of it runs on the
// loop's thread; what takes time is a job or is answered when a pass ends.

#include "daemon/daemon.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "control/message.hpp"
#include "daemon/messages.hpp"
#include "daemon/pass_log.hpp"
#include "reconcile/taking_back.hpp"
#include "sys/process.hpp"

namespace holdfast {

namespace {

bool flag_at(const Value& body, std::string_view key) {
    const Value* value = body.find(key);
    return value && value->if_bool() && *value->if_bool();
}

Diagnostic unknown_stack(const std::string& name, const std::vector<Scheduler::View>& views) {
    std::vector<std::string> known;
    for (const Scheduler::View& view : views) known.push_back(view.name);
    const auto near = closest(name, known);
    return failure("daemon.unknown-stack", fmt::format("the daemon knows no stack \"{}\"", name),
                   near            ? fmt::format("did you mean \"{}\"?", *near)
                   : known.empty() ? "it has not read the source yet, or that declares none"
                                   : "stacks: " + join(known, ", "));
}

} // namespace

void Daemon::handle(const ControlRequest& request) {
    struct Kind {
        std::string_view word;
        void (Daemon::*handler)(const ControlRequest&);
    };
    static constexpr Kind kinds[] = {{"status", &Daemon::on_status},
                                     {"sync", &Daemon::on_sync},
                                     {"suspend", &Daemon::on_suspend},
                                     {"resume", &Daemon::on_resume},
                                     {"rollback", &Daemon::on_rollback},
                                     {"approve", &Daemon::on_approve},
                                     {"confirm", &Daemon::on_confirm},
                                     {"history", &Daemon::on_history},
                                     {"why", &Daemon::on_why}};
    const std::string_view word = request.body.text_at("request");
    const auto kind =
        std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& k) { return k.word == word; });
    if (kind == std::end(kinds))
        return refuse(request, failure("control.unknown-request",
                                       fmt::format("the daemon knows no request \"{}\"", word),
                                       "is it older than this program? restart it after an upgrade"));
    if (stopping_since_)
        return refuse(request, failure("daemon.stopping", "the daemon stops", "ask it when it runs again"));
    try {
        (this->*kind->handler)(request);
    } catch (const Error& error) {
        // The store's: a full disk ends no daemon.
        log_problem(parts_.log, LogLevel::error, error.diagnostic());
        refuse(request, error.diagnostic());
    }
}

namespace {

Map reply_to(const Value* id) {
    Map message;
    if (id) message.set("id", *id);
    return message;
}

} // namespace

void Daemon::answer(const ControlRequest& request, Value result) {
    Map message = reply_to(request.body.find("id"));
    message.set("result", std::move(result));
    parts_.server->send(request.client, message);
}

void Daemon::refuse(const ControlRequest& request, const Diagnostic& why) {
    Map message = reply_to(request.body.find("id"));
    message.set("error", diagnostic_to_message(why));
    parts_.server->send(request.client, message);
}

std::string Daemon::actor_of(const ControlRequest& request) const {
    return request.peer.name + "@" + this_process().host;
}

void Daemon::audit(const ControlRequest& request, std::string_view action, const std::string& stack,
                   const std::string& detail) {
    const std::string actor = actor_of(request);
    parts_.store.audit(parts_.clock.now_ms(), actor, action, stack, detail);
    parts_.log.info(fmt::format("{} by {}{}{}", action, actor, detail.empty() ? "" : ": ", detail),
                    {{"stack", stack}, {"uid", std::to_string(request.peer.uid)}});
}

Result<std::vector<std::string>> Daemon::stacks_of(const ControlRequest& request) const {
    std::vector<std::string> names = texts_of(request.body.find("stacks"));
    const std::vector<Scheduler::View> views = scheduler_.view();
    for (const std::string& name : names) {
        const bool is_known =
            std::any_of(views.begin(), views.end(), [&](const auto& v) { return v.name == name; });
        // What is held may be let go also where its document is gone.
        if (!is_known && !holds_.contains(name)) return unknown_stack(name, views);
    }
    return names;
}

// ---- sync

void Daemon::on_sync(const ControlRequest& request) {
    Result<std::vector<std::string>> names = stacks_of(request);
    if (!names) return refuse(request, names.error());
    const bool all = names->empty();
    if (all)
        for (const Scheduler::View& view : scheduler_.view())
            if (view.state != Scheduler::View::State::suspended) names->push_back(view.name);
    for (const std::string& name : *names) {
        const auto view = scheduler_.view(name);
        if (!view) return refuse(request, unknown_stack(name, scheduler_.view()));
        if (view->state == Scheduler::View::State::suspended)
            return refuse(request,
                          failure("daemon.suspended", fmt::format("the stack {} is suspended", name),
                                  view->is_suspended_in_git ? "take `suspend: true` out of its document"
                                                            : "let it go on first: holdfast resume " + name));
    }
    for (const std::string& name : *names) {
        audit(request, "sync", name, "");
        fights_.forget(name);
        scheduler_.request(name, now_);
    }
    if (flag_at(request.body, "wait") && !names->empty()) return wait_for(request, *names);
    List stacks;
    for (const std::string& name : *names) stacks.push_back(Value::map({{"stack", name}}));
    answer(request,
           Value::map({{"format", "holdfast.sync/1"}, {"waited", false}, {"stacks", std::move(stacks)}}));
}

void Daemon::wait_for(const ControlRequest& request, const std::vector<std::string>& stacks) {
    const Value* id = request.body.find("id");
    waiters_.push_back({request.client, id ? *id : Value(), {stacks.begin(), stacks.end()}, {}});
}

void Daemon::tell_waiters_of_start(const RunningPass& pass) {
    if (!pass.due.is_requested) return;
    for (const Waiter& waiter : waiters_) {
        if (!waiter.open.contains(pass.due.stack)) continue;
        parts_.server->send(waiter.client,
                            Value::map({{"id", waiter.id},
                                        {"event", Value::map({{"event", "started"},
                                                              {"stack", pass.due.stack},
                                                              {"pass", pass.id},
                                                              {"commit", pass.due.revision}})}}));
    }
}

namespace {

Value sync_result(List stacks) {
    return Value::map({{"format", "holdfast.sync/1"}, {"waited", true}, {"stacks", std::move(stacks)}});
}

} // namespace

void Daemon::tell_waiters_of_end(const std::string& stack, const LastPass& pass) {
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        Waiter& waiter = *at;
        if (!parts_.server->is_connected(waiter.client)) {
            at = waiters_.erase(at);
            continue;
        }
        if (waiter.open.erase(stack) > 0) {
            Value result = pass_to_message(stack, pass.id, pass.report);
            Value event = result;
            event.as_map().set("event", "ended");
            waiter.results.push_back(std::move(result));
            parts_.server->send(waiter.client, Value::map({{"id", waiter.id}, {"event", std::move(event)}}));
        }
        if (waiter.open.empty()) {
            Value result = sync_result(std::move(waiter.results));
            if (look_problem_) result.as_map().set("source_problem", diagnostic_to_message(*look_problem_));
            parts_.server->send(waiter.client,
                                Value::map({{"id", waiter.id}, {"result", std::move(result)}}));
            at = waiters_.erase(at);
        } else {
            ++at;
        }
    }
}

// Of all who wait for the stack.
void Daemon::end_waiters(const std::string& stack, const Diagnostic& why) {
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        if (!at->open.contains(stack)) {
            ++at;
            continue;
        }
        parts_.server->send(at->client, Value::map({{"id", at->id}, {"error", diagnostic_to_message(why)}}));
        at = waiters_.erase(at);
    }
}

// ---- holds

Store::StackHold Daemon::hold_of(const std::string& stack) const {
    const auto found = holds_.find(stack);
    return found == holds_.end() ? Store::StackHold{.stack = stack} : found->second;
}

// Durable first: what somebody was told outlives a crash.
void Daemon::set_hold(const Store::StackHold& hold) {
    parts_.store.set_hold(hold);
    if (hold.is_empty())
        holds_.erase(hold.stack);
    else
        holds_[hold.stack] = hold;
    scheduler_.set_hold(hold.stack, hold.is_suspended, hold.pin, now_);
}

namespace {

Value hold_to_message(const Store::StackHold& hold) {
    return Value::map({{"stack", hold.stack},
                       {"suspended", hold.is_suspended},
                       {"reason", hold.suspend_reason},
                       {"pin", hold.pin}});
}

} // namespace

void Daemon::on_suspend(const ControlRequest& request) {
    const Result<std::vector<std::string>> names = stacks_of(request);
    if (!names) return refuse(request, names.error());
    if (names->empty())
        return refuse(request, failure("control.bad-request", "suspend needs the names of stacks"));
    const std::string reason(request.body.text_at("reason"));
    List answers;
    for (const std::string& name : *names) {
        Store::StackHold hold = hold_of(name);
        hold.is_suspended = true;
        hold.suspended_by = actor_of(request);
        hold.suspend_reason = reason;
        hold.suspended_at_ms = parts_.clock.now_ms();
        set_hold(hold);
        audit(request, "suspend", name, reason);
        end_waiters(name,
                    failure("daemon.suspended", fmt::format("the stack {} was suspended meanwhile", name)));
        Value message = hold_to_message(hold);
        message.as_map().set("running", scheduler_.is_running(name));
        answers.push_back(std::move(message));
    }
    answer(request, Value::map({{"format", "holdfast.suspend/1"}, {"stacks", std::move(answers)}}));
}

void Daemon::on_resume(const ControlRequest& request) {
    const Result<std::vector<std::string>> names = stacks_of(request);
    if (!names) return refuse(request, names.error());
    if (names->empty())
        return refuse(request, failure("control.bad-request", "resume needs the names of stacks"));
    List answers;
    for (const std::string& name : *names) {
        const Store::StackHold before = hold_of(name);
        if (!before.is_empty()) {
            set_hold({.stack = name});
            audit(request, "resume", name, before.pin.empty() ? "" : "was held at " + before.pin);
        }
        fights_.forget(name);
        const std::size_t taken_back = let_go_of_taken_back(parts_.store, parts_.store_directory, name);
        if (taken_back > 0) {
            audit(request, "resume", name,
                  count_of(taken_back, "change") + " that were taken back may be tried again");
            scheduler_.request(name, now_);
        }
        const auto view = scheduler_.view(name);
        Value message = hold_to_message(before);
        message.as_map().set("taken_back", static_cast<std::int64_t>(taken_back));
        message.as_map().set("was_held", !before.is_empty());
        message.as_map().set("suspended_in_git", view && view->is_suspended_in_git);
        answers.push_back(std::move(message));
    }
    answer(request, Value::map({{"format", "holdfast.resume/1"}, {"stacks", std::move(answers)}}));
}

void Daemon::on_rollback(const ControlRequest& request) {
    const Result<std::vector<std::string>> names = stacks_of(request);
    if (!names) return refuse(request, names.error());
    if (names->size() != 1)
        return refuse(request, failure("control.bad-request", "rollback needs the name of one stack"));
    const std::string& name = names->front();
    const auto view = scheduler_.view(name);
    if (!view) return refuse(request, unknown_stack(name, scheduler_.view()));
    const std::string from = view->pin.empty() ? view->revision : view->pin;
    run_job(
        [this, request, name, from, to = std::string(request.body.text_at("to"))]() -> std::function<void()> {
            Result<CommitInfo> target = parts_.reconciler.rollback_target(name, from, to);
            return [this, request, name, target = std::move(target)] { pin(request, name, target); };
        });
}

void Daemon::pin(const ControlRequest& request, const std::string& stack, const Result<CommitInfo>& target) {
    if (!target) return refuse(request, target.error());
    try {
        Store::StackHold hold = hold_of(stack);
        hold.pin = target->id;
        hold.pinned_by = actor_of(request);
        hold.pin_reason = request.body.text_at("reason");
        hold.pinned_at_ms = parts_.clock.now_ms();
        set_hold(hold);
        audit(request, "rollback", stack, "to " + target->id);
    } catch (const Error& error) {
        return refuse(request, error.diagnostic());
    }
    if (flag_at(request.body, "wait") && !hold_of(stack).is_suspended) {
        scheduler_.request(stack, now_);
        return wait_for(request, {stack});
    }
    answer(request, Value::map({{"format", "holdfast.rollback/1"},
                                {"stack", stack},
                                {"commit", target->id},
                                {"subject", target->subject},
                                {"suspended", hold_of(stack).is_suspended}}));
}

// ---- the rest

void Daemon::on_approve(const ControlRequest& request) {
    run_job([this, request, plan = std::string(request.body.text_at("plan")),
             actor = actor_of(request)]() -> std::function<void()> {
        auto approved = std::make_shared<Result<Approved>>(parts_.reconciler.approve(plan, actor));
        return [this, request, approved] {
            if (!*approved) return refuse(request, approved->error());
            const Approved& done = **approved;
            if (!done.destroy) scheduler_.request(done.stack, now_);
            answer(request, Value::map({{"format", "holdfast.approve/1"},
                                        {"stack", done.stack},
                                        {"plan", to_hex(done.plan)},
                                        {"destroy", done.destroy},
                                        {"changes", static_cast<std::int64_t>(done.changes)}}));
        };
    });
}

void Daemon::on_confirm(const ControlRequest& request) {
    const Result<std::vector<std::string>> names = stacks_of(request);
    if (!names) return refuse(request, names.error());
    if (names->size() != 1)
        return refuse(request, failure("control.bad-request", "confirm needs the name of one stack"));
    const std::string& name = names->front();
    const Result<PendingConfirmation> confirmed =
        confirm_change(parts_.store_directory, name, actor_of(request), parts_.clock.now_ms());
    if (!confirmed) return refuse(request, confirmed.error());
    audit(request, "confirm", name, "pass " + confirmed->pass);
    answer(request,
           Value::map({{"format", "holdfast.confirm/1"}, {"stack", name}, {"pass", confirmed->pass}}));
}

} // namespace holdfast

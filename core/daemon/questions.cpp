// What people ask of the daemon over its socket without wanting anything changed: status, history, why.

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "control/message.hpp"
#include "control/records.hpp"
#include "daemon/daemon.hpp"
#include "daemon/messages.hpp"
#include "reconcile/query.hpp"
#include "sys/process.hpp"

namespace holdfast {

namespace {

constexpr std::int64_t longest_list = 10'000;

std::size_t limit_at(const Value& body) {
    const Value* value = body.find("limit");
    const std::int64_t number = value && value->if_integer() ? *value->if_integer() : 0;
    return number > 0 ? static_cast<std::size_t>(std::min(number, longest_list)) : 20;
}

std::string_view word_of(Scheduler::View::State state) {
    using State = Scheduler::View::State;
    switch (state) {
        case State::idle: return "idle";
        case State::due: return "due";
        case State::running: return "running";
        case State::waiting: return "waiting";
        case State::retrying: return "retrying";
        case State::suspended: return "suspended";
    }
    return "idle";
}

} // namespace

Value pass_to_message(const std::string& stack, const std::string& id, const PassReport& report) {
    List changed;
    for (const ChangedLeaf& leaf : report.changed) {
        Map entry;
        entry.set("address", to_string(leaf.address));
        entry.set("action", to_string(leaf.action));
        entry.set("state", to_string(leaf.state));
        entry.set("drift", leaf.by_drift);
        if (!leaf.message.empty()) entry.set("message", leaf.message);
        changed.emplace_back(std::move(entry));
    }
    Map message;
    message.set("stack", stack);
    message.set("pass", id);
    message.set("result", to_string(report.end));
    message.set("commit", report.commit.id);
    message.set("subject", report.commit.subject);
    message.set("changed", std::move(changed));
    message.set("changes", static_cast<std::int64_t>(report.changes));
    message.set("parked", static_cast<std::int64_t>(report.parked));
    if (!report.plan.empty()) message.set("plan", report.plan);
    message.set("problems", diagnostics_to_message(report.problems));
    return message;
}

// ---- status

Value Daemon::source_to_message() const {
    Map source;
    source.set("path", parts_.config->daemon.repository);
    source.set("revision", parts_.config->daemon.revision);
    if (commit_) {
        source.set("commit", commit_->id);
        source.set("subject", commit_->subject);
        source.set("author", commit_->author);
    }
    if (look_problem_) source.set("problem", diagnostic_to_message(*look_problem_));
    return source;
}

Value Daemon::sources_to_message() const {
    List sources;
    for (const auto& [name, state] : sources_) {
        Map source;
        source.set("source", name);
        source.set("url", state.url);
        source.set("ref", state.ref);
        if (!state.commit.id.empty()) {
            source.set("commit", state.commit.id);
            source.set("subject", state.commit.subject);
            source.set("author", state.commit.author);
            source.set("fetched_ms", state.fetched_at_ms);
        }
        if (state.problem) source.set("problem", diagnostic_to_message(*state.problem));
        sources.emplace_back(std::move(source));
    }
    return Value(std::move(sources));
}

Value Daemon::stack_to_message(const Scheduler::View& view) const {
    Map stack;
    stack.set("stack", view.name);
    stack.set("state", word_of(view.state));
    if (!view.source.empty()) stack.set("source", view.source);
    stack.set("revision", view.pin.empty() ? view.revision : view.pin);
    stack.set("ready_revision", view.ready_revision);
    if (!view.waits_for.empty()) stack.set("waits_for", view.waits_for);
    if (view.state == Scheduler::View::State::running)
        stack.set("running_ms", (now_ - view.next).count());
    else if (view.state != Scheduler::View::State::suspended)
        stack.set("next_ms", std::max<std::int64_t>(0, (view.next - now_).count()));
    stack.set("failures", view.failures);
    stack.set("removed", view.is_removed);
    if (view.is_suspended_in_git) stack.set("suspended_in_git", true);
    if (const auto hold = holds_.find(view.name); hold != holds_.end()) {
        const Store::StackHold& held = hold->second;
        if (held.is_suspended)
            stack.set("suspended", Value::map({{"by", held.suspended_by},
                                               {"reason", held.suspend_reason},
                                               {"at_ms", held.suspended_at_ms}}));
        if (!held.pin.empty())
            stack.set("pinned", Value::map({{"commit", held.pin},
                                            {"by", held.pinned_by},
                                            {"reason", held.pin_reason},
                                            {"at_ms", held.pinned_at_ms}}));
    }
    if (const auto last = last_.find(view.name); last != last_.end()) {
        Value pass = pass_to_message(view.name, last->second.id, last->second.report);
        pass.as_map().set("ended_ms", last->second.ended_ms);
        stack.set("last", std::move(pass));
    }
    List fights;
    for (const Fight& fight : fights_.of(view.name, now_))
        fights.push_back(
            Value::map({{"leaf", to_string(fight.over.leaf)},
                        {"field", fight.over.pointer},
                        {"corrections", fight.corrections},
                        {"paused_ms", std::max<std::int64_t>(0, (fight.paused_until - now_).count())}}));
    if (!fights.empty()) stack.set("fights", std::move(fights));
    for (const PendingConfirmation& pending : pending_confirmations(parts_.store_directory))
        if (pending.stack == view.name) stack.set("waits_for_confirmation", join(pending.changes, ", "));
    return stack;
}

void Daemon::on_status(const ControlRequest& request) {
    const Result<std::vector<std::string>> wanted = stacks_of(request);
    if (!wanted) return refuse(request, wanted.error());
    List stacks;
    for (const Scheduler::View& view : scheduler_.view())
        if (wanted->empty() || std::find(wanted->begin(), wanted->end(), view.name) != wanted->end())
            stacks.push_back(stack_to_message(view));
    answer(request, Value::map({{"format", "holdfast.daemon-status/1"},
                                {"version", HOLDFAST_VERSION},
                                {"pid", this_process().pid},
                                {"host", this_process().host},
                                {"store", parts_.store_directory},
                                {"configuration", parts_.config->path},
                                {"since_ms", started_ms_},
                                {"source", source_to_message()},
                                {"sources", sources_to_message()},
                                {"stacks", std::move(stacks)}}));
}

// ---- what is recorded

void Daemon::on_history(const ControlRequest& request) {
    const std::size_t limit = limit_at(request.body);
    const std::string leaf(request.body.text_at("leaf"));
    if (leaf.empty()) {
        const std::vector<std::string> stacks = texts_of(request.body.find("stacks"));
        return answer(request, history_to_message(passes_of(parts_.store, stacks, limit)));
    }
    run_job([this, request, limit, leaf]() -> std::function<void()> {
        auto history = std::make_shared<Result<LeafHistory>>(parts_.reconciler.history_of(leaf, limit));
        return [this, request, history] {
            if (*history)
                answer(request, leaf_history_to_message(**history));
            else
                refuse(request, history->error());
        };
    });
}

void Daemon::on_why(const ControlRequest& request) {
    const std::size_t limit = limit_at(request.body);
    run_job(
        [this, request, limit, leaf = std::string(request.body.text_at("leaf"))]() -> std::function<void()> {
            auto why = std::make_shared<Result<Why>>(parts_.reconciler.why(leaf, limit));
            return [this, request, why] {
                if (*why)
                    answer(request, why_to_message(**why));
                else
                    refuse(request, why->error());
            };
        });
}

} // namespace holdfast

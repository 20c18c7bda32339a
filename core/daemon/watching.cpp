#include "daemon/watching.hpp"

#include <utility>

namespace holdfast {

// Its workers end, and with them the last hint, before anything goes that a hint is told to.
Watching::~Watching() {
    set_on_hint({});
    std::unique_ptr<Session> session = state_.with([](State& state) { return std::move(state.session); });
    if (session) session->unwatch();
}

void Watching::set_on_hint(OnHint on_hint) {
    auto shared = on_hint ? std::make_shared<const OnHint>(std::move(on_hint)) : nullptr;
    on_hint_.with([&](auto& held) { held = std::move(shared); });
}

void Watching::reopen() {
    state_.with([](State& state) { state.is_stale = state.is_old = true; });
}

Diagnostics Watching::take_in(const std::string& stack, bool has_other_objects) {
    Diagnostics problems;
    if (!on_hint_.with([](const auto& held) { return held != nullptr; })) return problems;
    std::unique_ptr<Session> session;
    const bool is_ours = state_.with([&](State& state) {
        state.is_stale |= state.stacks.insert(stack).second || has_other_objects;
        if (!state.is_stale || state.is_busy) return false;
        state.is_busy = true;
        session = std::move(state.session);
        return true;
    });
    if (!is_ours) return problems;
    for (bool is_done = false; !is_done;) {
        try {
            problems = subscribe(session);
        } catch (const Error& error) {
            problems.add(error.diagnostic()).severity = Severity::warning;
            session.reset();
        }
        is_done = state_.with([&](State& state) {
            if (state.is_stale && session) return false; // meanwhile another stack came, or other objects
            state.session = std::move(session);
            state.is_busy = false;
            state.is_stale = state.session == nullptr;
            return true;
        });
    }
    return problems;
}

Diagnostics Watching::subscribe(std::unique_ptr<Session>& session) {
    Diagnostics problems;
    bool is_old = false;
    const std::set<std::string> stacks = state_.with([&](State& state) {
        state.is_stale = false;
        is_old = std::exchange(state.is_old, false);
        return state.stacks;
    });
    if (is_old) session.reset();
    if (!session) {
        Result<std::unique_ptr<Session>> opened = open_();
        if (!opened) {
            problems.add(opened.error()).severity = Severity::warning;
            return problems;
        }
        session = *std::move(opened);
    } else if (Status moved = session->move_to(); !moved) {
        problems.add(moved.error()).severity = Severity::warning;
    }
    std::map<Scope, std::set<std::string>> stacks_of;
    for (const std::string& stack : stacks)
        session->store().for_each_object(stack, [&](const Store::RecordedObject& object) {
            stacks_of[{std::string(object.provider), std::string(object.scope)}].insert(stack);
        });
    state_.with([&](State& state) { state.stacks_of = std::move(stacks_of); });
    problems.append(
        session->watch({stacks.begin(), stacks.end()}, [this](const Touched& touched) { hear(touched); }));
    return problems;
}

void Watching::hear(const Touched& touched) {
    const bool is_of_scope = touched.hint.reach != Hint::Reach::all;
    const std::set<std::string> stacks = state_.with([&](const State& state) {
        std::set<std::string> found;
        for (const auto& [scope, names] : state.stacks_of)
            if (scope.first == touched.provider && (!is_of_scope || scope.second == touched.hint.scope))
                found.insert(names.begin(), names.end());
        return found;
    });
    for (const std::string& stack : stacks) queue_of(stack)->add(touched);
    const auto on_hint = on_hint_.with([](const auto& held) { return held; });
    if (!on_hint) return;
    for (const std::string& stack : stacks) (*on_hint)(stack);
}

std::shared_ptr<TouchedQueue> Watching::queue_of(const std::string& stack) {
    return touched_.with([&](auto& queues) {
        std::shared_ptr<TouchedQueue>& queue = queues[stack];
        if (!queue) queue = std::make_shared<TouchedQueue>();
        return queue;
    });
}

std::vector<Touched> Watching::touched(const std::string& stack) { return queue_of(stack)->take(); }

} // namespace holdfast

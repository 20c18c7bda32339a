#include "daemon/watching.hpp"

#include <algorithm>
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

bool Watching::covers(const std::string& stack) const {
    return state_.with([&](const State& state) { return !state.is_stale && state.covered.contains(stack); });
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
    std::unordered_map<std::uint64_t, std::uint32_t> stack_of_object;
    std::vector<std::string> names{""};
    std::map<std::string, std::set<std::string>> providers_of;
    for (const std::string& stack : stacks) {
        const auto number = static_cast<std::uint32_t>(names.size());
        names.push_back(stack);
        session->store().for_each_object(stack, [&](const Store::RecordedObject& object) {
            stacks_of[{std::string(object.provider), std::string(object.scope)}].insert(stack);
            providers_of[stack].emplace(object.provider);
            const std::string_view kind = object.object_kind.substr(object.object_kind.rfind('/') + 1);
            const auto [at, is_new] = stack_of_object.emplace(
                hash_of(object.provider, object.scope, kind, object.identity), number);
            if (!is_new && at->second != number) at->second = 0;
        });
    }
    state_.with([&](State& state) {
        state.stacks_of = std::move(stacks_of);
        state.stack_of_object = std::move(stack_of_object);
        state.names = std::move(names);
    });
    problems.append(
        session->watch({stacks.begin(), stacks.end()}, [this](const Touched& touched) { hear(touched); }));
    std::set<std::string> covered;
    for (const std::string& stack : stacks) {
        const std::set<std::string>& providers = providers_of[stack];
        if (std::all_of(providers.begin(), providers.end(),
                        [&](const std::string& provider) { return session->is_watching(provider); }))
            covered.insert(stack);
    }
    state_.with([&](State& state) { state.covered = std::move(covered); });
    session->release_memory();
    return problems;
}

std::uint64_t Watching::hash_of(std::string_view provider, std::string_view scope, std::string_view kind,
                                std::string_view identity) {
    std::uint64_t hash = 0;
    for (const std::string_view text : {provider, scope, kind, identity})
        hash = hash * 0x9e3779b97f4a7c15ULL + std::hash<std::string_view>{}(text);
    return hash;
}

void Watching::hear(const Touched& touched) {
    const Hint& hint = touched.hint;
    const std::set<std::string> stacks = state_.with([&](State& state) {
        // Its worker may be gone: the passes that follow begin to watch anew.
        state.is_stale |= hint.reach == Hint::Reach::all;
        if (hint.reach == Hint::Reach::item) {
            const std::string_view kind = std::string_view(hint.kind).substr(hint.kind.rfind('/') + 1);
            const auto owner =
                state.stack_of_object.find(hash_of(touched.provider, hint.scope, kind, hint.identity));
            if (owner != state.stack_of_object.end() && owner->second != 0)
                return std::set<std::string>{state.names[owner->second]};
        }
        std::set<std::string> found;
        for (const auto& [scope, names] : state.stacks_of)
            if (scope.first == touched.provider &&
                (hint.reach == Hint::Reach::all || scope.second == hint.scope))
                found.insert(names.begin(), names.end());
        return found;
    });
    for (const std::string& stack : stacks) tell(stack, touched);
}

void Watching::tell(const std::string& stack, const Touched& touched) {
    queue_of(stack)->add(touched);
    const auto on_hint = on_hint_.with([](const auto& held) { return held; });
    if (on_hint) (*on_hint)(stack);
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

// When which remote is fetched, and which stacks wait for that.

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

#include "daemon/scheduler.hpp"

namespace holdfast {

// A look that runs may have read before what the next one is meant to see.
void Scheduler::look_soon(Moment now) {
    if (is_looking_)
        look_again_ = true;
    else
        look_due_ = now;
}

void Scheduler::set_remotes(std::vector<ScheduledRemote> remotes, Moment now) {
    std::set<std::string> listed;
    remote_names_.clear();
    for (ScheduledRemote& declared : remotes) {
        listed.insert(declared.name);
        for (const std::string& source : declared.sources) remote_names_[source] = declared.name;
        const auto [at, is_new] = remotes_.try_emplace(declared.name);
        Remote& remote = at->second;
        const bool has_other_sources = remote.declared.sources != declared.sources;
        if (is_new || has_other_sources) remote.due = now;
        if (remote.is_fetching && has_other_sources) remote.again = true;
        if (declared.interval < remote.declared.interval && remote.failures == 0)
            remote.due = std::min(remote.due, now + declared.interval);
        remote.declared = std::move(declared);
        remote.is_gone = false;
    }
    for (auto at = remotes_.begin(); at != remotes_.end();) {
        if (!listed.contains(at->first)) at->second.is_gone = true;
        const bool has_left = at->second.is_gone && !at->second.is_fetching;
        at = has_left ? remotes_.erase(at) : std::next(at);
    }
    for (auto& [name, stack] : stacks_) // of what a request waits for, which may be another one by now
        if (stack.waits_for_fetch && !remote_of(stack)) stack.waits_for_fetch = false;
}

void Scheduler::fetch_ended(const std::string& name, bool ok, bool has_news, Moment now) {
    const auto found = remotes_.find(name);
    assert(found != remotes_.end() && found->second.is_fetching);
    Remote& remote = found->second;
    remote.is_fetching = false;
    const bool is_first = !std::exchange(remote.was_fetched, true);
    remote.failures = ok ? 0 : remote.failures + 1;
    const Moment interval = remote.declared.interval;
    const Moment wait =
        ok ? interval : doubled(interval, remote.failures - 1, std::max(interval, options_.max_retry));
    remote.due = std::exchange(remote.again, false) ? now : now + varied(wait, options_.jitter);
    bool is_awaited = false;
    for (auto& [stack_name, stack] : stacks_)
        if (remote.due > now && stack.waits_for_fetch && remote_of(stack) == &remote) {
            stack.waits_for_fetch = false;
            is_awaited = true;
        }
    if (has_news || is_first || is_awaited) look_soon(now);
    if (remote.is_gone) remotes_.erase(found);
}

Scheduler::Remote* Scheduler::remote_of(const Stack& stack) {
    const auto name = remote_names_.find(stack.declared.source);
    const auto found = name == remote_names_.end() ? remotes_.end() : remotes_.find(name->second);
    return found == remotes_.end() ? nullptr : &found->second;
}

const Scheduler::Remote* Scheduler::remote_of(const Stack& stack) const {
    return const_cast<Scheduler*>(this)->remote_of(stack);
}

std::size_t Scheduler::fetches() const {
    return static_cast<std::size_t>(
        std::count_if(remotes_.begin(), remotes_.end(), [](const auto& r) { return r.second.is_fetching; }));
}

void Scheduler::fetch_what_is_due(Step& step, Moment now) {
    std::vector<Remote*> due;
    for (auto& [name, remote] : remotes_)
        if (!remote.is_fetching && !remote.is_gone && remote.due <= now) due.push_back(&remote);
    std::stable_sort(due.begin(), due.end(),
                     [](const Remote* a, const Remote* b) { return a->due < b->due; });
    std::size_t taken = fetches();
    for (Remote* remote : due) {
        if (taken++ >= options_.concurrency) break;
        remote->is_fetching = true;
        step.fetch.push_back(remote->declared.name);
    }
}

} // namespace holdfast

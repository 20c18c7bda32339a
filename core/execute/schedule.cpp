#include "execute/schedule.hpp"

#include <algorithm>

namespace holdfast {

namespace {

bool is_prune(const Change& change) { return change.action == Action::remove; }

// An edge to a change with nothing to do is satisfied from the start.
bool is_settled(const Change& change) {
    return change.action == Action::none && change.readiness == Readiness::ready;
}

void sort_by_change(std::vector<Schedule::Held>& held) {
    std::sort(held.begin(), held.end(), [](const auto& a, const auto& b) { return a.change < b.change; });
}

} // namespace

bool is_executable(const Change& change) {
    return change.readiness == Readiness::ready && change.action != Action::none &&
           change.action != Action::wait;
}

Schedule::Schedule(const Plan& plan)
    : plan_(plan),
      stages_(plan.changes.size() + plan.gates.size(), Stage::waiting),
      missing_(stages_.size(), 0),
      dependents_(stages_.size()) {
    const std::size_t changes = plan.changes.size();
    for (std::size_t i = 0; i < changes; ++i) {
        const Change& change = plan.changes[i];
        for (std::size_t before : change.after) add_edge(before, i);
        for (std::size_t gate : change.after_gates) add_edge(changes + gate, i);
        if (is_prune(change)) prunes_[{change.provider, change.object.scope}].push_back(i);
        if (!is_executable(change)) stages_[i] = Stage::held;
    }
    for (std::size_t g = 0; g < plan.gates.size(); ++g) {
        for (std::size_t before : plan.gates[g].after)
            if (plan.changes[before].readiness != Readiness::parked) add_edge(before, changes + g);
        for (std::size_t gate : plan.gates[g].after_gates) add_edge(changes + gate, changes + g);
    }
    for (std::size_t i = 0; i < changes; ++i)
        if (!is_executable(plan.changes[i]) && !is_settled(plan.changes[i])) hold_from(i, i, held_by_plan_);
    sort_by_change(held_by_plan_);
    start_free_nodes();
}

void Schedule::add_edge(Node before, Node after) {
    if (!is_gate(before) && is_settled(plan_.changes[before])) return;
    dependents_[before].push_back(after);
    ++missing_[after];
}

void Schedule::start_free_nodes() {
    std::vector<Node> free;
    for (Node node = 0; node < stages_.size(); ++node)
        if (stages_[node] == Stage::waiting && missing_[node] == 0) free.push_back(node);
    for (Node node : free) {
        if (is_gate(node)) {
            satisfy(node);
        } else {
            stages_[node] = Stage::ready;
            ready_.push_back(node);
        }
    }
}

std::vector<std::size_t> Schedule::take_ready() {
    std::vector<std::size_t> taken;
    taken.swap(ready_);
    std::erase_if(taken, [&](std::size_t i) { return stages_[i] != Stage::ready; });
    std::sort(taken.begin(), taken.end());
    for (std::size_t i : taken) stages_[i] = Stage::taken;
    return taken;
}

void Schedule::satisfy(std::size_t change) {
    std::vector<Node> satisfied{change};
    while (!satisfied.empty()) {
        const Node node = satisfied.back();
        satisfied.pop_back();
        stages_[node] = Stage::taken;
        for (Node dependent : dependents_[node]) {
            if (--missing_[dependent] > 0 || stages_[dependent] != Stage::waiting) continue;
            if (is_gate(dependent)) {
                satisfied.push_back(dependent);
            } else {
                stages_[dependent] = Stage::ready;
                ready_.push_back(dependent);
            }
        }
    }
}

std::vector<std::size_t> Schedule::Foresight::freed_by(std::size_t change) {
    std::vector<std::size_t> freed;
    for (Node dependent : schedule_.dependents_[change]) {
        if (schedule_.is_gate(dependent) || schedule_.stages_[dependent] != Stage::waiting) continue;
        if (++met_[dependent] == schedule_.missing_[dependent]) freed.push_back(dependent);
    }
    return freed;
}

std::vector<Schedule::Held> Schedule::hold_dependents(std::size_t change) {
    std::vector<Held> held;
    stages_[change] = Stage::taken;
    hold_from(change, change, held);
    sort_by_change(held);
    return held;
}

std::vector<Schedule::Held> Schedule::fail(std::size_t change) {
    std::vector<Held> held;
    stages_[change] = Stage::taken;
    hold_from(change, change, held);
    const Change& failed = plan_.changes[change];
    auto prunes = prunes_.find({failed.provider, failed.object.scope});
    if (!is_prune(failed) && prunes != prunes_.end()) {
        for (std::size_t prune : prunes->second) {
            if (stages_[prune] != Stage::waiting && stages_[prune] != Stage::ready) continue;
            stages_[prune] = Stage::held;
            held.push_back({prune, change});
            hold_from(prune, change, held);
        }
        prunes_.erase(prunes);
    }
    sort_by_change(held);
    return held;
}

void Schedule::hold_from(Node node, std::size_t culprit, std::vector<Held>& held) {
    std::vector<Node> open{node};
    while (!open.empty()) {
        const Node from = open.back();
        open.pop_back();
        for (Node dependent : dependents_[from]) {
            if (stages_[dependent] == Stage::held || stages_[dependent] == Stage::taken) continue;
            stages_[dependent] = Stage::held;
            if (!is_gate(dependent)) held.push_back({dependent, culprit});
            open.push_back(dependent);
        }
    }
}

bool Schedule::is_awaited(std::size_t change) const {
    return std::any_of(dependents_[change].begin(), dependents_[change].end(), [&](Node dependent) {
        return stages_[dependent] == Stage::waiting || stages_[dependent] == Stage::ready;
    });
}

} // namespace holdfast

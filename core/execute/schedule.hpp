#pragma once
// Which changes of a plan may start: those whose edges and gates are all satisfied. Pure bookkeeping;
// what a change does, and when it counts as done and healthy, is told from outside.

#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/plan.hpp"

namespace holdfast {

class Schedule {
public:
    // `plan` has to outlive the schedule.
    explicit Schedule(const Plan& plan);

    // What may start now and was not handed out before, in plan order.
    std::vector<std::size_t> take_ready();
    // True once nothing that the change comes after is missing.
    bool is_free(std::size_t change) const { return missing_[change] == 0; }

    // Looks ahead: what would become free if changes succeeded that are under way. Gates stay shut. To be
    // dropped before the schedule is told anything.
    class Foresight {
    public:
        explicit Foresight(const Schedule& schedule) : schedule_(schedule) {}
        // What success of this change would free, given the success of those before it.
        std::vector<std::size_t> freed_by(std::size_t change);

    private:
        const Schedule& schedule_;
        std::unordered_map<std::size_t, std::size_t> met_; // edges, by change
    };

    // The change is done, and healthy where that counts: its edges are satisfied. It may have been done
    // before it was handed out, together with what it comes after.
    void satisfy(std::size_t change);

    struct Held {
        std::size_t change;
        std::size_t culprit; // the change that failed, or that is not to be executed
    };
    // The change will not be done. What depends on it, transitively, and, unless it is a prune itself, the
    // prunes of its scope that have not started (law 5) are held back for good and returned in plan order.
    std::vector<Held> fail(std::size_t change);
    // The same for dependents alone: the change is done, but not healthy.
    std::vector<Held> hold_dependents(std::size_t change);

    // What hangs, transitively, on changes that the plan itself does not execute: parked, blocked, waiting.
    const std::vector<Held>& held_by_plan() const { return held_by_plan_; }

    // True while something that has not started depends on the change.
    bool is_awaited(std::size_t change) const;

private:
    // Changes by their index, and behind them the plan's gates.
    using Node = std::size_t;
    enum class Stage { waiting, ready, taken, held };
    void add_edge(Node before, Node after);
    void start_free_nodes();
    void hold_from(Node node, std::size_t culprit, std::vector<Held>& held);
    bool is_gate(Node node) const { return node >= plan_.changes.size(); }

    const Plan& plan_;
    std::vector<Stage> stages_;
    std::vector<std::size_t> missing_; // edges not satisfied yet
    std::vector<std::vector<Node>> dependents_;
    std::vector<std::size_t> ready_;                                                 // not sorted
    std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> prunes_; // provider, scope
    std::vector<Held> held_by_plan_;
};

// True for what the executor acts upon: ready, and neither `none` nor `wait`.
bool is_executable(const Change& change);

} // namespace holdfast

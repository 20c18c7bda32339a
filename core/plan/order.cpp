#include "plan/order.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <tuple>
#include <unordered_map>

#include <fmt/core.h>

#include "plan/match.hpp"
#include "plan/prune.hpp"
#include "plan/teardown.hpp"

namespace holdfast {

// Nodes are the changes and the gates; an edge says that one must be done before the other begins.
//   dependencies    a leaf's change waits for the changes of what it depends on; a document that is depended
//                   on as a whole is a gate that its leaves' changes open
//   teardown        a delete waits for whatever the ledger says came after it (teardown.cpp)
//   names           who takes over an address waits for whoever gives it up
//   replaced        the old object goes after its successor stands
//   waves           one gate a wave, each behind the one before it; of deletes, the highest wave first
//   prunes          a gate a scope: its creates, updates and refreshes open it, its deletes stand behind it
// Containment needs no edges: the order among the changes of one scope is by rank (deletes backwards), and
// an apply keeps that order. Only where deletes of a scope wait for others, its containers could overtake
// what they hold, and stand behind a gate. Everything is linear in changes and dependencies, but for sorts.
//
// The order is Kahn's (Comm. ACM 5(11), 1962), with a heap instead of a queue, so that of all possible
// orders the one nearest to (deletes last, wave, rank, address) comes out, whatever the input's order.

bool is_pending(const Change& change) {
    switch (change.action) {
        case Action::create:
        case Action::update:
        case Action::replace:
        case Action::remove:
        case Action::refresh:
        case Action::wait: return true;
        default: return change.readiness == Readiness::blocked;
    }
}

namespace {

bool is_only_in_ledger(const Change& change) {
    return change.action == Action::move || change.action == Action::forget ||
           change.action == Action::adopt || change.action == Action::none;
}

class Graph {
public:
    Graph(Draft& draft, const Dependencies& dependencies, const std::vector<bool>& excluded)
        : draft_(draft),
          changes_(draft.plan.changes),
          dependencies_(dependencies),
          excluded_(excluded),
          before_(changes_.size()) {}

    void link() {
        index_changes();
        if (!draft_.input.destroy) link_dependencies();
        link_teardown();
        link_delete_waves();
        link_containers();
        link_names();
        link_waves();
        link_prunes();
        sort();
    }
    void spread_blocked();
    void write();

private:
    enum class GateKind { document, wave, container, prunes };
    struct Node {
        GateKind kind;
        std::string name;
        std::vector<std::size_t> before; // nodes
        bool is_written = true;          // false: only for what is blocked
        std::size_t culprit = no_index;  // the change that keeps it shut
    };
    struct Scope {
        std::vector<std::size_t> builds, prunes;
        bool waits = false;
    };

    std::size_t gate_node(std::size_t gate) const { return changes_.size() + gate; }
    bool is_gate(std::size_t node) const { return node >= changes_.size(); }
    std::size_t add_gate(GateKind kind, std::string name) {
        gates_.push_back({kind, std::move(name), {}});
        return gates_.size() - 1;
    }

    void index_changes();
    void link_dependencies();
    void link_pair(std::size_t change, std::size_t on_node);
    std::size_t document_gate(std::size_t node);
    void link_names();
    void link_teardown();
    void link_delete_waves();
    void link_containers();
    void link_waves();
    void link_steps(const std::vector<std::vector<std::size_t>>& steps, GateKind kind,
                    const std::vector<std::string>& names);
    void link_prunes();
    bool makes_room(std::size_t change) const;
    int rank_of(const Change& change) const;
    void sort();
    std::vector<std::size_t> positions();
    bool try_sort(const std::vector<std::size_t>& position);
    using Edges = std::vector<std::pair<std::size_t, std::size_t>>; // nodes: before, after
    void drop_weak_edges(const Edges& weak);
    std::size_t find_culprit(const std::vector<std::size_t>& before) const;
    void block_for(std::size_t change, std::size_t through);

    Draft& draft_;
    std::vector<Change>& changes_;
    const Dependencies& dependencies_;
    const std::vector<bool>& excluded_;
    std::vector<std::vector<std::size_t>> before_; // by change: nodes
    std::vector<Node> gates_;
    std::vector<std::size_t> change_of_leaf_;
    std::unordered_map<Address, std::size_t> change_at_; // changes that have a leaf
    std::unordered_map<std::size_t, std::size_t> document_gates_;
    Teardown teardown_;
    Edges weak_containers_, weak_names_;
    std::vector<std::size_t> order_; // all nodes
};

void Graph::index_changes() {
    change_of_leaf_.assign(draft_.input.leaves.size(), no_index);
    for (std::size_t i = 0; i < changes_.size(); ++i) {
        if (changes_[i].leaf) change_of_leaf_[*changes_[i].leaf] = i;
        change_at_.emplace(changes_[i].address, i);
    }
}

void Graph::link_dependencies() {
    for (std::size_t leaf = 0; leaf < change_of_leaf_.size() && !dependencies_.of.empty(); ++leaf) {
        const std::size_t change = change_of_leaf_[leaf];
        if (change == no_index || is_only_in_ledger(changes_[change]) || dependencies_.is_bad(leaf)) continue;
        for (std::size_t node : dependencies_.of[leaf]) link_pair(change, node);
    }
}

void Graph::link_pair(std::size_t change, std::size_t on_node) {
    if (on_node >= change_of_leaf_.size()) {
        before_[change].push_back(gate_node(document_gate(on_node)));
        return;
    }
    const std::size_t other = change_of_leaf_[on_node];
    if (other != no_index && is_pending(changes_[other])) before_[change].push_back(other);
}

std::size_t Graph::document_gate(std::size_t node) {
    auto [it, is_new] = document_gates_.emplace(node, gates_.size());
    if (!is_new) return it->second;
    const std::size_t gate =
        add_gate(GateKind::document, short_name(dependencies_.documents[node - change_of_leaf_.size()]));
    for (std::size_t leaf : dependencies_.of[node]) {
        const std::size_t change = change_of_leaf_[leaf];
        if (change != no_index && is_pending(changes_[change])) gates_[gate].before.push_back(change);
    }
    return gate;
}

void Graph::link_names() {
    auto link = [&](std::size_t first, std::size_t second) {
        before_[second].push_back(first);
        weak_names_.emplace_back(first, second);
    };
    for (std::size_t i = 0; i < changes_.size(); ++i) {
        const Change& change = changes_[i];
        const LedgerEntry* entry = change.recorded ? &draft_.input.recorded[*change.recorded] : nullptr;
        if (entry && entry->state == EntryState::deposed) {
            if (auto it = change_at_.find(successor_of(entry->address));
                it != change_at_.end() && it->second != i && changes_[it->second].action != Action::remove)
                link(it->second, i);
            continue;
        }
        const bool gives_up_a_name = entry && (!change.leaf || !change.moved_from.id.empty());
        if (!gives_up_a_name) continue;
        auto taker = change_at_.find(entry->address);
        if (taker != change_at_.end() && taker->second != i && changes_[taker->second].leaf)
            link(i, taker->second);
    }
}

void Graph::link_waves() {
    std::map<std::int32_t, std::vector<std::size_t>> waves;
    for (std::size_t i = 0; i < changes_.size(); ++i)
        if (changes_[i].leaf && is_pending(changes_[i]) && !excluded_[i])
            waves[dependencies_.waves[*changes_[i].leaf]].push_back(i);
    std::vector<std::vector<std::size_t>> steps;
    std::vector<std::string> names;
    for (auto& [wave, members] : waves) {
        steps.push_back(std::move(members));
        names.push_back(fmt::format("wave {}", wave));
    }
    link_steps(steps, GateKind::wave, names);
}

// One step's changes before the next one's.
void Graph::link_steps(const std::vector<std::vector<std::size_t>>& steps, GateKind kind,
                       const std::vector<std::string>& names) {
    std::size_t previous = no_index;
    for (std::size_t step = 0; step < steps.size(); ++step) {
        const std::size_t gate = step + 1 == steps.size() ? no_index : add_gate(kind, names[step]);
        const bool is_weak = kind == GateKind::container;
        for (std::size_t change : steps[step]) {
            if (gate != no_index) gates_[gate].before.push_back(change);
            if (previous == no_index || (is_weak && makes_room(change))) continue;
            before_[change].push_back(gate_node(previous));
            if (is_weak) weak_containers_.emplace_back(gate_node(previous), change);
        }
        if (gate != no_index && previous != no_index) gates_[gate].before.push_back(gate_node(previous));
        previous = gate;
    }
}

// Something else takes its address over, and waits for it.
bool Graph::makes_room(std::size_t change) const {
    auto at = change_at_.find(changes_[change].address);
    return at != change_at_.end() && changes_[at->second].leaf.has_value();
}

int Graph::rank_of(const Change& change) const {
    const KindInfo* kind = draft_.kind(change.provider, change.api_version, change.object.kind_name());
    return kind ? kind->rank : 0;
}

void Graph::link_teardown() {
    teardown_ = plan_teardown(draft_);
    for (const auto& [first, second] : teardown_.edges) before_[second].push_back(first);
    const std::size_t first_gate = gates_.size();
    for (const Teardown::Joint& joint : teardown_.joints) {
        const std::size_t gate = add_gate(GateKind::document, joint.name);
        gates_[gate].before = joint.before;
        for (std::size_t other : joint.before_joints)
            gates_[gate].before.push_back(gate_node(first_gate + other));
        for (std::size_t change : joint.deletes) before_[change].push_back(gate_node(gate));
    }
}

void Graph::link_delete_waves() {
    std::map<std::int32_t, std::vector<std::size_t>, std::greater<>> waves;
    for (std::size_t i = 0; i < changes_.size() && !teardown_.waves.empty(); ++i)
        if (changes_[i].action == Action::remove && !excluded_[i] && !makes_room(i))
            waves[teardown_.waves[i]].push_back(i);
    std::vector<std::vector<std::size_t>> steps;
    std::vector<std::string> names;
    for (auto& [wave, members] : waves) {
        steps.push_back(std::move(members));
        names.push_back(fmt::format("the deletes of wave {}", wave));
    }
    link_steps(steps, GateKind::wave, names);
}

void Graph::link_containers() {
    struct Deletes {
        std::map<int, std::vector<std::size_t>, std::greater<>> by_rank;
        bool wait = false;
    };
    std::map<std::pair<std::string_view, std::string_view>, Deletes> scopes;
    for (std::size_t i = 0; i < changes_.size() && !teardown_.waves.empty(); ++i) {
        const Change& change = changes_[i];
        if (change.action != Action::remove || excluded_[i]) continue;
        Deletes& deletes = scopes[{change.provider, change.object.scope}];
        deletes.by_rank[rank_of(change)].push_back(i);
        deletes.wait = deletes.wait || !before_[i].empty();
    }
    for (auto& [name, deletes] : scopes) {
        if (!deletes.wait) continue;
        std::vector<std::vector<std::size_t>> steps;
        for (auto& [rank, members] : deletes.by_rank) steps.push_back(std::move(members));
        link_steps(steps, GateKind::container,
                   std::vector<std::string>(steps.size(), "what its kind may contain"));
    }
}

void Graph::link_prunes() {
    std::map<std::pair<std::string_view, std::string_view>, Scope> scopes;
    for (std::size_t i = 0; i < changes_.size(); ++i) {
        const Change& change = changes_[i];
        if (excluded_[i]) continue;
        Scope& scope = scopes[{change.provider, change.object.scope}];
        const bool builds = change.action == Action::create || change.action == Action::update ||
                            change.action == Action::replace || change.action == Action::wait ||
                            change.action == Action::refresh;
        if (change.leaf && builds) scope.builds.push_back(i);
        if (change.leaf && change.action == Action::wait) scope.waits = true;
        if (change.action == Action::remove && !makes_room(i)) scope.prunes.push_back(i);
    }
    for (const auto& [name, scope] : scopes) {
        if (scope.builds.empty() || scope.prunes.empty()) continue;
        const ProviderFacts* facts = draft_.provider(name.first);
        const bool is_atomic = facts && facts->description && facts->description->atomic;
        const std::size_t gate = add_gate(
            GateKind::prunes, name.second.empty()
                                  ? fmt::format("the other changes of {}", name.first)
                                  : fmt::format("the other changes of {} {}", name.first, name.second));
        // An atomic scope's changes, deletes included, are one apply, which fails or succeeds as a whole.
        gates_[gate].is_written = !is_atomic || scope.waits;
        gates_[gate].before = scope.builds;
        for (std::size_t change : scope.prunes) before_[change].push_back(gate_node(gate));
    }
}

// Where each change would stand if nothing had to wait for anything.
std::vector<std::size_t> Graph::positions() {
    struct Key {
        bool is_remove;
        std::int64_t wave;
        int rank;
        std::size_t change;
    };
    std::vector<Key> keys;
    keys.reserve(changes_.size());
    for (std::size_t i = 0; i < changes_.size(); ++i) {
        const Change& change = changes_[i];
        const bool is_remove = change.action == Action::remove;
        const int rank = rank_of(change);
        const std::int64_t wave = change.leaf                             ? dependencies_.waves[*change.leaf]
                                  : is_remove && !teardown_.waves.empty() ? -std::int64_t{teardown_.waves[i]}
                                                                          : 0;
        keys.push_back({is_remove, wave, is_remove ? -rank : rank, i});
    }
    std::sort(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
        const Change &left = changes_[a.change], &right = changes_[b.change];
        return std::tie(a.is_remove, a.wave, a.rank, left.address, left.object, left.action) <
               std::tie(b.is_remove, b.wave, b.rank, right.address, right.object, right.action);
    });
    std::vector<std::size_t> position(changes_.size());
    for (std::size_t i = 0; i < keys.size(); ++i) position[keys[i].change] = i;
    return position;
}

void Graph::sort() {
    const std::vector<std::size_t> position = positions();
    bool is_sorted = try_sort(position);
    for (const Edges* weak : {&weak_containers_, &weak_names_}) {
        if (is_sorted) return;
        drop_weak_edges(*weak);
        is_sorted = try_sort(position);
    }
    assert(is_sorted); // rings of dependencies were taken out before
}

bool Graph::try_sort(const std::vector<std::size_t>& position) {
    const std::size_t size = changes_.size() + gates_.size();
    auto before = [&](std::size_t node) -> const std::vector<std::size_t>& {
        return is_gate(node) ? gates_[node - changes_.size()].before : before_[node];
    };
    std::vector<std::vector<std::size_t>> next(size);
    std::vector<std::size_t> open(size);
    // A gate is passed as soon as it opens; changes come by their position.
    using Ready = std::pair<std::size_t, std::size_t>;
    std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
    auto enter = [&](std::size_t node) { ready.emplace(is_gate(node) ? 0 : position[node] + 1, node); };
    for (std::size_t node = 0; node < size; ++node) {
        for (std::size_t first : before(node)) next[first].push_back(node);
        open[node] = before(node).size();
        if (open[node] == 0) enter(node);
    }
    order_.clear();
    while (!ready.empty()) {
        const std::size_t node = ready.top().second;
        ready.pop();
        order_.push_back(node);
        for (std::size_t follower : next[node])
            if (--open[follower] == 0) enter(follower);
    }
    return order_.size() == size;
}

// Documents that swap their names, or depend on the one whose name they take, close a ring of names. The
// executor moves ledger entries together before anything else, so these edges can be done without. So can
// the containers' where a container says that it comes after what its kind may contain.
void Graph::drop_weak_edges(const Edges& weak) {
    std::vector<bool> is_placed(changes_.size() + gates_.size());
    for (std::size_t node : order_) is_placed[node] = true;
    for (const auto& [first, second] : weak)
        if (!is_placed[first] && !is_placed[second]) std::erase(before_[second], first);
}

std::size_t Graph::find_culprit(const std::vector<std::size_t>& before) const {
    for (std::size_t node : before) {
        if (is_gate(node)) {
            if (gates_[node - changes_.size()].culprit != no_index) return node;
        } else if (changes_[node].readiness == Readiness::blocked || excluded_[node]) {
            return node;
        }
    }
    return no_index;
}

void Graph::spread_blocked() {
    for (std::size_t node : order_) {
        if (is_gate(node)) {
            Node& gate = gates_[node - changes_.size()];
            const std::size_t found = find_culprit(gate.before);
            gate.culprit =
                found != no_index && is_gate(found) ? gates_[found - changes_.size()].culprit : found;
        } else if (changes_[node].readiness != Readiness::blocked && !excluded_[node]) {
            const std::size_t found = find_culprit(before_[node]);
            if (found != no_index) block_for(node, found);
        }
    }
}

void Graph::block_for(std::size_t index, std::size_t through) {
    Change& change = changes_[index];
    const Node* gate = is_gate(through) ? &gates_[through - changes_.size()] : nullptr;
    const std::size_t culprit = gate ? gate->culprit : through;
    const Change& other = changes_[culprit];
    const std::string place = to_string(other.origin);
    const std::string who =
        place.empty() ? to_string(other.address) : fmt::format("{} ({})", to_string(other.address), place);
    const std::string what =
        gate ? fmt::format("waits for {}, and there {}", gate->name, who) : "waits for " + who;
    if (excluded_[culprit])
        return block(change, problem_of(change, "plan.dependency-excluded",
                                        what + ", which has to be changed first and was left out",
                                        "take it in with --only, or do not --exclude it"));
    const bool is_prune = change.action == Action::remove;
    Diagnostic problem =
        problem_of(change, is_prune ? "plan.prune-blocked" : "plan.dependency-blocked",
                   what + (gate ? " is blocked" : ", which is blocked"), "mend that one first");
    problem.severity = Severity::warning;
    block(change, std::move(problem));
}

// Puts the changes into their order and gives them their new numbers.
void Graph::write() {
    std::vector<std::size_t> number(changes_.size() + gates_.size(), no_index);
    std::vector<Change> sorted;
    std::vector<Gate> gates;
    sorted.reserve(changes_.size());
    for (std::size_t g = 0; g < gates_.size(); ++g)
        if (gates_[g].is_written) {
            number[gate_node(g)] = gates.size();
            gates.push_back({.name = gates_[g].name, .is_dependency = gates_[g].kind == GateKind::document});
        }
    for (std::size_t node : order_)
        if (!is_gate(node) && !excluded_[node]) {
            number[node] = sorted.size();
            sorted.push_back(std::move(changes_[node]));
        }
    auto translate = [&](const std::vector<std::size_t>& nodes, std::vector<std::size_t>& after,
                         std::vector<std::size_t>& after_gates) {
        for (std::size_t node : nodes)
            if (number[node] != no_index) (is_gate(node) ? after_gates : after).push_back(number[node]);
        for (auto* list : {&after, &after_gates}) {
            std::sort(list->begin(), list->end());
            list->erase(std::unique(list->begin(), list->end()), list->end());
        }
    };
    for (std::size_t i = 0; i < before_.size(); ++i)
        if (number[i] != no_index)
            translate(before_[i], sorted[number[i]].after, sorted[number[i]].after_gates);
    for (std::size_t g = 0; g < gates_.size(); ++g)
        if (const std::size_t to = number[gate_node(g)]; to != no_index)
            translate(gates_[g].before, gates[to].after, gates[to].after_gates);
    draft_.plan.changes = std::move(sorted);
    draft_.plan.gates = std::move(gates);
}

} // namespace

void order_changes(Draft& draft, const Dependencies& dependencies, const std::vector<bool>& excluded) {
    Graph graph(draft, dependencies, excluded);
    graph.link();
    graph.spread_blocked();
    graph.write();
}

void spread_parked(Plan& plan) {
    // Of each gate, the parked change that holds it; found out when the first change asks, since by then
    // every change that opens the gate has been passed.
    std::vector<std::optional<std::size_t>> held_by(plan.gates.size());
    auto is_parked = [&](std::size_t change) { return plan.changes[change].readiness == Readiness::parked; };
    auto first_parked = [&](const std::vector<std::size_t>& changes) {
        auto it = std::find_if(changes.begin(), changes.end(), is_parked);
        return it == changes.end() ? no_index : *it;
    };
    std::function<std::size_t(std::size_t)> holder_of = [&](std::size_t gate) {
        if (held_by[gate]) return *held_by[gate];
        std::size_t holder = first_parked(plan.gates[gate].after);
        for (std::size_t other : plan.gates[gate].after_gates)
            if (holder == no_index) holder = holder_of(other);
        held_by[gate] = holder;
        return holder;
    };
    for (Change& change : plan.changes) {
        if (change.readiness == Readiness::parked) continue; // for a reason of its own
        std::size_t culprit = first_parked(change.after);
        for (std::size_t gate : change.after_gates)
            if (culprit == no_index && plan.gates[gate].is_dependency) culprit = holder_of(gate);
        if (culprit == no_index || !is_pending(change)) continue;
        const bool is_quarantined = plan.changes[culprit].is_quarantined;
        park(change, fmt::format("waits for {}, which {}", to_string(plan.changes[culprit].address),
                                 is_quarantined ? "was taken back" : "waits for approval"));
        change.is_quarantined = is_quarantined && change.readiness == Readiness::parked;
    }
    for (Gate& gate : plan.gates) std::erase_if(gate.after, is_parked);
}

} // namespace holdfast

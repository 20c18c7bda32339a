#include "plan/dependencies.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

constexpr std::size_t nowhere = SIZE_MAX;

class Resolver {
public:
    Resolver(Draft& draft, Dependencies& out) : draft_(draft), leaves_(draft.input.leaves), out_(out) {}

    void run() {
        index_leaves();
        out_.of.resize(leaves_.size());
        for (std::size_t leaf = 0; leaf < leaves_.size(); ++leaf)
            for (const Address& wanted : leaves_[leaf].depends_on) resolve(leaf, wanted);
    }

private:
    void index_leaves() {
        by_id_.reserve(leaves_.size());
        for (std::size_t i = 0; i < leaves_.size(); ++i) {
            by_id_.emplace(leaves_[i].address.id, i);
            const ResourceId& id = leaves_[i].address.id;
            if (id.part.empty()) continue;
            by_document_[id.parent()].push_back(i);
            if (const std::string_view on = id.provider_part(); !on.empty() && on != id.part)
                by_document_[id.resource()].push_back(i);
        }
        unloaded_.insert(draft_.input.unloaded.begin(), draft_.input.unloaded.end());
    }

    void resolve(std::size_t leaf, const Address& wanted) {
        const ResourceId& own = leaves_[leaf].address.id;
        const bool is_other_stack = !wanted.stack.empty() && wanted.stack != leaves_[leaf].address.stack;
        const bool is_own_document =
            !own.part.empty() && (wanted.id == own.parent() || wanted.id == own.resource());
        if (is_other_stack || is_own_document) return;
        auto it = by_id_.find(wanted.id);
        const std::size_t node = it != by_id_.end() ? it->second : document_node(wanted.id);
        if (node == nowhere && draft_.input.is_later_round) return;
        if (node == nowhere) return report_unknown(leaf, wanted);
        auto& list = out_.of[leaf];
        if (std::find(list.begin(), list.end(), node) == list.end()) list.push_back(node);
    }

    std::size_t document_node(const ResourceId& id) {
        auto leaves = by_document_.find(id);
        if (leaves == by_document_.end()) return nowhere;
        auto [node, is_new] = document_nodes_.emplace(id, out_.of.size());
        if (is_new) {
            out_.documents.push_back(id);
            out_.of.push_back(leaves->second);
        }
        return node->second;
    }

    void report_unknown(std::size_t leaf, const Address& wanted) {
        out_.bad.insert(leaf);
        const Change change = draft_.change_for_leaf(leaf);
        if (unloaded_.contains(wanted.id) || unloaded_.contains(wanted.id.resource()) ||
            unloaded_.contains(wanted.id.parent())) {
            draft_.plan.diagnostics.add(
                problem_of(change, "plan.dependency-blocked",
                           fmt::format("depends on {}, which could not be loaded", to_string(wanted.id)),
                           "mend that document first"));
            return;
        }
        const std::optional<std::string> meant = suggestion(wanted.id);
        draft_.plan.diagnostics.add(problem_of(
            change, "plan.unknown-dependency",
            fmt::format("depends on {}, which no document of the stack declares", to_string(wanted.id)),
            meant ? fmt::format("did you mean {}?", *meant)
                  : "correct holdfast.dev/depends-on, or declare it"));
    }

    // Each suggestion looks at every name, so a stack full of errors gets them for the first few only.
    std::optional<std::string> suggestion(const ResourceId& wanted) {
        if (suggestions_left_ == 0) return std::nullopt;
        --suggestions_left_;
        if (names_.empty())
            for (const Leaf& leaf : leaves_) names_.push_back(to_string(leaf.address.id));
        return closest(to_string(wanted), names_);
    }

    Draft& draft_;
    const std::vector<Leaf>& leaves_;
    Dependencies& out_;
    int suggestions_left_ = 10;
    std::unordered_map<ResourceId, std::size_t> by_id_;
    std::unordered_map<ResourceId, std::vector<std::size_t>> by_document_;
    std::unordered_map<ResourceId, std::size_t> document_nodes_;
    std::unordered_set<ResourceId> unloaded_;
    std::vector<std::string> names_;
};

// Tarjan's strongly connected components (SIAM J. Comput. 1(2), 1972), without recursion, since a chain of
// dependencies may be as long as the stack is large. A component of more than one node holds a ring.
// Components come out with what they depend on first, so waves can be raised on the way: a leaf is
// never in a lower wave than what it depends on, else the two would wait for each other.
class RingFinder {
public:
    RingFinder(Draft& draft, Dependencies& graph) : draft_(draft), graph_(graph), size_(graph.of.size()) {
        number_.assign(size_, 0);
        low_.assign(size_, 0);
        on_stack_.assign(size_, false);
        waves_.assign(size_, std::numeric_limits<std::int32_t>::min());
        for (std::size_t leaf = 0; leaf < graph.waves.size(); ++leaf) waves_[leaf] = graph.waves[leaf];
    }

    void run() {
        for (std::size_t node = 0; node < size_; ++node)
            if (number_[node] == 0) visit(node);
        std::copy_n(waves_.begin(), graph_.waves.size(), graph_.waves.begin());
    }

private:
    struct Frame {
        std::size_t node, next = 0;
    };

    void visit(std::size_t root) {
        enter(root);
        while (!frames_.empty()) {
            auto& [node, next] = frames_.back();
            if (next < graph_.of[node].size()) {
                const std::size_t target = graph_.of[node][next++];
                if (number_[target] == 0)
                    enter(target);
                else if (on_stack_[target])
                    low_[node] = std::min(low_[node], number_[target]);
                continue;
            }
            const std::size_t done = node;
            frames_.pop_back();
            if (!frames_.empty()) low_[frames_.back().node] = std::min(low_[frames_.back().node], low_[done]);
            if (low_[done] == number_[done]) close_component(done);
        }
    }

    void enter(std::size_t node) {
        number_[node] = low_[node] = ++counter_;
        stack_.push_back(node);
        on_stack_[node] = true;
        frames_.push_back({node});
    }

    void close_component(std::size_t root) {
        std::vector<std::size_t> component;
        do {
            component.push_back(stack_.back());
            on_stack_[stack_.back()] = false;
            stack_.pop_back();
        } while (component.back() != root);
        const auto& targets = graph_.of[root];
        const bool is_own_target = std::find(targets.begin(), targets.end(), root) != targets.end();
        if (component.size() > 1 || is_own_target) return report_ring(std::move(component));
        for (std::size_t target : targets) waves_[root] = std::max(waves_[root], waves_[target]);
    }

    void report_ring(std::vector<std::size_t> component) {
        std::sort(component.begin(), component.end());
        const std::size_t leaf_count = graph_.waves.size();
        for (std::size_t node : component)
            if (node < leaf_count) graph_.bad.insert(node);
        const std::vector<std::size_t> ring = ring_through(component.front(), component);
        std::string text;
        for (std::size_t node : ring) {
            text +=
                node < leaf_count ? name_with_place(node) : to_string(graph_.documents[node - leaf_count]);
            text += " -> ";
        }
        text += to_string(draft_.input.leaves[component.front()].address.id);
        draft_.plan.diagnostics.add(
            problem_of(draft_.change_for_leaf(component.front()), "plan.cycle", "depends on itself: " + text,
                       "remove one of these dependencies; what is in the ring is not applied"));
    }

    // A shortest way from `start` back to it, breadth first, inside its component.
    std::vector<std::size_t> ring_through(std::size_t start,
                                          const std::vector<std::size_t>& component) const {
        std::unordered_map<std::size_t, std::size_t> came_from;
        std::vector<std::size_t> queue{start};
        for (std::size_t head = 0; head < queue.size(); ++head) {
            const std::size_t node = queue[head];
            for (std::size_t target : graph_.of[node]) {
                if (target == start) return way_back(start, node, came_from);
                if (!std::binary_search(component.begin(), component.end(), target)) continue;
                if (came_from.emplace(target, node).second) queue.push_back(target);
            }
        }
        return component;
    }

    static std::vector<std::size_t> way_back(std::size_t start, std::size_t node,
                                             const std::unordered_map<std::size_t, std::size_t>& came_from) {
        std::vector<std::size_t> ring;
        for (; node != start; node = came_from.at(node)) ring.push_back(node);
        ring.push_back(start);
        std::reverse(ring.begin(), ring.end());
        return ring;
    }

    std::string name_with_place(std::size_t leaf) const {
        const Leaf& l = draft_.input.leaves[leaf];
        const std::string place = to_string(l.origin);
        return place.empty() ? to_string(l.address.id)
                             : fmt::format("{} ({})", to_string(l.address.id), place);
    }

    Draft& draft_;
    Dependencies& graph_;
    std::size_t size_, counter_ = 0;
    std::vector<std::size_t> number_, low_, stack_;
    std::vector<char> on_stack_;
    std::vector<std::int32_t> waves_;
    std::vector<Frame> frames_;
};

} // namespace

Dependencies resolve_dependencies(Draft& draft) {
    Dependencies dependencies;
    const std::vector<Leaf>& leaves = draft.input.leaves;
    dependencies.waves.reserve(leaves.size());
    bool any = false;
    for (const Leaf& leaf : leaves) {
        dependencies.waves.push_back(leaf.policy.wave);
        any = any || !leaf.depends_on.empty();
    }
    if (!any) return dependencies;
    Resolver(draft, dependencies).run();
    RingFinder(draft, dependencies).run();
    return dependencies;
}

} // namespace holdfast

#include "plan/teardown.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/core.h>

#include "plan/match.hpp"
#include "plan/order.hpp"

namespace holdfast {

// Nobody declares any more what is deleted, so its order is the one that was recorded when it was last
// applied: what came after X goes before X. A leaf that stays, and came after X, is brought to what is
// declared of it now before X goes.
//
// Nodes are the changes of ledger entries, and one for each document that was depended on as a whole; a node
// leads to what it came after. The entries were written at different times, so they may contradict each
// other; a depth-first search, begun at the lowest address, leaves out each edge that closes a ring. It ends
// with what came first, so on its way it raises waves: a delete is in no lower wave than what it came after,
// else waves and edges would wait for each other. Backwards, it ends with what came last: then everything
// that a node waits for is known when the node is reached.

namespace {

class Recorded {
public:
    explicit Recorded(const Draft& draft) : draft_(draft), changes_(draft.plan.changes) {}

    Teardown run() {
        if (!index_deletes()) return {};
        came_after_.resize(changes_.size());
        out_.waves.resize(changes_.size());
        for (std::size_t i = 0; i < changes_.size(); ++i) resolve(i);
        nodes_ = came_after_.size();
        out_.waves.resize(nodes_, INT32_MIN);
        search();
        waiting_.resize(nodes_);
        for (auto node = finished_.rbegin(); node != finished_.rend(); ++node) emit(*node);
        return std::move(out_);
    }

private:
    bool is_document(std::size_t node) const { return node >= changes_.size(); }
    bool is_delete(std::size_t node) const {
        return !is_document(node) && changes_[node].action == Action::remove;
    }
    // Nothing happens there, but what stands on one side waits for what stands on the other.
    bool is_joint(std::size_t node) const {
        return is_document(node) || changes_[node].action == Action::forget;
    }
    const LedgerEntry& entry(std::size_t node) const {
        return draft_.input.recorded[*changes_[node].recorded];
    }
    const Address& address(std::size_t node) const {
        return is_document(node) ? documents_[node - changes_.size()] : entry(node).address;
    }

    // False where there is no order to be found.
    bool index_deletes() {
        bool any_delete = false, any_order = false;
        for (std::size_t i = 0; i < changes_.size(); ++i) {
            if (!changes_[i].recorded) continue;
            any_order = any_order || !entry(i).after.empty() || entry(i).wave != 0;
            if (changes_[i].leaf || !(is_delete(i) || is_joint(i))) continue;
            any_delete = true;
            at_[entry(i).address] = i;
            const ResourceId& id = entry(i).address.id;
            if (!id.part.empty()) of_document_[{entry(i).address.stack, id.parent()}].push_back(i);
        }
        return any_delete && any_order;
    }

    void resolve(std::size_t change) {
        if (!changes_[change].recorded) return;
        const LedgerEntry& own = entry(change);
        out_.waves[change] = own.wave;
        const bool goes = !changes_[change].leaf && (is_delete(change) || is_joint(change));
        if (own.after.empty() || (!goes && !is_pending(changes_[change]))) return;
        for (const Address& before : own.after) {
            const std::size_t node = node_of(before, own.address);
            if (node != no_index && node != change) came_after_[change].push_back(node);
        }
    }

    std::size_t node_of(const Address& wanted, const Address& own) {
        if (auto it = at_.find(wanted); it != at_.end()) return it->second;
        auto parts = of_document_.find(wanted);
        const bool is_own = wanted.stack == own.stack && wanted.id == own.id.parent();
        if (parts == of_document_.end() || is_own) return no_index;
        auto [node, is_new] = document_nodes_.emplace(wanted, came_after_.size());
        if (is_new) {
            documents_.push_back(wanted);
            came_after_.push_back(parts->second);
        }
        return node->second;
    }

    void search() {
        std::vector<std::size_t> roots;
        auto by_address = [this](std::size_t a, std::size_t b) {
            return address(a) != address(b) ? address(a) < address(b) : a < b;
        };
        for (std::size_t node = 0; node < nodes_; ++node) {
            std::vector<std::size_t>& targets = came_after_[node];
            if (targets.empty()) continue;
            roots.push_back(node);
            std::sort(targets.begin(), targets.end(), by_address);
            targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
        }
        std::sort(roots.begin(), roots.end(), by_address);
        marks_.assign(nodes_, Mark::unseen);
        for (std::size_t root : roots)
            if (marks_[root] == Mark::unseen) search_from(root);
    }

    // Without recursion, since a chain may be as long as the stack is large.
    void search_from(std::size_t root) {
        std::vector<std::pair<std::size_t, std::size_t>> open{{root, 0}}; // node, its next target
        marks_[root] = Mark::open;
        while (!open.empty()) {
            auto& [node, next] = open.back();
            std::vector<std::size_t>& targets = came_after_[node];
            if (next == targets.size()) {
                for (std::size_t target : targets)
                    out_.waves[node] = std::max(out_.waves[node], out_.waves[target]);
                marks_[node] = Mark::done;
                finished_.push_back(node);
                open.pop_back();
                continue;
            }
            const std::size_t target = targets[next];
            if (marks_[target] == Mark::open) {
                targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(next));
                continue;
            }
            ++next;
            if (marks_[target] == Mark::done) continue;
            marks_[target] = Mark::open;
            open.emplace_back(target, 0); // `node` and `next` end here
        }
    }

    void emit(std::size_t node) {
        std::size_t joint = no_index;
        if (is_joint(node)) {
            Teardown::Joint& waiting = waiting_[node];
            if (waiting.before.empty() && waiting.before_joints.empty()) return;
            joint = out_.joints.size();
            waiting.name = fmt::format("what needs {}", short_name(address(node).id));
            out_.joints.push_back(std::move(waiting));
        }
        for (std::size_t target : came_after_[node]) {
            if (is_joint(target))
                joint == no_index ? waiting_[target].before.push_back(node)
                                  : waiting_[target].before_joints.push_back(joint);
            else if (joint != no_index)
                out_.joints[joint].deletes.push_back(target);
            else if (is_delete(node) || !shares_scope(node, target))
                out_.edges.emplace_back(node, target);
        }
    }

    // There the scope's gate holds the delete back already, or its one apply keeps the order.
    bool shares_scope(std::size_t a, std::size_t b) const {
        return changes_[a].provider == changes_[b].provider &&
               changes_[a].object.scope == changes_[b].object.scope;
    }

    enum class Mark : char { unseen, open, done };
    const Draft& draft_;
    const std::vector<Change>& changes_;
    Teardown out_;
    std::unordered_map<Address, std::size_t> at_;
    std::unordered_map<Address, std::vector<std::size_t>> of_document_;
    std::unordered_map<Address, std::size_t> document_nodes_;
    std::vector<Address> documents_;
    std::vector<std::vector<std::size_t>> came_after_; // by node
    std::size_t nodes_ = 0;
    std::vector<Mark> marks_;
    std::vector<std::size_t> finished_;
    std::vector<Teardown::Joint> waiting_; // by node, until the node is reached
};

} // namespace

Teardown plan_teardown(const Draft& draft) { return Recorded(draft).run(); }

} // namespace holdfast

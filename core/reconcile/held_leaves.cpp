#include "reconcile/held_leaves.hpp"

#include <utility>

namespace holdfast {

bool HeldLeaves::hold(std::size_t leaf) {
    unexamined_.insert(leaf);
    return held_.insert(leaf).second;
}

void HeldLeaves::release(std::size_t leaf) {
    held_.erase(leaf);
    unexamined_.erase(leaf);
    if (auto waiting = waiting_for_.extract(leaf))
        unexamined_.insert(waiting.mapped().begin(), waiting.mapped().end());
}

std::vector<std::size_t> HeldLeaves::ready(const std::set<Address>& unfinished) {
    std::vector<std::size_t> ready;
    for (std::size_t i : std::exchange(unexamined_, {})) {
        if (!held_.contains(i)) continue;
        bool is_free = true;
        for (const Address& before : declared_.leaf(i).depends_on) {
            const std::optional<std::size_t> other = declared_.find(before);
            const bool is_behind = other && held_.contains(*other);
            if (is_behind) waiting_for_[*other].push_back(i);
            is_free = !is_behind && !unfinished.contains(before);
            if (!is_free) break;
        }
        if (is_free) ready.push_back(i);
    }
    unexamined_.insert(ready.begin(), ready.end());
    return ready;
}

std::set<std::size_t> HeldLeaves::behind(const std::set<Address>& parked,
                                         const std::set<Address>& unfinished) const {
    std::unordered_map<std::size_t, std::vector<std::size_t>> after; // held leaf -> those behind it
    std::vector<std::size_t> of_parked, of_unfinished;
    for (std::size_t i : held_) {
        for (const Address& before : declared_.leaf(i).depends_on) {
            if (parked.contains(before))
                of_parked.push_back(i);
            else if (unfinished.contains(before))
                of_unfinished.push_back(i);
            const std::optional<std::size_t> other = declared_.find(before);
            if (other && held_.contains(*other)) after[*other].push_back(i);
        }
    }
    const auto spread = [&](std::vector<std::size_t> open) {
        std::set<std::size_t> reached;
        while (!open.empty()) {
            const std::size_t at = open.back();
            open.pop_back();
            if (!reached.insert(at).second) continue;
            if (auto next = after.find(at); next != after.end())
                open.insert(open.end(), next->second.begin(), next->second.end());
        }
        return reached;
    };
    std::set<std::size_t> behind = spread(std::move(of_parked));
    for (std::size_t i : spread(std::move(of_unfinished))) behind.erase(i);
    return behind;
}

} // namespace holdfast

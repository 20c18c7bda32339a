#include "daemon/fights.hpp"

#include <algorithm>

namespace holdfast {

using std::chrono::milliseconds;

// What nobody has touched for a window, and a pause longer than that, is peace.
void FightDetector::drop_old(milliseconds now) {
    for (auto at = fields_.begin(); at != fields_.end();) {
        Field& field = at->second;
        while (!field.seen.empty() && now - field.seen.front() > options_.window) field.seen.pop_front();
        const bool is_peace = field.seen.empty() && now - field.paused_until > options_.window;
        at = is_peace ? fields_.erase(at) : std::next(at);
    }
}

// The first pause comes with the n-th correction inside the window. After a pause the field is set back once;
// if that does not last either, the next pause is twice as long. So a fight costs ever less, and ends by
// itself once the other side gives up.
std::vector<Fight> FightDetector::note(const std::vector<Correction>& corrections, milliseconds now) {
    drop_old(now);
    std::vector<Fight> fights;
    for (const Correction& correction : corrections) {
        Field& field = fields_[correction];
        field.seen.push_back(now);
        ++field.in_all;
        const bool is_old_fight = field.pauses > 0;
        if (!is_old_fight && field.seen.size() < static_cast<std::size_t>(options_.corrections)) continue;
        milliseconds pause = options_.first_pause;
        for (int i = 0; i < field.pauses && pause < options_.longest_pause; ++i) pause *= 2;
        ++field.pauses;
        field.paused_until = now + std::min(pause, options_.longest_pause);
        fights.push_back({correction, field.in_all, field.paused_until});
    }
    return fights;
}

std::vector<Address> FightDetector::paused(const std::string& stack, milliseconds now) const {
    std::vector<Address> leaves;
    for (const auto& [correction, field] : fields_) {
        if (correction.leaf.stack != stack || field.paused_until <= now) continue;
        if (leaves.empty() || leaves.back() != correction.leaf) leaves.push_back(correction.leaf);
    }
    return leaves;
}

std::vector<Fight> FightDetector::of(const std::string& stack, milliseconds now) const {
    std::vector<Fight> fights;
    for (const auto& [correction, field] : fields_)
        if (correction.leaf.stack == stack && field.pauses > 0 && now - field.paused_until <= options_.window)
            fights.push_back({correction, field.in_all, field.paused_until});
    return fights;
}

void FightDetector::forget(const std::string& stack) {
    std::erase_if(fields_, [&](const auto& entry) { return entry.first.leaf.stack == stack; });
}

} // namespace holdfast

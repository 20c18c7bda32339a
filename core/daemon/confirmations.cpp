#include "daemon/confirmations.hpp"

namespace holdfast {

Confirmation Confirmations::await(const std::string& stack, const std::string& what,
                                  std::chrono::milliseconds timeout, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    entries_[stack] = {what, false};
    const bool is_confirmed =
        changed_.wait_for(lock, stop, timeout, [&] { return entries_.at(stack).is_confirmed; });
    entries_.erase(stack);
    return is_confirmed            ? Confirmation::confirmed
           : stop.stop_requested() ? Confirmation::stopped
                                   : Confirmation::timed_out;
}

bool Confirmations::confirm(const std::string& stack) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(stack);
    if (found == entries_.end()) return false;
    found->second.is_confirmed = true;
    changed_.notify_all();
    return true;
}

std::vector<Confirmations::Waiting> Confirmations::waiting() const {
    const std::lock_guard lock(mutex_);
    std::vector<Waiting> all;
    for (const auto& [stack, entry] : entries_) all.push_back({stack, entry.what});
    return all;
}

} // namespace holdfast

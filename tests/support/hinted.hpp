#pragma once
// Keeps the hints that a watch gives, and waits for them.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "provider/provider.hpp"

namespace holdfast::test {

class Hinted {
public:
    using Filter = std::function<bool(const Hint&)>;
    // Only hints that fit `wanted` are kept.
    explicit Hinted(Filter wanted = [](const Hint&) { return true; }) : wanted_(std::move(wanted)) {}

    OnHint on_hint() {
        return [this](const Hint& hint) {
            if (!wanted_(hint)) return;
            const std::lock_guard lock(mutex_);
            hints_.push_back(hint);
            changed_.notify_all();
        };
    }

    // What is to come comes much sooner; a busy machine is no failure.
    static constexpr std::chrono::seconds long_enough{10};

    // The next hint; nothing where none comes in time.
    std::optional<Hint> next(std::chrono::milliseconds time = long_enough) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, time, [&] { return told_ < hints_.size(); })) return std::nullopt;
        return hints_[told_++];
    }
    // Whether any comes that has not been told; all that have come count as told.
    bool comes_within(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        const bool came = changed_.wait_for(lock, time, [&] { return told_ < hints_.size(); });
        told_ = hints_.size();
        return came;
    }

    bool comes() { return comes_within(long_enough); }

private:
    Filter wanted_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Hint> hints_;
    std::size_t told_ = 0;
};

} // namespace holdfast::test

#pragma once
// Data that threads share, together with its mutex: there is no way to the one without the other.

#include <mutex>
#include <utility>

namespace holdfast {

// `with(f)` runs f on the data under the lock. Never call a plugin, a log sink or a callback in there,
// and never hold two at once.
template <typename T>
class Locked {
public:
    Locked() = default;
    explicit Locked(T data) : data_(std::move(data)) {}

    template <typename Function>
    decltype(auto) with(Function&& function) {
        std::lock_guard lock(mutex_);
        return std::forward<Function>(function)(data_);
    }
    template <typename Function>
    decltype(auto) with(Function&& function) const {
        std::lock_guard lock(mutex_);
        return std::forward<Function>(function)(data_);
    }

private:
    mutable std::mutex mutex_;
    T data_{};
};

} // namespace holdfast

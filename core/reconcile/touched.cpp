#include "reconcile/touched.hpp"

#include <algorithm>
#include <utility>

namespace holdfast {

namespace {

bool is_same(const Touched& a, const Touched& b) {
    return a.provider == b.provider && a.hint.reach == b.hint.reach && a.hint.scope == b.hint.scope &&
           a.hint.kind == b.hint.kind && a.hint.identity == b.hint.identity;
}

} // namespace

void TouchedQueue::add(const Touched& touched) {
    queue_.with([&](std::vector<Touched>& queue) {
        std::size_t of_provider = 0;
        for (const Touched& known : queue) {
            const bool is_about_all =
                known.provider == touched.provider && known.hint.reach == Hint::Reach::all;
            if (is_about_all || is_same(known, touched)) return;
            of_provider += known.provider == touched.provider;
        }
        Touched added = touched;
        if (of_provider >= most_) added.hint = {};
        if (added.hint.reach == Hint::Reach::all)
            std::erase_if(queue, [&](const Touched& known) { return known.provider == added.provider; });
        queue.push_back(std::move(added));
    });
}

std::vector<Touched> TouchedQueue::take() {
    return queue_.with([](std::vector<Touched>& queue) { return std::exchange(queue, {}); });
}

bool TouchedQueue::empty() const {
    return queue_.with([](std::vector<Touched>& queue) { return queue.empty(); });
}

} // namespace holdfast

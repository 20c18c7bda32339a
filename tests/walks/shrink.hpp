#pragma once
// Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE
// 28(2), 2002): makes a list that fails shorter, as long as what is left still fails.
//
// The list is cut into n parts. If the list without one of the parts fails, that part is gone for good and
// the parts stay as fine as they were; if none can be missed, they are cut in halves. It ends when single
// elements have been tried and none can be missed: the result is 1-minimal, not the shortest of all. A
// failure that does not come every time makes the result longer, never wrong, since each step was seen to
// fail.

#include <algorithm>
#include <functional>
#include <vector>

namespace holdfast::walks {

template <typename T>
std::vector<T> shrink(std::vector<T> list, const std::function<bool(const std::vector<T>&)>& fails) {
    std::size_t parts = 2;
    while (!list.empty()) {
        parts = std::min(parts, list.size());
        bool is_shorter = false;
        for (std::size_t part = parts;
             part-- > 0;) { // from the end: what comes last depends on what was before
            const std::size_t begin = list.size() * part / parts, end = list.size() * (part + 1) / parts;
            std::vector<T> rest(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
            rest.insert(rest.end(), list.begin() + static_cast<std::ptrdiff_t>(end), list.end());
            if (!fails(rest)) continue;
            list = std::move(rest);
            parts = std::max<std::size_t>(parts - 1, 2);
            is_shorter = true;
            break;
        }
        if (is_shorter) continue;
        if (parts == list.size()) break;
        parts *= 2;
    }
    return list;
}

} // namespace holdfast::walks

#pragma once
// What somebody saw changing on a target: hints of watches on their way to the next pass. A hint is never the
// truth; it only says where to look again.

#include <functional>
#include <string>
#include <vector>

#include "base/locked.hpp"
#include "provider/provider.hpp"

namespace holdfast {

struct Touched {
    std::string provider; // of the Provider document
    Hint hint;            // an item, a scope or all of it; `kind` as KindInfo::id()
};
using OnTouched = std::function<void(const Touched& touched)>; // from any thread

// Collects hints until a pass takes them. Equal ones are kept once; more than `most` of one provider become
// one about all of it, so that a storm costs no memory. Any thread.
class TouchedQueue {
public:
    explicit TouchedQueue(std::size_t most = 1000) : most_(most) {}

    void add(const Touched& touched);
    std::vector<Touched> take();
    bool empty() const;

private:
    std::size_t most_;
    mutable Locked<std::vector<Touched>> queue_;
};

} // namespace holdfast

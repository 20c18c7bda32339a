#pragma once
// The leaves of a pass that wait: they take outputs of leaves that are about to change, or stand behind one
// that does. Leaves are numbers in the declaration. Private to reconcile.

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "model/leaf.hpp"

namespace holdfast {

class HeldLeaves {
public:
    // The leaves that are declared now, which may become more, and where one of an address is.
    struct Declared {
        std::function<const Leaf&(std::size_t leaf)> leaf;
        std::function<std::optional<std::size_t>(const Address& address)> find;
    };
    explicit HeldLeaves(Declared declared) : declared_(std::move(declared)) {}

    bool contains(std::size_t leaf) const { return held_.contains(leaf); }
    std::size_t size() const { return held_.size(); }
    bool empty() const { return held_.empty(); }

    // False where it is held already.
    bool hold(std::size_t leaf);
    void release(std::size_t leaf);

    // Those with nothing before them that is held or unfinished. A leaf that has to wait is looked at again
    // only once the one that it was found to wait for is released: looking at all of them in every round
    // would make a chain of references quadratic. What is unfinished stays so, and whoever waits for that
    // stays held. What is given is given again, until it is released.
    std::vector<std::size_t> ready(const std::set<Address>& unfinished);

    // Those that stand behind a parked change, directly or through others that are held as well, and behind
    // nothing that is unfinished for another reason. Both spread from where they begin, so that each leaf is
    // looked at once; asking for each what it stands behind would make a chain of them quadratic.
    std::set<std::size_t> behind(const std::set<Address>& parked, const std::set<Address>& unfinished) const;

private:
    Declared declared_;
    std::set<std::size_t> held_;
    std::set<std::size_t> unexamined_; // of these, the ones that may be ready
    std::unordered_map<std::size_t, std::vector<std::size_t>>
        waiting_for_; // held leaf -> those found behind it
};

} // namespace holdfast

#include "reconcile/held_leaves.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

Address named(const std::string& name) { return {"app", {"memory.holdfast.dev", "Object", "", name, ""}}; }

// Leaves "0", "1", ..., each with the ones that it depends on.
struct Leaves {
    explicit Leaves(const std::vector<std::vector<int>>& depends_on) {
        for (const std::vector<int>& before : depends_on) {
            Leaf& leaf = leaves.emplace_back();
            leaf.address = named(std::to_string(leaves.size() - 1));
            for (int i : before) leaf.depends_on.push_back(named(std::to_string(i)));
        }
    }
    HeldLeaves held{{.leaf = [this](std::size_t i) -> const Leaf& { return leaves[i]; },
                     .find = [this](const Address& address) -> std::optional<std::size_t> {
                         const std::size_t i = std::stoul(address.id.name);
                         return i < leaves.size() ? std::optional(i) : std::nullopt;
                     }}};
    std::vector<Leaf> leaves;
};

using Numbers = std::vector<std::size_t>;

} // namespace

TEST_CASE("of a chain that is held one leaf after the other becomes ready") {
    Leaves chain({{}, {0}, {1}, {2}});
    for (std::size_t i : {3U, 1U, 2U}) CHECK(chain.held.hold(i));
    CHECK_FALSE(chain.held.hold(2));
    CHECK(chain.held.size() == 3);
    for (std::size_t next : {1U, 2U, 3U}) {
        CHECK(chain.held.ready({}) == Numbers{next});
        CHECK(chain.held.ready({}) == Numbers{next}); // until it is released
        chain.held.release(next);
    }
    CHECK(chain.held.ready({}).empty());
    CHECK(chain.held.empty());
}

TEST_CASE("what stands behind something unfinished stays held") {
    Leaves leaves({{}, {0}, {1}, {}});
    for (std::size_t i : {1U, 2U, 3U}) leaves.held.hold(i);
    CHECK(leaves.held.ready({named("0")}) == Numbers{3});
    leaves.held.release(3);
    CHECK(leaves.held.ready({named("0")}).empty());
    CHECK(leaves.held.size() == 2);
}

TEST_CASE("a leaf waits for all that it depends on, whichever of them it was found behind") {
    Leaves diamond({{}, {}, {0, 1}});
    for (std::size_t i : {0U, 1U, 2U}) diamond.held.hold(i);
    CHECK(diamond.held.ready({}) == Numbers{0, 1});
    diamond.held.release(0);
    CHECK(diamond.held.ready({}) == Numbers{1});
    diamond.held.release(1);
    CHECK(diamond.held.ready({}) == Numbers{2});
}

TEST_CASE("behind an approval is what nothing else keeps back") {
    // 0 is parked, 1 has failed.
    Leaves leaves({{}, {}, {0}, {2}, {0, 1}, {4, 2}, {}});
    for (std::size_t i : {2U, 3U, 4U, 5U, 6U}) leaves.held.hold(i);
    const std::set<Address> parked{named("0")}, unfinished{named("0"), named("1")};
    CHECK(leaves.held.behind(parked, unfinished) == std::set<std::size_t>{2, 3});
}

#include <algorithm>
#include <array>
#include <random>

#include "base/json.hpp"
#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// Random documents over few keys and values, so that the three of them often agree.
class Trees {
public:
    explicit Trees(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
    }

    Value document() { return Value::map({{"spec", map(3)}}); }

    Value scalar() {
        switch (below(4)) {
            case 0: return Value(static_cast<int>(below(3)));
            case 1: return Value(below(2) == 0);
            case 2: return Value(below(2) == 0 ? "x" : "1");
            default: return Value(1.0);
        }
    }

    Value map(int depth) {
        Map map;
        for (const char* key : {"a", "b/c", "m"})
            if (below(3) > 0) map.set(key, depth == 0 || below(2) ? scalar() : this->map(depth - 1));
        if (below(6) == 0) map.set("n", nullptr);
        if (below(2)) map.set("keyed", elements());
        if (below(2)) map.set("set", scalars());
        if (below(2)) map.set("ordered", scalars());
        if (below(2)) map.set("atomic", scalars());
        return map;
    }

    Value elements() {
        List list;
        std::vector<const char*> names{"k1", "k2", "k3"};
        std::shuffle(names.begin(), names.end(), random_);
        for (const char* name : names)
            if (below(2)) list.push_back(Value::map({{"name", name}, {"v", scalar()}}));
        return list;
    }

    Value scalars() {
        List list;
        for (const char* text : {"p", "q", "r"})
            if (below(2)) list.push_back(Value(text));
        std::shuffle(list.begin(), list.end(), random_);
        return list;
    }

    std::mt19937 random_;
};

KindInfo tree_kind() {
    KindInfo kind;
    kind.compare = {"/spec"};
    std::string at = "/spec";
    for (int depth = 0; depth < 5; ++depth, at += "/*") {
        kind.lists.push_back({at + "/keyed", ListType::keyed, {"name"}});
        kind.lists.push_back({at + "/set", ListType::set, {}});
        kind.lists.push_back({at + "/ordered", ListType::ordered, {}});
    }
    return kind;
}

// What a target does with one change: the reference for what pointers of elements mean.
void set_in(Value& node, std::vector<std::string> path, const FieldChange& change) {
    const std::string token = path.front();
    path.erase(path.begin());
    if (List* list = node.if_list()) {
        auto is_meant = [&](const Value& element) {
            if (token.starts_with("[=")) return token == "[=" + *element.if_string() + "]";
            return token == "[name=" + std::string(element.text_at("name")) + "]";
        };
        auto it = token.starts_with('[')
                      ? std::find_if(list->begin(), list->end(), is_meant)
                      : list->begin() + std::min<std::ptrdiff_t>(std::stol(token),
                                                                 static_cast<std::ptrdiff_t>(list->size()));
        if (!path.empty()) return set_in(*it, path, change);
        if (!change.after)
            list->erase(it);
        else if (it == list->end() || (!change.before && !token.starts_with('[')))
            list->insert(it, *change.after); // what stands there moves on
        else
            *it = *change.after;
        return;
    }
    if (!node.is_map()) node = Value(Map{});
    if (!path.empty()) return set_in(node.as_map()[token], path, change);
    if (change.after)
        node.as_map().set(token, *change.after);
    else
        node.as_map().erase(token);
}

Value apply(Value observed, std::vector<FieldChange> changes) {
    // From the back, so that indices of ordered lists stay what they were.
    std::stable_sort(changes.begin(), changes.end(), [](const FieldChange& a, const FieldChange& b) {
        return !a.after > !b.after || (!a.after == !b.after && a.after && a.pointer < b.pointer);
    });
    auto removals_end = std::find_if(changes.begin(), changes.end(),
                                     [](const FieldChange& c) { return c.after.has_value(); });
    std::reverse(changes.begin(), removals_end);
    for (const FieldChange& change : changes) set_in(observed, split_pointer(change.pointer), change);
    return observed;
}

std::string list_of(const std::vector<FieldChange>& changes) {
    std::string out;
    for (const FieldChange& c : changes)
        out += c.pointer + ": " + (c.before ? to_json(*c.before) : "-") + " -> " +
               (c.after ? to_json(*c.after) : "-") + "\n";
    return out;
}

} // namespace

TEST_CASE("applying the planned changes leaves nothing to plan") {
    const KindInfo kind = tree_kind();
    Trees trees(7);
    for (int round = 0; round < 1500; ++round) {
        const Value declared = trees.document(), recorded = trees.document(), observed = trees.document();
        const auto changes = compare_documents(declared, recorded, observed, kind, {}, {});
        const Value result = apply(observed, changes);
        const auto left = compare_documents(declared, declared, result, kind, {}, {});
        const auto left_of_recorded = compare_documents(declared, recorded, result, kind, {}, {});
        INFO("declared " << to_json(declared) << "\nrecorded " << to_json(recorded) << "\nobserved "
                         << to_json(observed) << "\nresult   " << to_json(result) << "\n"
                         << list_of(changes));
        REQUIRE(list_of(left).empty());
        REQUIRE(list_of(left_of_recorded).empty());
    }
}

TEST_CASE("what is neither declared nor recorded is never touched") {
    const KindInfo kind = tree_kind();
    Trees trees(11);
    for (int round = 0; round < 500; ++round) {
        const Value observed = trees.document(), empty = json(R"({"spec":{}})");
        REQUIRE(compare_documents(empty, empty, observed, kind, {}, {}).empty());
        REQUIRE(compare_documents(observed, {}, observed, kind, {}, {}).empty());
    }
}

namespace {

// A random stack: leaves with dependencies on earlier and sometimes later ones, some recorded, some
// renamed, some drifted, some gone.
World random_world(unsigned seed, bool with_rings) {
    Trees trees(seed);
    World world;
    const std::size_t count = 5 + trees.below(40);
    // Names are kept, passed on to the neighbour, or all new.
    const std::size_t shift = std::array<std::size_t, 4>{0, 0, 1, 100}[trees.below(4)];
    for (std::size_t i = 0; i < count; ++i) {
        const std::string kind = trees.below(4) == 0 ? "Directory" : "File", path = "p" + std::to_string(i);
        auto spec = [&] {
            return "{\"path\":\"" + path + "\",\"mode\":\"" + std::to_string(trees.below(3)) + "\"}";
        };
        const std::string name = "n" + std::to_string(shift == 100 ? i + 100 : (i + shift) % count);
        if (trees.below(3) > 0) world.record("n" + std::to_string(i), spec(), kind);
        if (trees.below(3) > 0)
            world.hold(path, spec(), kind);
        else if (trees.below(8) == 0)
            world.fail_to_read(path, kind);
        if (trees.below(5) == 0) continue;
        Leaf& leaf = world.declare(name, spec(), kind);
        leaf.policy.wave = static_cast<std::int32_t>(trees.below(3));
        leaf.policy.adopt = Adopt::always;
        const std::size_t known = world.input.leaves.size() - 1;
        for (std::size_t d = trees.below(3); d > 0 && known > 0; --d)
            leaf.depends_on.push_back(world.input.leaves[trees.below(known)].address);
    }
    if (with_rings && world.input.leaves.size() > 1)
        world.input.leaves.front().depends_on.push_back(world.input.leaves.back().address);
    return world;
}

} // namespace

TEST_CASE("the order respects every edge and every gate, and is whole") {
    const bool with_rings = GENERATE(false, true);
    for (unsigned seed = 0; seed < 120; ++seed) {
        World world = random_world(seed, with_rings);
        const Plan plan = world.plan();
        INFO("seed " << seed << "\n" << all_text(plan));
        std::vector<std::size_t> opens(plan.gates.size(), 0); // position behind which a gate is open
        for (std::size_t g = 0; g < plan.gates.size(); ++g) {
            for (std::size_t change : plan.gates[g].after) opens[g] = std::max(opens[g], change + 1);
            for (std::size_t gate : plan.gates[g].after_gates) {
                REQUIRE(gate < g);
                opens[g] = std::max(opens[g], opens[gate]);
            }
        }
        for (std::size_t i = 0; i < plan.changes.size(); ++i) {
            for (std::size_t before : plan.changes[i].after) REQUIRE(before < i);
            for (std::size_t gate : plan.changes[i].after_gates) REQUIRE(opens[gate] <= i);
            if (plan.changes[i].readiness != Readiness::ready) continue;
            for (std::size_t before : plan.changes[i].after)
                REQUIRE(plan.changes[before].readiness == Readiness::ready);
        }
        // Every dependency between changes that act is an edge.
        for (std::size_t i = 0; i < plan.changes.size() && !with_rings; ++i) {
            const Change& change = plan.changes[i];
            if (!change.leaf || change.action == Action::none || change.action == Action::move ||
                change.action == Action::adopt)
                continue;
            for (const Address& wanted : world.input.leaves[*change.leaf].depends_on) {
                const std::size_t on = place_in(plan, short_name(wanted.id));
                if (on < plan.changes.size() && plan.changes[on].action == Action::create) REQUIRE(on < i);
            }
        }
    }
}

TEST_CASE("planning twice gives the same bytes, and the input's order does not matter") {
    for (unsigned seed = 0; seed < 100; ++seed) {
        World world = random_world(seed, seed % 3 == 0);
        const Plan first = world.plan(), again = world.plan();
        INFO("seed " << seed);
        REQUIRE(bytes_of(first) == bytes_of(again));
        std::mt19937 random(seed);
        std::shuffle(world.input.leaves.begin(), world.input.leaves.end(), random);
        std::shuffle(world.input.recorded.begin(), world.input.recorded.end(), random);
        const Plan shuffled = world.plan();
        INFO(bytes_of(first) << "\nshuffled\n" << bytes_of(shuffled));
        REQUIRE(shuffled.hash == first.hash);
    }
}

TEST_CASE("the plan's hash covers what law 4 says, and not the commit or versions") {
    World world;
    world.settle("a", R"({"path":"a","mode":"0644"})");
    world.hold("a", R"({"path":"a","mode":"0600","other":1})");
    const Hash hash = world.plan().hash;
    SECTION("not versions, commits and fields that nobody declared") {
        world.hold("a", R"({"path":"a","mode":"0600","other":2})").version = "17";
        world.input.recorded[0].commit = "abc";
        world.input.recorded[0].version = "16";
        world.input.leaves[0].origin.line = 9;
        CHECK(world.plan().hash == hash);
    }
    SECTION("an observed field that is compared") {
        world.hold("a", R"({"path":"a","mode":"0666"})");
        CHECK_FALSE(world.plan().hash == hash);
    }
    SECTION("the plugin") {
        world.provider().rules = sha256("another plugin");
        CHECK_FALSE(world.plan().hash == hash);
    }
    SECTION("the stack's inputs") {
        world.input.inputs = sha256("vars");
        CHECK_FALSE(world.plan().hash == hash);
    }
    SECTION("another change") {
        world.declare("b", R"({"path":"b"})");
        CHECK_FALSE(world.plan().hash == hash);
    }
}

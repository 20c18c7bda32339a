#include "execute/journal.hpp"

#include <algorithm>
#include <chrono>

#include "execute/step.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

Address address_of(const std::string& name) { return {"web", {.kind = "Thing", .name = name}}; }

LedgerEntry entry_of(const std::string& name) {
    LedgerEntry entry;
    entry.address = address_of(name);
    entry.object.identity = name;
    return entry;
}

struct Bench {
    Plan plan;
    PlanInput input;
    PassRecord pass{.id = "p1"};
    CommitInfo commit{.id = "c0ffee"};

    explicit Bench(Action action) {
        for (const char* name : {"a", "b"}) {
            Change change;
            change.action = action;
            change.address = address_of(name);
            plan.changes.push_back(change);
        }
    }
    Journal journal() const { return Journal(plan, input, pass, commit, "key"); }
};

} // namespace

TEST_CASE("two deletes of one batch leave two entries that are being deleted") {
    Bench bench(Action::remove);
    Journal journal = bench.journal();
    const LedgerEntry a = entry_of("a"), b = entry_of("b");
    journal.intend({.change = 0, .kind = StepKind::remove, .old = &a}, 1);
    journal.intend({.change = 1, .kind = StepKind::remove, .old = &b}, 1);
    const std::vector<StoreBatch> batches = journal.take();
    REQUIRE(batches.size() == 1);
    REQUIRE(batches[0].upserts.size() == 2);
    CHECK(batches[0].upserts[0].address == address_of("a"));
    CHECK(batches[0].upserts[1].address == address_of("b"));
    CHECK(batches[0].upserts[1].state == EntryState::deleting);
    CHECK(batches[0].steps.size() == 2);
    CHECK(journal.empty());
}

TEST_CASE("an entry says what its delete has to obey, through a replace and until it is gone") {
    Bench bench(Action::create);
    Leaf& leaf = bench.input.leaves.emplace_back();
    leaf.depends_on = {address_of("b"), address_of("c")};
    leaf.policy.wave = -4;
    bench.plan.changes[0].leaf = 0;
    Journal journal = bench.journal();
    LedgerEntry old = entry_of("a");
    old.after = {address_of("before")};
    old.wave = 2;
    journal.intend({.change = 0, .kind = StepKind::create, .old = &old, .deposed = address_of("aside")}, 1);
    LedgerEntry gone = old;
    gone.address = address_of("b");
    journal.intend({.change = 1, .kind = StepKind::remove, .old = &gone}, 1);
    const std::vector<StoreBatch> batches = journal.take();
    REQUIRE(batches.size() == 1);
    REQUIRE(batches[0].upserts.size() == 3);
    for (const LedgerEntry& entry : batches[0].upserts) {
        const bool is_new = entry.state == EntryState::creating;
        CHECK(entry.after == (is_new ? leaf.depends_on : old.after));
        CHECK(entry.wave == (is_new ? -4 : 2));
    }
}

// Random walk 495: a stale read said that the object was gone, and "it exists already" took it from us.
TEST_CASE("a create that wrote nothing leaves what was recorded before, unless that was removed for it") {
    const bool is_replace = GENERATE(false, true);
    Bench bench(is_replace ? Action::replace : Action::create);
    Journal journal = bench.journal();
    const LedgerEntry old = entry_of("a");
    if (is_replace)
        journal.end({.change = 0, .kind = StepKind::remove, .old = &old}, StepState::done, {}, "", 1);
    journal.intend({.change = 0, .kind = StepKind::create, .old = &old}, 1);
    journal.end({.change = 0, .kind = StepKind::create, .old = &old}, StepState::failed, {}, "exists", 1);
    const std::vector<StoreBatch> batches = journal.take();
    REQUIRE(batches.size() == 1);
    REQUIRE(batches[0].upserts.size() == (is_replace ? 0U : 1U));
    CHECK(batches[0].erased.size() == (is_replace ? 1U : 0U));
    if (!is_replace) CHECK(batches[0].upserts.front().state == EntryState::applied);
}

TEST_CASE("of several writes to one entry in a batch the last one counts") {
    Bench bench(Action::replace);
    Journal journal = bench.journal();
    const LedgerEntry old = entry_of("a");
    journal.end({.change = 0, .kind = StepKind::remove, .old = &old}, StepState::done, {}, "", 1);
    journal.intend({.change = 0, .kind = StepKind::create, .old = &old}, 1);
    const std::vector<StoreBatch> batches = journal.take();
    REQUIRE(batches.size() == 1);
    CHECK(batches[0].erased.empty());
    REQUIRE(batches[0].upserts.size() == 1);
    CHECK(batches[0].upserts[0].state == EntryState::creating);
}

TEST_CASE("a write to an address that a move of the same batch touched gets a batch of its own, behind it") {
    Bench bench(Action::update);
    Journal journal = bench.journal();
    journal.move(address_of("old"), address_of("a"));
    const LedgerEntry moved = entry_of("a");
    journal.end({.change = 0, .kind = StepKind::update, .old = &moved}, StepState::done, {}, "", 1);
    const std::vector<StoreBatch> batches = journal.take();
    REQUIRE(batches.size() == 2);
    CHECK(batches[0].moved.size() == 1);
    CHECK(batches[1].upserts.size() == 1);
}

TEST_CASE("the journal shows changed fields, but not those that are or hold a secret") {
    Bench bench(Action::update);
    Description plugin;
    plugin.kinds.push_back({.api_version = "v1", .kind = "Thing", .sensitive = {"/spec/users/*/password"}});
    bench.input.providers["p"] = {.target = "t", .rules = {}, .description = &plugin};
    bench.plan.changes[0].provider = "p";
    bench.plan.changes[0].api_version = "v1";
    bench.plan.changes[0].object.kind = "/Thing";
    bench.plan.changes[0].fields = {
        {.pointer = "/spec/mode", .before = Value("0600"), .after = Value("0644")},
        {.pointer = "/spec/users", .before = std::nullopt, .after = Value("hunter2")},
        {.pointer = "/spec/users/ana/password", .before = Value("hunter2"), .after = std::nullopt},
    };
    Journal journal = bench.journal();
    const LedgerEntry old = entry_of("a");
    journal.end({.change = 0, .kind = StepKind::update, .old = &old}, StepState::failed, {}, "no", 1);
    CHECK(
        journal.take().at(0).steps.at(0).changes ==
        R"([{"after":"0644","before":"0600","pointer":"/spec/mode"},{"pointer":"/spec/users","sensitive":true},)"
        R"({"pointer":"/spec/users/ana/password","sensitive":true}])");
}

TEST_CASE("moves are ordered so that none lands on an entry that has yet to leave") {
    using Moves = std::vector<std::pair<Address, Address>>;
    auto move = [](const char* from, const char* to) { return std::pair(address_of(from), address_of(to)); };
    CHECK(order_moves({move("a", "b"), move("b", "c")}) == Moves{move("b", "c"), move("a", "b")});
    CHECK(order_moves({move("b", "c"), move("a", "b")}) == Moves{move("b", "c"), move("a", "b")});
    CHECK(order_moves({move("a", "x"), move("b", "y")}) == Moves{move("a", "x"), move("b", "y")});

    const Moves swap = order_moves({move("a", "b"), move("b", "a")});
    REQUIRE(swap.size() == 3);
    CHECK(swap[0].first == address_of("a"));
    CHECK(swap[1] == move("b", "a"));
    CHECK(swap[2] == std::pair(swap[0].second, address_of("b")));
}

TEST_CASE("what an update may have set is kept with what was recorded, each element of a list once") {
    CHECK(with_fields_of(R"({"a":1,"list":["x"],"map":{"k":[{"n":1}]}})",
                         R"({"b":2,"list":["y","x"],"map":{"k":[{"n":1},{"n":2}]}})") ==
          R"({"a":1,"b":2,"list":["x","y"],"map":{"k":[{"n":1},{"n":2}]}})");
    CHECK_FALSE(with_fields_of(R"({"a":1,"list":["x","y"]})", R"({"a":2,"list":["y"]})"));
}

TEST_CASE("lists of a hundred thousand elements are merged in the time that it takes to read them") {
    const auto document = [](int from, int to) {
        std::string out = R"({"list":[)";
        for (int i = from; i < to; ++i) out += (i == from ? "" : ",") + std::to_string(i);
        return out + "]}";
    };
    const auto start = std::chrono::steady_clock::now();
    CHECK(with_fields_of(document(0, 100'000), document(50'000, 150'000)) == document(0, 150'000));
    // By comparing each with each it took ten seconds and more.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

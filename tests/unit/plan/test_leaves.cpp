#include "base/json.hpp"
#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

TEST_CASE("what is absent and was never recorded is created") {
    World world;
    world.declare("motd", R"({"path":"etc/motd"})");
    const Plan plan = world.plan();
    CHECK(change_of(plan, "motd").action == Action::create);
    CHECK(plan.counts.create == 1);
    CHECK_FALSE(change_of(plan, "motd").is_drift);
}

TEST_CASE("what agrees is no change, and is remembered once it was compared") {
    World world;
    world.settle("motd", R"({"path":"etc/motd","mode":"0644"})");
    Plan plan = world.plan();
    CHECK(plan.is_empty());
    CHECK(plan.counts.unchanged == 1);
    REQUIRE(plan.settled.size() == 1);
    CHECK_FALSE(plan.settled[0].rewrite_entry);

    SECTION("then nothing is parsed any more") {
        world.input.recorded[0].settled = plan.settled[0].hash;
        world.input.recorded[0].declared = "not even JSON";
        plan = world.plan();
        CHECK(plan.counts.unchanged == 1);
        CHECK(plan.settled.empty());
    }
    SECTION("but other observed bytes are looked at again") {
        world.input.recorded[0].settled = plan.settled[0].hash;
        world.hold("etc/motd", R"({"path":"etc/motd","mode":"0666"})");
        CHECK(change_of(world.plan(), "motd").action == Action::update);
    }
}

TEST_CASE("the memo hangs on everything that could change the comparison") {
    World world;
    Leaf leaf = world.settle("motd", R"({"path":"etc/motd"})");
    const Hash plugin = sha256("p"), observed = sha256("o");
    const Hash memo = settle_hash(leaf, plugin, observed, "key");
    CHECK(settle_hash(leaf, plugin, observed, "key") == memo);
    CHECK_FALSE(settle_hash(leaf, sha256("p2"), observed, "key") == memo);
    CHECK_FALSE(settle_hash(leaf, plugin, sha256("o2"), "key") == memo);
    CHECK_FALSE(settle_hash(leaf, plugin, observed, "another key") == memo);
    Leaf other = leaf;
    other.policy.ignore = {"/spec/mode"};
    CHECK_FALSE(settle_hash(other, plugin, observed, "key") == memo);
    other = leaf;
    other.declared = make_document(json(R"({"spec":{}})"));
    CHECK_FALSE(settle_hash(other, plugin, observed, "key") == memo);
    other = leaf;
    other.refresh = sha256("r");
    CHECK_FALSE(settle_hash(other, plugin, observed, "key") == memo);
}

TEST_CASE("a declaration that changed only in what is not compared is recorded anew without a change") {
    World world;
    world.settle("motd", R"({"path":"etc/motd"})");
    world.input.recorded[0].declared_hash = sha256("another");
    const Plan plan = world.plan();
    CHECK(plan.is_empty());
    REQUIRE(plan.settled.size() == 1);
    CHECK(plan.settled[0].rewrite_entry);
}

TEST_CASE("a leaf whose order alone changed is recorded anew, settled or not") {
    World world;
    world.settle("other", R"({"path":"other"})");
    Leaf& leaf = world.settle("motd", R"({"path":"etc/motd"})");
    LedgerEntry& entry = world.input.recorded[1];
    if (GENERATE(false, true))
        entry.settled = settle_hash(leaf, world.provider().rules,
                                    world.hold("etc/motd", R"({"path":"etc/motd"})").raw_hash, "a key");
    SECTION("another dependency") { leaf.depends_on = {address("other")}; }
    SECTION("one less") { entry.after = {address("other")}; }
    SECTION("another wave") { leaf.policy.wave = 3; }
    const Plan plan = world.plan();
    CHECK(plan.is_empty());
    CHECK(plan.counts.unchanged == 2);
    REQUIRE(!plan.settled.empty());
    const SettledLeaf& rewritten = plan.settled.back();
    CHECK(rewritten.rewrite_entry);
    CHECK(rewritten.leaf == 1);
    CHECK(rewritten.hash == settle_hash(world.input.leaves[1], world.provider().rules,
                                        world.input.observed_leaves[1].raw_hash, "a key"));
}

TEST_CASE("an object that nobody recorded is adopted as the policy says") {
    struct Row {
        Adopt policy;
        std::string observed;
        Action action;
        Readiness readiness;
    };
    const Row row = GENERATE(values<Row>({
        {Adopt::equal, R"({"path":"a","mode":"0644","owner":"root"})", Action::adopt, Readiness::ready},
        {Adopt::equal, R"({"path":"a","mode":"0600"})", Action::none, Readiness::blocked},
        {Adopt::always, R"({"path":"a","mode":"0644"})", Action::adopt, Readiness::ready},
        {Adopt::always, R"({"path":"a","mode":"0600"})", Action::update, Readiness::ready},
        {Adopt::never, R"({"path":"a","mode":"0644"})", Action::none, Readiness::blocked},
        {Adopt::always, R"({"path":"a","mode":"0644","type":"fifo"})", Action::adopt, Readiness::ready},
    }));
    World world;
    world.declare("a", R"({"path":"a","mode":"0644"})").policy.adopt = row.policy;
    world.hold("a", row.observed);
    const Plan plan = world.plan();
    const Change& change = change_of(plan, "a");
    CAPTURE(row.observed, to_string(row.policy));
    CHECK(change.action == row.action);
    CHECK(change.readiness == row.readiness);
    if (row.readiness == Readiness::blocked) {
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.exists") && ContainsSubstring("holdfast import") &&
                                       ContainsSubstring("adopt: always") &&
                                       ContainsSubstring("web/a.yaml:1"));
        CHECK(plan.counts.blocked == 1);
    }
}

TEST_CASE("adopting never replaces what others made") {
    World world;
    world.declare("a", R"({"path":"a","type":"file"})").policy.adopt = Adopt::always;
    world.hold("a", R"({"path":"a","type":"fifo"})");
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").readiness == Readiness::blocked);
    CHECK(change_of(plan, "a").action == Action::none);
    // It has the policy that the usual advice names.
    CHECK_THAT(all_text(plan), !ContainsSubstring("adopt: always"));
}

TEST_CASE("a create whose outcome is not known is finished") {
    World world;
    world.declare("a", R"({"path":"a","mode":"0644"})").policy.adopt = Adopt::never;
    world.record("a", R"({"path":"a","mode":"0644"})").state = EntryState::creating;
    SECTION("it was not done") { CHECK(change_of(world.plan(), "a").action == Action::create); }
    SECTION("it was done") {
        world.hold("a", R"({"path":"a","mode":"0644"})");
        CHECK(change_of(world.plan(), "a").action == Action::adopt);
    }
    SECTION("it was half done") {
        world.hold("a", R"({"path":"a"})");
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::update);
        CHECK_FALSE(change_of(plan, "a").is_drift);
    }
}

TEST_CASE("a read that failed blocks the leaf with the provider's reason and its place") {
    World world;
    world.declare("a", R"({"path":"a"})");
    world.record("a", R"({"path":"a"})");
    world.fail_to_read("a");
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").readiness == Readiness::blocked);
    CHECK_THAT(all_text(plan), ContainsSubstring("permission denied") && ContainsSubstring("web/a.yaml:1"));
    CHECK(plan.counts.create + plan.counts.remove == 0);
}

TEST_CASE("a leaf that waits says for what") {
    World world;
    Leaf& leaf = world.declare("a", R"({"mode":"0644"})");
    leaf.waits = {{address("b"), "status.addresses[0]"}};
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").action == Action::wait);
    CHECK(change_of(plan, "a").waits == leaf.waits);
    CHECK(change_of(plan, "a").reasons.empty()); // renderers tell of waits themselves
}

TEST_CASE("a leaf that is only observed is never written") {
    World world;
    world.declare("a", R"({"path":"a","mode":"0644"})").policy.observe_only = true;
    SECTION("it differs") {
        world.hold("a", R"({"path":"a","mode":"0600"})");
        CHECK(world.plan().changes.empty());
    }
    SECTION("it is absent") {
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::none);
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.observed-is-absent"));
    }
}

TEST_CASE("a renamed document keeps its object") {
    World world;
    world.record("old", R"({"path":"a","mode":"0644"})");
    world.hold("a", R"({"path":"a","mode":"0644"})");
    SECTION("and nothing else changes") {
        world.declare("new", R"({"path":"a","mode":"0644"})");
        const Plan plan = world.plan();
        CHECK(plan.changes.size() == 1);
        CHECK(change_of(plan, "new").action == Action::move);
        CHECK(change_of(plan, "new").moved_from == address("old"));
    }
    SECTION("and a field changes with it") {
        world.declare("new", R"({"path":"a","mode":"0600"})");
        const Plan plan = world.plan();
        CHECK(plan.changes.size() == 1);
        CHECK(change_of(plan, "new").action == Action::update);
        CHECK(change_of(plan, "new").moved_from == address("old"));
    }
}

TEST_CASE("renaming every document deletes nothing, even where the names are passed around") {
    World world;
    const std::size_t count = 12;
    auto name = [](std::size_t i) { return numbered("n", i); };
    auto spec = [](std::size_t i) { return numbered("{\"path\":\"p", i) + "\"}"; };
    const std::size_t shift = GENERATE(as<std::size_t>{}, 1, 5, 100);
    for (std::size_t i = 0; i < count; ++i) {
        world.record(name(i), spec(i));
        world.hold(numbered("p", i), spec(i));
        Leaf& leaf = world.declare(name(shift == 100 ? 100 + i : (i + shift) % count), spec(i));
        if (i > 0) leaf.depends_on = {world.input.leaves[i - 1].address};
    }
    const Plan plan = world.plan();
    CHECK(plan.counts.move == count);
    CHECK(plan.changes.size() == count);
    CHECK(plan.counts.parked + plan.counts.blocked + plan.counts.remove == 0);
}

TEST_CASE("a document that takes the name of a removed one waits until that object is gone") {
    World world;
    world.record("a", R"({"path":"pa"})");
    world.record("b", R"({"path":"pb"})");
    world.hold("pa", R"({"path":"pa"})");
    world.hold("pb", R"({"path":"pb"})");
    world.declare("a", R"({"path":"pb"})");
    const Plan plan = world.plan();
    REQUIRE(plan.changes.size() == 2);
    CHECK(plan.changes[0].action == Action::remove);
    CHECK(plan.changes[0].object.identity == "\"pa\"");
    CHECK(plan.changes[1].action == Action::move);
    CHECK(plan.changes[1].after == std::vector<std::size_t>{0});
}

TEST_CASE("a document that names another object is a replace of the old one") {
    World world;
    world.declare("a", R"({"path":"new"})");
    LedgerEntry& entry = world.record("a", R"({"path":"old"})");
    SECTION("which stands") {
        world.hold("old", R"({"path":"old"})");
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::replace);
        CHECK(plan.changes.size() == 1);
    }
    SECTION("which is gone") { CHECK(change_of(world.plan(), "a").action == Action::create); }
    SECTION("which is to stay") {
        entry.deletion = Deletion::orphan;
        world.hold("old", R"({"path":"old"})");
        CHECK(change_of(world.plan(), "a").action == Action::create);
    }
    SECTION("which could not be read") {
        world.fail_to_read("old");
        CHECK(change_of(world.plan(), "a").readiness == Readiness::blocked);
    }
    SECTION("and the new one exists already") {
        world.hold("old", R"({"path":"old"})");
        world.hold("new", R"({"path":"new"})");
        world.input.leaves[0].policy.adopt = Adopt::never;
        const Plan plan = world.plan();
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.exists"));
        CHECK(plan.counts.replace == 0);
    }
    SECTION("which is protected") {
        entry.protect = true;
        world.hold("old", R"({"path":"old"})");
        CHECK(change_of(world.plan(), "a").readiness == Readiness::parked);
    }
}

TEST_CASE("moved-from says what cannot be inferred") {
    World world;
    world.declare("b", R"({"path":"new"})").moved_from = {address("a")};
    world.record("a", R"({"path":"old"})");
    world.hold("old", R"({"path":"old"})");
    const Plan plan = world.plan();
    REQUIRE(plan.changes.size() == 1);
    CHECK(plan.changes[0].action == Action::replace);
    CHECK(plan.changes[0].moved_from == address("a"));
}

TEST_CASE("two documents for one target object are an error that names both") {
    World world;
    world.declare("a", R"({"path":"x"})");
    world.declare("b", R"({"path":"x"})");
    const bool is_recorded = GENERATE(false, true);
    if (is_recorded) {
        world.record("a", R"({"path":"x"})");
        world.record("b", R"({"path":"y"})");
        world.hold("x", R"({"path":"x"})");
        world.hold("y", R"({"path":"y"})");
    }
    const Plan plan = world.plan();
    CHECK_THAT(all_text(plan), ContainsSubstring("plan.duplicate-object") &&
                                   ContainsSubstring("web/a.yaml:1") && ContainsSubstring("web/b.yaml:1"));
    CHECK(plan.counts.blocked == 2);
    CHECK(plan.changes.size() == 2); // b's recorded object is not pruned meanwhile
}

TEST_CASE("an object that another stack recorded moves here, unless it is still declared there") {
    World world;
    world.declare("a", R"({"path":"x"})");
    world.hold("x", R"({"path":"x"})");
    LedgerEntry theirs = world.record("z", R"({"path":"x"})");
    world.input.recorded.clear();
    theirs.address.stack = "other";
    world.input.recorded_elsewhere.emplace(theirs.object.key(), theirs);
    SECTION("no longer declared there") {
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::move);
        CHECK(change_of(plan, "a").moved_from == theirs.address);
    }
    SECTION("still declared there") {
        world.input.declared_elsewhere.emplace(theirs.object.key(), theirs.address);
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").readiness == Readiness::blocked);
        CHECK_THAT(all_text(plan), ContainsSubstring("plan.two-owners") && ContainsSubstring("other:") &&
                                       ContainsSubstring("web:"));
    }
}

TEST_CASE("a replace says why, and in which order") {
    World world;
    Leaf& leaf = world.settle("a", R"({"path":"a","type":"file"})");
    world.hold("a", R"({"path":"a","type":"fifo"})");
    SECTION("because a field is immutable") {
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::replace);
        CHECK(change_of(plan, "a").reasons == std::vector<std::string>{"type cannot be changed in place"});
        CHECK_FALSE(change_of(plan, "a").create_first);
    }
    SECTION("the new one cannot stand beside the old one of the same identity") {
        leaf.policy.replace = ReplaceOrder::create_first;
        CHECK_FALSE(change_of(world.plan(), "a").create_first);
    }
    SECTION("unless the kind says that it can") {
        world.kind().create_first = true;
        CHECK(change_of(world.plan(), "a").create_first);
    }
    SECTION("but the document may want it otherwise") {
        world.kind().create_first = true;
        leaf.policy.replace = ReplaceOrder::delete_first;
        CHECK_FALSE(change_of(world.plan(), "a").create_first);
    }
    SECTION("an additive provider deletes nothing") {
        world.provider().ownership = Ownership::additive;
        CHECK(change_of(world.plan(), "a").readiness == Readiness::blocked);
    }
}

TEST_CASE("--replace replaces what agrees") {
    World world;
    world.settle("a", R"({"path":"a"})");
    world.settle("b", R"({"path":"b"})");
    world.input.replace = {address("a")};
    const Plan plan = world.plan();
    CHECK(plan.changes.size() == 1);
    CHECK(change_of(plan, "a").action == Action::replace);
    CHECK_THAT(all_text(plan), ContainsSubstring("--replace"));
}

TEST_CASE("a plugin may name what stands there besides and goes, and who put it there") {
    World world;
    world.settle("a", R"({"path":"a"})");
    world.hold("a", R"({"path":"a","added":"by hand","other":"x"})");
    Canonical canonical{.state = Canonical::State::done,
                        .document =
                            make_document(json(R"({"spec":{"path":"a","added":"by hand","other":"x"}})"))};
    canonical.notes = {"added was written by somebody"};
    SECTION("not without a word") {
        world.input.canonical = {canonical};
        CHECK(world.plan().is_empty());
    }
    SECTION("as drift that is taken away") {
        canonical.removes = {"/spec/added", "/spec/missing"};
        world.input.canonical = {canonical};
        const Plan plan = world.plan();
        const Change& change = change_of(plan, "a");
        REQUIRE(change.fields.size() == 1);
        CHECK(change.fields[0].pointer == "/spec/added");
        CHECK_FALSE(change.fields[0].after);
        CHECK(change.is_drift);
        CHECK_THAT(all_text(plan), ContainsSubstring("added was written by somebody"));
    }
    SECTION("never a secret in plain") {
        world.kind().sensitive = {"/spec/added"};
        canonical.removes = {"/spec/added"};
        world.input.canonical = {canonical};
        const Plan plan = world.plan();
        REQUIRE(change_of(plan, "a").fields.size() == 1);
        CHECK(change_of(plan, "a").fields[0].sensitive);
        CHECK_FALSE(change_of(plan, "a").fields[0].before == Value("by hand"));
    }
    SECTION("and not what the document ignores") {
        canonical.removes = {"/spec/added"};
        world.input.leaves.front().policy.ignore = {"/spec/added"};
        world.input.canonical = {canonical};
        CHECK(world.plan().is_empty());
    }
}

TEST_CASE("a replace that a person has to allow is parked until then") {
    World world;
    world.settle("a", R"({"path":"a","size":"1Gi"})");
    Canonical canonical{.state = Canonical::State::must_replace,
                        .document = make_document(json(R"({"spec":{"path":"a","size":"2Gi"}})")),
                        .paths = {"/spec/size"}};
    canonical.asks = "has to be made anew";
    world.input.canonical = {canonical};
    CHECK(change_of(world.plan(), "a").readiness == Readiness::parked);
    world.input.replace = {address("a")};
    CHECK(change_of(world.plan(), "a").readiness == Readiness::ready);
}

TEST_CASE("what the target would store is compared, not what was typed") {
    World world;
    world.settle("a", R"({"path":"a","size":"1Gi"})");
    world.hold("a", R"({"path":"a","size":"1024Mi","class":"fast"})");
    Canonical canonical;
    SECTION("and is equal") {
        canonical = {.state = Canonical::State::done,
                     .document =
                         make_document(json(R"({"spec":{"path":"a","size":"1024Mi","class":"fast"}})"))};
        world.input.canonical = {canonical};
        CHECK(world.plan().is_empty());
    }
    SECTION("also in the defaults that it fills in") {
        canonical = {.state = Canonical::State::done,
                     .document =
                         make_document(json(R"({"spec":{"path":"a","size":"1024Mi","class":"slow"}})"))};
        world.input.canonical = {canonical};
        CHECK(change_of(world.plan(), "a").fields.at(0).pointer == "/spec/class");
    }
    SECTION("and may have to be replaced") {
        canonical = {.state = Canonical::State::must_replace,
                     .document = make_document(json(R"({"spec":{"path":"a","size":"2Gi"}})")),
                     .paths = {"/spec/size"}};
        world.input.canonical = {canonical};
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::replace);
        CHECK_THAT(all_text(plan), ContainsSubstring("size cannot be changed in place"));
    }
    SECTION("or is not known yet") {
        canonical.state = Canonical::State::not_yet;
        canonical.reason = "its table does not exist yet";
        world.input.canonical = {canonical};
        CHECK_THAT(all_text(world.plan()), ContainsSubstring("its table does not exist yet"));
    }
    SECTION("or is not known yet for what does not stand there either") {
        canonical.state = Canonical::State::not_yet;
        canonical.reason = "its table does not exist yet";
        world.declare("new", R"({"path":"new"})");
        world.input.canonical = {{}, canonical};
        CHECK_THAT(all_text(world.plan()),
                   ContainsSubstring("not checked yet: its table does not exist yet"));
    }
}

TEST_CASE("a leaf acts on a change of what it is to be refreshed by") {
    World world;
    Leaf& leaf = world.settle("a", R"({"path":"a"})");
    leaf.refresh = sha256("files");
    CHECK(change_of(world.plan(), "a").action == Action::refresh);
    world.input.recorded[0].refreshed = to_hex(leaf.refresh);
    CHECK(world.plan().is_empty());
}

TEST_CASE("what has done its work need not stand there, until it is declared otherwise or is to act again") {
    World world;
    Leaf& leaf = world.declare("a", R"({"path":"a"})");
    world.record("a", R"({"path":"a"})");
    Canonical over{.state = Canonical::State::absent};
    over.refresh = "runs anew";
    SECTION("else its absence is drift") { CHECK(change_of(world.plan(), "a").is_drift); }
    world.input.canonical = {over};
    SECTION("its absence is no drift") {
        const Plan plan = world.plan();
        CHECK(plan.is_empty());
        CHECK(plan.counts.unchanged == 1);
    }
    SECTION("what it is refreshed by has changed") {
        leaf.refresh = sha256("files");
        const Plan plan = world.plan();
        CHECK(change_of(plan, "a").action == Action::create);
        CHECK_FALSE(change_of(plan, "a").is_drift);
        CHECK_THAT(all_text(plan), ContainsSubstring("runs anew"));
    }
    SECTION("another declaration was recorded") {
        world.input.recorded[0].declared_hash = sha256("other");
        CHECK(change_of(world.plan(), "a").action == Action::create);
    }
}

TEST_CASE("a plugin may ask for a refresh of its own accord, which is no drift") {
    World world;
    world.settle("a", R"({"path":"a"})");
    world.input.recorded[0].settled = {};
    world.input.canonical = {{.state = Canonical::State::as_declared}};
    world.input.canonical[0].refresh = "it failed, and runs anew";
    CHECK(world.plan().is_empty());
    world.input.canonical[0].is_refresh_due = true;
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").action == Action::refresh);
    CHECK_FALSE(change_of(plan, "a").is_drift);
    world.record("gone", R"({"path":"gone"})");
    world.hold("gone", R"({"path":"gone"})");
    const Plan with_prune = world.plan(); // which waits for the refresh, as for any other change of its scope
    CHECK(change_of(with_prune, "gone").after_gates.size() == 1);
    CHECK_THAT(all_text(plan), ContainsSubstring("it failed, and runs anew"));
}

TEST_CASE("an invalid document is blocked with its own problems, and its object is not pruned") {
    World world;
    world.settle("a", R"({"path":"a"})");
    Diagnostics problems;
    problems.error("host.mode", "mode is odd");
    world.input.invalid.emplace(0, problems);
    const Plan plan = world.plan();
    REQUIRE(plan.changes.size() == 1);
    CHECK(change_of(plan, "a").readiness == Readiness::blocked);
    CHECK_THAT(all_text(plan), ContainsSubstring("mode is odd"));
}

TEST_CASE("what its plugin refuses is blocked with the reasons, and with it what waits for it") {
    World world;
    world.record("gone", R"({"path":"gone"})");
    world.hold("gone", R"({"path":"gone"})");
    world.declare("b", R"({"path":"b"})");
    world.declare("c", R"({"path":"c"})").depends_on = {address("b")};
    world.declare("d", R"({"path":"d"})");
    const Plan before = world.plan();
    CHECK(before.counts.blocked == 0);
    Diagnostics problems;
    problems.error("host.last", "it is the last one");
    const bool is_removal = GENERATE(false, true);
    world.input.refused = {{address(is_removal ? "gone" : "b"), problems}};
    const Plan plan = world.plan();
    CHECK(change_of(plan, "gone").readiness == Readiness::blocked); // prunes wait for what their scope makes
    CHECK(change_of(plan, "b").readiness == (is_removal ? Readiness::ready : Readiness::blocked));
    CHECK(change_of(plan, "c").readiness == (is_removal ? Readiness::ready : Readiness::blocked));
    CHECK(change_of(plan, "d").readiness == Readiness::ready);
    CHECK_THAT(all_text(plan), ContainsSubstring("it is the last one"));
    CHECK(plan.hash != before.hash);
}

TEST_CASE("another target under the same provider stops all writes") {
    World world;
    world.settle("a", R"({"path":"a"})");
    world.record("gone", R"({"path":"gone"})");
    world.hold("gone", R"({"path":"gone"})");
    world.declare("b", R"({"path":"b"})");
    world.provider().target = "machine-2";
    const Plan plan = world.plan();
    CHECK(plan.counts.blocked == 3);
    CHECK(plan.changes.size() == 3);
    CHECK_THAT(all_text(plan), ContainsSubstring("plan.target-changed") && ContainsSubstring("machine-1"));
}

TEST_CASE("a document that the plugin sent and that is no JSON blocks its leaf only") {
    World world;
    world.settle("a", R"({"path":"a"})");
    world.hold("a", R"({"path":"a"})").document = GENERATE(as<std::string>{}, "{", "");
    world.declare("b", R"({"path":"b"})");
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").readiness == Readiness::blocked);
    CHECK(change_of(plan, "b").readiness == Readiness::ready);
}

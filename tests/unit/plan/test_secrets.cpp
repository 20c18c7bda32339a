#include "base/json.hpp"
#include "plan/plan.hpp"
#include "support/catch.hpp"
#include "world.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

Leaf& make_secret(World& world, Leaf& leaf, const std::string& pointer) {
    leaf.sensitive = {pointer};
    leaf.masked =
        make_document(mask_document(tree_of(leaf.declared), leaf.sensitive, world.input.masking_key));
    return leaf;
}

void mask_record(World& world, LedgerEntry& entry, const std::string& pointer) {
    const Document masked =
        make_document(mask_document(json(entry.declared), {pointer}, world.input.masking_key));
    entry.declared = masked.json;
    entry.declared_hash = masked.hash;
}

} // namespace

TEST_CASE("masking reaches every element, hides types and lengths, and is done once") {
    const Value document =
        json(R"({"spec":{"users":[{"password":"a"},{"password":"b"}],"key":{"pem":"x"},"n":null}})");
    const Value masked =
        mask_document(document, {"/spec/users/*/password", "/spec/key", "/spec/n", "/spec/none"}, "key");
    const std::string text = to_json(masked);
    CHECK_THAT(text, !ContainsSubstring("pem") && !ContainsSubstring("\"a\""));
    CHECK(find_at(masked, "/spec/n")->is_null());
    CHECK(find_at(masked, "/spec/users/0/password/$secret")->if_string()->size() == 64);
    CHECK_FALSE(*find_at(masked, "/spec/users/0/password") == *find_at(masked, "/spec/users/1/password"));
    CHECK(mask_document(masked, {"/spec/users/*/password", "/spec/key"}, "key") == masked);
    CHECK_FALSE(mask_document(document, {"/spec/key"}, "another key") ==
                mask_document(document, {"/spec/key"}, "key"));
}

TEST_CASE("an equal secret is no change, whether the target shows it or its mask") {
    World world;
    make_secret(world, world.declare("a", R"({"path":"a","content":"hunter2"})"), "/spec/content");
    mask_record(world, world.record("a", R"({"path":"a","content":"hunter2"})"), "/spec/content");
    world.hold("a", R"({"path":"a","content":"hunter2"})");
    CHECK(world.plan().is_empty());
}

TEST_CASE("a secret that differs is shown by its masks only") {
    World world;
    make_secret(world, world.declare("a", R"({"path":"a","content":"new-secret"})"), "/spec/content");
    mask_record(world, world.record("a", R"({"path":"a","content":"old-secret"})"), "/spec/content");
    world.hold("a", R"({"path":"a","content":"old-secret"})");
    const Plan plan = world.plan();
    const Change& change = change_of(plan, "a");
    CHECK(change.action == Action::update);
    REQUIRE(change.fields.size() == 1);
    CHECK(change.fields[0].sensitive);
    CHECK_FALSE(change.fields[0].before == change.fields[0].after);
    CHECK_THAT(bytes_of(plan), !ContainsSubstring("-secret"));
}

TEST_CASE("a secret stays hidden where the observed list has another order or shape") {
    auto observed =
        GENERATE(as<std::string>{}, R"({"path":"a","users":[{"n":"x","p":"leak-1"},{"n":"y","p":"leak-2"}]})",
                 R"({"path":"a","users":[]})", R"({"path":"a"})", R"({"path":"a","users":{"p":"leak-3"}})");
    auto type = GENERATE(ListType::atomic, ListType::ordered, ListType::keyed);
    World world;
    world.kind().lists = {{"/spec/users", type, {"n"}}};
    make_secret(world, world.declare("a", R"({"path":"a","users":[{"n":"y","p":"hunter2"}]})"),
                "/spec/users/0/p");
    mask_record(world, world.record("a", R"({"path":"a","users":[{"n":"y","p":"hunter2"}]})"),
                "/spec/users/0/p");
    world.hold("a", observed);
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").action == Action::update);
    INFO(bytes_of(plan));
    CHECK_THAT(bytes_of(plan), !ContainsSubstring("hunter2"));
    CHECK_THAT(bytes_of(plan), !ContainsSubstring("leak-"));
}

TEST_CASE("a secret element of a set does not get into a pointer") {
    World world;
    world.kind().lists = {{"/spec/tokens", ListType::set, {}}};
    world.kind().sensitive = {"/spec/tokens/*"};
    make_secret(world, world.declare("a", R"({"path":"a","tokens":["hunter2"]})"), "/spec/tokens/*");
    world.hold("a", R"({"path":"a","tokens":["leak"]})");
    world.record("a", R"({"path":"a"})");
    const Plan plan = world.plan();
    CHECK(change_of(plan, "a").action == Action::update);
    CHECK_THAT(bytes_of(plan), !ContainsSubstring("hunter2") && !ContainsSubstring("leak"));
}

TEST_CASE("a comparison without a key does not hash secrets") {
    KindInfo kind;
    kind.compare = {"/spec"};
    const auto changes = compare_documents(json(R"({"spec":{"p":"a"}})"), {}, json(R"({"spec":{"p":"b"}})"),
                                           kind, {}, {"/spec/p"});
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].sensitive);
    CHECK(to_json(*changes[0].before) == R"({"$secret":""})");
    CHECK(compare_documents(json(R"({"spec":{"p":"a"}})"), {}, json(R"({"spec":{"p":"a"}})"), kind, {},
                            {"/spec/p"})
              .empty());
}

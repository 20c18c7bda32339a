// Stacks at rest, and what a pass over a part of one asks of the ledger.

#include <algorithm>

#include "store_fixture.hpp"

using namespace holdfast;

namespace {

Store::Rest rest_of(const std::string& stack) {
    return {.stack = stack, .commit = "3f2a91c", .tree = "91bc0de", .facts = R"({"leaves":2})"};
}

bool lasts(Store& store, const std::string& stack) {
    const auto rest = store.rest(stack);
    return rest && rest->lasts;
}

// A stack of two, the second of which comes after the first; and another stack.
std::unique_ptr<Store> two_and_one() {
    auto store = opened(":memory:");
    LedgerEntry first = entry_of("web", "first"), second = entry_of("web", "second");
    first.after.clear();
    second.after = {first.address};
    store->commit({.upserts = {first, second, entry_of("dns", "other")}});
    return store;
}

std::vector<std::string> names(const std::vector<Address>& addresses) {
    std::vector<std::string> found;
    for (const Address& address : addresses) found.push_back(to_string(address));
    std::sort(found.begin(), found.end());
    return found;
}

} // namespace

TEST_CASE("a rest is remembered as it was, and replaced by the next one") {
    auto store = two_and_one();
    CHECK_FALSE(store->rest("web"));
    store->remember_rest(rest_of("web"));
    const auto rest = store->rest("web");
    REQUIRE(rest);
    CHECK(rest->commit == "3f2a91c");
    CHECK(rest->tree == "91bc0de");
    CHECK(rest->facts == R"({"leaves":2})");
    CHECK(rest->lasts);
    Store::Rest next = rest_of("web");
    next.commit = "other";
    store->remember_rest(next);
    CHECK(store->rest("web")->commit == "other");
    CHECK_FALSE(store->rest("dns"));
}

TEST_CASE("whatever is written to the ledger or journal of a stack ends its rest, and no other's") {
    auto store = two_and_one();
    store->remember_rest(rest_of("web"));
    store->remember_rest(rest_of("dns"));
    const Address first = address_of("web", "first");
    SECTION("an entry") { store->commit({.upserts = {entry_of("web", "new")}}); }
    SECTION("an entry that goes") { store->commit({.erased = {first}}); }
    SECTION("a step") {
        store->begin_pass(pass_of("01J", "web"));
        CHECK(lasts(*store, "web"));
        JournalStep step;
        step.pass = "01J";
        step.address = first;
        step.action = Action::update;
        store->commit({.steps = {step}});
    }
    SECTION("an entry that moves inside it") {
        store->commit({.moved = {{first, address_of("web", "renamed")}}});
    }
    SECTION("somebody who says so") { store->end_rest("web"); }
    CHECK_FALSE(lasts(*store, "web"));
    CHECK(store->rest("web")->tree == "91bc0de"); // what was known is not forgotten
    CHECK(lasts(*store, "dns"));
}

TEST_CASE("an entry that moves between stacks ends the rest of both") {
    auto store = two_and_one();
    store->remember_rest(rest_of("web"));
    store->remember_rest(rest_of("dns"));
    store->commit({.moved = {{address_of("web", "second"), address_of("dns", "second")}}});
    CHECK_FALSE(lasts(*store, "web"));
    CHECK_FALSE(lasts(*store, "dns"));
}

TEST_CASE("a memo of what came out equal, and a corrected place, let a stack rest") {
    auto store = two_and_one();
    store->remember_rest(rest_of("web"));
    const Address first = address_of("web", "first");
    const std::optional<LedgerEntry> entry = store->entry(first);
    store->remember_settled(std::vector<Store::Settled>{{&*entry, sha256("equal"), "v"}});
    store->correct_origins(std::vector<Store::Place>{{first, "web/other.yaml", 40}});
    CHECK(lasts(*store, "web"));
    CHECK(store->entry(first)->file == "web/other.yaml");
    CHECK(store->entry(first)->line == 40);
    store->forget_stack("web");
    CHECK_FALSE(store->rest("web"));
}

TEST_CASE("entries are found by their document, whatever it became") {
    auto store = two_and_one();
    LedgerEntry compiled = entry_of("web", "zone"), on_one = entry_of("web", "first");
    compiled.address.id.part = "www/A";
    on_one.address.id.part = "@ns1";
    store->commit({.upserts = {compiled, on_one}});
    const std::vector<ResourceId> ids{address_of("web", "zone").id, compiled.address.id,
                                      address_of("web", "first").id, address_of("web", "nobody").id};
    const std::vector<LedgerEntry> found = store->entries_of("web", ids);
    CHECK(found.size() == 3);
    CHECK(std::all_of(found.begin(), found.end(), [](const LedgerEntry& e) { return !e.declared.empty(); }));
    CHECK(store->entries_of("dns", ids).empty());
}

TEST_CASE("entries are found by their object, in whichever stack") {
    auto store = two_and_one();
    const std::vector<Hash> keys{entry_of("web", "first").object.key(), entry_of("dns", "other").object.key(),
                                 sha256("nobody")};
    CHECK(store->entries_of_objects(keys).size() == 2);
    CHECK(store->addresses_in_scope("web", "machine-1", "etc", 10).size() == 2);
    CHECK(store->addresses_in_scope("web", "machine-1", "etc", 1).size() == 1);
    CHECK(store->addresses_in_scope("web", "machine-2", "etc", 10).empty());
}

TEST_CASE("who comes after a leaf, or after its document, is found") {
    auto store = two_and_one();
    LedgerEntry third = entry_of("web", "third"), fourth = entry_of("web", "fourth");
    third.after = {address_of("web", "zone")};
    fourth.after = {address_of("web", "first:3"), address_of("web", "second")};
    store->commit({.upserts = {third, fourth}});
    const auto followers = [&](const Address& leader) {
        return names(store->followers("web", std::vector{leader}));
    };
    CHECK(followers(address_of("web", "first")) ==
          std::vector<std::string>{to_string(address_of("web", "second"))});
    CHECK(followers(address_of("web", "second")) ==
          std::vector<std::string>{to_string(address_of("web", "fourth"))});
    Address compiled = address_of("web", "zone");
    compiled.id.part = "www/A";
    CHECK(followers(compiled) == std::vector<std::string>{to_string(address_of("web", "third"))});
    CHECK(followers(address_of("web", "fourth")).empty());
}

TEST_CASE("entries are counted by kind, without those that were replaced") {
    auto store = two_and_one();
    LedgerEntry deposed = entry_of("web", "old");
    deposed.state = EntryState::deposed;
    store->commit({.upserts = {deposed}});
    const auto counts = store->counts_by_kind("web");
    REQUIRE(counts.size() == 1);
    CHECK(counts.begin()->first == "host.holdfast.dev/File");
    CHECK(counts.begin()->second == 2);
    std::size_t visited = 0;
    store->for_each_object("web", [&](const Store::RecordedObject& object) {
        visited += object.provider == "files" && object.object_kind == "host.holdfast.dev/File";
    });
    CHECK(visited == 3);
}

#include <algorithm>

#include "store_fixture.hpp"

using namespace holdfast;

TEST_CASE("an entry comes back as it was recorded") {
    auto store = opened(":memory:");
    LedgerEntry entry = entry_of("web", "motd");
    entry.address.id.name_space = "shop";
    entry.address.id.part = "www/A";
    entry.state =
        GENERATE(EntryState::creating, EntryState::applied, EntryState::deleting, EntryState::deposed);
    store->commit({.upserts = {entry}});
    CHECK(text_of(store->entry(entry.address).value()) == text_of(entry));
    CHECK(text_of(store->entries("web", Detail::full).at(0)) == text_of(entry));
    LedgerEntry brief = entry;
    brief.declared = brief.observed = "";
    CHECK(text_of(store->entries("web", Detail::brief).at(0)) == text_of(brief));
    CHECK(text_of(store->all_entries(Detail::brief).at(0)) == text_of(brief));
    CHECK_FALSE(store->entry(address_of("web", "motd")).has_value());
}

TEST_CASE("an entry with nothing in it comes back too") {
    auto store = opened(":memory:");
    LedgerEntry entry;
    entry.address = address_of("", "");
    store->commit({.upserts = {entry}});
    CHECK(text_of(store->entry(entry.address).value()) == text_of(entry));
}

TEST_CASE("no separator in a name can make two addresses one") {
    auto store = opened(":memory:");
    LedgerEntry a = entry_of("web", "x#y"), b = entry_of("web", "x");
    b.address.id.part = "y";
    store->commit({.upserts = {a, b}});
    CHECK(store->entries("web", Detail::brief).size() == 2);
}

TEST_CASE("entries are told by stack, in the order of their addresses") {
    auto store = opened(":memory:");
    store->commit({.upserts = {entry_of("web", "b"), entry_of("dns", "c"), entry_of("web", "a")}});
    CHECK(names_of(store->entries("web", Detail::brief)) ==
          std::vector<std::string>{"web:host.holdfast.dev/File/a", "web:host.holdfast.dev/File/b"});
    CHECK(store->entries("we", Detail::full).empty());
    CHECK(store->all_entries(Detail::full).size() == 3);
}

TEST_CASE("a second record of an address replaces the first") {
    auto store = opened(":memory:");
    LedgerEntry entry = entry_of("web", "motd");
    store->commit({.upserts = {entry}});
    entry.object.identity = "\"elsewhere\"";
    entry.declared = "{}";
    entry.line = 99;
    store->commit({.upserts = {entry}});
    CHECK(text_of(store->entry(entry.address).value()) == text_of(entry));
    CHECK(store->all_entries(Detail::full).size() == 1);
    // The index of objects follows.
    const std::vector<Hash> keys{entry.object.key()}, old_keys{entry_of("web", "motd").object.key()};
    CHECK(store->owners_elsewhere("dns", keys).size() == 1);
    CHECK(store->owners_elsewhere("dns", old_keys).empty());
}

TEST_CASE("an entry that was read in the brief form and is written back keeps its documents") {
    auto store = opened(":memory:");
    const LedgerEntry entry = entry_of("web", "motd");
    store->commit({.upserts = {entry}});
    LedgerEntry brief = store->entries("web", Detail::brief).at(0);
    brief.protect = false;
    store->commit({.upserts = {brief}});
    const LedgerEntry after = store->entry(entry.address).value();
    CHECK_FALSE(after.protect);
    CHECK(after.declared == entry.declared);
    CHECK(after.observed == entry.observed);
}

TEST_CASE("a batch is written in its order: upserts, then erased, then moved") {
    auto store = opened(":memory:");
    const Address a = address_of("web", "a"), b = address_of("web", "b"), c = address_of("dns", "c");
    store->commit(
        {.upserts = {entry_of("web", "a"), entry_of("web", "b")}, .erased = {b}, .moved = {{a, c}}});
    CHECK(names_of(store->all_entries(Detail::brief)) == std::vector<std::string>{to_string(c)});
    CHECK(store->entry(c)->declared == entry_of("web", "a").declared);
    store->commit({.erased = {b}, .moved = {{a, b}}}); // what is not recorded is no reason to fail
    CHECK(store->all_entries(Detail::brief).size() == 1);
}

TEST_CASE("what came after an entry that moves still does") {
    auto store = opened(":memory:");
    const Address a = address_of("web", "a"), b = address_of("web", "b"), c = address_of("dns", "c");
    LedgerEntry top = entry_of("web", "top"), free = entry_of("web", "free");
    top.after = {a, b, address_of("web", "other")};
    free.after = {};
    store->commit({.upserts = {entry_of("web", "a"), entry_of("web", "b"), top, free}});
    store->commit({.moved = {{a, b}, {b, c}}});
    CHECK(store->entry(top.address)->after == std::vector<Address>{b, c, address_of("web", "other")});
    CHECK(store->entry(free.address)->after.empty());
}

TEST_CASE("a batch can swap two addresses and shift a row of them") {
    auto store = opened(":memory:");
    const Address a = address_of("web", "a"), b = address_of("web", "b"), c = address_of("web", "c");
    store->commit({.upserts = {entry_of("web", "a"), entry_of("web", "b")}});
    store->commit({.moved = {{a, b}, {b, a}}});
    CHECK(store->entry(a)->object.identity == "\"etc/b\"");
    CHECK(store->entry(b)->object.identity == "\"etc/a\"");
    store->commit({.moved = {{a, b}, {b, c}}});
    CHECK_FALSE(store->entry(a).has_value());
    CHECK(store->entry(b)->object.identity == "\"etc/b\"");
    CHECK(store->entry(c)->object.identity == "\"etc/a\"");
}

TEST_CASE("a move onto a recorded address is refused, and nothing of its batch is written") {
    auto store = opened(":memory:");
    const Address a = address_of("web", "a"), b = address_of("web", "b");
    store->commit({.upserts = {entry_of("web", "a"), entry_of("web", "b")}});
    try {
        store->commit({.upserts = {entry_of("web", "new")}, .moved = {{a, b}}});
        FAIL("the move was taken");
    } catch (const Error& error) {
        CHECK(error.diagnostic().code == "store.occupied");
    }
    CHECK(store->all_entries(Detail::brief).size() == 2);
    CHECK(store->entry(a).has_value());
}

TEST_CASE("who owns an object elsewhere is found by the object") {
    auto store = opened(":memory:");
    LedgerEntry theirs = entry_of("dns", "motd"), ours = entry_of("web", "motd");
    store->commit({.upserts = {ours, theirs, entry_of("dns", "other")}});
    const Hash key = ours.object.key();
    const std::vector<Hash> keys{key, sha256("nobody's"), key};
    const auto owners = store->owners_elsewhere("web", keys);
    REQUIRE(owners.size() == 1);
    CHECK(text_of(owners[0]) == text_of(theirs));
    CHECK(store->owners_elsewhere("third", keys).size() == 2);
    CHECK(store->owners_elsewhere("web", {}).empty());
}

TEST_CASE("what settled is remembered without touching the rest") {
    auto store = opened(":memory:");
    LedgerEntry entry = entry_of("web", "motd");
    store->commit({.upserts = {entry_of("web", "other"), entry}});
    const auto detail = GENERATE(holdfast::Detail::match, holdfast::Detail::brief, holdfast::Detail::full);
    const std::vector<LedgerEntry> read = store->entries("web", detail);
    REQUIRE(read.size() == 2);
    store->remember_settled(std::vector<Store::Settled>{{&read[0], sha256("new"), "inode 18"}});
    entry.settled = sha256("new");
    entry.version = "inode 18";
    CHECK(text_of(store->entry(entry.address).value()) == text_of(entry));
    const LedgerEntry other = entry_of("web", "other");
    CHECK(text_of(store->entry(other.address).value()) == text_of(other));
}

TEST_CASE("what settled is not remembered of an entry that was written or erased since it was read") {
    auto store = opened(":memory:");
    LedgerEntry entry = entry_of("web", "motd");
    store->commit({.upserts = {entry}});
    const LedgerEntry read = store->entry(entry.address).value();
    SECTION("written by another pass") {
        entry.declared_hash = sha256("declared anew");
        entry.version = "inode 19";
        store->commit({.upserts = {entry}});
    }
    SECTION("its row belongs to another entry") {
        store->commit({.erased = {entry.address}});
        entry = entry_of("web", "other");
        entry.declared_hash = sha256("declared instead");
        store->commit({.upserts = {entry}});
        REQUIRE(store->entry(entry.address)->row == read.row);
    }
    store->remember_settled(std::vector<Store::Settled>{{&read, sha256("new"), "inode 18"}});
    const auto entries = store->entries("web", Detail::full);
    REQUIRE(entries.size() == 1);
    CHECK(text_of(entries[0]) == text_of(entry));
}

TEST_CASE("stacks and approvals are remembered until they are dropped") {
    auto store = opened(":memory:");
    store->remember_stack({"web", Deletion::remove, "3f2a", R"({"files":"m1"})", 5});
    store->remember_stack({"web", Deletion::remove, "91bc", R"({"files":"m2"})", 6});
    const auto stacks = store->stacks();
    REQUIRE(stacks.size() == 1);
    CHECK(stacks[0].deletion == Deletion::remove);
    CHECK(stacks[0].last_commit == "91bc");
    CHECK(stacks[0].providers == R"({"files":"m2"})");
    CHECK(stacks[0].applied_at_ms == 6);

    const Hash plan = sha256("plan");
    store->approve("web", plan, "ana@edge-1", 7);
    store->approve("web", plan, "li@edge-1", 8);
    CHECK(store->is_approved("web", plan));
    CHECK_FALSE(store->is_approved("dns", plan));
    CHECK_FALSE(store->is_approved("web", sha256("another plan")));
    store->drop_approvals("web");
    CHECK_FALSE(store->is_approved("web", plan));

    store->approve("web", plan, "ana@edge-1", 7);
    store->forget_stack("web");
    CHECK(store->stacks().empty());
    CHECK_FALSE(store->is_approved("web", plan));
}

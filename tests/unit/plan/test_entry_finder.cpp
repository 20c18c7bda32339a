#include "plan/entry_finder.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

LedgerEntry entry_of(const std::string& name, EntryState state = EntryState::applied) {
    LedgerEntry entry;
    entry.object = {"target", "scope", "group/Kind", name};
    entry.state = state;
    return entry;
}

ObjectView object(std::string_view name) { return {"target", "scope", "group", "Kind", name}; }

using Found = std::optional<std::size_t>;

} // namespace

TEST_CASE("ledger entries are found in their own order and in any other") {
    const std::vector<LedgerEntry> entries{entry_of("a"), entry_of("b"), entry_of("c"), entry_of("d")};
    EntryFinder finder(entries, EntryFinder::Deposed::found);
    for (const auto& [name, place] : std::vector<std::pair<std::string, Found>>{{"a", 0},
                                                                                {"b", 1},
                                                                                {"new", {}},
                                                                                {"c", 2},
                                                                                {"d", 3},
                                                                                {"a", 0},
                                                                                {"d", 3},
                                                                                {"a", 0},
                                                                                {"c", 2},
                                                                                {"d", 3}}) {
        CAPTURE(name);
        CHECK(finder.find(object(name)) == place);
    }
    CHECK_FALSE(finder.find({"another target", "scope", "group", "Kind", "a"}));
    CHECK_FALSE(finder.find({"target", "scope", "group", "Other", "a"}));
}

TEST_CASE("a ledger without entries holds no object") {
    const std::vector<LedgerEntry> none;
    CHECK_FALSE(EntryFinder(none, EntryFinder::Deposed::found).find(object("a")));
}

TEST_CASE("an entry is still found after a fuller one took its place") {
    std::vector<LedgerEntry> entries;
    const std::string long_name(100, 'x');
    entries.push_back(entry_of(long_name));
    entries.push_back(entry_of("b"));
    EntryFinder finder(entries, EntryFinder::Deposed::found);
    CHECK(finder.find(object("b")) == Found(1)); // out of order: from the index
    LedgerEntry fuller = entry_of(long_name);
    fuller.declared = "{}";
    entries[0] = std::move(fuller);
    CHECK(finder.find(object("b")) == Found(1));
    CHECK(finder.find(object(long_name)) == Found(0));
    CHECK(finder.find(object(long_name)) == Found(0));
}

TEST_CASE("a deposed entry is found only by who asks for it") {
    const std::vector<LedgerEntry> entries{entry_of("a", EntryState::deposed), entry_of("b")};
    CHECK(EntryFinder(entries, EntryFinder::Deposed::found).find(object("a")) == Found(0));
    CHECK_FALSE(EntryFinder(entries, EntryFinder::Deposed::left_out).find(object("a")));
}

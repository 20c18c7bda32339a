// How fast the store is, on the paths that every pass takes. Hidden: run `test_store "[speed]" -s`, in a
// release build, and read the table. A number far above the one in docs/adr/0003-store.md is a defect.

#include <chrono>
#include <cstdio>

#include "store_fixture.hpp"

using namespace holdfast;

namespace {

constexpr std::size_t leaves = 100'000;

template <typename Function>
void measure(const char* what, std::size_t count, Function&& act) {
    const auto before = std::chrono::steady_clock::now();
    act();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - before;
    std::printf("%-46s %8.1f ms %8.2f us each\n", what, took.count() / 1000,
                took.count() / static_cast<double>(count));
}

std::string document_of(std::size_t i) {
    return "{\"n\":" + std::to_string(i) + "," + std::string(590, 'x') + "}";
}

} // namespace

TEST_CASE("speed of the ledger", "[.speed]") {
    TempFolder folder;
    auto store = opened(folder / "s/holdfast.db");
    store->begin_pass(pass_of("P", "web"));
    StoreBatch all;
    for (std::size_t i = 0; i < leaves; ++i) {
        LedgerEntry entry = entry_of("web", "leaf-" + std::to_string(i));
        entry.commit = std::string(40, 'c');
        entry.after.clear();
        entry.pass = new_pass_id(1);
        entry.declared = entry.observed = document_of(i);
        all.upserts.push_back(entry);
    }
    measure("first commit of 100,000 entries", leaves, [&] { store->commit(all); });
    StoreBatch batch;
    for (std::size_t i = 0; i < 10'000; ++i) {
        batch.upserts.push_back(all.upserts[i * 7]);
        batch.steps.push_back(
            step_of("P", batch.upserts.back().address, Action::update, StepState::intended));
    }
    measure("intents: 10,000 steps and upserts", 10'000, [&] { store->commit(batch); });
    for (JournalStep& step : batch.steps) step.state = StepState::done;
    measure("outcomes: 10,000 steps and upserts", 10'000, [&] { store->commit(batch); });
    StoreBatch one{.steps = {batch.steps.front()}, .upserts = {batch.upserts.front()}};
    measure("100 commits of one step and upsert", 100, [&] {
        for (int i = 0; i < 100; ++i) store->commit(one);
    });
    store.reset();
    store = opened(folder / "s/holdfast.db");
    measure("entries, brief, 100,000", leaves,
            [&] { CHECK(store->entries("web", Detail::brief).size() == leaves); });
    measure("entries, brief, again", leaves,
            [&] { CHECK(store->entries("web", Detail::brief).size() == leaves); });
    measure("entries, full", leaves, [&] { CHECK(store->entries("web", Detail::full).size() == leaves); });
    std::vector<Hash> keys;
    for (const LedgerEntry& entry : all.upserts) keys.push_back(entry.object.key());
    measure("owners elsewhere, one stack", leaves,
            [&] { CHECK(store->owners_elsewhere("web", keys).empty()); });
    store->commit({.upserts = {entry_of("other", "x")}});
    measure("owners elsewhere, two stacks", leaves,
            [&] { CHECK(store->owners_elsewhere("web", keys).empty()); });
    const std::vector<LedgerEntry> entries = store->entries("web", Detail::match);
    std::vector<Store::Settled> settled;
    for (const LedgerEntry& entry : entries) settled.push_back({&entry, sha256("s"), "v"});
    measure("remember settled, 100,000", leaves, [&] { store->remember_settled(settled); });
    measure("open a store", 1, [&] { opened(folder / "s/holdfast.db"); });
    measure("check", leaves, [&] { store->check(); });
    std::vector<std::string> lines;
    measure("export", leaves,
            [&] { store->export_to([&](std::string_view line) { lines.emplace_back(line); }); });
    auto copy = opened(folder / "copy/holdfast.db");
    std::size_t next = 0;
    measure("import", leaves, [&] {
        const Status status = copy->import_from([&](std::string& line) {
            if (next == lines.size()) return false;
            line = lines[next++];
            return true;
        });
        CHECK(status);
    });
}

TEST_CASE("speed of the document cache", "[.speed]") {
    TempFolder folder;
    auto store = opened(folder / "s/holdfast.db");
    std::vector<std::pair<std::string, std::string>> documents;
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < leaves; ++i) {
        keys.push_back(to_hex(sha256(std::to_string(i))).substr(0, 40) + ":1");
        documents.emplace_back(keys.back(), document_of(i));
    }
    measure("cache 100,000 documents", leaves, [&] { store->cache(documents); });
    store.reset();
    store = opened(folder / "s/holdfast.db");
    std::size_t found = 0, bytes = 0;
    auto count = [&](std::size_t, std::string_view content) { ++found, bytes += content.size(); };
    measure("cached, all of 100,000", leaves, [&] { store->cached(keys, count); });
    CHECK(found == leaves);
    measure("cached, again", leaves, [&] { store->cached(keys, count); });
    measure("cached, 1,000 of them", 1000, [&] { store->cached(std::span(keys).subspan(0, 1000), count); });
    measure("trim, times of use are due", leaves, [&] { store->trim_cache(10'000, 1000); });
    measure("trim, nothing is due", 1, [&] { store->trim_cache(10'100, 1000); });
}

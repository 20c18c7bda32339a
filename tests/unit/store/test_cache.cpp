#include <fstream>
#include <map>

#include "store_fixture.hpp"

using namespace holdfast;

namespace {

std::map<std::size_t, std::string> found_in(Store& store, const std::vector<std::string>& keys) {
    std::map<std::size_t, std::string> found;
    store.cached(keys, [&](std::size_t index, std::string_view bytes) { found.emplace(index, bytes); });
    return found;
}

void put(Store& store, const std::vector<std::pair<std::string, std::string>>& entries) {
    store.cache(entries);
}

using Found = std::map<std::size_t, std::string>;

} // namespace

TEST_CASE("cached documents are found by key, with their index") {
    TempFolder folder;
    const std::string path = GENERATE(true, false) ? ":memory:" : folder / "holdfast.db";
    auto store = opened(path);
    CHECK(found_in(*store, {"a"}).empty());
    put(*store, {{"a", "A"}, {"b", std::string("\0\xff", 2)}, {"c", ""}});
    CHECK(found_in(*store, {"c", "x", "b", "a", "a"}) ==
          Found{{0, ""}, {2, std::string("\0\xff", 2)}, {3, "A"}, {4, "A"}});
    put(*store, {{"a", "A2"}});
    CHECK(found_in(*store, {"a"}) == Found{{0, "A2"}});
    CHECK(found_in(*store, {}).empty());
}

TEST_CASE("any part of a cache is found, whether much or little lies between what is wanted") {
    TempFolder folder;
    auto store = opened(folder / "holdfast.db");
    std::vector<std::pair<std::string, std::string>> all;
    for (int i = 0; i < 1000; ++i) all.emplace_back("k" + std::to_string(i), "v" + std::to_string(i));
    put(*store, all);
    const auto step = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{9}, std::size_t{300});
    std::vector<std::string> keys;
    Found expected;
    for (std::size_t i = 0; i < all.size(); i += step) {
        expected.emplace(keys.size(), all[i].second);
        keys.push_back(all[i].first);
        keys.push_back("nobody's " + all[i].first);
    }
    CHECK(found_in(*store, keys) == expected);
}

TEST_CASE("a cache outlives its process") {
    TempFolder folder;
    put(*opened(folder / "holdfast.db"), {{"a", "A"}});
    CHECK(found_in(*opened(folder / "holdfast.db"), {"a"}) == Found{{0, "A"}});
    CHECK(found_in(*opened(folder / "holdfast.db", true), {"a"}) == Found{{0, "A"}});
}

TEST_CASE("what no pass has used for long enough is dropped") {
    auto store = opened(":memory:");
    put(*store, {{"used", "A"}, {"unused", "B"}});
    store->trim_cache(1000, 800);
    CHECK(found_in(*store, {"used", "unused"}).size() == 2);
    store->trim_cache(1001, 800);
    store->trim_cache(1500, 800);
    CHECK(found_in(*store, {"used"}).size() == 1);
    store->trim_cache(2000, 800);
    put(*store, {{"new", "C"}});
    CHECK(found_in(*store, {"used"}).size() == 1);
    store->trim_cache(2400, 800);
    CHECK(found_in(*store, {"used", "unused", "new"}) == Found{{0, "A"}, {2, "C"}});
}

TEST_CASE("a cache that is to keep nothing is empty afterwards, whatever was used just now") {
    auto store = opened(":memory:");
    put(*store, {{"used", "A"}, {"unused", "B"}});
    CHECK(found_in(*store, {"used"}).size() == 1);
    store->trim_cache(1000, 0);
    CHECK(found_in(*store, {"used", "unused"}).empty());
}

TEST_CASE("a damaged cache is made anew and stops nothing") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    std::vector<std::pair<std::string, std::string>> many;
    for (int i = 0; i < 500; ++i) many.emplace_back("k" + std::to_string(i), std::string(600, 'x'));
    put(*opened(path), many);
    SECTION("no database at all") {
        std::ofstream(path + "-cache") << "this is no database, and long enough";
    }
    SECTION("pages of rubbish") {
        std::fstream file(path + "-cache", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(16384);
        file << std::string(16384 * 12, '\x55');
    }
    auto store = opened(path);
    found_in(*store, {"k1", "k2", "k3"});
    put(*store, {{"a", "A"}});
    put(*store, {{"a", "A"}});
    CHECK(found_in(*store, {"a"}) == Found{{0, "A"}});
    CHECK(store->check().empty());
}

TEST_CASE("a cache that cannot be had is done without") {
    TempFolder folder;
    std::filesystem::create_directory(folder / "holdfast.db-cache");
    auto store = opened(folder / "holdfast.db");
    put(*store, {{"a", "A"}});
    CHECK(found_in(*store, {"a"}).empty());
    store->trim_cache(1000, 10);
}

#include "daemon/fights.hpp"

#include "support/catch.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

Correction correction(const std::string& pointer, const std::string& name = "motd") {
    Address leaf;
    leaf.stack = "web";
    leaf.id.kind = "File";
    leaf.id.name = name;
    return {leaf, pointer};
}

} // namespace

TEST_CASE("corrections of one field in a short time are a fight, and the leaf is left alone for a while") {
    FightDetector detector({.corrections = 3, .window = 600s, .first_pause = 60s});
    CHECK(detector.note({correction("/spec/mode")}, 0s).empty());
    CHECK(detector.note({correction("/spec/mode")}, 10s).empty());
    CHECK(detector.paused("web", 10s).empty());
    const std::vector<Fight> fights = detector.note({correction("/spec/mode")}, 20s);
    REQUIRE(fights.size() == 1);
    CHECK(fights[0].corrections == 3);
    CHECK(fights[0].paused_until == 80s);
    CHECK(detector.paused("web", 30s).size() == 1);
    CHECK(detector.paused("other", 30s).empty());
    CHECK(detector.paused("web", 81s).empty());
}

TEST_CASE("each correction that does not last makes the next pause longer, up to the longest") {
    FightDetector detector({.corrections = 2, .window = 600s, .first_pause = 60s, .longest_pause = 300s});
    std::chrono::milliseconds now = 0s;
    detector.note({correction("/a")}, now);
    std::vector<std::chrono::milliseconds> pauses;
    for (int i = 0; i < 5; ++i) {
        const std::vector<Fight> fights = detector.note({correction("/a")}, now);
        REQUIRE(fights.size() == 1);
        pauses.push_back(fights[0].paused_until - now);
        now = fights[0].paused_until + 1s;
    }
    CHECK(pauses == std::vector<std::chrono::milliseconds>{60s, 120s, 240s, 300s, 300s});
}

TEST_CASE("rare corrections, and those of different fields, are no fight") {
    FightDetector detector({.corrections = 3, .window = 600s});
    for (int i = 0; i < 20; ++i) CHECK(detector.note({correction("/a")}, i * 400s).empty());
    for (int i = 0; i < 20; ++i) CHECK(detector.note({correction("/f" + std::to_string(i))}, 9000s).empty());
}

TEST_CASE("peace is noticed, and a resume or a new commit begins anew") {
    FightDetector detector({.corrections = 2, .window = 600s, .first_pause = 60s});
    detector.note({correction("/a")}, 0s);
    REQUIRE(detector.note({correction("/a")}, 1s).size() == 1);
    SECTION("peace") {
        CHECK(detector.of("web", 100s).size() == 1);
        CHECK(detector.of("web", 2000s).empty());
        CHECK(detector.note({correction("/a")}, 2000s).empty());
    }
    SECTION("anew") {
        detector.forget("web");
        CHECK(detector.paused("web", 2s).empty());
        CHECK(detector.note({correction("/a")}, 3s).empty());
    }
}

#include "base/semver.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("a version is in a range as npm and Cargo read it, and a pre-release only where one is named") {
    const auto [version, range, matches] =
        GENERATE(table<std::string, std::string, bool>({{"1.4.2", "^1.2", true},
                                                        {"v1.4.2", "^1.2", true},
                                                        {"2.0.0", "^1.2", false},
                                                        {"1.2.9", "~1.2.3", true},
                                                        {"1.3.0", "~1.2.3", false},
                                                        {"1.9.0", ">=1.0.0 <2.0.0", true},
                                                        {"1.9.0", "1.0.0 - 2.0.0", true},
                                                        {"1.4.0", "1.x", true},
                                                        {"3.0.0", "1.x || 3.x", true},
                                                        {"2.0.0-rc.1", ">=1.0.0", false},
                                                        {"2.0.0-rc.1", ">=2.0.0-0", true},
                                                        {"nightly", "^1", false},
                                                        {"", "^1", false},
                                                        {"1.0.0", "", false},
                                                        {"1.0.0", "one", false}}));
    CAPTURE(version, range);
    CHECK(semver_matches(version, range) == matches);
}

TEST_CASE("the highest match counts numbers as numbers, and ranges that nobody can read match nothing") {
    CHECK(highest_match({"v1.9.0", "v1.10.0", "junk", "v2.0.0", "v1.2.0"}, "^1") ==
          std::optional<std::size_t>(1));
    CHECK_FALSE(highest_match({"v1.0.0"}, "^2"));
    CHECK_FALSE(is_semver_range("one"));
    CHECK(is_semver_range("^1.2"));
    CHECK(*compare_semver("1.2.3", "v1.2.3") == 0);
    CHECK(*compare_semver("1.2.3-rc.1", "1.2.3") < 0);
    CHECK_FALSE(compare_semver("x", "1.0.0"));
}

#include "manifest/ignore.hpp"
#include "manifest/paths.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("ignore files follow gitignore's rules") {
    auto [rules, path, ignored] = GENERATE(table<std::string, std::string, bool>({
        {"a.yaml", "a.yaml", true},
        {"a.yaml", "x/y/a.yaml", true},
        {"a.yaml", "b.yaml", false},
        {"# a.yaml", "a.yaml", false},
        {"\\#x", "#x", true},
        {"", "a.yaml", false},
        {"/a.yaml", "a.yaml", true},
        {"/a.yaml", "x/a.yaml", false},
        {"x/a.yaml", "x/a.yaml", true},
        {"x/a.yaml", "y/x/a.yaml", false},
        {"*.json", "x/a.json", true},
        {"*.json", "a.yaml", false},
        {"x/*.yaml", "x/y/a.yaml", false},
        {"x/**", "x/y/a.yaml", true},
        {"**/y/*.yaml", "x/y/a.yaml", true},
        {"x/**/a.yaml", "x/a.yaml", true},
        {"a?.yaml", "ab.yaml", true},
        {"charts/", "charts/web/a.yaml", true},
        {"charts/", "x/charts/a.yaml", true},
        {"charts/", "charts", false},
        {"charts", "charts/a.yaml", true},
        {"*.yaml\n!keep.yaml", "keep.yaml", false},
        {"!keep.yaml\n*.yaml", "keep.yaml", true},
        {"x/\n!x/keep.yaml", "x/keep.yaml", true},
        {"*.yaml  \r\n", "a.yaml", true},
    }));
    CAPTURE(rules, path);
    IgnoreRules ignore;
    ignore.add("", rules);
    CHECK(ignore.ignores(path) == ignored);
}

TEST_CASE("an ignore file in a folder holds below that folder and wins over those above") {
    IgnoreRules ignore;
    ignore.add("", "*.yaml\n");
    ignore.add("web", "!a.yaml\n/b.txt\n");
    CHECK(ignore.ignores("a.yaml"));
    CHECK_FALSE(ignore.ignores("web/a.yaml"));
    CHECK(ignore.ignores("web/c.yaml"));
    CHECK(ignore.ignores("web/b.txt"));
    CHECK_FALSE(ignore.ignores("website/b.txt"));
}

TEST_CASE("a path inside the repository has no dots left, and one that leaves it is none") {
    auto [folder, path, inside] = GENERATE(table<std::string, std::string, std::string>({
        {"", "web", "web"},
        {"", "./web/", "web"},
        {"web", "../db/x", "db/x"},
        {"a/b", "./c//d", "a/b/c/d"},
        {"", ".", ""},
        {"", "..", "(out)"},
        {"web", "../../x", "(out)"},
        {"", "/etc", "(out)"},
        {"web", "x/../../y", "y"},
        {"", "a/../../b", "(out)"},
    }));
    CAPTURE(folder, path);
    CHECK(path_inside(folder, path).value_or("(out)") == inside);
}

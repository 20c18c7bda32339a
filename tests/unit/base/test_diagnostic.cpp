#include "base/diagnostic.hpp"
#include "support/catch.hpp"

using namespace holdfast;

TEST_CASE("a diagnostic shows its place, the line and what to do") {
    Diagnostic d{.code = "manifest.unknown-key",
                 .message = "unknown key \"tll\" in RecordSet",
                 .hint = "did you mean \"ttl\"?",
                 .span = {"dns/prod.yaml", {14, 5}, 3},
                 .excerpt = "    tll: 300"};
    CHECK(render(d) == "dns/prod.yaml:14:5: error: unknown key \"tll\" in RecordSet [manifest.unknown-key]\n"
                       "    14 |     tll: 300\n"
                       "       |     ^^^ did you mean \"ttl\"?\n");
}

TEST_CASE("the caret stands under its column behind tabs and wide letters") {
    Diagnostic d{.code = "c", .message = "m", .span = {"f", {1, 4}, 1}, .excerpt = "\té x"};
    CHECK(render(d) == "f:1:4: error: m [c]\n     1 | \té x\n       | \t ^\n");
}

TEST_CASE("a diagnostic without a place names its subject, and its context comes last") {
    Diagnostic d{.severity = Severity::warning,
                 .code = "provider.slow",
                 .message = "no answer yet",
                 .hint = "wait",
                 .subject = "web:File/motd",
                 .context = {"applying scope \"\" of files"}};
    CHECK(render(d) == "web:File/motd: warning: no answer yet [provider.slow]\n    wait\n    while applying "
                       "scope \"\" of files\n");
}

TEST_CASE("problems are shown in the order of their places") {
    Diagnostics all;
    all.error("c", "no place");
    all.error("c", "second").span = {"b", {1, 1}};
    all.error("c", "first").span = {"a", {9, 1}};
    all.sort_by_place();
    CHECK(all.list()[0].message == "first");
    CHECK(all.list()[1].message == "second");
    CHECK(all.list()[2].message == "no place");
}

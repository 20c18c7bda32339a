#include "access/keys.hpp"
#include "access/linux/table.hpp"
#include "access/model.hpp"
#include "access/moment.hpp"
#include "documents.hpp"
#include "support/catch.hpp"

using namespace holdfast::access;
using holdfast::testing::ed25519;

TEST_CASE("a day lasts to its end, and a time has its zone") {
    CHECK(parse_moment("1970-01-01") == 86'400'000);
    CHECK(parse_moment("2026-11-23T09:00:00Z") == 1'795'424'400'000);
    CHECK(parse_moment("2026-11-23T11:00:00+02:00") == parse_moment("2026-11-23T09:00:00Z"));
    CHECK(parse_moment("2024-02-29") == parse_moment("2024-03-01T00:00:00Z"));
    CHECK(to_text(*parse_moment("2026-12-31T18:00:00.5Z")) == "2026-12-31T18:00:00Z");
    const char* text = GENERATE("", "2026", "2026-13-01", "2025-02-29", "2026-01-01T25:00:00Z",
                                "2026-01-01T10:00:00", "2026-01-01 ", "2026-01-01T10:00:00Zulu", "20260101");
    CAPTURE(text);
    CHECK_FALSE(parse_moment(text));
}

TEST_CASE("a key is options, type and blob; the comment says nothing") {
    const std::string key = ed25519;
    CHECK(parse_key(key + " ana@laptop") == key);
    CHECK(parse_key("  " + key + "\t\t# here ") == key);
    CHECK(parse_key("from=\"10.0.0.0/8\",no-pty   " + key) == "from=\"10.0.0.0/8\",no-pty " + key);
    CHECK(parse_key(R"(command="echo \"a b\"" )" + key) == R"(command="echo \"a b\"" )" + key);
    const std::string bad = GENERATE_COPY(values<std::string>(
        {"", "# " + key, "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa " + key.substr(12),
         "ssh-ed25519 " + key.substr(13), "ssh-nothing AAAAC3NzaC1lZDI1NTE5AAAAIJ8mWbqpUZU", key + "\nx"}));
    CAPTURE(bad);
    CHECK_FALSE(parse_key(bad));
}

TEST_CASE("targets are named with stars and question marks") {
    CHECK(fits_glob("web-*", "web-12"));
    CHECK(fits_glob("*-?", "web-1"));
    CHECK(fits_glob("*", ""));
    CHECK_FALSE(fits_glob("web-?", "web-12"));
    CHECK_FALSE(fits_glob("web", "web-1"));
    CHECK(fits_glob("*a*b", "xaab"));
}

TEST_CASE("rows are changed in place, and what is no row stays where it is") {
    Table table("group", {.count = 4});
    table.read("# ours\nroot:x:0:\nbroken\nops:x:1000:ana\n+:::\n");
    CHECK(table.find("broken") == nullptr);
    table.set({"ops", "x", "1000", "ana,bob"});
    table.set({"dev", "x", "1001", ""});
    table.erase("root");
    CHECK(table.text() == "# ours\nbroken\nops:x:1000:ana,bob\ndev:x:1001:\n+:::\n");
    REQUIRE(table.find("dev"));
    table.set({"dev", "x", "1002", ""});
    CHECK(table.text() == "# ours\nbroken\nops:x:1000:ana,bob\ndev:x:1002:\n+:::\n");
}

TEST_CASE("a row is found by its number and by its members, whatever has been changed") {
    Table table("group", {.count = 4, .id = 2, .members = 3});
    table.read("root:x:0:\nops:x:1000:ana,bob\ntwin:x:1000:ana\nodd:x:many:\n+:::\n");
    REQUIRE(table.with_id(1000));
    CHECK((*table.with_id(1000))[0] == "ops"); // the first, as getgrgid(3) has it
    CHECK(table.with_member("ana") == std::set<std::string>{"ops", "twin"});
    CHECK(table.highest_id(1, 60000) == 1000);
    CHECK_FALSE(table.highest_id(2000, 60000));
    table.set({"dev", "x", "1001", "bob"}); // before the line of NIS
    table.set({"ops", "x", "1002", "bob"});
    CHECK((*table.with_id(1000))[0] == "twin");
    CHECK((*table.with_id(1002))[0] == "ops");
    CHECK(table.with_member("ana") == std::set<std::string>{"twin"});
    CHECK(table.with_member("bob") == std::set<std::string>{"dev", "ops"});
    table.erase("ops");
    CHECK_FALSE(table.with_id(1002));
    CHECK(table.with_member("bob") == std::set<std::string>{"dev"});
    CHECK(table.highest_id(1, 1000) == 1000);
    CHECK(table.highest_id(1, 60000) == 1001);
}

TEST_CASE("a table that was only set to what it held is not changed") {
    Table table("group", {.count = 4});
    table.read("root:x:0:\n");
    table.set({"root", "x", "0", ""});
    CHECK_FALSE(table.is_changed());
}

#include "documents.hpp"
#include "support/catch.hpp"

using namespace holdfast;
using namespace holdfast::access;
using namespace holdfast::testing;

namespace {

std::string problems_of(const std::vector<Json>& documents) {
    Problems problems;
    read_model(documents, problems);
    return words(problems);
}

} // namespace

TEST_CASE("a list of people, teams, roles and grants without mistakes has no problems") {
    CHECK(problems_of(
              {person("ana", {{"keys", {ed25519}}, {"expires", "2027-01-01"}}),
               team("core", {{"members", {"ana"}}}), team("all", {{"teams", {"core"}}}), role("ops"),
               grant("g", {{"role", "ops"}, {"teams", {"all"}}, {"until", "2026-12-31T18:00:00+02:00"}})}) ==
          "");
}

TEST_CASE("what names nobody is said at the place of the name") {
    CHECK(problems_of({team("core", {{"members", {"ana"}}, {"teams", {"x"}}})}) ==
          "access.unknown@0/spec/members/0 access.unknown@0/spec/teams/0");
    CHECK(problems_of({grant("g", {{"role", "ops"}, {"people", {"bob"}}, {"teams", {"t"}}})}) ==
          "access.unknown@0/spec/people/0 access.unknown@0/spec/teams/0 access.unknown@0/spec/role");
    CHECK(problems_of({role("ops"), grant("g", {{"role", "ops"}})}) == "access.nobody@1/spec");
}

TEST_CASE("teams that hold each other are found, each ring once") {
    CHECK(problems_of({team("a", {{"teams", {"b"}}}), team("b", {{"teams", {"c"}}}),
                       team("c", {{"teams", {"a"}}}), team("d", {{"teams", {"a", "c"}}})}) ==
          "access.ring@0/spec/teams");
    CHECK(problems_of({team("me", {{"teams", {"me"}}})}) == "access.ring@0/spec/teams");
}

TEST_CASE("two people are not one: logins without regard to capitals, uids, groups of roles") {
    CHECK(problems_of({person("ana"), person("Ana", {{"login", "ana"}})}) ==
          "access.same-login@0/spec/login");
    CHECK(problems_of({person("ana", {{"uid", 1001}}), person("bob", {{"uid", 1001}})}) ==
          "access.same-uid@1/spec/uid");
    CHECK(problems_of({role("ops"), role("operators", {{"group", "ops"}})}) ==
          "access.same-group@0/spec/group");
}

TEST_CASE("keys and times that are none are refused") {
    CHECK(problems_of({person("ana", {{"keys", {ed25519, "ssh-ed25519 AAAA", ed25519}}})}) ==
          "access.key@0/spec/keys/1 access.duplicate@0/spec/keys/2");
    CHECK(problems_of({person("ana", {{"expires", "soon"}})}) == "access.time@0/spec/expires");
    CHECK(problems_of({person("a"), role("r"),
                       grant("g", {{"role", "r"}, {"people", {"a"}}, {"until", "2026-02-30"}})}) ==
          "access.time@2/spec/until");
}

TEST_CASE("members of nested teams are members, rings or not") {
    Problems problems;
    const Model model = read_model(
        {person("ana"), person("bob"), person("cy"), team("a", {{"members", {"ana"}}, {"teams", {"b"}}}),
         team("b", {{"members", {"bob"}}, {"teams", {"a", "c"}}}), team("c", {{"members", {"cy"}}})},
        problems);
    CHECK(model.members_of("a") == std::set<std::string>{"ana", "bob", "cy"});
    CHECK(model.members_of("c") == std::set<std::string>{"cy"});
}

#include <map>

#include "git/repository.hpp"
#include "support/catch.hpp"
#include "support/git_repository.hpp"

using namespace holdfast;
using test::GitRepository;

TEST_CASE("the newest change of a file is found behind commits that did not touch it") {
    GitRepository made;
    made.write("a.yaml", "1\n");
    const std::string first = made.commit("Add a", "Li Wei");
    made.write("b.yaml", "1\n");
    made.commit("Add b");
    made.write("c.yaml", "1\n");
    const std::string last = made.commit("Add c");
    const auto opened = Repository::open(made.path());
    CHECK((*opened)->last_change("HEAD", "a.yaml")->id == first);
    CHECK((*opened)->last_change("HEAD", "a.yaml")->author == "Li Wei");
    CHECK((*opened)->last_change("HEAD", "c.yaml")->id == last);
    CHECK((*opened)->last_change("HEAD", "nope").error().code == "git.no-path");
}

TEST_CASE("a change that came in by a merge is the side branch's commit, not the merge") {
    GitRepository made;
    made.write("a.yaml", "1\n");
    const std::string base = made.commit("Base");
    made.write("a.yaml", "2\n");
    const std::string side = made.commit("Side change", "Li Wei");
    made.reset(base);
    made.write("b.yaml", "1\n");
    made.commit("Main goes on");
    made.write("a.yaml", "2\n");
    made.commit("Merge", "Ana", side);
    const auto opened = Repository::open(made.path());
    CHECK((*opened)->last_change("HEAD", "a.yaml")->id == side);
}

TEST_CASE("with a line, the commit that last touched that line is named") {
    GitRepository made;
    made.write("a.yaml", "one\ntwo\nthree\n");
    const std::string first = made.commit("Add");
    made.write("a.yaml", "one\nTWO\nthree\n");
    const std::string second = made.commit("Shout", "Li Wei");
    const auto opened = Repository::open(made.path());
    CHECK((*opened)->last_change("HEAD", "a.yaml", 1)->id == first);
    CHECK((*opened)->last_change("HEAD", "a.yaml", 2)->id == second);
    CHECK((*opened)->last_change("HEAD", "a.yaml", 99)->id == second);
}

TEST_CASE("of files that were touched since a commit, the newest commit that did it is named") {
    GitRepository made;
    if (GENERATE(false, true)) made.time_s = 1'700'000'000; // as a script commits: all in one second
    made.write("gone.yaml", "1\n");
    made.write("changed.yaml", "1\n");
    made.write("same.yaml", "1\n");
    made.write("twice.yaml", "1\n");
    const std::string applied = made.commit("Add");
    made.write("twice.yaml", "2\n");
    made.commit("Once");
    made.remove("gone.yaml");
    const std::string removal = made.commit("Remove", "Li Wei");
    made.write("changed.yaml", "2\n");
    made.write("twice.yaml", "3\n");
    const std::string change = made.commit("Change");
    made.write("other.yaml", "1\n");
    made.commit("Something else");
    const auto opened = Repository::open(made.path());
    const std::map<std::string, std::string> paths{
        {"gone.yaml", applied}, {"changed.yaml", applied}, {"same.yaml", applied}, {"twice.yaml", ""}};
    auto touched = (*opened)->last_touched("HEAD", paths, 1000);
    REQUIRE(touched.size() == 3); // same.yaml was not touched since
    CHECK(touched.at("gone.yaml").by.id == removal);
    CHECK(touched.at("gone.yaml").by.author == "Li Wei");
    CHECK(touched.at("gone.yaml").is_gone);
    CHECK(touched.at("changed.yaml").by.id == change);
    CHECK_FALSE(touched.at("changed.yaml").is_gone);
    CHECK(touched.at("twice.yaml").by.id == change);
    CHECK((*opened)->last_touched("HEAD", paths, 12).size() == 1); // the budget is used up
    CHECK((*opened)->last_touched("HEAD", {{"gone.yaml", removal}}, 1000).empty());
    CHECK((*opened)->last_touched("nonsense", paths, 1000).empty());
}

TEST_CASE("a file that a side branch removed is gone by that branch's commit, not by the merge") {
    GitRepository made;
    made.write("a.yaml", "1\n");
    made.write("b.yaml", "1\n");
    const std::string base = made.commit("Base");
    made.remove("a.yaml");
    const std::string side = made.commit("Side", "Li Wei");
    made.reset(base);
    made.write("b.yaml", "2\n");
    made.commit("Main goes on");
    made.remove("a.yaml");
    made.commit("Merge", "Ana", side);
    const auto opened = Repository::open(made.path());
    const auto touched = (*opened)->last_touched("HEAD", {{"a.yaml", base}}, 1000);
    REQUIRE(touched.size() == 1);
    CHECK(touched.at("a.yaml").by.id == side);
    CHECK(touched.at("a.yaml").is_gone);
}

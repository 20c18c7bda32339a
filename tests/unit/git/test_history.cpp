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

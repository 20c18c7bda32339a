#include <algorithm>
#include <filesystem>

#include "git/tree_changes.hpp"
#include "support/catch.hpp"
#include "support/git_repository.hpp"
#include "support/memory_tree.hpp"

using namespace holdfast;
using test::GitRepository;
using test::MemoryTree;

namespace {

// "+web/a" added, "-web/a" removed, "~web/a" changed; a symlink has "@" behind it, a submodule "#".
std::vector<std::string> lines_of(const Result<std::vector<TreeChange>>& changes) {
    if (!changes) FAIL(changes.error().code << " " << changes.error().message);
    std::vector<std::string> lines;
    for (const TreeChange& change : *changes) {
        const char* sign = change.old_blob.empty() ? "+" : change.new_blob.empty() ? "-" : "~";
        const char* end = change.type == TreeFile::Type::symlink     ? "@"
                          : change.type == TreeFile::Type::submodule ? "#"
                                                                     : "";
        lines.push_back(sign + change.path + end);
    }
    return lines;
}

using Lines = std::vector<std::string>;

struct TwoCommits {
    GitRepository made;
    std::unique_ptr<Repository> repository;
    std::string first, second;

    std::unique_ptr<Tree> at(const std::string& id) {
        if (!repository) repository = *Repository::open(made.path());
        return *repository->at(id);
    }
    Result<std::vector<TreeChange>> changes(std::string_view path = "") {
        return tree_changes(*at(first), *at(second), path);
    }
};

// Forgets one object, as a damaged repository has; whoever reads it fails.
void lose(const GitRepository& made, const std::string& id) {
    const std::string path = made.path() + "/.git/objects/" + id.substr(0, 2) + "/" + id.substr(2);
    REQUIRE(std::filesystem::remove(path));
}

} // namespace

TEST_CASE("what was added, changed and removed between two commits is listed by path, with both blobs") {
    TwoCommits two;
    two.made.write("a.yaml", "a: 1\n");
    two.made.write("web/b.yaml", "b: 1\n");
    two.made.write("web/deep/c.yaml", "c: 1\n");
    two.first = two.made.commit("First");
    two.made.write("a.yaml", "a: 2\n");
    two.made.remove("web/deep");
    two.made.write("web/new/d.yaml", "d: 1\n");
    two.second = two.made.commit("Second");

    const auto changes = two.changes();
    CHECK(lines_of(changes) == Lines{"~a.yaml", "-web/deep/c.yaml", "+web/new/d.yaml"});
    CHECK((*changes)[0].old_blob == two.at(two.first)->find("a.yaml")->blob);
    CHECK((*changes)[0].new_blob == two.at(two.second)->find("a.yaml")->blob);
    CHECK(lines_of(two.changes("web")) == Lines{"-web/deep/c.yaml", "+web/new/d.yaml"});
    CHECK(lines_of(two.changes("./web//new/")) == Lines{"+web/new/d.yaml"});
    CHECK(lines_of(two.changes("web/deep")) == Lines{"-web/deep/c.yaml"});
    CHECK(lines_of(tree_changes(*two.at(two.second), *two.at(two.first), "web/deep")) ==
          Lines{"+web/deep/c.yaml"});
    CHECK(two.changes("web/no-such").error().code == "git.no-path");
    CHECK(two.changes("a.yaml").error().code == "git.no-path");
    CHECK(lines_of(tree_changes(*two.at(two.first), *two.at(two.first), "")).empty());
}

TEST_CASE("a file that becomes a folder, a link or a submodule is told in the order of paths") {
    TwoCommits two;
    two.made.write("a", "file\n"); // "a.b" sorts between "a" and "a/x"
    two.made.write("a.b", "1");
    two.made.write("link", "target");
    two.made.write("module", "m");
    two.made.write("run", "#!/bin/sh\n");
    two.made.write("z/x", "1");
    two.first = two.made.commit("First");
    two.made.remove("a");
    two.made.write("a/x", "1");
    two.made.write("a.b", "2");
    two.made.remove("link");
    two.made.link("link", "target"); // the blob of a symlink is its target: the same bytes
    two.made.remove("z");
    two.made.write("z", "a file now");
    std::filesystem::permissions(two.made.path() + "/run", std::filesystem::perms::owner_all);
    two.made.remove("module");
    two.second = two.made.commit("Second", "Ana Souza", "", "module");

    const auto changes = two.changes();
    CHECK(lines_of(changes) == Lines{"-a", "~a.b", "+a/x", "~link@", "~module#", "+z", "-z/x"});
    CHECK((*changes)[3].old_blob == (*changes)[3].new_blob);
}

TEST_CASE("equal folders are not opened, whatever is in them") {
    TwoCommits two;
    two.made.write("same/deep/x", "1");
    two.made.write("other/x", "1");
    two.made.write("other/same/y", "1");
    two.first = two.made.commit("First");
    two.made.write("other/x", "2");
    two.second = two.made.commit("Second");
    const auto before = two.at(two.first), after = two.at(two.second);
    const std::string same = before->id_of("same"), below = before->id_of("other/same"),
                      changed = after->id_of("other");
    // A tree that is gone can only be left alone.
    lose(two.made, same);
    lose(two.made, below);
    const std::unique_ptr<Repository> opened = *Repository::open(two.made.path());
    const auto fresh = *opened->at(two.first), newer = *opened->at(two.second);
    REQUIRE_FALSE(fresh->list("same").ok());
    CHECK(lines_of(tree_changes(*fresh, *newer, "")) == Lines{"~other/x"});

    lose(two.made, changed);
    const std::unique_ptr<Repository> again = *Repository::open(two.made.path());
    const auto failed = tree_changes(**again->at(two.first), **again->at(two.second), "");
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().code == "git.missing-object");
    CHECK_THAT(failed.error().message, ContainsSubstring("other/"));
}

TEST_CASE("trees of two repositories are compared by their ids as well") {
    GitRepository one, other;
    one.write("a/x", "1");
    one.write("b", "1");
    const std::string first = one.commit("First");
    other.write("a/x", "1");
    other.write("c", "1");
    const std::string second = other.commit("Another history");
    const auto left = *Repository::open(one.path()), right = *Repository::open(other.path());
    CHECK(lines_of(tree_changes(**left->at(first), **right->at(second), "")) == Lines{"-b", "+c"});
}

TEST_CASE("trees that are no commit's are compared file by file, and a working tree cannot be") {
    const MemoryTree from({{"a", "1"}, {"b/x", "1"}, {"c", "1"}}), to({{"a", "1"}, {"b/x", "2"}, {"d", "1"}});
    CHECK(lines_of(tree_changes(from, to, "")) == Lines{"~b/x", "-c", "+d"});
    CHECK(tree_changes(from, to, "nowhere").error().code == "git.no-path");

    GitRepository made;
    made.write("a", "1");
    made.commit("First");
    const auto repository = *Repository::open(made.path());
    const auto failed = tree_changes(**repository->at("HEAD"), **repository->working_tree(), "");
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().code == "git.no-ids");
}

TEST_CASE("many changes are told as a comparison of the whole lists tells them") {
    TwoCommits two;
    unsigned state = 7;
    const auto draw = [&state] { return (state = state * 1664525U + 1013904223U) >> 8U; };
    for (const int round : {0, 1}) {
        for (int i = 0; i < 120; ++i) {
            const std::string path = "d" + std::to_string(draw() % 7) + "/e" + std::to_string(draw() % 5) +
                                     (draw() % 2 ? "/f" : ".f") + std::to_string(draw() % 6);
            std::error_code ignored;
            if (std::filesystem::is_directory(two.made.path() + "/" + path, ignored)) continue;
            if (round && draw() % 3 == 0)
                two.made.remove(path);
            else
                two.made.write(path, std::to_string(draw() % 3));
        }
        (round ? two.second : two.first) = two.made.commit("Round " + std::to_string(round));
    }
    const auto old_files = *two.at(two.first)->list(""), new_files = *two.at(two.second)->list("");
    const auto holds = [](const std::vector<TreeFile>& files, const TreeFile& wanted) {
        return std::any_of(files.begin(), files.end(), [&](const TreeFile& file) {
            return file.path == wanted.path && file.blob == wanted.blob;
        });
    };
    std::vector<std::string> expected;
    for (const TreeFile& file : old_files)
        if (!holds(new_files, file)) expected.push_back(file.path);
    for (const TreeFile& file : new_files)
        if (!holds(old_files, file)) expected.push_back(file.path);
    std::sort(expected.begin(), expected.end());
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    std::vector<std::string> found;
    for (const TreeChange& change : *two.changes()) found.push_back(change.path);
    REQUIRE(found.size() > 20);
    CHECK(found == expected);
}

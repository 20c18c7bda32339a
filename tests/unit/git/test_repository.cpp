#include <filesystem>
#include <fstream>

#include "git/repository.hpp"
#include "support/catch.hpp"
#include "support/git_repository.hpp"

using namespace holdfast;
using test::GitRepository;

namespace {

std::vector<std::string> paths_of(const Result<std::vector<TreeFile>>& files) {
    std::vector<std::string> paths;
    REQUIRE(files.ok());
    for (const TreeFile& file : *files) paths.push_back(file.path);
    return paths;
}

using Paths = std::vector<std::string>;

// Everything into one pack, as Git leaves a repository after a while.
void pack_all(const GitRepository& made, const std::string& commit) {
    git_packbuilder* builder = nullptr;
    git_oid id;
    GitRepository::must(git_oid_fromstr(&id, commit.c_str()));
    GitRepository::must(git_packbuilder_new(&builder, made.get()));
    GitRepository::must(git_packbuilder_insert_commit(builder, &id));
    GitRepository::must(git_packbuilder_write(builder, nullptr, 0, nullptr, nullptr));
    git_packbuilder_free(builder);
    for (const auto& folder : std::filesystem::directory_iterator(made.path() + "/.git/objects"))
        if (folder.path().filename().string().size() == 2) std::filesystem::remove_all(folder);
}

bool has_mapped_files_of(const std::string& folder) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find(folder) != std::string::npos) return true;
    return false;
}

} // namespace

TEST_CASE("a folder outside of any repository is refused with what to do") {
    const Result<std::unique_ptr<Repository>> opened = Repository::open("/proc");
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == "git.not-a-repository");
    CHECK_THAT(opened.error().hint, ContainsSubstring("git init"));
}

TEST_CASE("a repository is found from a folder inside of it") {
    GitRepository made;
    made.write("web/motd.yaml", "a: 1\n");
    const auto opened = Repository::open(made.path() + "/web");
    REQUIRE(opened.ok());
    CHECK(std::filesystem::equivalent((*opened)->work_directory(), made.path()));
    CHECK(std::filesystem::equivalent((*opened)->git_directory(), made.path() + "/.git"));
}

TEST_CASE("a repository without commits says so, and its working tree can be read all the same") {
    GitRepository made;
    made.write("a.yaml", "a: 1\n");
    const auto opened = Repository::open(made.path());
    const auto head = (*opened)->at("HEAD");
    REQUIRE_FALSE(head.ok());
    CHECK(head.error().code == "git.no-commit");
    CHECK_THAT(head.error().message, ContainsSubstring("no commit yet"));
    const auto tree = (*opened)->working_tree();
    REQUIRE(tree.ok());
    CHECK(paths_of((*tree)->list("")) == Paths{"a.yaml"});
    CHECK((*tree)->commit().id.empty());
}

TEST_CASE("a commit is named by branch, tag, full id, short id and HEAD") {
    GitRepository made;
    made.write("a", "1");
    const std::string id = made.commit("First\n\nbody", "Li Wei");
    git_object* object = nullptr;
    git_oid tag;
    GitRepository::must(git_revparse_single(&object, made.get(), "HEAD"));
    GitRepository::must(git_tag_create_lightweight(&tag, made.get(), "v1", object, 0));
    git_object_free(object);
    const auto opened = Repository::open(made.path());
    for (const std::string& name : {std::string("HEAD"), std::string("v1"), id, id.substr(0, 8)}) {
        CAPTURE(name);
        const auto info = (*opened)->commit_info(name);
        REQUIRE(info.ok());
        CHECK(info->id == id);
        CHECK(info->author == "Li Wei");
        CHECK(info->subject == "First");
        CHECK(info->time_s == 1'700'000'000);
    }
    const auto unknown = (*opened)->at("nope");
    REQUIRE_FALSE(unknown.ok());
    CHECK(unknown.error().code == "git.no-commit");
}

TEST_CASE("a commit's files are listed by path, with symlinks and submodules as what they are") {
    GitRepository made;
    for (const char* file : {"b.yaml", "a/z.yaml", "a-b/x.yaml", "a.yaml", "a/b/c.yaml"})
        made.write(file, file);
    made.link("a/link.yaml", "../b.yaml");
    made.commit("all", "Ana", "", "vendored");
    const auto tree = (*Repository::open(made.path()))->at("HEAD");
    REQUIRE(tree.ok());
    const auto files = (*tree)->list("");
    CHECK(paths_of(files) ==
          Paths{"a-b/x.yaml", "a.yaml", "a/b/c.yaml", "a/link.yaml", "a/z.yaml", "b.yaml", "vendored"});
    CHECK(std::is_sorted(files->begin(), files->end(), [](auto& x, auto& y) { return x.path < y.path; }));
    CHECK((*files)[3].type == TreeFile::Type::symlink);
    CHECK((*files)[6].type == TreeFile::Type::submodule);
    CHECK(paths_of((*tree)->list("a/")) == Paths{"a/b/c.yaml", "a/link.yaml", "a/z.yaml"});
    CHECK(*(*tree)->read((*files)[2], 100) == "a/b/c.yaml");
    CHECK(*(*tree)->read((*files)[3], 100) == "../b.yaml");
    CHECK((*tree)->read((*files)[6], 100).error().code == "git.unreadable");
    CHECK((*tree)->find("a/z.yaml")->blob == (*files)[4].blob);
    CHECK_FALSE((*tree)->find("a"));
    CHECK_FALSE((*tree)->find("a/missing"));
}

TEST_CASE("a folder that does not exist names the nearest one that does") {
    GitRepository made;
    made.write("sites/berlin/a.yaml", "x");
    made.commit("one");
    const auto opened = Repository::open(made.path());
    const auto committed = (*opened)->at("HEAD"), on_disk = (*opened)->working_tree();
    for (const auto* tree : {&*committed, &*on_disk}) {
        const auto files = (*tree)->list("sites/munich/web");
        REQUIRE_FALSE(files.ok());
        CHECK(files.error().code == "git.no-path");
        CHECK_THAT(files.error().hint, ContainsSubstring("sites"));
        CHECK((*tree)->list("sites/berlin/a.yaml").error().code == "git.no-path");
    }
}

TEST_CASE("a file over the limit is refused with its size, in commits and on disk") {
    GitRepository made;
    made.write("big", std::string(5000, 'x'));
    made.commit("big");
    const auto opened = Repository::open(made.path());
    const auto committed = (*opened)->at("HEAD"), on_disk = (*opened)->working_tree();
    for (const auto* tree : {&*committed, &*on_disk}) {
        const auto file = (*tree)->find("big");
        REQUIRE(file);
        CHECK((*tree)->read(*file, 5000)->size() == 5000);
        const auto refused = (*tree)->read(*file, 4999);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().code == "git.too-large");
        CHECK_THAT(refused.error().message, ContainsSubstring("5000"));
    }
}

TEST_CASE("equal folders have equal ids, and a change inside shows") {
    GitRepository made;
    made.write("a/x", "1");
    made.write("b/x", "1");
    made.commit("one");
    const auto opened = Repository::open(made.path());
    const auto first = (*opened)->at("HEAD");
    CHECK((*first)->id_of("a") == (*first)->id_of("b"));
    CHECK((*first)->id_of("c").empty());
    made.write("b/x", "2");
    made.commit("two");
    const auto second = (*opened)->at("HEAD");
    CHECK((*second)->id_of("a") == (*first)->id_of("a"));
    CHECK((*second)->id_of("b") != (*first)->id_of("b"));
    CHECK((*second)->id_of("") != (*first)->id_of(""));
    CHECK((*first)->read(*(*first)->find("b/x"), 10).value() == "1");
}

TEST_CASE("the working tree has tracked and new files, and not what .gitignore names") {
    GitRepository made;
    made.write(".gitignore", "*.log\nbuild/\n");
    made.write("build/kept.yaml", "tracked although ignored");
    made.write("a.yaml", "old");
    git_index* index = nullptr;
    GitRepository::must(git_repository_index(&index, made.get()));
    GitRepository::must(git_index_add_bypath(index, "build/kept.yaml"));
    GitRepository::must(git_index_write(index));
    git_index_free(index);
    made.commit("one");
    made.write("a.yaml", "new");
    made.write("b.yaml", "untracked");
    made.write("noise.log", "ignored");
    made.write("build/out.yaml", "ignored");
    made.link("escape.yaml", "/etc/passwd");
    made.link("folder", "/etc");
    const auto tree = (*Repository::open(made.path()))->working_tree();
    REQUIRE(tree.ok());
    CHECK(paths_of((*tree)->list("")) ==
          Paths{".gitignore", "a.yaml", "b.yaml", "build/kept.yaml", "escape.yaml", "folder"});
    CHECK(*(*tree)->read(*(*tree)->find("a.yaml"), 100) == "new");
    CHECK(*(*tree)->read(*(*tree)->find("escape.yaml"), 100) == "/etc/passwd"); // the link, not the file
    CHECK_FALSE((*tree)->find("folder/passwd"));
    CHECK_FALSE((*tree)->find("../escape"));
    CHECK_FALSE((*tree)->find(".git/config"));
    CHECK((*tree)->list("folder").error().code == "git.no-path");
    CHECK((*tree)->read({"folder/passwd", "", TreeFile::Type::file}, 10000).error().code == "git.unreadable");
}

TEST_CASE("a bare repository serves commits and has no working tree") {
    GitRepository made(true);
    const auto opened = Repository::open(made.path());
    REQUIRE(opened.ok());
    CHECK((*opened)->work_directory().empty());
    CHECK((*opened)->working_tree().error().code == "git.bare");
}

TEST_CASE("memory that is given back is that of packs, and trees of commits can be read on") {
    GitRepository made;
    made.write("web/a", "1");
    pack_all(made, made.commit("First"));
    const auto opened = Repository::open(made.path());
    REQUIRE(opened.ok());
    const auto tree = (*opened)->at("HEAD");
    REQUIRE(tree.ok());
    const auto read = [&] {
        const auto files = (*tree)->list("");
        REQUIRE(files.ok());
        return (*tree)->read(files->front(), 10).ok();
    };
    for (int i = 0; i < 2; ++i) {
        CHECK(read());
        CHECK(has_mapped_files_of(made.path()));
        (*opened)->release_memory();
        CHECK_FALSE(has_mapped_files_of(made.path()));
    }
}

TEST_CASE("an object that is missing from the repository is an error, not an empty file") {
    GitRepository made;
    made.write("a/x", "content");
    made.commit("one");
    const auto opened = Repository::open(made.path());
    const auto tree = (*opened)->at("HEAD");
    const TreeFile file = *(*tree)->find("a/x");
    const std::string folder = (*tree)->id_of("a");
    std::filesystem::remove(made.path() + "/.git/objects/" + file.blob.substr(0, 2) + "/" +
                            file.blob.substr(2));
    const auto again = Repository::open(made.path());
    const auto read = (*(*again)->at("HEAD"))->read(file, 100);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == "git.missing-object");
    std::filesystem::remove(made.path() + "/.git/objects/" + folder.substr(0, 2) + "/" + folder.substr(2));
    const auto third = Repository::open(made.path());
    CHECK((*(*third)->at("HEAD"))->list("").error().code == "git.missing-object");
}

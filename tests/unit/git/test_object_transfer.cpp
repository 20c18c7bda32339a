#include "git/object_transfer.hpp"
#include "support/catch.hpp"
#include "support/git_repository.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using holdfast::git::Owned;
using holdfast::git::PackWriter;
using test::GitRepository;

namespace {

struct Packing {
    git_packbuilder* builder;
    git_oid left_out;
};

int insert(const git_oid* id, void* context) {
    const auto& packing = *static_cast<Packing*>(context);
    return git_oid_equal(id, &packing.left_out) ? 0 : git_packbuilder_insert(packing.builder, id, nullptr);
}

// All objects of the repository but one.
std::string pack_without(GitRepository& made, const std::string& what) {
    git_object* found = nullptr;
    GitRepository::must(git_revparse_single(&found, made.get(), what.c_str()));
    Packing packing{nullptr, *git_object_id(found)};
    git_object_free(found);
    GitRepository::must(git_packbuilder_new(&packing.builder, made.get()));
    const Owned<git_packbuilder, git_packbuilder_free> owned(packing.builder);
    git_odb* odb = nullptr;
    GitRepository::must(git_repository_odb(&odb, made.get()));
    GitRepository::must(git_odb_foreach(odb, insert, &packing));
    git_odb_free(odb);
    git_buf pack = GIT_BUF_INIT;
    GitRepository::must(git_packbuilder_write_buf(&pack, packing.builder));
    std::string bytes(pack.ptr, pack.size);
    git_buf_dispose(&pack);
    return bytes;
}

} // namespace

TEST_CASE("a pack that lacks anything of what is wanted is refused whole, be it small or large") {
    const int files = GENERATE(3, 1200); // the one is taken in object by object, the other as a pack
    const std::string what = GENERATE(":a/1.yaml", ":a", "^{tree}", "^1", "^1^1:b.yaml");
    const bool is_wanted = GENERATE(true, false);
    CAPTURE(files, what, is_wanted);
    GitRepository made;
    made.write("b.yaml", "first");
    made.commit("First");
    made.remove("b.yaml");
    for (int i = 0; i < files; ++i) made.write("a/" + std::to_string(i) + ".yaml", std::to_string(i));
    const std::string whole = made.commit("Second");
    made.write("a/1.yaml", "changed");
    const std::string later = made.commit("Third");

    GitRepository mirror(true);
    const TempFolder folder;
    const TransferLimits limits;
    PackWriter writer(*mirror.get(), folder.path(), limits, *parse_remote_url("https://git.example.org/a"));
    // Of a commit that nobody asked for, anything may be missing.
    const bool is_of_both = what.starts_with("^1");
    const std::string& wanted = is_wanted ? later : whole;
    REQUIRE(writer.append(pack_without(made, later + what)));
    const Status taken = writer.finish({wanted});
    git_oid id;
    git_odb* odb = nullptr;
    GitRepository::must(git_oid_fromstr(&id, wanted.c_str()));
    GitRepository::must(git_repository_odb(&odb, mirror.get()));
    const bool is_there = git_odb_exists(odb, &id) == 1;
    git_odb_free(odb);
    if (!is_wanted && !is_of_both) {
        if (!taken) FAIL(taken.error().message);
        CHECK(is_there);
        return;
    }
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == "source.bad-pack");
    CHECK_FALSE(is_there);
}

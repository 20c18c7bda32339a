#pragma once
// The border to libgit2, private to core/git: owners for its objects, and its errors as Diagnostics.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <git2.h>

#include "base/result.hpp"
#include "git/repository.hpp"

namespace holdfast::git {

template <auto Free>
struct Deleter {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};
template <typename Object, auto Free>
using Owned = std::unique_ptr<Object, Deleter<Free>>;

using OwnedObject = Owned<git_object, git_object_free>;
using OwnedCommit = Owned<git_commit, git_commit_free>;
using OwnedTree = Owned<git_tree, git_tree_free>;
using OwnedEntry = Owned<git_tree_entry, git_tree_entry_free>;
using OwnedIndex = Owned<git_index, git_index_free>;
using OwnedBlame = Owned<git_blame, git_blame_free>;
using OwnedOdb = Owned<git_odb, git_odb_free>;
using OwnedOdbObject = Owned<git_odb_object, git_odb_object_free>;

// Trees keep the repository open that they came from.
using SharedRepository = std::shared_ptr<git_repository>;

// Before anything else; may be called often.
void start_libgit2();
// What libgit2 said last on this thread, without a final period.
std::string last_error();
std::string to_hex(const git_oid& id);
CommitInfo describe_commit(const git_commit& commit);
// "web//app/" -> "web/app"
std::string clean_path(std::string_view path);

TreeFile::Type type_of(git_filemode_t mode);

// The repository's objects, which stay open while somebody has them. Null where they cannot be opened.
OwnedOdb odb_of(git_repository& repository);
Diagnostic missing_object(const git_oid& id, std::string_view what);
// Error: `git.no-commit`.
Result<OwnedCommit> find_commit(git_repository& repository, const std::string& revision);

std::unique_ptr<Tree> make_commit_tree(SharedRepository repository, OwnedTree root, CommitInfo commit);
// What a tree of a commit is made of; null for any other Tree. Valid as long as the tree is.
struct CommitTreeView {
    git_repository* repository = nullptr;
    const git_tree* root = nullptr;
};
CommitTreeView view_of(const Tree& tree);

std::unique_ptr<Tree> make_working_tree(SharedRepository repository, CommitInfo head);

} // namespace holdfast::git

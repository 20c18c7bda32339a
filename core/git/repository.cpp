#include "git/repository.hpp"

#include <fmt/core.h>
#include <git2/sys/repository.h>

#include "git/libgit2.hpp"
#include "git/state.hpp"

namespace holdfast {

using namespace git;

namespace {

std::string without_slash(const char* path) {
    std::string text = path ? path : "";
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
}

Diagnostic cannot_open(const std::string& path, int code) {
    if (code == GIT_ENOTFOUND)
        return failure("git.not-a-repository", fmt::format("{} is not inside a Git repository", path),
                       "run git init there, or name another folder with -C");
    if (code == GIT_EOWNER)
        return failure(
            "git.unsafe-owner",
            fmt::format("the repository at {} belongs to another user: its hooks and configuration "
                        "are not trusted",
                        path),
            fmt::format("if you trust it: git config --global --add safe.directory {}", path));
    return failure("git.unreadable",
                   fmt::format("the repository at {} cannot be opened: {}", path, last_error()),
                   "run git status there; repositories with SHA-256 ids are not supported");
}

} // namespace

Repository::Repository(std::unique_ptr<State> state) : state_(std::move(state)) {}
Repository::~Repository() = default;

Result<std::unique_ptr<Repository>> Repository::open(const std::string& path) {
    start_libgit2();
    git_repository* opened = nullptr;
    if (int code = git_repository_open_ext(&opened, path.c_str(), 0, nullptr)) return cannot_open(path, code);
    auto state = std::make_unique<State>();
    state->repository = SharedRepository(opened, git_repository_free);
    state->work_directory = without_slash(git_repository_workdir(opened));
    state->git_directory = without_slash(git_repository_path(opened));
    return std::unique_ptr<Repository>(new Repository(std::move(state)));
}

const std::string& Repository::work_directory() const { return state_->work_directory; }
const std::string& Repository::git_directory() const { return state_->git_directory; }

Result<std::unique_ptr<Tree>> Repository::at(const std::string& revision) const {
    Result<OwnedCommit> commit = find_commit(*state_->repository, revision);
    if (!commit) return commit.error();
    git_tree* root = nullptr;
    if (git_commit_tree(&root, commit->get()))
        return missing_object(*git_commit_tree_id(commit->get()), "the tree of commit " + revision);
    return make_commit_tree(state_->repository, OwnedTree(root), describe_commit(**commit));
}

Result<std::unique_ptr<Tree>> Repository::working_tree() const {
    if (state_->work_directory.empty())
        return failure("git.bare",
                       fmt::format("{} is a bare repository without a working tree", state_->git_directory),
                       "leave out --working-tree");
    CommitInfo head;
    if (Result<OwnedCommit> commit = find_commit(*state_->repository, "HEAD"))
        head = describe_commit(**commit);
    head.id.clear();
    return make_working_tree(state_->repository, std::move(head));
}

Result<CommitInfo> Repository::commit_info(const std::string& revision) const {
    Result<OwnedCommit> commit = find_commit(*state_->repository, revision);
    if (!commit) return commit.error();
    return describe_commit(**commit);
}

void Repository::release_memory() const { git_repository__cleanup(state_->repository.get()); }

} // namespace holdfast

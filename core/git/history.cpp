// Which commit made a file what it is: the questions behind `holdfast why`.

#include <algorithm>

#include <fmt/core.h>

#include "git/libgit2.hpp"
#include "git/state.hpp"

namespace holdfast {

using namespace git;

namespace {

// Id of what stands at `path` in a commit; nothing where it does not exist there.
std::optional<git_oid> entry_id(const git_commit& commit, const std::string& path) {
    git_tree* found = nullptr;
    if (git_commit_tree(&found, &commit)) return std::nullopt;
    OwnedTree tree(found);
    git_tree_entry* entry = nullptr;
    if (git_tree_entry_bypath(&entry, tree.get(), path.c_str())) return std::nullopt;
    OwnedEntry owned(entry);
    return *git_tree_entry_id(entry);
}

// The first parent in which the path is the same, if there is one. Preferring the first keeps to the
// branch that was merged into, and following any equal one finds the side branch a change came from.
OwnedCommit parent_with(const git_commit& commit, const std::string& path, const git_oid& id) {
    const unsigned parents = git_commit_parentcount(&commit);
    for (unsigned i = 0; i < parents; ++i) {
        git_commit* found = nullptr;
        if (git_commit_parent(&found, &commit, i)) continue; // behind the end of a shallow clone
        OwnedCommit parent(found);
        const std::optional<git_oid> there = entry_id(*parent, path);
        if (there && git_oid_equal(&*there, &id)) return parent;
    }
    return {};
}

// libgit2 blames a line behind the end of the file on somebody as well.
bool has_line(git_repository& repository, const git_oid& blob, std::uint32_t line) {
    git_blob* found = nullptr;
    if (git_blob_lookup(&found, &repository, &blob)) return false;
    const Owned<git_blob, git_blob_free> owned(found);
    const std::string_view text(static_cast<const char*>(git_blob_rawcontent(found)),
                                static_cast<std::size_t>(git_blob_rawsize(found)));
    const auto ends = std::count(text.begin(), text.end(), '\n');
    return line > 0 && line <= static_cast<std::uint64_t>(ends) + (text.ends_with('\n') ? 0U : 1U);
}

std::optional<CommitInfo> blame(git_repository& repository, const git_commit& newest, const std::string& path,
                                std::uint32_t line) {
    git_blame_options options = GIT_BLAME_OPTIONS_INIT;
    options.newest_commit = *git_commit_id(&newest);
    options.min_line = options.max_line = line;
    git_blame* found = nullptr;
    if (git_blame_file(&found, &repository, path.c_str(), &options)) return std::nullopt;
    OwnedBlame owned(found);
    const git_blame_hunk* hunk = git_blame_get_hunk_byline(found, line);
    git_commit* commit = nullptr;
    if (!hunk || git_commit_lookup(&commit, &repository, &hunk->final_commit_id)) return std::nullopt;
    OwnedCommit owned_commit(commit);
    return describe_commit(*commit);
}

// How a commit left a path that its parents have otherwise. A merge has changed only what none of its
// parents has like that.
enum class Left { as_it_was, changed, gone, unknown };
Left how_left(const git_commit& commit, const std::string& path, std::size_t& look_ups) {
    const std::optional<git_oid> here = entry_id(commit, path);
    ++look_ups;
    const unsigned parents = git_commit_parentcount(&commit);
    bool was_there = false;
    for (unsigned i = 0; i < parents; ++i) {
        git_commit* found = nullptr;
        if (git_commit_parent(&found, &commit, i)) return Left::unknown; // the end of a shallow clone
        OwnedCommit parent(found);
        const std::optional<git_oid> there = entry_id(*parent, path);
        ++look_ups;
        if (here.has_value() == there.has_value() && (!here || git_oid_equal(&*here, &*there)))
            return Left::as_it_was;
        was_there |= there.has_value();
    }
    return here ? Left::changed : was_there ? Left::gone : Left::as_it_was;
}

} // namespace

std::map<std::string, Repository::Touched>
Repository::last_touched(const std::string& commit, const std::map<std::string, std::string>& paths,
                         std::size_t max_look_ups) const {
    std::map<std::string, Touched> answer;
    Result<OwnedCommit> start = find_commit(*state_->repository, commit);
    git_revwalk* made = nullptr;
    if (!start || git_revwalk_new(&made, state_->repository.get())) return answer;
    const Owned<git_revwalk, git_revwalk_free> walk(made);
    // Unsorted is newest first, a commit before its parents, and lazy; sorted would read all of history
    // first.
    if (git_revwalk_push(made, git_commit_id(start->get()))) return answer;

    std::map<std::string, std::string> open = paths;
    std::size_t look_ups = 0;
    git_oid id;
    while (!open.empty() && look_ups < max_look_ups && git_revwalk_next(&id, made) == 0) {
        const std::string name = to_hex(id);
        std::erase_if(open, [&](const auto& path) { return path.second == name; });
        git_commit* found = nullptr;
        if (git_commit_lookup(&found, state_->repository.get(), &id)) break;
        const OwnedCommit at(found);
        for (auto path = open.begin(); path != open.end() && look_ups < max_look_ups;) {
            const Left left = how_left(*at, clean_path(path->first), look_ups);
            if (left == Left::as_it_was) {
                ++path;
                continue;
            }
            if (left != Left::unknown)
                answer.emplace(path->first, Touched{describe_commit(*at), left == Left::gone});
            path = open.erase(path);
        }
    }
    return answer;
}

Result<CommitInfo> Repository::last_change(const std::string& commit, const std::string& path,
                                           std::optional<std::uint32_t> line) const {
    Result<OwnedCommit> start = find_commit(*state_->repository, commit);
    if (!start) return start.error();
    const std::string clean = clean_path(path);
    const std::optional<git_oid> id = entry_id(**start, clean);
    if (!id) return failure("git.no-path", fmt::format("there is no \"{}\" in commit {}", clean, commit));
    OwnedCommit newest = *std::move(start);
    while (OwnedCommit parent = parent_with(*newest, clean, *id)) newest = std::move(parent);
    if (line && has_line(*state_->repository, *id, *line))
        if (std::optional<CommitInfo> info = blame(*state_->repository, *newest, clean, *line))
            return *std::move(info);
    return describe_commit(*newest);
}

} // namespace holdfast

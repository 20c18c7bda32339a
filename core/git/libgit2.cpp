#include "git/libgit2.hpp"

#include <fmt/core.h>

namespace holdfast::git {

// libgit2 counts its users; once for the process is enough.
void start_libgit2() {
    static const int users = [] {
        const int count = git_libgit2_init();
        // Of mirrors: after a power cut a pack is there in full or not at all.
        git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
        return count;
    }();
    assert(users > 0);
}

std::string last_error() {
    const git_error* error = git_error_last();
    std::string text = error && error->message ? error->message : "no reason given";
    while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
    return text;
}

std::string to_hex(const git_oid& id) {
    char text[GIT_OID_HEXSZ];
    git_oid_fmt(text, &id);
    return {text, sizeof text};
}

CommitInfo describe_commit(const git_commit& commit) {
    CommitInfo info;
    info.id = to_hex(*git_commit_id(&commit));
    if (const git_signature* author = git_commit_author(&commit)) {
        info.author = author->name;
        info.email = author->email;
        info.time_s = author->when.time;
    }
    // git_commit_summary() keeps its result inside the commit, hence no const there.
    if (const char* subject = git_commit_summary(const_cast<git_commit*>(&commit))) info.subject = subject;
    return info;
}

std::string clean_path(std::string_view path) {
    std::string out;
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t to = std::min(path.find('/', from), path.size());
        const std::string_view segment = path.substr(from, to - from);
        if (!segment.empty() && segment != ".") {
            if (!out.empty()) out += '/';
            out += segment;
        }
        from = to + 1;
    }
    return out;
}

OwnedOdb odb_of(git_repository& repository) {
    git_odb* odb = nullptr;
    if (git_repository_odb(&odb, &repository) != 0) return {};
    return OwnedOdb(odb);
}

Diagnostic missing_object(const git_oid& id, std::string_view what) {
    return failure("git.missing-object",
                   fmt::format("{} ({}) cannot be read from the repository: {}", what,
                               to_hex(id).substr(0, 12), last_error()),
                   "run git fsck; in a partial or shallow clone fetch the rest with git fetch --refetch");
}

namespace {

Diagnostic no_commit(git_repository& repository, const std::string& revision, int code) {
    if (git_repository_head_unborn(&repository) == 1 && (revision == "HEAD" || revision.empty()))
        return failure("git.no-commit", "the repository has no commit yet",
                       "commit the files first, or use --working-tree");
    if (code == GIT_EAMBIGUOUS)
        return failure("git.no-commit",
                       fmt::format("\"{}\" is the beginning of several commit ids", revision),
                       "give more digits");
    return failure("git.no-commit", fmt::format("\"{}\" names no commit in this repository", revision),
                   "name a branch, a tag or a commit id; git branch --all and git tag list them");
}

} // namespace

Result<OwnedCommit> find_commit(git_repository& repository, const std::string& revision) {
    git_object* found = nullptr;
    if (int code = git_revparse_single(&found, &repository, revision.c_str()))
        return no_commit(repository, revision, code);
    OwnedObject object(found);
    git_object* peeled = nullptr;
    if (int code = git_object_peel(&peeled, object.get(), GIT_OBJECT_COMMIT))
        return no_commit(repository, revision, code);
    return OwnedCommit(reinterpret_cast<git_commit*>(peeled));
}

} // namespace holdfast::git

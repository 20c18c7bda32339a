#pragma once
// Reading Git: files of one commit, straight from blobs and never through a checkout. Everything comes
// from libgit2; errors are `git.*` Diagnostics.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/stack.hpp"

namespace holdfast {

struct TreeFile {
    enum class Type : std::uint8_t { file, symlink, submodule };
    std::string path; // from the repository's root
    std::string blob; // object id in hex; empty in a working tree
    Type type = Type::file;
};

// The files of one commit, or of the working tree. One thread at a time.
class Tree {
public:
    virtual ~Tree() = default;
    // Of the working tree: HEAD's, with an empty id.
    virtual const CommitInfo& commit() const = 0;
    // All files below `path` ("" for everything), sorted by path. Error: `git.no-path`, with the nearest
    // existing folder as a hint.
    virtual Result<std::vector<TreeFile>> list(std::string_view path) const = 0;
    // The bytes of a file that `list` named. Errors: `git.too-large`, `git.unreadable`.
    virtual Result<std::string> read(const TreeFile& file, std::size_t max_bytes) const = 0;
    // The file at exactly this path, not following symlinks.
    virtual std::optional<TreeFile> find(std::string_view path) const = 0;
    // Id of the tree object at `path`, in hex: equal ids mean equal content. Empty for a working tree.
    virtual std::string id_of(std::string_view path) const = 0;
};

class Repository {
public:
    // Finds the repository that holds `path`, upwards. Errors: `git.not-a-repository`, `git.unsafe-owner`.
    static Result<std::unique_ptr<Repository>> open(const std::string& path);
    ~Repository();
    Repository(const Repository&) = delete;
    Repository& operator=(const Repository&) = delete;

    const std::string& work_directory() const; // absolute; empty for a bare repository
    const std::string& git_directory() const;

    // A branch, tag, full or short id, or "HEAD". Errors: `git.no-commit` (empty repository, unknown
    // revision).
    Result<std::unique_ptr<Tree>> at(const std::string& revision) const;
    // Files as they lie on disk, less what .gitignore names.
    Result<std::unique_ptr<Tree>> working_tree() const;

    // The newest commit, from `commit` backwards, that changed `path`; for `why`. With `line`, the commit
    // that last touched that line (blame).
    Result<CommitInfo> last_change(const std::string& commit, const std::string& path,
                                   std::optional<std::uint32_t> line = {}) const;
    // For each of `paths` the newest commit, from `commit` backwards, that changed or removed it, by path.
    // Looks only as far as the commit that is given with the path ("" for none), itself left out, and no
    // further than `max_look_ups` look-ups in trees. What was not found that way is not in the answer.
    struct Touched {
        CommitInfo by;
        bool is_gone = false; // by this commit
    };
    std::map<std::string, Touched> last_touched(const std::string& commit,
                                                const std::map<std::string, std::string>& paths,
                                                std::size_t max_look_ups) const;
    Result<CommitInfo> commit_info(const std::string& revision) const;

    // Gives back what libgit2 keeps of packs that were read: up to 16 MiB each, in small pieces that would
    // lie between whatever is allocated next. The next read opens the packs anew.
    void release_memory() const;

private:
    struct State;
    explicit Repository(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace holdfast

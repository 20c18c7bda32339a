#pragma once
// Objects into a mirror, private to core/git: as a pack off the wire, or from a repository beside it. Either
// way a commit is there only once everything that it needs is, however the process ended before.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "git/libgit2.hpp"
#include "git/remote_access.hpp"

namespace holdfast::git {

// Takes a pack's bytes as they come. What is small becomes loose objects, so that a mirror that is asked
// once a minute does not collect packs.
class PackWriter {
public:
    // `folder` is ours alone, for what is not finished yet.
    PackWriter(git_repository& mirror, std::string folder, const TransferLimits& limits, RemoteUrl url);
    ~PackWriter();

    Status append(std::string_view bytes);
    // Checks the pack and all that it refers to, and takes it into the mirror. Error: `source.bad-pack`.
    Status finish(const std::vector<std::string>& wants);
    std::size_t bytes() const { return bytes_; }

private:
    static int on_progress(const git_indexer_progress* stats, void* self);
    Status fail();
    Status take_objects(const std::string& index, const std::vector<std::string>& wants, bool& are_taken);
    Status take_pack(const std::string& index);

    git_repository& mirror_;
    std::string folder_;
    const TransferLimits& limits_;
    RemoteUrl url_;
    Owned<git_indexer, git_indexer_free> indexer_;
    git_indexer_progress stats_{};
    std::size_t bytes_ = 0;
    std::unique_ptr<Diagnostic> stopped_;
};

// Copies `wants` and what they need from one repository to the other. What the mirror has is not looked at
// again, so a history that grew by one commit costs that commit. Errors as above.
Result<std::size_t> copy_objects(git_repository& from, git_repository& mirror, const std::string& folder,
                                 const std::vector<std::string>& wants, const TransferLimits& limits,
                                 const RemoteUrl& url);

// The newest commits that are kept here, at most `most`.
std::vector<std::string> newest_commits(git_repository& mirror, std::size_t most);

} // namespace holdfast::git

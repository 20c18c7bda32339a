#pragma once
// The other end of one fetch, private to core/git: a server that is spoken to, or a repository beside us.

#include <memory>
#include <string>
#include <vector>

#include "git/libgit2.hpp"
#include "git/upload_pack.hpp"

namespace holdfast::git {

class RemoteSide {
public:
    virtual ~RemoteSide() = default;
    // Refs with one of these full names, or below one that ends in '/'; a server may tell of more.
    virtual Result<std::vector<RemoteRef>> refs(const std::vector<std::string>& names) = 0;
    virtual bool serves_any_commit() const = 0;
    // Takes these objects, in hex, and what they need into the mirror. `whole`: also what is there already,
    // for the server's word that we may have it.
    enum class Extent { missing, whole };
    virtual Status fetch(const std::vector<std::string>& wants, Extent extent) = 0;
};

// `folder` is ours alone and empty. Errors besides those of Conversation: `source.not-bound`,
// `source.no-credential`, `source.plain-http`: nothing was sent then.
Result<std::unique_ptr<RemoteSide>> connect(const RemoteUrl& url, git_repository& mirror,
                                            const RemoteAccess& access, const TransferLimits& limits,
                                            const std::string& folder);

} // namespace holdfast::git

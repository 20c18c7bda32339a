#pragma once
// Bytes to and from `git upload-pack` on the other side, over HTTP or ssh; private to core/git. Knows
// hosts, certificates and credentials, and nothing of what is said.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "git/remote_access.hpp"
#include "git/remote_url.hpp"

namespace holdfast::git {

// Takes bytes as they come; false once it has all that it wants.
using Receiver = std::function<bool(std::string_view bytes)>;

// One fetch. Errors: `source.unreachable`, `source.untrusted`, `source.denied`, `source.not-found`,
// `source.moved`, `source.server-error`, `source.bad-answer`, `source.interrupted`, `source.deadline`,
// `source.cancelled`, `source.too-large`, `source.host-key-unknown`, `source.host-key-changed`,
// `source.bad-key`. Over HTTP an answer that ends early is no error here: the receiver knows.
class Conversation {
public:
    virtual ~Conversation() = default;
    virtual Status greeting(const Receiver& receive) = 0;
    virtual Status ask(std::string_view request, const Receiver& receive) = 0;
    // Each request of HTTP stands for itself.
    virtual bool is_stateless() const = 0;
};

// `limits` and `access` outlive it.
std::unique_ptr<Conversation> converse_http(const RemoteUrl& url, const RemoteAccess& access,
                                            const TransferLimits& limits);
// `folder` is ours alone; what ssh needs on disk is made there.
Result<std::unique_ptr<Conversation>> converse_ssh(const RemoteUrl& url, const RemoteAccess& access,
                                                   const TransferLimits& limits, const std::string& folder);

// Nothing, or why a transfer must end now.
Status check_limits(const TransferLimits& limits, const RemoteUrl& url);
Diagnostic interrupted(const RemoteUrl& url, std::string_view why);
Diagnostic too_large(const RemoteUrl& url, std::size_t max_bytes);

} // namespace holdfast::git

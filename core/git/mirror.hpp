#pragma once
// A bare repository of our own for each remote: what was fetched stays readable when the remote is away.
// Several sources and several processes share one; refs are fetched by name, never all of them.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "git/remote_access.hpp"
#include "git/remote_url.hpp"
#include "git/repository.hpp"
#include "model/stack.hpp"
#include "sys/clock.hpp"

namespace holdfast {

// What a ref stood for when it was last fetched with success, and what went wrong since.
struct MirroredRef {
    SourceRef ref;
    std::string name;   // full name of the ref that was found: "refs/tags/v1.4.2"; empty with `commit`
    std::string object; // what it pointed at, in hex: of an annotated tag the tag's own id
    std::string commit; // in hex; empty: never fetched
    std::string access; // name of the credential with which it was fetched: what another may not read it must
                        // not get from here
    std::int64_t fetched_at_ms = 0;    // Unix time of the last success
    std::optional<Diagnostic> problem; // of the last try; nothing: it succeeded
    std::vector<std::string> history;  // commits that it stood for, oldest first, this one included
    std::vector<std::string> names;    // the refs of those commits, as `name`
};

// Law 17: whether going from the commit applied last to this one is going forward.
enum class Movement {
    forward,   // the same commit, or a descendant; or a higher version of a semver range
    rewritten, // neither: history was rewritten, or went back
    unrelated, // that commit never was this ref's: another ref or repository was applied before
};

// One thread at a time; other processes may fetch into the same mirror.
class Mirror {
public:
    // The mirror of `url` in `folder`, made where there is none. `folder` is the store's, for all mirrors.
    // Errors: `source.bad-mirror`, `file.*`.
    static Result<std::unique_ptr<Mirror>> open(const std::string& folder, const RemoteUrl& url);
    ~Mirror();
    Mirror(const Mirror&) = delete;
    Mirror& operator=(const Mirror&) = delete;

    // Asks the remote for exactly these refs and takes in what is new, in one conversation. The results go
    // with `refs`: each has its problem or none. Waits while another process fetches, and takes what that
    // one found if it asked for the same. What fails leaves everything as it was, less `problem`.
    // Problems: all that Conversation names, `source.no-ref`, `source.no-commit`, `source.not-a-commit`,
    // `source.bad-pack`, `source.not-bound`, `source.no-credential`, `source.plain-http`.
    std::vector<MirroredRef> fetch(std::span<const SourceRef> refs, const RemoteAccess& access,
                                   const TransferLimits& limits, Clock& clock);

    // As it was fetched last, by whomever; nothing where it never was.
    std::optional<MirroredRef> find(const SourceRef& ref) const;
    Movement movement(const MirroredRef& ref, const std::string& applied_commit) const;

    // Files of commits, and who changed them.
    const Repository& repository() const;
    const RemoteUrl& url() const;
    const std::string& path() const;

private:
    struct State;
    explicit Mirror(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace holdfast

#pragma once
// Where the files of each stack come from: the repository of holdfast.yaml, or a commit of a Source, fetched
// once a session into a mirror in the store's folder.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "git/mirror.hpp"
#include "manifest/operator_config.hpp"
#include "model/stack.hpp"
#include "secrets/secrets.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"

namespace holdfast {

// What a stack is read from. Without a tree the stack cannot go on, and `problems` says why.
struct StackFiles {
    const Tree* tree = nullptr;
    Diagnostics problems;      // with a tree: warnings, of a mirror that could not be renewed
    bool is_rewritten = false; // law 17: the stack is parked
};

// Of one Source, as it is now.
struct SourceStatus {
    std::string name, url, credential;
    SourceRef ref;
    MirroredRef mirrored; // its problem is that of the last fetch
    CommitInfo commit;    // id is empty where there is none
    std::vector<std::string> stacks;
};

struct SourcesOptions {
    std::string mirrors;       // folder
    std::string root;          // that relative paths of Sources are relative to; empty: there is none
    bool offline = false;      // the mirrors as they are
    std::int64_t fresh_ms = 0; // what was fetched so long ago is not fetched again
};

// One thread at a time. What it is given outlives it.
class Sources {
public:
    Sources(SourcesOptions options, const Project& project, const OperatorConfig& config, Secrets& secrets,
            Store& store, Clock& clock);
    ~Sources();

    // For long fetches: what ends them, and who is told ("fetching infra", objects so far, objects in all).
    using Progress = std::function<void(std::string_view doing, std::size_t done, std::size_t of)>;
    void attend(std::stop_token stop, Progress progress);
    // For who fetches apart from what reads: which commit of a Source its stacks are read from, whether a
    // person chose it, so that it may go back in history, and what kept the Source from being fetched.
    struct Given {
        std::string commit; // in hex; empty: the one that was fetched last
        bool is_chosen = false;
        std::optional<Diagnostic> problem;
    };
    void give(const std::string& source, Given given);
    // Where the Source lies and what it is read with: one conversation serves all that are equal in this.
    // Empty where the url is wrong.
    std::string remote_of(const SourceDocument& source) const;
    // For a stack that names a source. All Sources of the same remote are fetched with the first of them.
    StackFiles files(const StackDocument& stack);
    // What was fetched so far; nothing is fetched for it. Null where there is no mirror.
    const Repository* repository(const SourceDocument& source);
    // Of what was read from the mirrors.
    void release_memory() const;
    // Fetches the Source, or says what its mirror holds.
    SourceStatus status(const SourceDocument& source, bool fetch);

private:
    struct Fetched {
        Mirror* mirror = nullptr;
        MirroredRef ref;
        std::unique_ptr<Tree> tree;
    };
    Result<Mirror*> mirror_of(const SourceDocument& source);
    Result<RemoteAccess> access_for(const SourceDocument& source);
    Result<std::string> secret_text(const GitCredential& credential, const SecretPlace& place);
    Status check_allowed(const SourceDocument& source, const std::string& stack) const;
    Status fetch_remote_of(const SourceDocument& source);
    Result<Fetched>& fetched(const SourceDocument& source);
    Result<RemoteUrl> url_of(const SourceDocument& source) const;
    std::string applied_commit(const std::string& stack);

    SourcesOptions options_;
    const Project& project_;
    const OperatorConfig& config_;
    Secrets& secrets_;
    Store& store_;
    Clock& clock_;
    std::stop_token stop_;
    Progress progress_;
    std::map<std::string, std::unique_ptr<Mirror>> mirrors_; // by url
    std::map<std::string, Result<Fetched>> fetched_;         // by name of the Source
    std::map<std::string, MirroredRef> asked_;               // what the remote said, by name of the Source
    std::map<std::string, Given> given_;                     // by name of the Source
};

} // namespace holdfast

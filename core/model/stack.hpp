#pragma once
// The engine's own documents, holdfast.dev/v1alpha1: what holdfast.yaml holds.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "model/kind.hpp"
#include "model/leaf.hpp"

namespace holdfast {

// Law 2. A plan that passes one of these is parked.
struct BlastLimits {
    double max_share = 0.30; // of a kind of which there are at least `share_from`
    std::size_t share_from = 10;
    std::size_t all_from = 3; // all leaves of a kind, from this many on
    std::size_t max_leaves = 100;
};

// Something that has to be reached for a change to stay (law 10).
struct ReachProbe {
    enum class Kind { tcp, http, ping, command } kind = Kind::tcp;
    std::string
        target;     // "192.0.2.1:22"; a URL; a host; the name of a command of the operator's configuration
    int status = 0; // http: the one that is expected; 0: any below 500
    bool refused_counts = false; // tcp: a refused connection is an answer as well

    bool operator==(const ReachProbe&) const = default;
};

// How changes that may cut people off are confirmed, as a Stack or a Provider says it.
struct ConfirmPolicy {
    bool is_enabled = true; // false: not even what the plugin asks it for
    bool is_manual = false; // a person confirms
    bool is_for_all = true; // false: only of what the plugin asks it for
    std::optional<std::chrono::milliseconds> timeout;
    std::vector<ReachProbe> probes; // empty: the default ones
};

struct ProviderDocument {
    std::string name;
    std::string plugin;  // name of a plugin, never a path (law 14)
    std::string version; // semver range that the plugin must satisfy; empty: any
    Value config;        // may hold ${{ secrets.* }}
    std::map<std::string, std::string> labels;
    Ownership ownership = Ownership::owned;
    std::optional<ConfirmPolicy> confirm; // of all changes of this provider
    Origin origin;
};

// Which commit of a source is meant.
struct SourceRef {
    enum class Kind {
        head,   // what the remote's HEAD points at: its default branch
        branch, // "main"
        tag,    // "v1.4.2"
        semver, // the highest tag in a range: "^1.2"
        name,   // a full name: "refs/pull/7/head"
        commit, // 40 hexadecimal digits
    };
    Kind kind = Kind::head;
    std::string value; // empty with `head`
    bool operator==(const SourceRef&) const = default;
};
// "branch main", "semver ^1.2", "HEAD"
std::string to_string(const SourceRef& ref);

struct SourceDocument {
    std::string name;
    std::string url; // as written: a path, file://, https://, ssh:// or user@host:path
    SourceRef ref;
    std::string credential; // name of one in the operator's configuration; empty: none
    std::int64_t interval_ms = 60'000;
    std::int64_t timeout_ms = 60'000; // of one whole fetch
    bool allow_rewrites = false;      // law 17
    Origin origin;
};

// The operator's program that makes a stack's documents from its folder (docs/rendering.md).
struct RenderSpec {
    enum class Tool { kustomize, helm } tool = Tool::kustomize;
    std::string release;             // helm; empty: the stack's name
    std::string namespace_name;      // helm; empty: helm's own default
    std::vector<std::string> values; // helm: files by their path in the repository, the last one wins
    bool operator==(const RenderSpec&) const = default;
};
std::string_view to_string(RenderSpec::Tool tool); // "kustomize", "helm"

struct StackDocument {
    std::string name;
    std::string source; // empty: the repository that holds holdfast.yaml, at HEAD
    std::string path;   // inside the repository; "" is its root
    // group -> instances ("*" for every group that has none of its own)
    std::map<std::string, std::vector<std::string>> providers;
    Map vars;
    std::optional<RenderSpec> render; // none: its documents are read as they stand in Git
    Policy defaults;                  // for documents without annotations
    bool prune = true;
    Deletion deletion = Deletion::orphan; // of the objects when the Stack document itself goes
    BlastLimits limits;
    std::vector<std::string> depends_on; // stacks
    // How the daemon works on it; where one is not there, the operator's configuration says.
    struct Schedule {
        std::optional<std::chrono::milliseconds> interval;       // between passes where nothing is new
        std::optional<std::chrono::milliseconds> retry_interval; // after the first failure; then it doubles
        std::optional<std::chrono::milliseconds> resync;         // between looks at everything
        std::optional<std::chrono::milliseconds> timeout;        // of one pass
        bool is_suspended = false;
    };
    Schedule schedule;
    bool allow_insecure_secret_fields = false;
    std::optional<ConfirmPolicy> confirm; // of all its changes that can be taken back
    Origin origin;
};

struct Project {
    std::vector<ProviderDocument> providers;
    std::vector<StackDocument> stacks;
    std::vector<SourceDocument> sources;
    std::string store; // folder of the store, from `kind: Project`; empty: the user's state directory

    const ProviderDocument* provider(std::string_view name) const;
    const StackDocument* stack(std::string_view name) const;
    const SourceDocument* source(std::string_view name) const;
};

// Who declared a commit.
struct CommitInfo {
    std::string id; // hex; empty for the working tree
    std::string author, email, subject;
    std::int64_t time_s = 0; // Unix time of the author
};

} // namespace holdfast

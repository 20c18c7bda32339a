#pragma once
// What one run of a command works with: the repository and its holdfast.yaml at one commit, the operator's
// configuration, the plugin host, the providers it opened, the store. Built by `main`, handed down.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "git/repository.hpp"
#include "log/log.hpp"
#include "log/masker.hpp"
#include "manifest/load.hpp"
#include "manifest/operator_config.hpp"
#include "provider/host.hpp"
#include "reconcile/sources.hpp"
#include "secrets/secrets.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"

namespace holdfast {

struct SessionOptions {
    std::string directory = "."; // -C: in the repository, or below it
    std::string revision = "HEAD";
    bool working_tree = false; // files as they lie on disk instead of a commit
    std::string store;         // --store: folder; empty: as configured
    Isolation isolation = Isolation::worker;
    bool read_only = false;                // a store that cannot be written is no error
    bool remembers = false;                // read_only, but a store that can be written gets cache and memos
    bool offline = false;                  // sources as their mirrors hold them
    std::vector<std::string> plugin_paths; // before those of the configuration
};

// One thread at a time.
class Session {
public:
    // Errors leave nothing to work with: no repository, no commit, an unreadable holdfast.yaml, a store that
    // cannot be opened. What is wrong inside holdfast.yaml is in `problems()`.
    static Result<std::unique_ptr<Session>> open(const SessionOptions& options, Clock& clock, Masker& masker,
                                                 Log& log);
    ~Session();

    const SessionOptions& options() const { return options_; }
    const Repository& repository() const { return *repository_; }
    // Of the repository that holds holdfast.yaml.
    const Tree& tree() const { return *tree_; }
    const CommitInfo& commit() const { return tree_->commit(); }
    // What this stack is read from: that tree, or a commit of its source, which is fetched at the first call.
    const StackFiles& files(const StackDocument& stack);
    // Of those files; that of holdfast.yaml where there are none.
    const CommitInfo& commit(const StackDocument& stack);
    Sources& sources() { return *sources_; }
    const Project& project() const { return project_; }
    const OperatorConfig& operator_config() const { return operator_config_; }
    const Diagnostics& problems() const { return problems_; }
    Store& store() { return *store_; }
    PluginHost& host() { return *host_; }
    Secrets& secrets() { return *secrets_; }
    Masker& masker() { return masker_; }
    Clock& clock() { return clock_; }
    Log& log() { return log_; }
    const std::string& actor() const { return actor_; }
    const std::string& store_directory() const { return store_directory_; }

    // The plugin's description for a Provider document; no instance is opened. Errors as
    // PluginHost::describe, and `provider.wrong-version`.
    Result<std::shared_ptr<const Description>> describe(const ProviderDocument& document);
    // The opened instance, with its configuration's secrets resolved and its relative paths made absolute
    // from the repository's root. Opened at most once; the error of a failed try is kept.
    Result<Provider*> provider(const std::string& name);
    // The documents' bytes that plugins get by hash.
    void keep_blob(const Hash& hash, std::string_view bytes);

private:
    Session(SessionOptions options, Clock& clock, Masker& masker, Log& log);
    Status open_repository();
    Status open_store_and_host();
    Status open_store_at(const std::string& path);
    Result<std::string> provider_config(const ProviderDocument& document, const Description& description);

    SessionOptions options_;
    Clock& clock_;
    Masker& masker_;
    Log& log_;
    std::string actor_, store_directory_;
    OperatorConfig operator_config_;
    Diagnostics problems_;
    std::unique_ptr<Repository> repository_;
    std::unique_ptr<Tree> tree_;
    Project project_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<PluginHost> host_;
    std::unique_ptr<Secrets> secrets_;
    std::unique_ptr<Sources> sources_;
    std::map<std::string, StackFiles> files_; // by stack
    std::map<std::string, Result<std::unique_ptr<Provider>>> providers_;
};

} // namespace holdfast

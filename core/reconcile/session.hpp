#pragma once
// What one run of a command works with: the repository and its holdfast.yaml at one commit, the operator's
// configuration, the plugin host, the providers it opened, the store. Built by `main`, handed down.

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/locked.hpp"
#include "git/repository.hpp"
#include "log/log.hpp"
#include "log/masker.hpp"
#include "manifest/load.hpp"
#include "manifest/operator_config.hpp"
#include "provider/host.hpp"
#include "reconcile/sources.hpp"
#include "reconcile/touched.hpp"
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
    bool read_only = false; // a store that cannot be written is no error
    bool remembers = false; // read_only, but a store that can be written gets cache and memos
    bool offline = false;   // sources as their mirrors hold them
    std::chrono::milliseconds sources_fresh{0}; // what was fetched so long ago is not fetched again
    std::vector<std::string> plugin_paths;      // before those of the configuration
    std::shared_ptr<const OperatorConfig> operator_config; // not set: read where it is configured
    std::string actor;                                     // who works; empty: this process's user
};

// One thread at a time.
class Session {
public:
    // Errors leave nothing to work with: no repository, no commit, an unreadable holdfast.yaml, a store that
    // cannot be opened. What is wrong inside holdfast.yaml is in `problems()`.
    static Result<std::unique_ptr<Session>> open(const SessionOptions& options, Clock& clock, Masker& masker,
                                                 Log& log);
    ~Session();

    // Makes the next runs see `revision` (empty: as in the options), without giving up what is open: store,
    // plugin host, worker processes and instances stay, unless the Provider document, a secret in its config
    // or the plugin's file is another one than when it was opened; that one is opened anew when it is asked
    // for. Secrets are read again. For a process that makes one pass after the other; to be called before
    // each. Outcomes of earlier runs may no longer be used but for their own data (`remains` has to be let
    // go). After an error (as `open`) everything is as it was. Another `store` in holdfast.yaml has no
    // effect.
    Status move_to(const std::string& revision = {});

    // Subscribes to what these stacks have recorded, and to nothing else; again after passes that made or
    // removed objects, since interest is by object. Providers without holdfast.watch/1 are left out. What is
    // opened anew later is watched as before, with a hint about all of it. `on_touched` is called from any
    // thread, until `unwatch` or the end of the session. Gives a warning for each provider that could not.
    Diagnostics watch(std::vector<std::string> stacks, OnTouched on_touched);
    void unwatch();
    // Whether hints tell of all changes of what is recorded with this provider.
    bool is_watching(const std::string& provider) const { return watched_scopes_.contains(provider); }

    const SessionOptions& options() const { return options_; }
    const Repository& repository() const { return *repository_; }
    // Of the repository that holds holdfast.yaml.
    const Tree& tree() const { return *tree_; }
    const CommitInfo& commit() const { return tree_->commit(); }
    // What this stack is read from: that tree, or a commit of its source, which is fetched at the first call.
    const StackFiles& files(const StackDocument& stack);
    // Of those files; that of holdfast.yaml where there are none.
    const CommitInfo& commit(const StackDocument& stack);
    // That the files come from; null where a source has not been fetched. Nothing is fetched for it.
    const Repository* repository_of(const StackDocument& stack);
    Sources& sources() { return *sources_; }
    // For long work on what is declared, fetching and rendering: what ends it, and who is told.
    void attend(const std::stop_token& stop, Sources::Progress progress) {
        stop_ = stop;
        sources_->attend(stop, std::move(progress));
    }
    const std::stop_token& stop() const { return stop_; }
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
    // Whether `provider` would answer at once; and with an instance that is as its document says now.
    bool is_open(const std::string& name) const;
    bool is_open_as_declared(const std::string& name);
    // Everything that an opened instance hangs on: the document, its config with secrets, the plugin's file.
    // Keyed, so it may be stored. Nothing is opened or started.
    Result<Hash> provider_version(const std::string& name);
    // The instance's configuration as `open` got it: JSON with secrets resolved and paths made absolute.
    Result<std::string> provider_config(const std::string& name);
    // Gives back what is held for the next read; for a session that rests for a while.
    void release_memory();
    // The documents' bytes that plugins get by hash.
    void keep_blob(const Hash& hash, std::string_view bytes);

private:
    Session(SessionOptions options, Clock& clock, Masker& masker, Log& log);
    Status open_repository();
    void open_sources();
    Status open_store_and_host();
    Status open_store_at(const std::string& path);
    Status read_project(const Tree& tree, Project& project, Diagnostics& problems) const;
    Result<Value> resolved_config(const ProviderDocument& document);
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
    struct Opened {
        Result<std::unique_ptr<Provider>> provider;
        Hash version; // of when it was opened
    };
    Result<std::unique_ptr<Provider>> open_provider(const std::string& name);
    Status subscribe(const std::string& name, Provider& provider);
    void forget_watch(const std::string& name, Provider& provider);

    std::map<std::string, Opened> providers_;
    std::string project_blob_;
    Diagnostics operator_problems_;
    std::vector<std::string> watched_stacks_;
    // Providers keep the function that they were given first, so it is held here. Not set: nothing is
    // watched.
    std::shared_ptr<Locked<OnTouched>> on_touched_ = std::make_shared<Locked<OnTouched>>();
    std::map<std::string, std::set<std::string>, std::less<>> watched_scopes_; // by provider
    std::unique_ptr<Sources> sources_;
    std::stop_token stop_;
    std::map<std::string, StackFiles> files_; // by stack
};

} // namespace holdfast

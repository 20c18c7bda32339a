#pragma once
// The Reconciler over a repository on this machine: a few sessions, each with its store and its opened
// providers, that passes take turns to use.

#include <map>

#include "base/locked.hpp"
#include "daemon/reconciler.hpp"
#include "daemon/watching.hpp"
#include "log/log.hpp"
#include "log/masker.hpp"
#include "reconcile/session.hpp"
#include "sys/clock.hpp"

namespace holdfast {

class SessionReconciler final : public Reconciler {
public:
    // `store`: folder. What is passed by reference outlives it.
    SessionReconciler(std::shared_ptr<const OperatorConfig> config, std::string store, Isolation isolation,
                      Clock& clock, Masker& masker, Log& log);

    Result<SourceView> look(std::stop_token stop) override;
    Fetched fetch(const std::string& remote, std::stop_token stop) override;
    PassReport reconcile(const PassRequest& request, std::stop_token stop) override;
    Result<CommitInfo> rollback_target(const std::string& stack, const std::string& from,
                                       const std::string& to) override;
    Result<Approved> approve(const std::string& plan, const std::string& actor) override;
    Result<Why> why(const std::string& leaf, std::size_t limit) override;
    Result<LeafHistory> history_of(const std::string& leaf, std::size_t limit) override;
    void set_config(std::shared_ptr<const OperatorConfig> config) override;
    void set_on_hint(std::function<void(const std::string& stack)> on_hint) override;

private:
    struct Idle {
        std::string revision;
        std::shared_ptr<const OperatorConfig> config; // another one since: not to be used any more
        std::unique_ptr<Session> session;
    };

    std::shared_ptr<const OperatorConfig> config() const;
    Result<Idle> take_session(const std::string& revision);
    void give_back(Idle session);
    Result<std::unique_ptr<Session>> open_session(const std::string& revision, const std::string& actor,
                                                  std::shared_ptr<const OperatorConfig> config);
    void give_sources(Session& session, const PassRequest& request);

    // source_views.cpp: what there is to do, and where it comes from
    struct Known {
        CommitInfo commit;
        std::string root; // working directory of the repository, that relative urls begin at
        std::shared_ptr<const Project> project;
        Diagnostics problems; // warnings
    };
    struct Readers;
    Result<std::shared_ptr<const Known>> read_project(const OperatorConfig& config);
    void add_sources(SourceView& view, const Known& known, const OperatorConfig& config, Store& store);

    const std::string store_;
    const Isolation isolation_;
    Clock& clock_;
    Masker& masker_;
    Log& log_;
    Locked<std::shared_ptr<const OperatorConfig>> config_;
    Locked<std::vector<Idle>> idle_;
    Locked<std::shared_ptr<const Known>> known_; // of the commit that was looked at last; null: of none
    Locked<std::map<std::string, Diagnostic>> fetch_problems_; // of the last try, by source
    Watching watching_;
};

} // namespace holdfast

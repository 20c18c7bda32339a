#pragma once
// The Reconciler over a repository on this machine: a few sessions, each with its store and its opened
// providers, that passes take turns to use.

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
    PassReport reconcile(const PassRequest& request, std::stop_token stop) override;
    Result<CommitInfo> rollback_target(const std::string& stack, const std::string& from,
                                       const std::string& to) override;
    Result<Approved> approve(const std::string& plan, const std::string& actor) override;
    Result<Why> why(const std::string& leaf, std::size_t limit) override;
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
    Result<SourceView> with_removed(SourceView view);

    const std::string store_;
    const Isolation isolation_;
    Clock& clock_;
    Masker& masker_;
    Log& log_;
    Locked<std::shared_ptr<const OperatorConfig>> config_;
    Locked<std::vector<Idle>> idle_;
    Locked<std::optional<SourceView>> known_; // of the commit that was looked at last, declared stacks only
    Watching watching_;
};

} // namespace holdfast

#pragma once
// The daemon's loop: one thread that owns the scheduler, the control socket and the store's holds; passes,
// looks and slow questions run on threads of their own and post what came of them back to it.

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/server.hpp"
#include "daemon/fights.hpp"
#include "daemon/mailbox.hpp"
#include "daemon/reconciler.hpp"
#include "daemon/scheduler.hpp"
#include "log/log.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"
#include "sys/service_notify.hpp"

namespace holdfast {

SchedulerOptions scheduler_options(const DaemonConfig& config);

struct DaemonParts {
    std::shared_ptr<const OperatorConfig> config;
    std::string store_directory;
    Store& store;
    Reconciler& reconciler;
    Clock& clock;
    Log& log;
    ServiceNotify& notify;
    std::unique_ptr<ControlServer> server; // null: nobody can ask (--once)
    int signals = -1;                      // a signalfd of SIGTERM, SIGINT and SIGHUP
    // Reads the configuration anew; what is wrong goes to the Diagnostics.
    std::function<std::shared_ptr<const OperatorConfig>(Diagnostics& problems)> reload;
    bool once = false; // one pass of every stack, and then the end
};

class Daemon {
public:
    explicit Daemon(DaemonParts parts);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Until a signal, or with `once` until every stack had its pass. The exit code: 0; with `once` also 1
    // where a stack failed, 4 where one was taken back and 3 where one is parked. Within 5 s of a signal the
    // process ends, if need be at once: what a pass did by then is in the journal, and workers die with us.
    int run();

private:
    struct RunningPass {
        DuePass due;
        std::string id;
        std::int64_t started_ms = 0;
        std::stop_source stop, stop_calls; // between two writes; also what is under way
        std::jthread thread;
    };
    struct LastPass {
        std::string id;
        std::int64_t ended_ms = 0;
        PassReport report;
    };
    // A client that waits for passes of these stacks.
    struct Waiter {
        ClientId client = 0;
        Value id;
        std::set<std::string> open;
        List results;
    };
    struct Fetch {
        std::stop_source stop;
        std::jthread thread;
    };
    struct Job {
        std::jthread thread;
        bool is_done = false;
    };

    // daemon.cpp: the loop
    void turn();
    void wait(std::optional<Moment> wake);
    void take_signals();
    void step();
    void begin_look();
    void look_ended(Result<SourceView> view);
    void take_in_sources(std::vector<SourceState> sources);
    void begin_fetch(const std::string& remote);
    void begin_pass(const DuePass& due);
    void pass_ended(const std::string& stack, PassReport report);
    void note_fights(const std::string& stack, const PassReport& report);
    void reload();
    void begin_stop(std::string_view why);
    bool is_over();
    bool has_done_once() const;
    int exit_code() const;
    void leave_at_once();
    void tell_manager();
    std::string status_line() const;
    void run_job(std::function<std::function<void()>()> work);

    // requests.cpp: what people want done; questions.cpp: what they only ask
    void handle(const ControlRequest& request);
    void answer(const ControlRequest& request, Value result);
    void refuse(const ControlRequest& request, const Diagnostic& why);
    Result<std::vector<std::string>> stacks_of(const ControlRequest& request) const;
    void on_status(const ControlRequest& request);
    void on_sync(const ControlRequest& request);
    void on_suspend(const ControlRequest& request);
    void on_resume(const ControlRequest& request);
    void on_rollback(const ControlRequest& request);
    void pin(const ControlRequest& request, const std::string& stack, const Result<CommitInfo>& target);
    void on_approve(const ControlRequest& request);
    void on_confirm(const ControlRequest& request);
    void on_history(const ControlRequest& request);
    void on_why(const ControlRequest& request);
    void wait_for(const ControlRequest& request, const std::vector<std::string>& stacks);
    void tell_waiters_of_start(const RunningPass& pass);
    void tell_waiters_of_end(const std::string& stack, const LastPass& pass);
    void end_waiters(const std::string& stack, const Diagnostic& why);
    void set_hold(const Store::StackHold& hold);
    Store::StackHold hold_of(const std::string& stack) const;
    void audit(const ControlRequest& request, std::string_view action, const std::string& stack,
               const std::string& detail);
    std::string actor_of(const ControlRequest& request) const;
    Value stack_to_message(const Scheduler::View& view) const;
    Value source_to_message() const;
    Value sources_to_message() const;

    DaemonParts parts_;
    Scheduler scheduler_;
    FightDetector fights_;
    Moment now_{};
    std::map<std::string, Store::StackHold> holds_;
    std::map<std::string, LastPass> last_;
    std::optional<CommitInfo> commit_;           // that the newest good look found
    std::map<std::string, SourceState> sources_; // as that one saw them
    std::optional<Diagnostic> look_problem_;
    std::list<Waiter> waiters_;
    std::int64_t started_ms_ = 0;
    std::optional<Moment> stopping_since_;
    Moment last_alive_{};
    std::optional<Moment> next_wake_; // as the scheduler said last
    bool has_looked_ = false, is_ready_ = false;

    Mailbox<std::function<void()>> mail_; // run on the loop's thread
    std::map<std::string, RunningPass> running_;
    std::list<Job> jobs_;
    std::stop_source look_stop_;
    std::optional<std::jthread> look_;
    std::map<std::string, Fetch> fetches_; // by remote
};

} // namespace holdfast

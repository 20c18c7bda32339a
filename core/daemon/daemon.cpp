#include "daemon/daemon.hpp"

#include <algorithm>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include <fmt/core.h>

#include "base/text.hpp"
#include "control/message.hpp"
#include "daemon/pass_log.hpp"
#include "sys/memory.hpp"
#include "sys/random.hpp"

namespace holdfast {

using namespace std::chrono_literals;

namespace {

// A wait that nobody ends is looked after this often: a machine that slept wakes no timer.
constexpr Moment longest_wait = 15s;
// From a signal to the end, whatever still runs. A worker that does not answer is killed after 2 s.
constexpr Moment longest_stop = 4200ms;

// Of the last pass of each stack, for `status` and for who waits; the log has all of them.
constexpr std::size_t most_changes_kept = 1000;

// While a stack has a fight, hints begin a pass at most this often.
constexpr Moment fight_hint_gap = 10s;

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    for (const char c : random_bytes(sizeof seed)) seed = seed << 8 | static_cast<unsigned char>(c);
    return seed;
}

std::string short_commit(const std::string& id) { return id.substr(0, 10); }

} // namespace

SchedulerOptions scheduler_options(const DaemonConfig& config) {
    SchedulerOptions options;
    options.poll = config.poll;
    options.interval = config.interval;
    options.resync = config.resync;
    options.retry_interval = config.retry_interval;
    options.max_retry = config.max_retry;
    options.timeout = config.timeout;
    options.jitter = config.jitter;
    options.concurrency = config.concurrency;
    options.most_running = std::max<std::size_t>(64, config.concurrency * 4);
    return options;
}

Daemon::Daemon(DaemonParts parts)
    : parts_(std::move(parts)),
      scheduler_(scheduler_options(parts_.config->daemon), random_seed()),
      now_(parts_.clock.uptime()),
      started_ms_(parts_.clock.now_ms()) {
    for (Store::StackHold& hold : parts_.store.holds()) {
        scheduler_.set_hold(hold.stack, hold.is_suspended, hold.pin, now_);
        if (hold.is_suspended)
            parts_.log.warning("the stack stays suspended until `holdfast resume`",
                               {{"stack", hold.stack}, {"by", hold.suspended_by}});
        if (!hold.pin.empty())
            parts_.log.warning("the stack stays rolled back until `holdfast resume`",
                               {{"stack", hold.stack}, {"commit", hold.pin}, {"by", hold.pinned_by}});
        std::string name = hold.stack;
        holds_.emplace(std::move(name), std::move(hold));
    }
    parts_.reconciler.set_on_hint(
        [this](const std::string& stack) { mail_.post([this, stack] { scheduler_.hint(stack, now_); }); });
}

Daemon::~Daemon() { parts_.reconciler.set_on_hint({}); }

int Daemon::run() {
    while (!is_over()) turn();
    return exit_code();
}

void Daemon::turn() {
    now_ = parts_.clock.uptime();
    for (const std::function<void()>& letter : mail_.take()) letter();
    jobs_.remove_if([](const Job& job) { return job.is_done; });
    if (parts_.server)
        for (const ControlRequest& request : parts_.server->serve(now_)) handle(request);
    std::optional<Moment> wake;
    if (stopping_since_) {
        wake = *stopping_since_ + longest_stop;
        if (now_ >= *wake) leave_at_once();
    } else {
        step();
    }
    tell_manager();
    if (!is_over()) wait(wake);
}

// The scheduler's step is part of each turn, and so are the signs of life: a loop that is stuck gives none.
void Daemon::step() {
    Scheduler::Step step = scheduler_.step(now_);
    for (const Scheduler::Cancel& cancel : step.cancel) {
        RunningPass& pass = running_.at(cancel.stack);
        parts_.log.info(fmt::format("stopping the pass {}: {}",
                                    cancel.reason == CancelReason::timeout ? "at once" : "between two writes",
                                    to_string(cancel.reason)),
                        {{"pass", pass.id}, {"stack", cancel.stack}, {"commit", pass.due.revision}});
        pass.stop.request_stop();
        if (cancel.reason == CancelReason::timeout) pass.stop_calls.request_stop();
    }
    for (const std::string& remote : step.fetch) begin_fetch(remote);
    if (step.look) begin_look();
    for (const DuePass& due : step.start) begin_pass(due);
    next_wake_ = step.wake;
}

void Daemon::wait(std::optional<Moment> wake) {
    std::vector<pollfd> set{{mail_.fd(), POLLIN, 0}};
    if (parts_.signals >= 0) set.push_back({parts_.signals, POLLIN, 0});
    if (parts_.server) parts_.server->add_to(set);
    Moment most = longest_wait;
    if (const auto watchdog = parts_.notify.watchdog()) most = std::min(most, *watchdog / 3);
    if (!wake) wake = next_wake_;
    if (wake) most = std::clamp(*wake - now_, Moment(0), most);
    // A millisecond more, so that what is due in a fraction of one is due after it.
    poll(set.data(), set.size(), static_cast<int>(most.count() + 1));
    take_signals();
}

void Daemon::take_signals() {
    signalfd_siginfo signal{};
    while (parts_.signals >= 0 && read(parts_.signals, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGHUP)
            reload();
        else if (stopping_since_)
            leave_at_once();
        else
            begin_stop(signal.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
    }
}

// ---- looks and passes

void Daemon::begin_look() {
    look_stop_ = {};
    look_.emplace([this, stop = look_stop_.get_token()] {
        auto view = std::make_shared<Result<SourceView>>(parts_.reconciler.look(stop));
        mail_.post([this, view] { look_ended(std::move(*view)); });
    });
}

void Daemon::look_ended(Result<SourceView> view) {
    look_.reset();
    has_looked_ = true;
    if (!view) {
        // What was known stays good; said again only when it is another problem.
        if (look_problem_ != view.error()) log_problem(parts_.log, LogLevel::error, view.error());
        look_problem_ = view.error();
        scheduler_.look_ended(false, now_);
        return;
    }
    if (look_problem_) parts_.log.info("the source can be read again", {{"commit", view->commit.id}});
    look_problem_.reset();
    if (!commit_ || commit_->id != view->commit.id) {
        for (const Diagnostic& problem : view->problems) log_problem(parts_.log, LogLevel::warning, problem);
        parts_.log.info(
            fmt::format("the source is at {} \"{}\"", short_commit(view->commit.id), view->commit.subject),
            {{"commit", view->commit.id}, {"author", view->commit.author}});
    }
    commit_ = view->commit;
    take_in_sources(std::move(view->sources));
    scheduler_.set_remotes(std::move(view->remotes), now_);
    scheduler_.set_stacks(std::move(view->stacks), now_);
    scheduler_.look_ended(true, now_);
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        const Waiter& waiter = *at++;
        const std::set<std::string> open = waiter.open; // ending them changes it
        for (const std::string& stack : open)
            if (!scheduler_.view(stack))
                end_waiters(stack, failure("daemon.unknown-stack",
                                           fmt::format("the stack {} is no longer declared", stack)));
    }
}

// What is new is told once.
void Daemon::take_in_sources(std::vector<SourceState> sources) {
    std::map<std::string, SourceState> now;
    for (SourceState& source : sources) {
        const auto known = sources_.find(source.name);
        const bool is_known = known != sources_.end();
        const bool had_problem = is_known && known->second.problem;
        if (source.problem && !(had_problem && *known->second.problem == *source.problem))
            log_problem(parts_.log, LogLevel::error, *source.problem);
        if (had_problem && !source.problem)
            parts_.log.info(fmt::format("source {} can be fetched again", source.name));
        if (!source.commit.id.empty() && !(is_known && known->second.commit.id == source.commit.id))
            parts_.log.info(
                fmt::format("source {} is at {} \"{}\"", source.name, short_commit(source.commit.id),
                            source.commit.subject),
                {{"source", source.name}, {"commit", source.commit.id}, {"author", source.commit.author}});
        std::string name = source.name;
        now.emplace(std::move(name), std::move(source));
    }
    sources_ = std::move(now);
}

void Daemon::begin_fetch(const std::string& remote) {
    Fetch& fetch = fetches_[remote];
    fetch.thread = std::jthread([this, remote, stop = fetch.stop.get_token()] {
        const Reconciler::Fetched fetched = parts_.reconciler.fetch(remote, stop);
        mail_.post([this, remote, fetched] {
            fetches_.erase(remote);
            scheduler_.fetch_ended(remote, fetched.ok, fetched.has_news, now_);
        });
    });
}

void Daemon::begin_pass(const DuePass& due) {
    if (due.cause == Cause::commit || due.cause == Cause::pinned || due.cause == Cause::resumed)
        fights_.forget(due.stack);
    RunningPass& pass = running_[due.stack];
    pass.due = due;
    pass.started_ms = parts_.clock.now_ms();
    pass.id = new_pass_id(pass.started_ms);
    log_pass_start(parts_.log, {pass.id, due.stack, due.revision, due.cause});
    tell_waiters_of_start(pass);
    PassRequest request{.id = pass.id,
                        .stack = due.stack,
                        .revision = due.revision,
                        .project = due.project,
                        .is_pinned = due.is_pinned,
                        .stop_calls = pass.stop_calls.get_token(),
                        .everything = due.everything,
                        .targets = due.targets,
                        .leave_alone = fights_.paused(due.stack, now_)};
    pass.thread = std::jthread([this, request = std::move(request), stop = pass.stop.get_token()] {
        auto report = std::make_shared<PassReport>(parts_.reconciler.reconcile(request, stop));
        mail_.post([this, stack = request.stack, report] { pass_ended(stack, std::move(*report)); });
    });
}

void Daemon::pass_ended(const std::string& stack, PassReport report) {
    auto pass = running_.extract(stack);
    const RunningPass& ran = pass.mapped();
    const std::int64_t now_ms = parts_.clock.now_ms();
    log_pass_end(parts_.log, {ran.id, stack, ran.due.revision, ran.due.cause}, report,
                 now_ms - ran.started_ms);
    note_fights(stack, report);
    const PassEnd end = report.end;
    const std::int64_t until_ms = report.until_ms;
    report.corrections.clear();
    if (report.changed.size() > most_changes_kept) {
        report.changed.resize(most_changes_kept);
        report.changed.shrink_to_fit();
        give_back_memory();
    }
    if (report.is_watched) scheduler_.set_watched(stack, *report.is_watched);
    scheduler_.ended(stack, end, now_);
    if (until_ms != 0) scheduler_.wake(stack, now_ + Moment(std::max<std::int64_t>(until_ms - now_ms, 0)));
    // The other side's writes come as hints too.
    if (!fights_.paused(stack, now_).empty()) scheduler_.calm(stack, now_ + fight_hint_gap);
    // It came to no end that could be told of: whoever waits hears of the next one.
    const bool gives_up = parts_.once && now_ms - started_ms_ > parts_.config->daemon.timeout.count();
    if (end == PassEnd::busy && !gives_up) return;
    if (end == PassEnd::stopped && !stopping_since_) return;
    LastPass& last = last_[stack];
    last = {ran.id, now_ms, std::move(report)};
    if (ran.due.is_requested) tell_waiters_of_end(stack, last);
}

void Daemon::note_fights(const std::string& stack, const PassReport& report) {
    for (const Fight& fight : fights_.note(report.corrections, now_)) {
        const std::string field = fight.over.pointer.empty() ? "the object" : fight.over.pointer;
        parts_.log.warning(
            fmt::format(
                "somebody else keeps changing {} of {}, which was set back {} times: left alone for {}",
                field, short_name(fight.over.leaf.id), fight.corrections,
                duration_text(fight.paused_until - now_)),
            {{"stack", stack},
             {"leaf", to_string(fight.over.leaf)},
             {"field", fight.over.pointer},
             {"code", "daemon.fight"}});
    }
}

void Daemon::run_job(std::function<std::function<void()>()> work) {
    Job& job = jobs_.emplace_back();
    job.thread = std::jthread([this, &job, work = std::move(work)] {
        std::function<void()> then = work();
        mail_.post([&job, then = std::move(then)] {
            then();
            job.is_done = true;
        });
    });
}

// ---- the process

void Daemon::reload() {
    if (!parts_.reload) return;
    parts_.notify.reloading();
    Diagnostics problems;
    const auto config = parts_.reload(problems);
    for (const Diagnostic& problem : problems)
        log_problem(parts_.log, problem.severity == Severity::error ? LogLevel::error : LogLevel::warning,
                    problem);
    if (!config || problems.has_errors()) {
        parts_.log.error("the new configuration has errors: the old one stays in force",
                         {{"code", "daemon.not-reloaded"}});
    } else {
        const DaemonConfig &before = parts_.config->daemon, &after = config->daemon;
        const bool needs_restart = before.socket != after.socket || before.socket_mode != after.socket_mode ||
                                   before.socket_group != after.socket_group ||
                                   before.log_format != after.log_format ||
                                   config->store != parts_.config->store;
        if (needs_restart)
            parts_.log.warning("the socket, the log's format and the store change only with a restart",
                               {{"code", "daemon.needs-restart"}});
        parts_.config = config;
        parts_.reconciler.set_config(config);
        scheduler_.set_options(scheduler_options(after));
        parts_.log.set_level(log_level_from(after.log_level));
        parts_.log.info("the configuration was read again", {{"file", config->path}});
    }
    parts_.notify.ready(status_line());
}

void Daemon::begin_stop(std::string_view why) {
    stopping_since_ = now_;
    parts_.log.info(fmt::format("stopping on {}", why), {{"running", std::to_string(running_.size())}});
    parts_.notify.stopping();
    look_stop_.request_stop();
    for (auto& [remote, fetch] : fetches_) fetch.stop.request_stop();
    for (auto& [stack, pass] : running_) {
        pass.stop.request_stop();
        pass.stop_calls.request_stop();
    }
    const Diagnostic stopped =
        failure("daemon.stopping", "the daemon stops", "the pass is finished when it runs again");
    while (!waiters_.empty()) {
        const std::string stack = *waiters_.front().open.begin();
        end_waiters(stack, stopped);
    }
}

bool Daemon::is_over() {
    if (parts_.once && !stopping_since_ && has_done_once()) return true;
    return stopping_since_ && running_.empty() && !look_ && fetches_.empty() && jobs_.empty();
}

// Whatever a thread still does is not waited for: nothing of it is lost, since intents and results are in the
// journal, and the kernel ends our workers.
void Daemon::leave_at_once() {
    for (const auto& [stack, pass] : running_)
        parts_.log.warning("the pass did not stop in time and is left; the next one finds out how it ended",
                           {{"pass", pass.id}, {"stack", stack}, {"commit", pass.due.revision}});
    remove_daemon_address(parts_.store_directory);
    if (parts_.server) unlink(parts_.server->path().c_str());
    _exit(exit_code());
}

bool Daemon::has_done_once() const {
    if (!has_looked_ || look_ || !running_.empty() || !fetches_.empty()) return false;
    const std::vector<Scheduler::View> views = scheduler_.view();
    return std::none_of(views.begin(), views.end(), [&](const Scheduler::View& view) {
        const bool has_passed = last_.contains(view.name);
        const bool can_not =
            view.state == Scheduler::View::State::suspended || view.state == Scheduler::View::State::waiting;
        return !has_passed && !can_not;
    });
}

int Daemon::exit_code() const {
    if (!parts_.once) return 0;
    bool is_parked = false, is_reverted = false;
    for (const Scheduler::View& view : scheduler_.view()) {
        const auto last = last_.find(view.name);
        const bool has_failed = last == last_.end() ? view.state != Scheduler::View::State::suspended
                                                    : last->second.report.end == PassEnd::failed ||
                                                          last->second.report.end == PassEnd::invalid ||
                                                          last->second.report.end == PassEnd::busy ||
                                                          last->second.report.end == PassEnd::stopped;
        if (has_failed) return 1;
        is_parked |= last != last_.end() && last->second.report.end == PassEnd::parked;
        is_reverted |= last != last_.end() && last->second.report.end == PassEnd::reverted;
    }
    if (look_problem_) return 1;
    return is_reverted ? 4 : is_parked ? 3 : 0;
}

void Daemon::tell_manager() {
    if (!parts_.notify.is_on()) return;
    if (const auto watchdog = parts_.notify.watchdog(); watchdog && now_ - last_alive_ >= *watchdog / 4) {
        parts_.notify.alive();
        last_alive_ = now_;
    }
    if (stopping_since_) return;
    if (!std::exchange(is_ready_, true))
        parts_.notify.ready(status_line());
    else
        parts_.notify.status(status_line());
}

std::string Daemon::status_line() const {
    std::size_t troubled = 0, stacks = 0, held = 0;
    for (const Scheduler::View& view : scheduler_.view()) {
        ++stacks;
        troubled += view.failures > 0;
        held += view.state == Scheduler::View::State::suspended || !view.pin.empty();
    }
    std::string text = count_of(stacks, "stack");
    if (commit_) text += " at " + short_commit(commit_->id);
    if (troubled > 0) text += fmt::format(", {} in trouble", troubled);
    if (held > 0) text += fmt::format(", {} suspended or rolled back", held);
    if (look_problem_) text += "; the source cannot be read: " + look_problem_->message;
    return text;
}

} // namespace holdfast

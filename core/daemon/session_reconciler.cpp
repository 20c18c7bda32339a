#include "daemon/session_reconciler.hpp"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "reconcile/run.hpp"
#include "sys/memory.hpp"

namespace holdfast {

namespace {

// Stacks of one scope take turns; a pass that waits longer for its own lets others go first.
constexpr std::chrono::seconds longest_lock_wait{10};

// By so much may a pass leave the process larger; more is given back, however the pass ended.
constexpr std::size_t much_memory = 8U << 20;

void give_back_beyond(std::size_t resident_before, Session* session = nullptr) {
    if (resident_memory() <= resident_before + much_memory) return;
    if (session) session->release_memory();
    give_back_memory();
}

// Everything that the stack has recorded is looked at, and nothing else: no documents, no other stacks.
std::vector<Touched> all_scopes_of(Store& store, const std::string& stack) {
    std::set<std::pair<std::string, std::string>> scopes;
    for (const LedgerEntry& entry : store.entries(stack, Detail::match))
        scopes.emplace(entry.provider, entry.object.scope);
    std::vector<Touched> touched;
    for (const auto& [provider, scope] : scopes) {
        Hint hint;
        hint.reach = Hint::Reach::scope;
        hint.scope = scope;
        touched.push_back({provider, std::move(hint)});
    }
    return touched;
}

// The interest of a watch is by object.
bool has_other_objects(const PassReport& report) {
    return std::any_of(report.changed.begin(), report.changed.end(), [](const ChangedLeaf& leaf) {
        return leaf.action == Action::create || leaf.action == Action::remove ||
               leaf.action == Action::adopt || leaf.action == Action::replace || leaf.action == Action::move;
    });
}

bool is_tried(StepState state) { return state != StepState::intended; }

std::string message_of(const StepResult& result) {
    for (const Diagnostic& problem : result.diagnostics)
        if (problem.severity == Severity::error) return problem.message;
    return {};
}

void note_corrections(const Change& change, PassReport& report) {
    if (!change.is_drift) return;
    if (change.action == Action::create) report.corrections.push_back({change.address, ""});
    for (const FieldChange& field : change.fields)
        if (field.by_drift) report.corrections.push_back({change.address, field.pointer});
}

void note_round(const Round& round, PassReport& report) {
    if (!round.report) return;
    for (std::size_t i = 0; i < round.plan.changes.size(); ++i) {
        const Change& change = round.plan.changes[i];
        const StepResult& result = round.report->results[i];
        if (!is_tried(result.state)) continue;
        report.changed.push_back(
            {change.address, change.action, result.state, change.is_drift, message_of(result)});
        if (result.state == StepState::done) note_corrections(change, report);
    }
}

// Somebody else writes where this stack has to: no failure of the stack.
bool is_only_locked(const Diagnostics& problems) {
    const auto is_error = [](const Diagnostic& p) { return p.severity == Severity::error; };
    const auto is_lock = [](const Diagnostic& p) {
        return p.code == "store.locked" || p.code == "confirm.pending";
    };
    return problems.has_errors() && std::all_of(problems.begin(), problems.end(), [&](const Diagnostic& p) {
               return !is_error(p) || is_lock(p);
           });
}

PassEnd end_of(const StackOutcome& stack) {
    switch (stack.result) {
        case StackResult::unchanged: return PassEnd::unchanged;
        case StackResult::applied: return PassEnd::applied;
        case StackResult::parked: return PassEnd::parked;
        case StackResult::reverted: return PassEnd::reverted;
        case StackResult::invalid: return PassEnd::invalid;
        case StackResult::changes:
        case StackResult::failed: break;
    }
    return PassEnd::failed;
}

PassReport report_of(const RunOutcome& outcome, const std::stop_token& stop) {
    PassReport report;
    report.problems.append(outcome.problems);
    for (const StackOutcome& stack : outcome.stacks) {
        report.problems.append(stack.problems);
        report.leaves = stack.leaves;
        report.until_ms = stack.until_ms;
        for (const Round& round : stack.rounds) note_round(round, report);
        report.end = end_of(stack);
        if (const Plan* plan = stack.plan()) {
            report.parked = plan->counts.parked;
            report.drifted = plan->counts.drifted;
            if (plan->is_parked()) report.plan = to_hex(plan->hash);
        }
    }
    report.changes = report.changed.size();
    if (outcome.problems.has_errors()) report.end = PassEnd::failed;
    const bool has_not_ended = report.end == PassEnd::failed || report.end == PassEnd::invalid;
    if (is_only_locked(report.problems)) report.end = PassEnd::busy;
    if (has_not_ended && stop.stop_requested()) report.end = PassEnd::stopped;
    return report;
}

} // namespace

SessionReconciler::SessionReconciler(std::shared_ptr<const OperatorConfig> config, std::string store,
                                     Isolation isolation, Clock& clock, Masker& masker, Log& log)
    : store_(std::move(store)),
      isolation_(isolation),
      clock_(clock),
      masker_(masker),
      log_(log),
      config_(std::move(config)),
      watching_([this] {
          const auto present = this->config();
          return open_session(present->daemon.revision, "", present);
      }) {}

std::shared_ptr<const OperatorConfig> SessionReconciler::config() const {
    return config_.with([](const auto& config) { return config; });
}

void SessionReconciler::set_config(std::shared_ptr<const OperatorConfig> config) {
    config_.with([&](auto& held) { held = std::move(config); });
    watching_.reopen();
}

void SessionReconciler::set_on_hint(std::function<void(const std::string& stack)> on_hint) {
    watching_.set_on_hint(std::move(on_hint));
}

// ---- passes

Result<std::unique_ptr<Session>>
SessionReconciler::open_session(const std::string& revision, const std::string& actor,
                                std::shared_ptr<const OperatorConfig> config) {
    SessionOptions options{.directory = config->daemon.repository,
                           .revision = revision,
                           .store = store_,
                           .isolation = isolation_,
                           .offline = true, // they are fetched apart from passes
                           .operator_config = config,
                           .actor = actor};
    return Session::open(options, clock_, masker_, log_);
}

// One that is at the revision already, or else any: to move is cheaper than to open, since workers and
// instances stay.
Result<SessionReconciler::Idle> SessionReconciler::take_session(const std::string& revision) {
    const auto config = this->config();
    std::vector<Idle> old;
    std::optional<Idle> found = idle_.with([&](auto& idle) {
        const auto is_old = [&](const Idle& one) { return one.config != config; };
        for (Idle& one : idle)
            if (is_old(one)) old.push_back(std::move(one));
        std::erase_if(idle, [](const Idle& one) { return !one.session; });
        auto at =
            std::find_if(idle.begin(), idle.end(), [&](const Idle& one) { return one.revision == revision; });
        if (at == idle.end() && !idle.empty()) at = idle.begin();
        if (at == idle.end()) return std::optional<Idle>();
        std::optional<Idle> match = std::move(*at);
        idle.erase(at);
        return match;
    });
    old.clear(); // ends their workers; not under the lock
    if (!found) {
        Result<std::unique_ptr<Session>> session = open_session(revision, "", config);
        if (!session) return session.error();
        return Idle{revision, config, *std::move(session)};
    }
    // Also where it is there already: secrets and plugins may be others by now.
    if (Status moved = found->session->move_to(revision); !moved) return moved.error();
    found->revision = revision;
    return *std::move(found);
}

void SessionReconciler::give_back(Idle session) {
    const std::size_t most = config()->daemon.concurrency;
    std::optional<Idle> dropped;
    idle_.with([&](auto& idle) {
        idle.push_back(std::move(session));
        if (idle.size() <= most) return;
        dropped = std::move(idle.front()); // unused for longest
        idle.erase(idle.begin());
    });
}

// What the last look and the fetches found out. A stack's own source is read at the commit that the pass is
// about, the others at what was fetched last.
void SessionReconciler::give_sources(Session& session, const PassRequest& request) {
    const StackDocument* document = session.project().stack(request.stack);
    const std::map<std::string, Diagnostic> problems =
        fetch_problems_.with([](const auto& held) { return held; });
    for (const SourceDocument& source : session.project().sources) {
        Sources::Given given;
        if (const auto problem = problems.find(source.name); problem != problems.end())
            given.problem = problem->second;
        if (document && document->source == source.name && !request.project.empty()) {
            given.commit = request.revision;
            given.is_chosen = request.is_pinned;
        }
        session.sources().give(source.name, std::move(given));
    }
}

PassReport SessionReconciler::reconcile(const PassRequest& request, std::stop_token stop) {
    PassReport report;
    const std::size_t resident_before = resident_memory();
    try {
        Result<Idle> idle = take_session(request.project.empty() ? request.revision : request.project);
        if (!idle) {
            report.problems.add(masker_.mask(idle.error()));
            return report;
        }
        Session& session = *idle->session;
        give_sources(session, request);
        RunOptions options{.mode = Mode::apply,
                           .reach = request.everything ? Reach::everything : Reach::changed,
                           .stacks = {request.stack},
                           .pass_id = request.id,
                           .lock_wait = longest_lock_wait};
        options.touched = watching_.touched(request.stack);
        if (request.targets) options.touched = all_scopes_of(session.store(), request.stack);
        for (const Address& leaf : request.leave_alone) options.exclude.push_back(to_string(leaf));
        options.execute.stop_calls = request.stop_calls;
        const bool was_covered = watching_.covers(request.stack);
        bool looked_at_all = true;
        {
            const RunOutcome outcome = run(session, options, {}, stop);
            for (const StackOutcome& passed : outcome.stacks)
                looked_at_all &= passed.looked == StackOutcome::Looked::at_everything;
            report = report_of(outcome, stop);
        }
        give_back_beyond(resident_before, &session);
        const StackDocument* document = session.project().stack(request.stack);
        report.commit = document ? session.commit(*document) : session.commit();
        // What went wrong may hang on an instance that is not well: the next pass opens a new one.
        const bool was_let_finish = report.end == PassEnd::stopped && !request.stop_calls.stop_requested();
        const bool has_ended = report.end == PassEnd::unchanged || report.end == PassEnd::applied ||
                               report.end == PassEnd::parked || report.end == PassEnd::busy;
        if (has_ended || was_let_finish) give_back(*std::move(idle));
        if (has_ended) report.problems.append(watching_.take_in(request.stack, has_other_objects(report)));
        give_back_beyond(resident_before);
        // Hints tell of all since a look that began when they did already.
        if (!watching_.covers(request.stack) || has_other_objects(report))
            report.is_watched = false;
        else if (was_covered && has_ended && (request.targets || looked_at_all))
            report.is_watched = true;
    } catch (const Error& error) {
        report.end = PassEnd::failed;
        report.problems.add(masker_.mask(error.diagnostic()));
        give_back_beyond(resident_before);
    }
    return report;
}

// ---- what people ask for

Result<Approved> SessionReconciler::approve(const std::string& plan, const std::string& actor) {
    try {
        const auto config = this->config();
        Result<std::unique_ptr<Session>> session = open_session(config->daemon.revision, actor, config);
        if (!session) return session.error();
        return holdfast::approve(**session, plan, RunOptions{.mode = Mode::plan});
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

Result<Why> SessionReconciler::why(const std::string& leaf, std::size_t limit) {
    try {
        const auto config = this->config();
        Result<std::unique_ptr<Session>> session = open_session(config->daemon.revision, "", config);
        if (!session) return session.error();
        return holdfast::why(**session, leaf, limit);
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

Result<LeafHistory> SessionReconciler::history_of(const std::string& leaf, std::size_t limit) {
    try {
        const auto config = this->config();
        Result<std::unique_ptr<Session>> session = open_session(config->daemon.revision, "", config);
        if (!session) return session.error();
        return holdfast::history_of(**session, leaf, limit);
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

} // namespace holdfast

#include "daemon/session_reconciler.hpp"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "git/repository.hpp"
#include "manifest/load.hpp"
#include "reconcile/run.hpp"

namespace holdfast {

namespace {

// Stacks of one scope take turns; a pass that waits longer for its own lets others go first.
constexpr std::chrono::seconds longest_lock_wait{10};

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
        for (const Round& round : stack.rounds) note_round(round, report);
        report.end = end_of(stack);
        if (const Plan* plan = stack.plan()) {
            report.parked = plan->counts.parked;
            report.drifted = plan->counts.drifted;
            if (plan->is_parked()) report.plan = to_hex(plan->hash);
        }
    }
    if (outcome.problems.has_errors()) report.end = PassEnd::failed;
    const bool has_not_ended = report.end == PassEnd::failed || report.end == PassEnd::invalid;
    if (is_only_locked(report.problems)) report.end = PassEnd::busy;
    if (has_not_ended && stop.stop_requested()) report.end = PassEnd::stopped;
    return report;
}

Result<std::string> read_project_file(const Tree& tree) {
    const std::optional<TreeFile> file = tree.find(project_file);
    if (!file)
        return failure("session.no-project",
                       fmt::format("commit {} has no {}", tree.commit().id.substr(0, 10), project_file),
                       "run `holdfast init`, then commit the file");
    return tree.read(*file, project_max_bytes);
}

// What a stack is made of, as far as the trees tell: its own folder and holdfast.yaml.
std::string inputs_of(const Tree& tree, const StackDocument& stack) {
    const std::optional<TreeFile> file = tree.find(project_file);
    return tree.id_of(stack.path) + (file ? file->blob : "");
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

// ---- looking

// Stacks that were applied once and are declared no longer (law 16).
Result<SourceView> SessionReconciler::with_removed(SourceView view) {
    Result<std::unique_ptr<Store>> store = open_store({.path = store_ + "/store.db"});
    if (!store) return store.error();
    std::set<std::string> declared;
    for (const ScheduledStack& stack : view.stacks) declared.insert(stack.name);
    for (const Store::StackMemory& memory : (*store)->stacks())
        if (!declared.contains(memory.name))
            view.stacks.push_back({.name = memory.name, .revision = view.commit.id, .is_removed = true});
    return view;
}

Result<SourceView> SessionReconciler::look(std::stop_token) {
    try {
        const auto config = this->config();
        Result<std::unique_ptr<Repository>> repository = Repository::open(config->daemon.repository);
        if (!repository) return repository.error();
        Result<std::unique_ptr<Tree>> tree = (*repository)->at(config->daemon.revision);
        if (!tree) return tree.error();
        const CommitInfo commit = (*tree)->commit();
        // A commit does not change: what it declares is read once.
        if (auto known = known_.with([](const auto& held) { return held; });
            known && known->commit.id == commit.id)
            return with_removed(*std::move(known));
        Result<std::string> text = read_project_file(**tree);
        if (!text) return text.error();
        SourceView view{.commit = commit};
        const Project project = load_project(*text, std::string(project_file), view.problems);
        for (const Diagnostic& problem : view.problems)
            if (problem.severity == Severity::error) return problem;
        for (const StackDocument& stack : project.stacks)
            view.stacks.push_back({.name = stack.name,
                                   .source = stack.source,
                                   .revision = commit.id,
                                   .depends_on = stack.depends_on,
                                   .schedule = stack.schedule});
        known_.with([&](auto& held) { held = view; });
        return with_removed(std::move(view));
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

// ---- passes

Result<std::unique_ptr<Session>>
SessionReconciler::open_session(const std::string& revision, const std::string& actor,
                                std::shared_ptr<const OperatorConfig> config) {
    SessionOptions options{.directory = config->daemon.repository,
                           .revision = revision,
                           .store = store_,
                           .isolation = isolation_,
                           .sources_fresh = config->daemon.poll,
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

PassReport SessionReconciler::reconcile(const PassRequest& request, std::stop_token stop) {
    PassReport report;
    try {
        Result<Idle> idle = take_session(request.revision);
        if (!idle) {
            report.problems.add(masker_.mask(idle.error()));
            return report;
        }
        RunOptions options{.mode = Mode::apply,
                           .reach = request.everything ? Reach::everything : Reach::changed,
                           .stacks = {request.stack},
                           .pass_id = request.id,
                           .lock_wait = longest_lock_wait};
        options.touched = watching_.touched(request.stack);
        if (request.targets) options.touched = all_scopes_of(idle->session->store(), request.stack);
        for (const Address& leaf : request.leave_alone) options.exclude.push_back(to_string(leaf));
        report = report_of(run(*idle->session, options, {}, stop), stop);
        report.commit = idle->session->commit();
        // What went wrong may hang on an instance that is not well: the next pass opens a new one.
        const bool is_well = report.end == PassEnd::unchanged || report.end == PassEnd::applied ||
                             report.end == PassEnd::parked || report.end == PassEnd::busy;
        if (is_well) give_back(*std::move(idle));
        if (is_well) report.problems.append(watching_.take_in(request.stack, has_other_objects(report)));
    } catch (const Error& error) {
        report.end = PassEnd::failed;
        report.problems.add(masker_.mask(error.diagnostic()));
    }
    return report;
}

// ---- what people ask for

Result<CommitInfo> SessionReconciler::rollback_target(const std::string& stack, const std::string& from,
                                                      const std::string& to) {
    try {
        Result<std::unique_ptr<Repository>> repository = Repository::open(config()->daemon.repository);
        if (!repository) return repository.error();
        const auto declared_at =
            [&](const std::string& revision) -> Result<std::pair<CommitInfo, std::string>> {
            Result<std::unique_ptr<Tree>> tree = (*repository)->at(revision);
            if (!tree) return tree.error();
            Result<std::string> text = read_project_file(**tree);
            if (!text) return text.error();
            Diagnostics problems;
            const Project project = load_project(*text, std::string(project_file), problems);
            const StackDocument* document = project.stack(stack);
            if (!document)
                return failure("rollback.no-stack",
                               fmt::format("commit {} does not declare stack {}",
                                           (*tree)->commit().id.substr(0, 10), stack),
                               "name a newer one with --to");
            return std::pair{(*tree)->commit(), inputs_of(**tree, *document)};
        };
        if (!to.empty()) {
            const auto target = declared_at(to);
            if (!target) return target.error();
            return target->first;
        }
        const auto present = declared_at(from);
        Result<std::unique_ptr<Store>> store = open_store({.path = store_ + "/store.db"});
        if (!store) return store.error();
        std::set<std::string> seen{from};
        for (const PassRecord& pass : (*store)->passes(stack, 1000)) {
            if (pass.state != PassState::done || pass.commit.empty() || !seen.insert(pass.commit).second)
                continue;
            const auto target = declared_at(pass.commit);
            if (!target || (present && target->second == present->second)) continue;
            return target->first;
        }
        return failure("rollback.nothing",
                       fmt::format("no earlier state of stack {} was applied successfully", stack),
                       "name a commit with --to; `holdfast history` lists those that were applied");
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

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

} // namespace holdfast

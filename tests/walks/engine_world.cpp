// The engine in this process, by its own API. A pass that may die runs in a child; all others in one session
// that lives on, as the daemon's does.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "kill_point.hpp"
#include "reconcile/run.hpp"
#include "world.hpp"

namespace holdfast::walks {

namespace {

// Waiting takes no time, but the steady clock goes on from the machine's: plugins see deadlines by it.
class WalkClock final : public Clock {
public:
    std::int64_t now_ms() override { return 1'795'377'056'000 + elapsed_ms_; }
    std::chrono::steady_clock::time_point steady() override {
        return begin_ + std::chrono::milliseconds(elapsed_ms_);
    }
    bool sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        elapsed_ms_ += duration.count();
        return !stop.stop_requested();
    }

private:
    std::atomic<std::int64_t> elapsed_ms_{0};
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::string kind_id(const TargetName& name) {
    return (name.is_atomic ? "memory-atomic.holdfast.dev/v1alpha1/" : "memory.holdfast.dev/v1alpha1/") +
           name.kind;
}

bool is_settled(const StackOutcome& stack) { return stack.result == StackResult::unchanged; }

std::string report_of(const RunOutcome& outcome) {
    std::string text;
    for (const Diagnostic& problem : outcome.problems) text += render(problem);
    for (const StackOutcome& stack : outcome.stacks) {
        text += fmt::format("{}: {}, looked at {}{}{}\n", stack.stack, to_string(stack.result),
                            stack.looked == StackOutcome::Looked::at_everything ? "everything"
                            : stack.looked == StackOutcome::Looked::at_part     ? "a part"
                                                                                : "nothing",
                            stack.why_everything.empty() ? "" : ", ", stack.why_everything);
        for (const Diagnostic& problem : stack.problems) text += render(problem);
        for (const Round& round : stack.rounds)
            for (std::size_t i = 0; i < round.plan.changes.size(); ++i) {
                const Change& change = round.plan.changes[i];
                text += fmt::format("  {} {} {}", to_string(change.readiness), to_string(change.action),
                                    to_string(change.address));
                for (const FieldChange& field : change.fields)
                    text += fmt::format(" {}: {} -> {}", field.pointer,
                                        field.before ? to_json(*field.before) : "-",
                                        field.after ? to_json(*field.after) : "-");
                for (const std::string& reason : change.reasons) text += ", " + reason;
                if (round.report) text += fmt::format(": {}", to_string(round.report->results[i].state));
                text += '\n';
                for (const Diagnostic& problem : change.diagnostics) text += "    " + render(problem);
                if (round.report)
                    for (const Diagnostic& problem : round.report->results[i].diagnostics)
                        text += "    " + render(problem);
            }
    }
    return text;
}

class EngineWorld final : public World {
public:
    explicit EngineWorld(const WorldOptions& options) : World(options) {
        std::ofstream(file("operator.yaml"))
            << "secrets:\n  - name: keys\n    file: " << file("keys.yaml") << "\n";
        ::chmod(file("operator.yaml").c_str(), 0600);
        ::setenv("HOLDFAST_CONFIG", file("operator.yaml").c_str(), 1);
    }

    void pass(const Step& step) override {
        if (step.verb != Verb::killed_pass && !target.has_deadly_fault()) {
            tell(run_step(step));
        } else {
            session_.reset();
            std::cout << std::flush;
            const pid_t child = ::fork();
            if (child == 0) {
                session();
                if (step.verb == Verb::killed_pass) die_at_write(step.number);
                const RunOutcome outcome = run_step(step);
                die_at_write(0);
                tell(outcome);
                std::cout << std::flush;
                ::_exit(0);
            }
            int status = 0;
            ::waitpid(child, &status, 0);
            const bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
            if (!was_killed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
                throw Finding("died", fmt::format("a pass ended with status {:#x}", status));
            if (was_killed && options_.is_verbose) std::cout << "    it was killed\n";
        }
        for (auto& [stack, touched] : touched_)
            if (step.text.empty() || step.text == stack) touched.clear();
    }

    void hint(const TargetName& name) override {
        for (const char* stack : {"app", "db"})
            touched_[stack].push_back({name.is_atomic ? "memory-atomic" : "memory",
                                       {.reach = Hint::Reach::item,
                                        .scope = name.scope,
                                        .kind = kind_id(name),
                                        .identity = "\"" + name.name + "\""}});
    }

    void lose_store() override {
        session_.reset();
        std::filesystem::remove_all(file(store_));
    }

    bool settle(std::string& report) override {
        const RunOutcome outcome = run_all({.mode = Mode_::apply});
        report = report_of(outcome);
        tell(outcome);
        if (!outcome.problems.empty()) return false;
        for (const StackOutcome& stack : outcome.stacks)
            if (stack.result == StackResult::parked && stack.plan())
                session().store().approve(stack.stack, stack.plan()->hash, "a walk", clock_.now_ms());
        return std::all_of(outcome.stacks.begin(), outcome.stacks.end(), is_settled);
    }

    std::string pass_of_nothing() override {
        const RunOutcome outcome = run_all({.mode = Mode_::apply, .reach = Reach::changed});
        for (const StackOutcome& stack : outcome.stacks)
            if (!is_settled(stack) || stack.looked != StackOutcome::Looked::at_nothing)
                return report_of(outcome);
        return {};
    }

    std::vector<std::string> ledger() override { return ledger_of(session().store()); }
    std::string problems_of_store() override { return problems_of(session().store()); }

    bool apply_afresh(std::string& report) override {
        session_.reset();
        target.set_aside();
        store_ = "fresh-store";
        const RunOutcome outcome = run_all({.mode = Mode_::apply});
        report = report_of(outcome);
        return outcome.problems.empty() &&
               std::all_of(outcome.stacks.begin(), outcome.stacks.end(), [](const StackOutcome& stack) {
                   return stack.result == StackResult::applied || stack.result == StackResult::unchanged;
               });
    }

private:
    using Mode_ = holdfast::Mode;

    Session& session() {
        if (session_) return *session_;
        Result<std::unique_ptr<Session>> opened =
            Session::open({.directory = repository_.path(),
                           .store = file(store_),
                           .isolation = Isolation::in_process,
                           .plugin_paths = {HOLDFAST_BINARY_DIR "/tests/plugins"}},
                          clock_, masker_, log_);
        if (!opened) throw Finding("no session", render(opened.error()));
        session_ = *std::move(opened);
        return *session_;
    }

    RunOutcome run_all(const RunOptions& options, const RunEvents& events = {}, std::stop_token stop = {}) {
        clock_.sleep_for(std::chrono::seconds(1), {});
        if (Status moved = session().move_to(); !moved) throw Finding("no session", render(moved.error()));
        return run(session(), options, events, std::move(stop));
    }

    RunOutcome run_step(const Step& step) {
        RunOptions options{.mode = Mode_::apply, .reach = step.is_heard ? Reach::everything : Reach::changed};
        for (const auto& [stack, touched] : touched_)
            if (step.text.empty() || step.text == stack)
                options.touched.insert(options.touched.end(), touched.begin(), touched.end());
        if (!step.text.empty()) options.stacks = {step.text};
        std::stop_source stop;
        std::size_t ended = 0;
        RunEvents events;
        if (step.verb == Verb::pass && step.number > 0)
            events.ended = [&](const StackOutcome&, const Change&, const StepResult&) {
                if (++ended == step.number) stop.request_stop();
            };
        return run_all(options, events, stop.get_token());
    }

    void tell(const RunOutcome& outcome) const {
        if (options_.is_verbose) std::cout << report_of(outcome);
    }

    WalkClock clock_;
    Masker masker_;
    Log log_{LogLevel::error, LogFormat::text, masker_};
    std::string store_ = "store";
    std::unique_ptr<Session> session_;
    std::map<std::string, std::vector<Touched>> touched_;
};

} // namespace

std::unique_ptr<World> make_engine_world(const WorldOptions& options) {
    return std::make_unique<EngineWorld>(options);
}

} // namespace holdfast::walks

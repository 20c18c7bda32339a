// What the daemon looks at to find out what there is to do: holdfast.yaml at its newest commit, the sources
// as they were fetched last, and what stood in earlier commits.

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "daemon/session_reconciler.hpp"
#include "git/repository.hpp"
#include "manifest/load.hpp"

namespace holdfast {

namespace {

Result<std::string> read_project_file(const Tree& tree) {
    const std::optional<TreeFile> file = tree.find(project_file);
    if (!file)
        return failure("session.no-project",
                       fmt::format("commit {} has no {}", tree.commit().id.substr(0, 10), project_file),
                       "run `holdfast init`, then commit the file");
    return tree.read(*file, project_max_bytes);
}

// What a stack is made of, as far as the trees tell: its own folder and, where that is in the same commit,
// holdfast.yaml.
std::string inputs_of(const Tree& tree, const StackDocument& stack) {
    const std::optional<TreeFile> file = stack.source.empty() ? tree.find(project_file) : std::nullopt;
    return tree.id_of(stack.path) + (file ? file->blob : "");
}

// Stacks that were applied once and are declared no longer (law 16).
void add_removed(SourceView& view, Store& store) {
    std::set<std::string> declared;
    for (const ScheduledStack& stack : view.stacks) declared.insert(stack.name);
    for (const Store::StackMemory& memory : store.stacks())
        if (!declared.contains(memory.name))
            view.stacks.push_back({.name = memory.name, .revision = view.commit.id, .is_removed = true});
}

} // namespace

// What reading sources takes, of one moment.
struct SessionReconciler::Readers {
    std::unique_ptr<Store> store;
    std::unique_ptr<Secrets> secrets;
    std::unique_ptr<Sources> sources;

    static Result<std::unique_ptr<Readers>> open(const SessionReconciler& of, const Known& known,
                                                 const OperatorConfig& config, bool offline) {
        auto readers = std::make_unique<Readers>();
        Result<std::unique_ptr<Store>> store = open_store({.path = of.store_ + "/store.db"});
        if (!store) return store.error();
        readers->store = *std::move(store);
        readers->secrets = std::make_unique<Secrets>(config, of.masker_);
        readers->sources = std::make_unique<Sources>(
            SourcesOptions{
                .mirrors = of.store_ + "/mirrors", .root = known.root, .offline = offline, .fresh_ms = 0},
            *known.project, config, *readers->secrets, *readers->store, of.clock_);
        return readers;
    }
};

// A commit does not change: what it declares is read once.
Result<std::shared_ptr<const SessionReconciler::Known>>
SessionReconciler::read_project(const OperatorConfig& config) {
    Result<std::unique_ptr<Repository>> repository = Repository::open(config.daemon.repository);
    if (!repository) return repository.error();
    Result<std::unique_ptr<Tree>> tree = (*repository)->at(config.daemon.revision);
    if (!tree) return tree.error();
    const CommitInfo& commit = (*tree)->commit();
    auto before = known_.with([](const auto& held) { return held; });
    if (before && before->commit.id == commit.id) return before;
    Result<std::string> text = read_project_file(**tree);
    if (!text) return text.error();
    auto known = std::make_shared<Known>();
    known->commit = commit;
    known->root = (*repository)->work_directory();
    known->project =
        std::make_shared<Project>(load_project(*text, std::string(project_file), known->problems));
    for (const Diagnostic& problem : known->problems)
        if (problem.severity == Severity::error) return problem;
    known_.with([&](auto& held) { held = known; });
    return std::shared_ptr<const Known>(known);
}

void SessionReconciler::add_sources(SourceView& view, const Known& known, const OperatorConfig& config,
                                    Store& store) {
    if (known.project->sources.empty()) return;
    Secrets secrets(config, masker_);
    Sources sources({.mirrors = store_ + "/mirrors", .root = known.root, .offline = true, .fresh_ms = 0},
                    *known.project, config, secrets, store, clock_);
    const std::map<std::string, Diagnostic> problems =
        fetch_problems_.with([](const auto& held) { return held; });
    std::map<std::string, ScheduledRemote> remotes;
    for (const SourceDocument& source : known.project->sources) {
        const SourceStatus status = sources.status(source, false);
        SourceState state{.name = source.name,
                          .url = source.url,
                          .ref = to_string(source.ref),
                          .commit = status.commit,
                          .fetched_at_ms = status.mirrored.fetched_at_ms,
                          .problem = status.mirrored.problem};
        if (const auto problem = problems.find(source.name); problem != problems.end())
            state.problem = problem->second;
        for (ScheduledStack& stack : view.stacks)
            if (stack.source == source.name) stack.revision = state.commit.id;
        std::string at = sources.remote_of(source);
        if (at.empty()) at = "source " + source.name; // its fetch says what is wrong with the url
        ScheduledRemote& remote = remotes.try_emplace(at).first->second;
        const std::chrono::milliseconds interval(source.interval_ms);
        remote.interval = remote.sources.empty() ? interval : std::min(remote.interval, interval);
        remote.name = at;
        remote.sources.push_back(source.name);
        view.sources.push_back(std::move(state));
    }
    for (auto& [name, remote] : remotes) view.remotes.push_back(std::move(remote));
}

Result<SourceView> SessionReconciler::look(std::stop_token) {
    try {
        const auto config = this->config();
        const Result<std::shared_ptr<const Known>> known = read_project(*config);
        if (!known) return known.error();
        SourceView view{.commit = (*known)->commit};
        view.problems = (*known)->problems;
        for (const StackDocument& stack : (*known)->project->stacks) {
            const bool is_apart = !stack.source.empty();
            view.stacks.push_back({.name = stack.name,
                                   .source = stack.source,
                                   .revision = is_apart ? "" : view.commit.id,
                                   .project = is_apart ? view.commit.id : "",
                                   .depends_on = stack.depends_on,
                                   .schedule = stack.schedule});
        }
        Result<std::unique_ptr<Store>> store = open_store({.path = store_ + "/store.db"});
        if (!store) return store.error();
        add_sources(view, **known, *config, **store);
        add_removed(view, **store);
        return view;
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

// One conversation for all of them, with the first.
Reconciler::Fetched SessionReconciler::fetch(const std::string& remote, std::stop_token stop) {
    Fetched fetched;
    const auto known = known_.with([](const auto& held) { return held; });
    if (!known) return {.ok = false};
    try {
        const auto config = this->config();
        const auto readers = Readers::open(*this, *known, *config, false);
        if (!readers) return {.ok = false};
        Sources& sources = *(*readers)->sources;
        sources.attend(std::move(stop), {});
        for (const SourceDocument& source : known->project->sources) {
            const std::string at = sources.remote_of(source);
            if ((at.empty() ? "source " + source.name : at) != remote) continue;
            const std::string before = sources.status(source, false).commit.id;
            const SourceStatus status = sources.status(source, true);
            std::optional<Diagnostic> problem = status.mirrored.problem;
            if (problem) problem = masker_.mask(*problem);
            fetched.ok = fetched.ok && !problem;
            fetched.has_news |= status.commit.id != before;
            fetched.has_news |= fetch_problems_.with([&](auto& problems) {
                const auto known_one = problems.find(source.name);
                const bool is_same =
                    known_one == problems.end() ? !problem : problem && *problem == known_one->second;
                if (problem)
                    problems.insert_or_assign(source.name, *problem);
                else
                    problems.erase(source.name);
                return !is_same;
            });
        }
    } catch (const Error& error) {
        fetched.ok = false;
        log_.write(LogLevel::error, masker_.mask(error.diagnostic()).message, {{"remote", remote}});
    }
    return fetched;
}

// A stack is pinned at a commit of what it is read from.
Result<CommitInfo> SessionReconciler::rollback_target(const std::string& stack, const std::string& from,
                                                      const std::string& to) {
    try {
        const auto config = this->config();
        const Result<std::shared_ptr<const Known>> known = read_project(*config);
        if (!known) return known.error();
        const StackDocument* present = (*known)->project->stack(stack);
        const SourceDocument* source = present ? (*known)->project->source(present->source) : nullptr;
        const auto readers = Readers::open(*this, **known, *config, true);
        if (!readers) return readers.error();
        Result<std::unique_ptr<Repository>> own = Repository::open(config->daemon.repository);
        if (!own) return own.error();
        const Repository* repository = source ? (*readers)->sources->repository(*source) : own->get();
        if (!repository)
            return failure("source.never-fetched", fmt::format("source {} was never fetched", source->name));
        const auto declared_at =
            [&](const std::string& revision) -> Result<std::pair<CommitInfo, std::string>> {
            Result<std::unique_ptr<Tree>> tree = repository->at(revision);
            if (!tree) return tree.error();
            if (source) return std::pair{(*tree)->commit(), inputs_of(**tree, *present)};
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
        const auto now = declared_at(from);
        std::set<std::string> seen{from};
        for (const PassRecord& pass : (*readers)->store->passes(stack, 1000)) {
            if (pass.state != PassState::done || pass.commit.empty() || !seen.insert(pass.commit).second)
                continue;
            const auto target = declared_at(pass.commit);
            if (!target || (now && target->second == now->second)) continue;
            return target->first;
        }
        return failure("rollback.nothing",
                       fmt::format("no earlier state of stack {} was applied successfully", stack),
                       "name a commit with --to; `holdfast history` lists those that were applied");
    } catch (const Error& error) {
        return error.diagnostic();
    }
}

} // namespace holdfast

#include "reconcile/session.hpp"

#include <set>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/semver.hpp"
#include "base/text.hpp"
#include "manifest/reference.hpp"
#include "reconcile/provider_config.hpp"
#include "reconcile/secret_gate.hpp"
#include "sys/environment.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

// Where plugins lie: what the command line says, the operator's configuration, the environment, and beside
// the program (a build tree) or under its prefix (an installation).
std::vector<std::string> plugin_search_path(const SessionOptions& options, const OperatorConfig& config) {
    std::vector<std::string> path = options.plugin_paths;
    path.insert(path.end(), config.plugin_paths.begin(), config.plugin_paths.end());
    if (const auto variable = environment("HOLDFAST_PLUGIN_PATH"))
        for (std::string_view folder : split(*variable, ':')) path.emplace_back(folder);
    const std::string prefix = parent_path(parent_path(executable_path()));
    path.push_back(prefix + "/plugins");
    path.push_back(prefix + "/lib/holdfast/plugins");
    return path;
}

Diagnostic about_config(const ProviderDocument& document, Diagnostic problem) {
    if (problem.span.file.empty()) problem.span = {document.origin.file, {document.origin.line, 1}, 0};
    problem.context.push_back("reading the config of provider " + document.name);
    return problem;
}

} // namespace

Session::Session(SessionOptions options, Clock& clock, Masker& masker, Log& log)
    : options_(std::move(options)),
      clock_(clock),
      masker_(masker),
      log_(log),
      actor_(options_.actor.empty() ? holdfast::actor() : options_.actor) {}

Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::open(const SessionOptions& options, Clock& clock, Masker& masker,
                                               Log& log) {
    std::unique_ptr<Session> session(new Session(options, clock, masker, log));
    session->operator_config_ = options.operator_config ? *options.operator_config
                                                        : load_operator_config(session->operator_problems_);
    if (Status opened = session->open_repository(); !opened) return opened.error();
    if (Status opened = session->open_store_and_host(); !opened) return opened.error();
    session->secrets_ = std::make_unique<Secrets>(session->operator_config_, masker);
    session->open_sources();
    return session;
}

void Session::open_sources() {
    files_.clear();
    sources_ = std::make_unique<Sources>(SourcesOptions{.mirrors = store_directory_ + "/mirrors",
                                                        .root = repository_->work_directory(),
                                                        .offline = options_.offline,
                                                        .fresh_ms = options_.sources_fresh.count()},
                                         project_, operator_config_, *secrets_, *store_, clock_);
}

const Repository* Session::repository_of(const StackDocument& stack) {
    if (stack.source.empty()) return repository_.get();
    const SourceDocument* source = project_.source(stack.source);
    return source ? sources_->repository(*source) : nullptr;
}

const StackFiles& Session::files(const StackDocument& stack) {
    const auto known = files_.find(stack.name);
    if (known != files_.end()) return known->second;
    StackFiles files{.tree = tree_.get()};
    if (!stack.source.empty()) files = sources_->files(stack);
    Diagnostics masked;
    for (const Diagnostic& problem : files.problems) masked.add(masker_.mask(problem));
    files.problems = std::move(masked);
    return files_.emplace(stack.name, std::move(files)).first->second;
}

const CommitInfo& Session::commit(const StackDocument& stack) {
    const Tree* tree = files(stack).tree;
    return tree ? tree->commit() : commit();
}

Status Session::open_repository() {
    Result<std::unique_ptr<Repository>> repository = Repository::open(options_.directory);
    if (!repository) return repository.error();
    repository_ = *std::move(repository);

    auto tree = options_.working_tree ? repository_->working_tree() : repository_->at(options_.revision);
    if (!tree) return tree.error();
    tree_ = *std::move(tree);
    if (const std::optional<TreeFile> file = tree_->find(project_file)) project_blob_ = file->blob;
    return read_project(*tree_, project_, problems_);
}

Status Session::read_project(const Tree& tree, Project& project, Diagnostics& problems) const {
    problems = operator_problems_;
    const std::optional<TreeFile> file = tree.find(project_file);
    if (!file)
        return failure(
            "session.no-project",
            fmt::format("the repository at {} has no {}{}",
                        repository_->work_directory().empty() ? repository_->git_directory()
                                                              : repository_->work_directory(),
                        project_file,
                        options_.working_tree ? "" : " in commit " + tree.commit().id.substr(0, 10)),
            "run `holdfast init`, then commit the file; `--working-tree` reads files that "
            "are not committed yet");
    Result<std::string> text = tree.read(*file, project_max_bytes);
    if (!text) return text.error();
    project = load_project(*text, std::string(project_file), problems);
    return Ok{};
}

// A plan can be made where nothing may be written; but what it read and compared is remembered where that is
// possible. No store is made for that.
Status Session::open_store_at(const std::string& path) {
    if (options_.read_only && options_.remembers && exists(path)) {
        if (Result<std::unique_ptr<Store>> store = open_store({.path = path})) {
            options_.read_only = false;
            store_ = *std::move(store);
            return Ok{};
        }
    }
    Result<std::unique_ptr<Store>> store = open_store({.path = path, .read_only = options_.read_only});
    if (!store) return store.error();
    store_ = *std::move(store);
    return Ok{};
}

Status Session::open_store_and_host() {
    const std::string& root = repository_->work_directory();
    store_directory_ = !options_.store.empty()           ? options_.store
                       : !operator_config_.store.empty() ? operator_config_.store
                       : !project_.store.empty()         ? project_.store
                                                         : "";
    if (store_directory_.empty()) {
        // One store a repository: its name is for people, the hash makes it unique.
        const std::string& git = repository_->git_directory();
        const std::string name = root.empty() ? git : root;
        store_directory_ = state_directory() + "/" +
                           name.substr(name.find_last_of('/', name.size() - 2) + 1) + "-" +
                           short_hex(sha256(git), 10);
    } else if (!store_directory_.starts_with('/') && options_.store.empty()) {
        store_directory_ =
            absolute_path((root.empty() ? repository_->git_directory() : root) + "/" + store_directory_);
    }
    if (Status opened = open_store_at(store_directory_ + "/store.db"); !opened) return opened.error();

    HostOptions host;
    host.search_path = plugin_search_path(options_, operator_config_);
    host.pinned = operator_config_.plugin_pins;
    host.demand_pins = operator_config_.demand_pins;
    host.worker = worker_program();
    host.blob_directory = store_directory_ + "/blobs";
    if (!options_.read_only)
        if (Status made = make_directories(host.blob_directory, 0700); !made) return made.error();
    host.log = [this](std::string_view provider, int level, std::string_view message) {
        log_.write(static_cast<LogLevel>(level), message, {{"provider", std::string(provider)}});
    };
    host_ = std::make_unique<PluginHost>(std::move(host));
    return Ok{};
}

Result<std::shared_ptr<const Description>> Session::describe(const ProviderDocument& document) {
    auto description = host_->describe(document.plugin, options_.isolation);
    if (!description) {
        Diagnostic why = description.error();
        if (why.span.file.empty()) why.span = {document.origin.file, {document.origin.line, 1}, 0};
        why.context.push_back("describing provider " + document.name);
        return why;
    }
    if (!document.version.empty() && !semver_matches((*description)->version, document.version)) {
        Diagnostic wrong =
            failure("provider.wrong-version",
                    fmt::format("provider {} wants plugin {} {}, but version {} is installed", document.name,
                                document.plugin, document.version, (*description)->version),
                    "install a version in that range, or change spec.version");
        wrong.span = {document.origin.file, {document.origin.line, 1}, 0};
        return wrong;
    }
    return description;
}

Result<Value> Session::resolved_config(const ProviderDocument& document) {
    const std::string user = "provider:" + document.name;
    ResolvedDocument resolved =
        resolve_references(document.config, [&](const Reference& reference, std::string_view) -> Resolution {
            if (reference.root != Reference::Root::secrets)
                return {.state = Resolution::State::error,
                        .problem =
                            failure("provider.reference",
                                    fmt::format("{} cannot stand in a provider's config", reference.text),
                                    "only ${{ secrets.NAME.key }} can")};
            Result<Value> value = secrets_->value(reference.name, reference.path, user);
            if (!value) return {.state = Resolution::State::error, .problem = value.error()};
            return {.value = *std::move(value), .sensitive = true};
        });
    if (resolved.problems.has_errors()) return about_config(document, resolved.problems.list().front());
    return std::move(resolved.document);
}

Result<std::string> Session::provider_config(const ProviderDocument& document,
                                             const Description& description) {
    Result<Value> config = resolved_config(document);
    if (!config) return config.error();
    config = complete_config(document, description, *std::move(config),
                             {*tree_, operator_config_, repository_->work_directory()});
    if (!config) return masker_.mask(config.error());
    return to_json(*config);
}

Result<std::string> Session::provider_config(const std::string& name) {
    const ProviderDocument* document = project_.provider(name);
    if (!document) return failure("provider.unknown", fmt::format("no Provider is named {}", name));
    auto description = describe(*document);
    if (!description) return description.error();
    return provider_config(*document, **description);
}

Result<std::unique_ptr<Provider>> Session::open_provider(const std::string& name) {
    const ProviderDocument* document = project_.provider(name);
    if (!document) return failure("provider.unknown", fmt::format("no Provider is named {}", name));
    auto description = describe(*document);
    if (!description) return description.error();
    Result<std::string> config = provider_config(*document, **description);
    if (!config) return config.error();
    auto opened = host_->open({.name = name,
                               .plugin = document->plugin,
                               .config = *config,
                               .isolation = options_.isolation,
                               .written_config = to_json(document->config)});
    if (!opened) {
        Diagnostic why = masker_.mask(opened.error());
        if (why.span.file.empty()) why.span = {document->origin.file, {document->origin.line, 1}, 0};
        return why;
    }
    std::unique_ptr<Provider> gate = std::make_unique<SecretGate>(*std::move(opened), masker_);
    return gate;
}

Result<Provider*> Session::provider(const std::string& name) {
    auto known = providers_.find(name);
    if (known == providers_.end()) {
        const Result<Hash> version = provider_version(name);
        Opened opened{open_provider(name), version ? *version : Hash{}};
        // Whichever document needs it says the same of it.
        if (!opened.provider) {
            Diagnostic why = opened.provider.error();
            why.subject = "provider " + name;
            opened.provider = std::move(why);
        }
        known = providers_.emplace(name, std::move(opened)).first;
        const OnTouched on_touched = on_touched_->with([](const OnTouched& held) { return held; });
        if (known->second.provider && on_touched) {
            watched_scopes_.erase(name);
            if (Status watching = subscribe(name, **known->second.provider); !watching)
                log_.write(LogLevel::warning, masker_.mask(watching.error()).message, {{"provider", name}});
            on_touched(
                {.provider = name, .hint = {}}); // between the old instance and this one nobody watched
        }
    }
    if (!known->second.provider) return known->second.provider.error();
    return known->second.provider->get();
}

bool Session::is_open(const std::string& name) const {
    const auto known = providers_.find(name);
    return known != providers_.end() && known->second.provider;
}

bool Session::is_open_as_declared(const std::string& name) {
    if (!is_open(name)) return false;
    const Result<Hash> version = provider_version(name);
    return version && *version == providers_.at(name).version;
}

Result<Hash> Session::provider_version(const std::string& name) {
    const ProviderDocument* document = project_.provider(name);
    if (!document) return failure("provider.unknown", fmt::format("no Provider is named {}", name));
    Result<PluginFile> file = host_->find(document->plugin);
    if (!file) return file.error();
    Result<Value> config = resolved_config(*document);
    if (!config) return config.error();
    Hasher hasher;
    hasher.add(store_->masking_key()).add(document->plugin).add(document->version);
    hasher.add(to_json(*config)).add(to_string(document->ownership)).add(as_bytes(file->hash));
    for (const auto& [key, value] : document->labels) hasher.add(key).add(value);
    return hasher.finish();
}

void Session::release_memory() {
    store_->release_memory();
    repository_->release_memory();
    sources_->release_memory();
}

void Session::keep_blob(const Hash& hash, std::string_view bytes) {
    const std::string folder = store_directory_ + "/blobs";
    const std::string path = folder + "/" + to_hex(hash);
    if (exists(path)) return;
    if (Status made = make_directories(folder, 0700); !made) throw Error(made.error());
    if (Status written = write_file_atomically(path, bytes, 0600); !written) throw Error(written.error());
}

// ---- one pass after the other

Status Session::move_to(const std::string& revision) {
    auto tree = options_.working_tree ? repository_->working_tree()
                                      : repository_->at(revision.empty() ? options_.revision : revision);
    if (!tree) return tree.error();
    const std::optional<TreeFile> file = (*tree)->find(project_file);
    const bool is_same = file && !file->blob.empty() && file->blob == project_blob_;
    if (!is_same) {
        Project project;
        Diagnostics problems;
        if (Status read = read_project(**tree, project, problems); !read) return read.error();
        project_ = std::move(project);
        problems_ = std::move(problems);
        project_blob_ = file ? file->blob : "";
    }
    tree_ = *std::move(tree);
    secrets_ = std::make_unique<Secrets>(operator_config_, masker_);
    open_sources();
    std::erase_if(providers_, [&](const auto& opened) { return !is_open_as_declared(opened.first); });
    std::erase_if(watched_scopes_, [&](const auto& watched) { return !is_open(watched.first); });
    return Ok{};
}

void Session::forget_watch(const std::string& name, Provider& provider) {
    provider.unwatch();
    watched_scopes_.erase(name);
}

Diagnostics Session::watch(std::vector<std::string> stacks, OnTouched on_touched) {
    Diagnostics problems;
    std::set<std::string, std::less<>> names;
    for (const std::string& stack : stacks)
        store_->for_each_object(stack, [&](const Store::RecordedObject& object) {
            if (!names.contains(object.provider)) names.emplace(object.provider);
        });
    for (auto& [name, opened] : providers_)
        if (opened.provider && watched_scopes_.contains(name) && !names.contains(name))
            forget_watch(name, **opened.provider);
    watched_stacks_ = std::move(stacks);
    on_touched_->with([&](OnTouched& held) { held = std::move(on_touched); });
    for (const std::string& name : names) {
        const bool was_open = is_open(name);
        Result<Provider*> opened = provider(name);
        const Status watching = opened ? was_open ? subscribe(name, **opened) : Ok{} : Status(opened.error());
        if (!watching) problems.add(masker_.mask(watching.error())).severity = Severity::warning;
    }
    return problems;
}

void Session::unwatch() {
    for (auto& [name, opened] : providers_)
        if (opened.provider && (*opened.provider)->description().has("holdfast.watch/1"))
            forget_watch(name, **opened.provider);
    on_touched_->with([](OnTouched& held) { held = nullptr; });
    watched_stacks_.clear();
}

// The interest set of each scope replaces the one before, so that no hint is lost in between; what is no
// longer of interest is let go after that. The texts are held only while they are sent.
Status Session::subscribe(const std::string& name, Provider& provider) {
    if (!provider.description().has("holdfast.watch/1")) return Ok{};
    struct Texts {
        const std::string* kind;
        std::string identity;
    };
    std::set<std::string> kinds; // few, of many objects
    std::map<std::string, std::vector<Texts>> by_scope;
    for (const std::string& stack : watched_stacks_)
        store_->for_each_object(stack, [&](const Store::RecordedObject& object) {
            if (object.provider != name) return;
            const std::string_view kind = object.object_kind.substr(object.object_kind.rfind('/') + 1);
            const std::string& id = *kinds.insert(fmt::format("{}/{}", object.api_version, kind)).first;
            by_scope[std::string(object.scope)].push_back({&id, std::string(object.identity)});
        });
    const OnHint on_hint = [name, shared = on_touched_](const Hint& hint) {
        const OnTouched on_touched = shared->with([](const OnTouched& held) { return held; });
        if (on_touched) on_touched({name, hint});
    };
    std::set<std::string> before;
    if (const auto known = watched_scopes_.find(name); known != watched_scopes_.end())
        before = std::move(known->second);
    watched_scopes_.erase(name);
    std::set<std::string> scopes;
    for (const auto& [scope, texts] : by_scope) {
        std::vector<Item> items;
        items.reserve(texts.size());
        for (const Texts& text : texts) items.push_back({.kind = *text.kind, .identity = text.identity});
        if (Status watching = provider.watch(scope, items, on_hint); !watching) return watching;
        scopes.insert(scope);
    }
    for (const std::string& scope : before)
        if (!scopes.contains(scope))
            if (Status ended = provider.watch(scope, {}, on_hint); !ended) return ended;
    watched_scopes_[name] = std::move(scopes);
    return Ok{};
}

} // namespace holdfast

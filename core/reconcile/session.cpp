#include "reconcile/session.hpp"

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/semver.hpp"
#include "base/text.hpp"
#include "manifest/reference.hpp"
#include "reconcile/secret_gate.hpp"
#include "sys/environment.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr std::string_view project_file = "holdfast.yaml";
constexpr std::size_t project_max_bytes = 4U << 20;

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

std::string worker_program() {
    if (const auto variable = environment("HOLDFAST_WORKER")) return *variable;
    const std::string beside = parent_path(executable_path()) + "/holdfast-provider";
    if (exists(beside)) return beside;
    return parent_path(parent_path(executable_path())) + "/libexec/holdfast/holdfast-provider";
}

// Makes what the config's schema calls {"format": "path"} absolute, from the repository's root.
void make_paths_absolute(Value& config, const Value& schema, const std::string& root, std::string& problem) {
    const Value* properties = schema.find("properties");
    Map* members = config.if_map();
    if (!properties || !properties->is_map() || !members) return;
    for (const MapEntry& property : *properties->if_map()) {
        Value* value = members->find(property.key);
        if (!value) continue;
        if (property.value.text_at("format") == "path" && value->is_string()) {
            const std::string& path = *value->if_string();
            if (path.starts_with('/')) continue;
            if (root.empty())
                problem = property.key;
            else
                *value = Value(absolute_path(root + "/" + path));
        } else {
            make_paths_absolute(*value, property.value, root, problem);
        }
    }
}

} // namespace

Session::Session(SessionOptions options, Clock& clock, Masker& masker, Log& log)
    : options_(std::move(options)), clock_(clock), masker_(masker), log_(log), actor_(holdfast::actor()) {}

Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::open(const SessionOptions& options, Clock& clock, Masker& masker,
                                               Log& log) {
    std::unique_ptr<Session> session(new Session(options, clock, masker, log));
    session->operator_config_ = load_operator_config(session->problems_);
    if (Status opened = session->open_repository(); !opened) return opened.error();
    if (Status opened = session->open_store_and_host(); !opened) return opened.error();
    session->secrets_ = std::make_unique<Secrets>(session->operator_config_, masker);
    session->sources_ = std::make_unique<Sources>(
        SourcesOptions{.mirrors = session->store_directory_ + "/mirrors",
                       .root = session->repository_->work_directory(),
                       .offline = options.offline},
        session->project_, session->operator_config_, *session->secrets_, *session->store_, clock);
    return session;
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

    const std::optional<TreeFile> file = tree_->find(project_file);
    if (!file) {
        Diagnostic missing = failure(
            "session.no-project",
            fmt::format("the repository at {} has no {}{}",
                        repository_->work_directory().empty() ? repository_->git_directory()
                                                              : repository_->work_directory(),
                        project_file, options_.working_tree ? "" : " in commit " + commit().id.substr(0, 10)),
            "run `holdfast init`, then commit the file; `--working-tree` reads files that "
            "are not committed yet");
        return missing;
    }
    Result<std::string> text = tree_->read(*file, project_max_bytes);
    if (!text) return text.error();
    project_ = load_project(*text, std::string(project_file), problems_);
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

Result<std::string> Session::provider_config(const ProviderDocument& document,
                                             const Description& description) {
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
    auto place = [&](Diagnostic problem) {
        if (problem.span.file.empty()) problem.span = {document.origin.file, {document.origin.line, 1}, 0};
        problem.context.push_back("reading the config of provider " + document.name);
        return problem;
    };
    if (resolved.problems.has_errors()) return place(resolved.problems.list().front());

    std::string relative_without_root;
    make_paths_absolute(resolved.document, description.config_schema, repository_->work_directory(),
                        relative_without_root);
    if (!relative_without_root.empty())
        return place(
            failure("provider.relative-path",
                    fmt::format("config.{} is a relative path, but the repository has no working directory",
                                relative_without_root),
                    "write an absolute path"));
    if (resolved.document.is_null()) resolved.document.as_map();
    return to_json(resolved.document);
}

Result<Provider*> Session::provider(const std::string& name) {
    auto known = providers_.find(name);
    if (known == providers_.end()) {
        auto open = [&]() -> Result<std::unique_ptr<Provider>> {
            const ProviderDocument* document = project_.provider(name);
            if (!document) return failure("provider.unknown", fmt::format("no Provider is named {}", name));
            auto description = describe(*document);
            if (!description) return description.error();
            Result<std::string> config = provider_config(*document, **description);
            if (!config) return config.error();
            auto opened = host_->open({.name = name,
                                       .plugin = document->plugin,
                                       .config = *std::move(config),
                                       .isolation = options_.isolation});
            if (!opened) {
                Diagnostic why = masker_.mask(opened.error());
                if (why.span.file.empty()) why.span = {document->origin.file, {document->origin.line, 1}, 0};
                return why;
            }
            std::unique_ptr<Provider> gate = std::make_unique<SecretGate>(*std::move(opened), masker_);
            return gate;
        };
        known = providers_.emplace(name, open()).first;
    }
    if (!known->second) return known->second.error();
    return known->second->get();
}

void Session::keep_blob(const Hash& hash, std::string_view bytes) {
    const std::string folder = store_directory_ + "/blobs";
    const std::string path = folder + "/" + to_hex(hash);
    if (exists(path)) return;
    if (Status made = make_directories(folder, 0700); !made) throw Error(made.error());
    if (Status written = write_file_atomically(path, bytes, 0600); !written) throw Error(written.error());
}

} // namespace holdfast

#include "reconcile/sources.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/text.hpp"
#include "sys/clock.hpp"
#include "sys/environment.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

Diagnostic placed(Diagnostic problem, const SourceDocument& source) {
    if (problem.span.file.empty()) problem.span = {source.origin.file, {source.origin.line, 1}, 0};
    if (problem.subject.empty()) problem.subject = "Source/" + source.name;
    return problem;
}

// What no earlier fetch makes good: the declaration or the configuration is wrong, or the remote has said
// that there is no such ref. Anything else leaves the last good commit in force.
bool is_final(const Diagnostic& problem) {
    constexpr std::array codes{"source.bad-url",      "source.no-ref",    "source.no-commit",
                               "source.not-a-commit", "source.not-bound", "source.no-credential",
                               "source.plain-http",   "source.cancelled"};
    return std::find(codes.begin(), codes.end(), problem.code) != codes.end();
}

Diagnostic stale(const SourceDocument& source, const MirroredRef& ref, std::int64_t now_ms) {
    Diagnostic warning = failure(
        "source.stale",
        fmt::format("source {} could not be fetched, so commit {} of {} is used: {} [{}]", source.name,
                    ref.commit.substr(0, 10), relative_time((now_ms - ref.fetched_at_ms) / 1000),
                    ref.problem->message, ref.problem->code),
        ref.problem->hint);
    warning.severity = Severity::warning;
    return warning;
}

bool may_use(const std::vector<std::string>& globs, const std::string& name) {
    return globs.empty() || std::any_of(globs.begin(), globs.end(),
                                        [&](const std::string& glob) { return matches_glob(glob, name); });
}

} // namespace

Sources::Sources(SourcesOptions options, const Project& project, const OperatorConfig& config,
                 Secrets& secrets, Store& store, Clock& clock)
    : options_(std::move(options)),
      project_(project),
      config_(config),
      secrets_(secrets),
      store_(store),
      clock_(clock) {}

Sources::~Sources() = default;

void Sources::attend(std::stop_token stop, Progress progress) {
    stop_ = std::move(stop);
    progress_ = std::move(progress);
}

void Sources::give(const std::string& source, Given given) { given_[source] = std::move(given); }

std::string Sources::remote_of(const SourceDocument& source) const {
    const Result<RemoteUrl> url = url_of(source);
    return url ? fmt::format("{} {}", url->text(), source.credential) : "";
}

const Repository* Sources::repository(const SourceDocument& source) {
    const Result<Mirror*> mirror = mirror_of(source);
    return mirror ? &(*mirror)->repository() : nullptr;
}

void Sources::release_memory() const {
    for (const auto& [url, mirror] : mirrors_) mirror->repository().release_memory();
}

// ---- credentials

Status Sources::check_allowed(const SourceDocument& source, const std::string& stack) const {
    if (source.credential.empty()) return Ok{};
    const GitCredential* credential = config_.git_credential(source.credential);
    if (!credential) {
        std::vector<std::string> names;
        for (const GitCredential& known : config_.git_credentials)
            if (may_use(known.sources, source.name)) names.push_back(known.name);
        const auto near = closest(source.credential, names);
        const std::string where = config_.path.empty() ? config_directory() + "/config.yaml" : config_.path;
        return failure("source.unknown-credential",
                       fmt::format("there is no credential \"{}\"", source.credential),
                       near ? fmt::format("did you mean \"{}\"?", *near)
                            : fmt::format("the operator defines it in {}, under gitCredentials", where));
    }
    const bool for_source = may_use(credential->sources, source.name);
    if (for_source && (stack.empty() || may_use(credential->stacks, stack))) return Ok{};
    return failure("source.not-allowed",
                   fmt::format("{} {} may not use the credential {}", for_source ? "stack" : "source",
                               for_source ? stack : source.name, credential->name),
                   fmt::format("add it to the credential's `{}` in {}", for_source ? "stacks" : "sources",
                               config_.path));
}

Result<std::string> Sources::secret_text(const GitCredential& credential, const SecretPlace& place) {
    const std::string user = "credential:" + credential.name;
    if (place.empty()) return std::string{};
    if (!place.file.empty()) return secrets_.file(credential.name, place.file);
    const Result<Value> value = secrets_.value(place.secret, place.key, user);
    if (!value) return value.error();
    if (const std::string* text = value->if_string()) return *text;
    return failure("secret.no-key", fmt::format("secrets.{} is no text", place.secret), "put it into quotes");
}

Result<RemoteAccess> Sources::access_for(const SourceDocument& source) {
    RemoteAccess access;
    if (source.credential.empty()) return access;
    if (Status allowed = check_allowed(source, ""); !allowed) return allowed.error();
    const GitCredential& credential = *config_.git_credential(source.credential);
    access.name = credential.name;
    access.urls = credential.urls;
    access.user = credential.user;
    access.ca_file = credential.ca_file;
    access.proxy = credential.proxy;
    access.key_file = credential.key_file;
    access.use_agent = credential.agent;
    access.known_hosts_file = credential.known_hosts_file;
    access.ssh_config_file = credential.config_file;
    for (const auto& [place, text] :
         {std::pair{&credential.password, &access.password}, std::pair{&credential.token, &access.token},
          std::pair{&credential.passphrase, &access.passphrase}}) {
        Result<std::string> secret = secret_text(credential, *place);
        if (!secret) return secret.error();
        *text = *std::move(secret);
    }
    // A key is a secret, and its file is looked at as theirs are; that also masks it.
    if (!credential.key_file.empty())
        if (const auto key = secrets_.file(credential.name, credential.key_file); !key) return key.error();
    return access;
}

// ---- fetching

Result<RemoteUrl> Sources::url_of(const SourceDocument& source) const {
    Result<RemoteUrl> url = parse_remote_url(source.url);
    if (!url || url->transport != RemoteUrl::Transport::file || url->path.starts_with('/')) return url;
    if (options_.root.empty())
        return failure(
            "source.bad-url",
            fmt::format("{} is a relative path, but the repository has no working directory", source.url),
            "write an absolute path");
    url->path = absolute_path(options_.root + "/" + url->path);
    return url;
}

Result<Mirror*> Sources::mirror_of(const SourceDocument& source) {
    const Result<RemoteUrl> url = url_of(source);
    if (!url) return url.error();
    std::unique_ptr<Mirror>& mirror = mirrors_[url->text()];
    if (!mirror) {
        Result<std::unique_ptr<Mirror>> opened = Mirror::open(options_.mirrors, *url);
        if (!opened) return opened.error();
        mirror = *std::move(opened);
    }
    return mirror.get();
}

// One conversation for all Sources that lie there and are read with the same credential. The longest of their
// timeouts counts.
Status Sources::fetch_remote_of(const SourceDocument& source) {
    if (asked_.contains(source.name)) return Ok{};
    const Result<Mirror*> mirror = mirror_of(source);
    if (!mirror) return mirror.error();
    const Result<RemoteAccess> access = access_for(source);
    if (!access) return access.error();
    std::vector<const SourceDocument*> together;
    std::vector<SourceRef> refs;
    std::int64_t timeout_ms = 0;
    for (const SourceDocument& other : project_.sources) {
        const Result<RemoteUrl> url = url_of(other);
        if (!url || *url != (*mirror)->url() || other.credential != source.credential ||
            !check_allowed(other, ""))
            continue;
        together.push_back(&other);
        refs.push_back(other.ref);
        timeout_ms = std::max(timeout_ms, other.timeout_ms);
    }
    TransferLimits limits;
    limits.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    limits.max_bytes = config_.fetch_max_bytes;
    limits.stop = stop_;
    if (progress_)
        limits.progress = [this, doing = "fetching " + source.name](
                              std::size_t, std::size_t done, std::size_t of) { progress_(doing, done, of); };
    const std::vector<MirroredRef> found = (*mirror)->fetch(refs, *access, limits, clock_);
    for (std::size_t i = 0; i < together.size(); ++i) asked_[together[i]->name] = found[i];
    return Ok{};
}

Result<Sources::Fetched>& Sources::fetched(const SourceDocument& source) {
    if (const auto known = fetched_.find(source.name); known != fetched_.end()) return known->second;
    const auto fetch = [&]() -> Result<Fetched> {
        const Result<Mirror*> mirror = mirror_of(source);
        if (!mirror) return mirror.error();
        if (Status allowed = check_allowed(source, ""); !allowed) return allowed.error();
        std::optional<MirroredRef> ref = (*mirror)->find(source.ref);
        const bool is_fresh = ref && !ref->problem && ref->access == source.credential &&
                              options_.fresh_ms > clock_.now_ms() - ref->fetched_at_ms;
        if (!options_.offline && !is_fresh) {
            if (Status asked = fetch_remote_of(source); !asked) return asked.error();
            ref = asked_.at(source.name);
        }
        const auto given = given_.find(source.name);
        const std::optional<Diagnostic> problem =
            given != given_.end() ? given->second.problem : std::nullopt;
        if (ref && problem) ref->problem = problem;
        // What was fetched with one credential is not given to who names another.
        const bool is_usable = ref && !ref->commit.empty() && ref->access == source.credential;
        if (ref && ref->problem && (!is_usable || is_final(*ref->problem))) return *ref->problem;
        if (!is_usable && problem) return *problem;
        if (!is_usable)
            return failure(
                "source.never-fetched",
                fmt::format("source {} was never fetched, and --offline fetches nothing", source.name),
                "run once without --offline");
        if (given != given_.end() && !given->second.commit.empty()) ref->commit = given->second.commit;
        Result<std::unique_ptr<Tree>> tree = (*mirror)->repository().at(ref->commit);
        if (!tree) return tree.error();
        return Fetched{*mirror, *std::move(ref), *std::move(tree)};
    };
    return fetched_.emplace(source.name, fetch()).first->second;
}

// The commit that the stack was brought to last, in full or not.
std::string Sources::applied_commit(const std::string& stack) {
    for (const PassRecord& pass : store_.passes(stack, 20))
        if (pass.command == "apply" && !pass.commit.empty()) return pass.commit;
    for (const Store::StackMemory& memory : store_.stacks())
        if (memory.name == stack) return memory.last_commit;
    return {};
}

StackFiles Sources::files(const StackDocument& stack) {
    StackFiles files;
    const SourceDocument* source = project_.source(stack.source);
    if (!source) { // load_project has said so
        files.problems.error("manifest.unknown-source",
                             fmt::format("there is no source \"{}\"", stack.source));
        return files;
    }
    const auto fail = [&](const Diagnostic& why) {
        Diagnostic problem = placed(why, *source);
        problem.context.push_back(fmt::format("reading the source of stack {}", stack.name));
        files.problems.add(std::move(problem));
        return std::move(files);
    };
    if (Status allowed = check_allowed(*source, stack.name); !allowed) return fail(allowed.error());
    const Result<Fetched>& fetched = this->fetched(*source);
    if (!fetched) return fail(fetched.error());
    const auto given = given_.find(source->name);
    const bool may_go_back = source->allow_rewrites || (given != given_.end() && given->second.is_chosen);
    const std::string applied = may_go_back ? "" : applied_commit(stack.name);
    if (!applied.empty() && fetched->mirror->movement(fetched->ref, applied) == Movement::rewritten) {
        files.is_rewritten = true;
        return fail(failure(
            "source.rewritten",
            fmt::format("{} of source {} is now {}, which does not follow from {}, applied last: history was "
                        "rewritten or went back",
                        to_string(source->ref), source->name, fetched->ref.commit.substr(0, 10),
                        applied.substr(0, 10)),
            "if that was meant, set allowRewrites: true in the Source for one apply; else push the lost "
            "commits again"));
    }
    if (fetched->ref.problem)
        files.problems.add(placed(stale(*source, fetched->ref, clock_.now_ms()), *source));
    files.tree = fetched->tree.get();
    return files;
}

SourceStatus Sources::status(const SourceDocument& source, bool fetch) {
    SourceStatus status{.name = source.name,
                        .url = source.url,
                        .credential = source.credential,
                        .ref = source.ref,
                        .mirrored = {.ref = source.ref}};
    for (const StackDocument& stack : project_.stacks)
        if (stack.source == source.name) status.stacks.push_back(stack.name);
    const Result<Mirror*> mirror = mirror_of(source);
    Status asked = Ok{};
    if (!mirror)
        asked = mirror.error();
    else if (fetch)
        asked = fetch_remote_of(source);
    if (mirror)
        if (std::optional<MirroredRef> ref = (*mirror)->find(source.ref)) status.mirrored = *std::move(ref);
    if (const auto said = asked_.find(source.name); said != asked_.end()) status.mirrored = said->second;
    if (!asked) status.mirrored.problem = asked.error();
    if (status.mirrored.access != source.credential) status.mirrored.commit.clear();
    if (status.mirrored.problem) status.mirrored.problem = placed(*status.mirrored.problem, source);
    if (mirror && !status.mirrored.commit.empty())
        if (Result<CommitInfo> commit = (*mirror)->repository().commit_info(status.mirrored.commit))
            status.commit = *std::move(commit);
    return status;
}

} // namespace holdfast

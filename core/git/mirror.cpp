#include "git/mirror.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/hash.hpp"
#include "base/semver.hpp"
#include "git/mirror_pack.hpp"
#include "git/mirror_record.hpp"
#include "git/ref_choice.hpp"
#include "git/remote_side.hpp"
#include "sys/file.hpp"

namespace holdfast {

using namespace git;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_history = 1000;
constexpr auto lock_pause = std::chrono::milliseconds(20);

Diagnostic bad_mirror(const std::string& path, std::string_view why) {
    return failure("source.bad-mirror", fmt::format("the mirror at {} cannot be used: {}", path, why),
                   "it holds nothing that cannot be fetched again: remove the folder");
}

// Makes the repository beside its place and moves it there: half of one is never met.
Status make_mirror(const std::string& path) {
    const std::string beside = fmt::format("{}.new-{}", path, getpid());
    std::error_code error;
    fs::remove_all(beside, error);
    git_repository* made = nullptr;
    if (git_repository_init(&made, beside.c_str(), 1)) return bad_mirror(path, last_error());
    git_repository_free(made);
    fs::permissions(beside, fs::perms::owner_all, error);
    fs::rename(beside, path, error);
    if (error) fs::remove_all(beside); // another process was faster, or opening it will say why not
    return Ok{};
}

std::string kept_name(const SourceRef& ref) {
    return "refs/holdfast/" + short_hex(sha256(to_string(ref)), 20);
}

// The commit behind a tag object, or the commit itself.
Result<std::string> peel(git_repository& repository, const std::string& object, const RemoteUrl& url) {
    git_oid id;
    git_object *found = nullptr, *peeled = nullptr;
    if (git_oid_fromstr(&id, object.c_str()) || git_object_lookup(&found, &repository, &id, GIT_OBJECT_ANY))
        return failure("source.no-commit",
                       fmt::format("{} has no commit {}", url.text(), object.substr(0, 12)),
                       "is it pushed, and is it reachable from a branch or tag there?");
    const OwnedObject owned(found);
    if (git_object_peel(&peeled, found, GIT_OBJECT_COMMIT))
        return failure("source.not-a-commit", fmt::format("{} of {} is no commit: {}", object.substr(0, 12),
                                                          url.text(), last_error()));
    const OwnedObject commit(peeled);
    return to_hex(*git_object_id(peeled));
}

} // namespace

struct Mirror::State {
    struct Stamp {
        std::int64_t seconds = 0, nanoseconds = 0, inode = 0;
        bool operator==(const Stamp&) const = default;
    };
    static Stamp stamp_of(const std::string& path) {
        struct stat info {};
        if (stat(path.c_str(), &info) != 0) return {};
        return {info.st_mtim.tv_sec, info.st_mtim.tv_nsec, static_cast<std::int64_t>(info.st_ino)};
    }

    std::string path;
    RemoteUrl url;
    SharedRepository writing; // the one below is for reading: its callers keep trees of it
    std::unique_ptr<Repository> reading;
    mutable MirrorRecord record;
    mutable Stamp record_stamp;

    std::string record_path() const { return path + "/holdfast.json"; }
    std::string folder() const { return path + "/holdfast-incoming"; }

    // Another process may have fetched.
    const MirrorRecord& known() const {
        if (const Stamp stamp = stamp_of(record_path()); stamp != record_stamp) {
            record = read_record(record_path());
            record_stamp = stamp;
        }
        return record;
    }

    bool has(const std::string& object) const {
        git_oid id;
        if (git_oid_fromstr(&id, object.c_str())) return false;
        const OwnedOdb odb = odb_of(*writing);
        return odb && git_odb_exists(odb.get(), &id) == 1;
    }

    bool was_fetched_with(const SourceRef& ref, const RemoteAccess& access) const {
        const MirroredRef* before = known().find(ref);
        return before && !before->commit.empty() && before->access == access.name && has(ref.value);
    }

    Result<Fd> lock(const TransferLimits& limits) const;
    Status clean_up() const;
    std::vector<MirroredRef> fetch_locked(std::span<const SourceRef> refs, const RemoteAccess& access,
                                          const TransferLimits& limits);
    Status fetch_named(RemoteSide& side, std::vector<MirroredRef>& found);
    Status fetch_commits(RemoteSide& side, std::vector<MirroredRef>& found);
    void take_in(MirroredRef& found, const RemoteAccess& access, std::int64_t now_ms);
    void keep(const MirroredRef& found);
    bool is_ancestor(const std::string& ancestor, const std::string& commit) const;
};

// Polled, because a wait in the kernel hears neither of a deadline nor of a stop.
Result<Fd> Mirror::State::lock(const TransferLimits& limits) const {
    const std::string file = path + "/holdfast.lock";
    Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return bad_mirror(path, error_text(errno));
    while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return bad_mirror(path, error_text(errno));
        if (Status in_time = check_limits(limits, url); !in_time) {
            Diagnostic why = in_time.error();
            why.context.push_back("waiting for another process that fetches the same remote");
            return why;
        }
        std::this_thread::sleep_for(lock_pause);
    }
    return fd;
}

// What a killed process left half done.
Status Mirror::State::clean_up() const {
    std::error_code error;
    fs::remove_all(folder(), error);
    return make_directories(folder(), 0700);
}

Mirror::Mirror(std::unique_ptr<State> state) : state_(std::move(state)) {}
Mirror::~Mirror() = default;
const Repository& Mirror::repository() const { return *state_->reading; }
const RemoteUrl& Mirror::url() const { return state_->url; }
const std::string& Mirror::path() const { return state_->path; }

Result<std::unique_ptr<Mirror>> Mirror::open(const std::string& folder, const RemoteUrl& url) {
    start_libgit2();
    if (Status made = make_directories(folder, 0700); !made) return made.error();
    auto state = std::make_unique<State>();
    state->url = url;
    // The name is for people, the hash makes it unique.
    std::string name = fs::path(url.path).filename().string();
    if (name.ends_with(".git")) name.resize(name.size() - 4);
    state->path = fmt::format("{}/{}-{}.git", folder, name.substr(0, 60), short_hex(sha256(url.text()), 16));
    if (!exists(state->path))
        if (Status made = make_mirror(state->path); !made) return made.error();
    git_repository* opened = nullptr;
    if (git_repository_open_bare(&opened, state->path.c_str())) return bad_mirror(state->path, last_error());
    state->writing = SharedRepository(opened, git_repository_free);
    Result<std::unique_ptr<Repository>> reading = Repository::open(state->path);
    if (!reading) return reading.error();
    state->reading = *std::move(reading);
    return std::unique_ptr<Mirror>(new Mirror(std::move(state)));
}

std::optional<MirroredRef> Mirror::find(const SourceRef& ref) const {
    const MirroredRef* known = state_->known().find(ref);
    return known ? std::optional(*known) : std::nullopt;
}

std::vector<MirroredRef> Mirror::fetch(std::span<const SourceRef> refs, const RemoteAccess& access,
                                       const TransferLimits& limits, Clock& clock) {
    const std::int64_t began_ms = clock.now_ms();
    const auto failed = [&](const Diagnostic& why) {
        std::vector<MirroredRef> found;
        for (const SourceRef& ref : refs) {
            found.push_back(find(ref).value_or(MirroredRef{.ref = ref}));
            found.back().problem = why;
        }
        return found;
    };
    Result<Fd> lock = state_->lock(limits);
    if (!lock) return failed(lock.error());
    // Who had to wait for the same fetch need not repeat it.
    std::vector<MirroredRef> found;
    for (const SourceRef& ref : refs)
        if (const MirroredRef* known = state_->known().find(ref);
            known && !known->problem && known->access == access.name && known->fetched_at_ms > began_ms)
            found.push_back(*known);
    if (found.size() == refs.size()) return found;

    if (Status clean = state_->clean_up(); !clean) return failed(clean.error());
    found = state_->fetch_locked(refs, access, limits);
    for (MirroredRef& ref : found) state_->take_in(ref, access, clock.now_ms());
    if (Status written = write_record(state_->record_path(), state_->url, state_->record); !written)
        return failed(written.error());
    state_->record_stamp = State::stamp_of(state_->record_path());
    // What was fetched is there either way; a later fetch tries again.
    (void)pack_if_many_are_loose(*state_->writing, state_->folder());
    return found;
}

// Gives names and object ids, or problems; the objects are there.
std::vector<MirroredRef> Mirror::State::fetch_locked(std::span<const SourceRef> refs,
                                                     const RemoteAccess& access,
                                                     const TransferLimits& limits) {
    std::vector<MirroredRef> found;
    bool is_asking = false;
    for (const SourceRef& ref : refs) {
        found.push_back({.ref = ref});
        // A commit never changes: one that this credential has fetched is not asked for again.
        if (ref.kind == SourceRef::Kind::commit && was_fetched_with(ref, access))
            found.back().object = ref.value;
        else
            is_asking = true;
    }
    if (!is_asking) return found;
    Status done = Ok{};
    if (auto side = connect(url, *writing, access, limits, folder())) {
        done = fetch_named(**side, found);
        if (done) done = fetch_commits(**side, found);
    } else {
        done = side.error();
    }
    if (!done)
        for (MirroredRef& ref : found)
            if (ref.object.empty() || !has(ref.object)) {
                ref.object.clear();
                if (!ref.problem) ref.problem = done.error();
            }
    return found;
}

// One question for all refs, and one pack with all that is missing.
Status Mirror::State::fetch_named(RemoteSide& side, std::vector<MirroredRef>& found) {
    std::vector<std::string> names;
    for (const MirroredRef& ref : found)
        if (const std::string name = wanted_name(ref.ref); !name.empty()) names.push_back(name);
    if (names.empty()) return Ok{};
    const Result<std::vector<RemoteRef>> refs = side.refs(names);
    if (!refs) return refs.error();
    std::vector<std::string> wants;
    for (MirroredRef& ref : found) {
        if (ref.ref.kind == SourceRef::Kind::commit) continue;
        Result<RemoteRef> chosen = choose_ref(ref.ref, *refs, url);
        if (!chosen) {
            ref.problem = chosen.error();
            if (const std::string below = names_below(ref.ref); !below.empty())
                if (const auto all = side.refs({below})) ref.problem = suggest(*ref.problem, ref.ref, *all);
            continue;
        }
        ref.name = chosen->name;
        ref.object = chosen->id;
        const bool is_new =
            !has(ref.object) && std::find(wants.begin(), wants.end(), ref.object) == wants.end();
        if (is_new) wants.push_back(ref.object);
    }
    return wants.empty() ? Ok{} : side.fetch(wants, RemoteSide::Extent::missing);
}

// Each by itself: a server refuses a whole request for one id that it does not give out.
Status Mirror::State::fetch_commits(RemoteSide& side, std::vector<MirroredRef>& found) {
    for (MirroredRef& ref : found) {
        if (ref.ref.kind != SourceRef::Kind::commit || !ref.object.empty()) continue;
        std::string want = ref.ref.value;
        if (!side.serves_any_commit()) {
            // What its default branch holds is all that can be had from it.
            const Result<std::vector<RemoteRef>> refs = side.refs({"HEAD"});
            if (!refs) return refs.error();
            const Result<RemoteRef> head = choose_ref({}, *refs, url);
            want = head ? head->id : "";
        }
        if (!want.empty()) {
            const auto extent = has(want) ? RemoteSide::Extent::whole : RemoteSide::Extent::missing;
            const Status fetched = side.fetch({want}, extent);
            if (!fetched && fetched.error().code != "source.no-commit") return fetched;
            if (!fetched) ref.problem = fetched.error();
        }
        if (!ref.problem && has(ref.ref.value)) {
            ref.object = ref.ref.value;
        } else if (!ref.problem) {
            ref.problem = failure(
                "source.no-commit",
                fmt::format("{} does not give out commit {}", url.text(), ref.ref.value.substr(0, 12)),
                "is it pushed, and reachable from the default branch? This server gives out nothing else");
        }
    }
    return Ok{};
}

// What was known stays where the fetch failed; else its history goes on.
void Mirror::State::take_in(MirroredRef& found, const RemoteAccess& access, std::int64_t now_ms) {
    if (!found.problem) {
        const Result<std::string> commit = peel(*writing, found.object, url);
        if (commit)
            found.commit = *commit;
        else
            found.problem = commit.error();
    }
    const MirroredRef* before = record.find(found.ref);
    if (found.problem) {
        MirroredRef kept = before ? *before : MirroredRef{.ref = found.ref};
        kept.problem = found.problem;
        found = kept;
    } else {
        if (before) found.history = before->history, found.names = before->names;
        if (found.history.empty() || found.history.back() != found.commit) {
            found.history.push_back(found.commit);
            found.names.push_back(found.name);
            if (found.history.size() > max_history) {
                found.history.erase(found.history.begin());
                found.names.erase(found.names.begin());
            }
        }
        found.fetched_at_ms = now_ms;
        found.access = access.name;
        keep(found);
    }
    record.put(found);
}

// Refs of ours, so that `git gc` in the mirror takes nothing that is or was applied.
void Mirror::State::keep(const MirroredRef& found) {
    const std::string name = kept_name(found.ref);
    git_oid id, before;
    if (git_oid_fromstr(&id, found.commit.c_str())) return;
    const bool had_one = git_reference_name_to_id(&before, writing.get(), name.c_str()) == 0;
    if (had_one && git_oid_equal(&before, &id)) return;
    git_reference* made = nullptr;
    if (had_one && !is_ancestor(to_hex(before), found.commit)) {
        const std::string kept = "refs/holdfast/kept-" + to_hex(before);
        if (git_reference_create(&made, writing.get(), kept.c_str(), &before, 1, nullptr) == 0)
            git_reference_free(made);
    }
    if (git_reference_create(&made, writing.get(), name.c_str(), &id, 1, nullptr) == 0)
        git_reference_free(made);
}

bool Mirror::State::is_ancestor(const std::string& ancestor, const std::string& commit) const {
    git_oid above, below;
    return git_oid_fromstr(&above, ancestor.c_str()) == 0 && git_oid_fromstr(&below, commit.c_str()) == 0 &&
           (git_oid_equal(&above, &below) || git_graph_descendant_of(writing.get(), &below, &above) == 1);
}

// A range of versions goes forward with the version: 1.3.0 need not descend from 1.2.5, which may have been
// made on a branch for fixes. The same tag on another commit is no higher version.
Movement Mirror::movement(const MirroredRef& ref, const std::string& applied_commit) const {
    if (applied_commit == ref.commit) return Movement::forward;
    const auto known = std::find(ref.history.rbegin(), ref.history.rend(), applied_commit);
    if (known == ref.history.rend()) return Movement::unrelated;
    if (ref.ref.kind == SourceRef::Kind::semver) {
        constexpr std::string_view tags = "refs/tags/";
        const std::string& name =
            ref.names[ref.history.size() - 1 - static_cast<std::size_t>(known - ref.history.rbegin())];
        const auto version = [&](const std::string& full) {
            return std::string_view(full).substr(std::min(tags.size(), full.size()));
        };
        const auto order = compare_semver(version(ref.name), version(name));
        if (order && *order > 0) return Movement::forward;
        if (order && *order < 0) return Movement::rewritten;
    }
    return state_->is_ancestor(applied_commit, ref.commit) ? Movement::forward : Movement::rewritten;
}

} // namespace holdfast

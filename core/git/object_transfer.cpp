#include "git/object_transfer.hpp"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include <fmt/core.h>
#include <git2/sys/odb_backend.h>

#include "git/conversation.hpp"
#include "sys/file.hpp"

namespace holdfast::git {

namespace {

namespace fs = std::filesystem;

// Up to so many objects, none of them larger, are kept loose.
constexpr std::size_t max_loose_objects = 1000;
constexpr std::size_t max_loose_bytes = 8U << 20;
constexpr unsigned max_depth = 500; // of folders in folders

using OwnedPackbuilder = Owned<git_packbuilder, git_packbuilder_free>;
using OwnedRepository = Owned<git_repository, git_repository_free>;
using OwnedRevwalk = Owned<git_revwalk, git_revwalk_free>;

Diagnostic bad_pack(const RemoteUrl& url, std::string_view why) {
    Diagnostic bad =
        failure("source.bad-pack", fmt::format("what {} sent cannot be used: {}", url.text(), why),
                "nothing of it is kept; if it stays, run git fsck over there, and look for a full "
                "disk here");
    bad.retry = Retry::after;
    return bad;
}

std::string file_ending_in(const std::string& folder, std::string_view ending) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().string().ends_with(ending)) return entry.path().string();
    return {};
}

struct Sized {
    git_oid id;
    git_object_t type;
};

Status copy_loose(git_odb& from, git_odb& to, const std::vector<Sized>& objects, const RemoteUrl& url) {
    for (const Sized& object : objects) {
        if (git_odb_exists_ext(&to, &object.id, GIT_ODB_LOOKUP_NO_REFRESH)) continue;
        git_odb_object* found = nullptr;
        if (git_odb_read(&found, &from, &object.id)) return bad_pack(url, last_error());
        const OwnedOdbObject owned(found);
        git_oid written;
        if (git_odb_write(&written, &to, git_odb_object_data(found), git_odb_object_size(found),
                          git_odb_object_type(found)))
            return failure("source.cannot-write", "the mirror cannot be written: " + last_error(),
                           "look for a full disk, and at the owner of the store's folder");
    }
    return Ok{};
}

struct IdHash {
    std::size_t operator()(const git_oid& id) const {
        std::size_t hash = 0;
        std::copy_n(reinterpret_cast<const char*>(&id.id), sizeof hash, reinterpret_cast<char*>(&hash));
        return hash;
    }
};
struct IdEqual {
    bool operator()(const git_oid& a, const git_oid& b) const { return git_oid_equal(&a, &b) != 0; }
};

// Collects what the mirror lacks, each object after all that it refers to: written in this order, an object
// that is there has everything that it needs, and a process may be killed between any two of them.
class Missing {
public:
    Missing(git_repository& from, git_odb& mirror, const TransferLimits& limits, const RemoteUrl& url)
        : from_(from), from_odb_(odb_of(from)), mirror_(mirror), limits_(limits), url_(url) {}

    std::vector<Sized> objects;
    std::size_t bytes = 0; // of the blobs, unpacked
    bool has_large = false;
    bool limits_sum = true; // of bytes; otherwise those of one blob only

    Status add_all(const std::vector<std::string>& wants) {
        for (const std::string& want : wants) {
            git_oid id;
            if (git_oid_fromstr(&id, want.c_str())) return bad_pack(url_, "a broken id");
            if (Status added = add(id, 0); !added) return added;
        }
        return Ok{};
    }

private:
    Status add(const git_oid& id, unsigned depth) {
        if (is_there(id)) return Ok{};
        git_object* found = nullptr;
        if (git_object_lookup(&found, &from_, &id, GIT_OBJECT_ANY)) return bad_pack(url_, last_error());
        const OwnedObject object(found);
        if (git_object_type(found) == GIT_OBJECT_TAG) {
            if (depth > max_depth) return bad_pack(url_, "a tag of a tag of a tag without end");
            const git_oid& target = *git_tag_target_id(reinterpret_cast<git_tag*>(found));
            if (Status added = add(target, depth + 1); !added) return added;
            return take(id, GIT_OBJECT_TAG);
        }
        if (git_object_type(found) != GIT_OBJECT_COMMIT)
            return failure("source.not-a-commit",
                           fmt::format("{} of {} is no commit", to_hex(id).substr(0, 12), url_.text()));
        return add_commits(id);
    }

    bool is_there(const git_oid& id) const {
        return seen_.contains(id) || git_odb_exists_ext(&mirror_, &id, GIT_ODB_LOOKUP_NO_REFRESH);
    }

    // Not by recursion: histories are long.
    Status add_commits(const git_oid& tip) {
        struct Open {
            git_oid id;
            bool is_left; // its parents are done
        };
        std::vector<Open> open{{tip, false}};
        std::unordered_set<git_oid, IdHash, IdEqual> met;
        while (!open.empty()) {
            const auto [id, is_left] = open.back();
            open.pop_back();
            if (is_left) {
                if (Status taken = take(id, GIT_OBJECT_COMMIT); !taken) return taken;
                continue;
            }
            if (is_there(id) || !met.insert(id).second) continue;
            git_commit* found = nullptr;
            if (git_commit_lookup(&found, &from_, &id)) return shallow_or_broken(id);
            const OwnedCommit commit(found);
            if (Status tree = add_tree(*git_commit_tree_id(found), 0); !tree) return tree;
            open.push_back({id, true});
            for (unsigned i = 0; i < git_commit_parentcount(found); ++i)
                open.push_back({*git_commit_parent_id(found, i), false});
        }
        return Ok{};
    }

    Status add_tree(const git_oid& id, unsigned depth) {
        if (is_there(id)) return Ok{};
        if (depth > max_depth) return bad_pack(url_, "its folders are nested too deeply");
        git_tree* found = nullptr;
        if (git_tree_lookup(&found, &from_, &id)) return bad_pack(url_, last_error());
        const OwnedTree tree(found);
        for (std::size_t i = 0; i < git_tree_entrycount(found); ++i) {
            const git_tree_entry* entry = git_tree_entry_byindex(found, i);
            const git_oid& below = *git_tree_entry_id(entry);
            Status added = Ok{};
            if (git_tree_entry_type(entry) == GIT_OBJECT_TREE)
                added = add_tree(below, depth + 1);
            else if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB && !is_there(below))
                added = take(below, GIT_OBJECT_BLOB);
            if (!added) return added;
        }
        return take(id, GIT_OBJECT_TREE);
    }

    Status take(const git_oid& id, git_object_t type) {
        if (is_there(id)) return Ok{};
        if (objects.size() % 256 == 0)
            if (Status in_time = check_limits(limits_, url_); !in_time) return in_time;
        if (type == GIT_OBJECT_BLOB) {
            std::size_t size = 0;
            git_object_t stored = GIT_OBJECT_INVALID;
            if (!from_odb_ || git_odb_read_header(&size, &stored, from_odb_.get(), &id))
                return bad_pack(url_, last_error());
            bytes += size;
            has_large |= size > max_loose_bytes;
            if (size > limits_.max_bytes || (limits_sum && bytes > limits_.max_bytes))
                return too_large(url_, limits_.max_bytes);
        }
        seen_.insert(id);
        objects.push_back({id, type});
        return Ok{};
    }

    Status shallow_or_broken(const git_oid& id) const {
        Diagnostic why =
            bad_pack(url_, fmt::format("commit {} is not there: {}", to_hex(id).substr(0, 12), last_error()));
        if (git_repository_is_shallow(&from_) == 1)
            why.hint = "it is a shallow clone, which has no whole history; git fetch --unshallow mends that";
        return why;
    }

    git_repository& from_;
    OwnedOdb from_odb_;
    git_odb& mirror_;
    const TransferLimits& limits_;
    const RemoteUrl& url_;
    std::unordered_set<git_oid, IdHash, IdEqual> seen_;
};

} // namespace

// ---- off the wire

PackWriter::PackWriter(git_repository& mirror, std::string folder, const TransferLimits& limits,
                       RemoteUrl url)
    : mirror_(mirror), folder_(std::move(folder)), limits_(limits), url_(std::move(url)) {}

PackWriter::~PackWriter() = default;

int PackWriter::on_progress(const git_indexer_progress* stats, void* context) {
    auto& self = *static_cast<PackWriter*>(context);
    if (self.limits_.progress)
        self.limits_.progress(stats->received_bytes, stats->indexed_objects, stats->total_objects);
    if (Status in_time = check_limits(self.limits_, self.url_); !in_time) {
        self.stopped_ = std::make_unique<Diagnostic>(in_time.error());
        return GIT_EUSER;
    }
    return 0;
}

Status PackWriter::fail() {
    if (stopped_) return *stopped_;
    return bad_pack(url_, last_error());
}

Status PackWriter::append(std::string_view bytes) {
    if (!indexer_) {
        git_indexer_options options = GIT_INDEXER_OPTIONS_INIT;
        options.progress_cb = on_progress;
        options.progress_cb_payload = this;
        // Not `verify`, which keeps each object whole in memory, and a blob of zeros is a thousandth of its
        // size on the wire: finish() looks for what the objects refer to.
        git_indexer* made = nullptr;
        const OwnedOdb odb = odb_of(mirror_);
        if (!odb || git_indexer_new(&made, folder_.c_str(), 0444, odb.get(), &options)) return fail();
        indexer_.reset(made);
    }
    bytes_ += bytes.size();
    if (bytes_ > limits_.max_bytes) return too_large(url_, limits_.max_bytes);
    if (git_indexer_append(indexer_.get(), bytes.data(), bytes.size(), &stats_)) return fail();
    return Ok{};
}

Status PackWriter::finish(const std::vector<std::string>& wants) {
    if (!indexer_) return bad_pack(url_, "no pack came");
    if (git_indexer_commit(indexer_.get(), &stats_)) return fail();
    indexer_.reset();
    const std::string index = file_ending_in(folder_, ".idx");
    if (index.empty()) return Ok{}; // a pack of nothing
    bool are_taken = false;
    if (Status taken = take_objects(index, wants, are_taken); !taken) return taken;
    return are_taken ? Ok{} : take_pack(index);
}

Status PackWriter::take_pack(const std::string& index) {
    // The pack before its index: nobody looks for a pack whose index he does not see.
    const std::string packs = std::string(git_repository_path(&mirror_)) + "objects/pack/";
    const std::string pack = index.substr(0, index.size() - 4) + ".pack";
    std::error_code error;
    for (const std::string& file : {pack, index}) {
        fs::rename(file, packs + fs::path(file).filename().string(), error);
        if (error) return failure("source.cannot-write", "the mirror cannot be written: " + error.message());
    }
    if (const OwnedOdb odb = odb_of(mirror_)) git_odb_refresh(odb.get());
    return Ok{};
}

// Half a history is never taken for a whole: all that `wants` need is in the pack, or has been here before.
// The objects go in one by one where they are few and small.
Status PackWriter::take_objects(const std::string& index, const std::vector<std::string>& wants,
                                bool& are_taken) {
    git_odb* made = nullptr;
    git_odb_backend* backend = nullptr;
    git_repository* wrapped = nullptr;
    if (git_odb_new(&made)) return fail();
    const OwnedOdb pack(made);
    if (git_odb_backend_one_pack(&backend, index.c_str())) return fail();
    if (git_odb_add_backend(made, backend, 1) || git_repository_wrap_odb(&wrapped, made)) return fail();
    const OwnedRepository repository(wrapped);
    const OwnedOdb odb = odb_of(mirror_);
    if (!odb) return fail();
    const bool are_few = stats_.total_objects <= max_loose_objects;
    Missing missing(*wrapped, *odb, limits_, url_);
    missing.limits_sum = are_few;
    if (Status added = missing.add_all(wants); !added) return added;
    if (!are_few || missing.has_large) return Ok{};
    are_taken = true;
    return copy_loose(*made, *odb, missing.objects, url_);
}

// ---- from a repository beside

namespace {

int append_pack(void* data, size_t size, void* context) {
    auto& [writer, problem] = *static_cast<std::pair<PackWriter*, Status*>*>(context);
    *problem = writer->append({static_cast<const char*>(data), size});
    return *problem ? 0 : GIT_EUSER;
}

Status copy_packed(git_repository& from, git_repository& mirror, const std::string& folder,
                   const std::vector<Sized>& objects, const std::vector<std::string>& wants,
                   const TransferLimits& limits, const RemoteUrl& url) {
    git_packbuilder* made = nullptr;
    if (git_packbuilder_new(&made, &from)) return bad_pack(url, last_error());
    const OwnedPackbuilder builder(made);
    for (const Sized& object : objects)
        if (git_packbuilder_insert(made, &object.id, nullptr)) return bad_pack(url, last_error());
    PackWriter writer(mirror, folder, limits, url);
    Status problem = Ok{};
    std::pair<PackWriter*, Status*> context{&writer, &problem};
    const int code = git_packbuilder_foreach(made, append_pack, &context);
    if (!problem) return problem;
    if (code) return bad_pack(url, last_error());
    return writer.finish(wants);
}

} // namespace

Result<std::size_t> copy_objects(git_repository& from, git_repository& mirror, const std::string& folder,
                                 const std::vector<std::string>& wants, const TransferLimits& limits,
                                 const RemoteUrl& url) {
    const OwnedOdb source = odb_of(from), target = odb_of(mirror);
    if (!source || !target) return bad_pack(url, last_error());
    Missing missing(from, *target, limits, url);
    if (Status added = missing.add_all(wants); !added) return added.error();
    const bool is_small = missing.objects.size() <= max_loose_objects && !missing.has_large;
    const Status copied = is_small ? copy_loose(*source, *target, missing.objects, url)
                                   : copy_packed(from, mirror, folder, missing.objects, wants, limits, url);
    if (!copied) return copied.error();
    return missing.bytes;
}

std::vector<std::string> newest_commits(git_repository& mirror, std::size_t most) {
    git_revwalk* made = nullptr;
    if (git_revwalk_new(&made, &mirror)) return {};
    const OwnedRevwalk walk(made);
    git_revwalk_sorting(made, GIT_SORT_TIME);
    if (git_revwalk_push_glob(made, "refs/holdfast/*")) return {};
    std::vector<std::string> out;
    git_oid id;
    while (out.size() < most && git_revwalk_next(&id, made) == 0) out.push_back(to_hex(id));
    return out;
}

} // namespace holdfast::git

#include "writer.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/xattr.h>

#include "errors.hpp"
#include "names.hpp"
#include "path.hpp"
#include "root.hpp"
#include "staging.hpp"

namespace holdfast::host {

namespace {

// Results wait for one sync per directory, but not for ever: a crash then repeats at most this much.
constexpr std::size_t max_waiting = 256;
constexpr std::size_t max_unsynced = 64;
constexpr unsigned default_file_mode = 0644;
constexpr unsigned default_directory_mode = 0755;

sdk::Error wrong_type(const std::string& path, Type wanted, Type found) {
    return sdk::Error("host.wrong-type",
                      "at " + path + " stands " + noun_of(found) + ", where " + noun_of(wanted) +
                          " is declared",
                      "remove or rename it by hand, if it is not needed; this plugin never does");
}

// Attributes that say something about the old content, and none about who may do what with the file.
bool belongs_to_content(std::string_view attribute) {
    return attribute == "security.capability" || attribute == "security.ima" || attribute == "security.evm";
}

// Extended attributes, access control lists and security labels included. What the kernel keeps for itself
// (EPERM outside user.* and the ACLs) is left to it.
void copy_attributes(const Fd& from, const Fd& to, const std::string& path) {
    std::string names(4096, '\0');
    ssize_t size = ::flistxattr(from.get(), names.data(), names.size());
    if (size < 0 && errno == ERANGE) {
        names.resize(65536);
        size = ::flistxattr(from.get(), names.data(), names.size());
    }
    if (size < 0 && errno == EOPNOTSUPP) return;
    if (size < 0) throw_system(errno, "read the extended attributes of", path);
    std::string value;
    for (const char* name = names.data(); name < names.data() + size;
         name += std::string_view(name).size() + 1) {
        if (belongs_to_content(name)) continue;
        value.resize(65536);
        const ssize_t got = ::fgetxattr(from.get(), name, value.data(), value.size());
        if (got < 0 && errno == ENODATA) continue;
        if (got < 0) throw_system(errno, "read the extended attribute " + std::string(name) + " of", path);
        if (::fsetxattr(to.get(), name, value.data(), static_cast<std::size_t>(got), 0) == 0) continue;
        const bool is_kernels =
            (errno == EPERM || errno == EOPNOTSUPP) && (std::string_view(name).substr(0, 9) == "security." ||
                                                        std::string_view(name).substr(0, 8) == "trusted.");
        if (!is_kernels)
            throw_system(errno, "keep the extended attribute " + std::string(name) + " of", path);
    }
}

std::string some_names_in(const Fd& parent, const std::string& name) {
    const int fd = ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR* directory = fd < 0 ? nullptr : ::fdopendir(fd);
    if (!directory) return "entries that cannot be listed";
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view found = entry->d_name;
        if (found != "." && found != "..") names.emplace_back(found);
    }
    ::closedir(directory);
    std::sort(names.begin(), names.end());
    std::string out;
    for (std::size_t i = 0; i < names.size() && i < 3; ++i) {
        if (i > 0) out += ", ";
        out += names[i];
    }
    return names.size() > 3 ? out + " and " + std::to_string(names.size() - 3) + " more" : out;
}

// What a crash of this plugin may have left, which nobody would miss.
void remove_leftovers(const Fd& parent, const std::string& name) {
    const int fd = ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR* directory = fd < 0 ? nullptr : ::fdopendir(fd);
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory))
        if (is_temporary_name(entry->d_name)) ::unlinkat(fd, entry->d_name, 0);
    ::closedir(directory);
}

} // namespace

std::vector<std::size_t> order_of(sdk::Items changes) {
    struct Step {
        std::size_t index;
        std::string path;
        Type type;
        int phase;         // 0 make room, 1 directories, 2 the rest, 3 deletes
        std::size_t level; // above all that it comes after
    };
    std::vector<Step> steps;
    std::set<std::string, std::less<>> needed; // paths that will exist, and their parents
    for (const sdk::Change& change : changes) {
        const Type type = type_of_kind(change.kind());
        const bool is_delete = change.action() == sdk::Action::remove;
        std::size_t level = 0;
        for (std::size_t i = 0; i < change.after_count(); ++i)
            level = std::max(level, steps[change.after(i)].level + 1);
        steps.push_back({change.index(), path_of_identity(change.identity()), type,
                         is_delete                 ? 3
                         : type == Type::directory ? 1
                                                   : 2,
                         level});
        if (!is_delete) needed.insert(steps.back().path);
    }
    // A delete is in the way where its path is to be something else, or a directory on the way to something;
    // and with a directory goes all that is deleted beneath it.
    std::set<std::string, std::less<>> emptied;
    const auto is_parent_of_needed = [&](const std::string& path) {
        auto next = needed.lower_bound(path + "/");
        return next != needed.end() && is_beneath(*next, path);
    };
    for (Step& step : steps) {
        if (step.phase != 3) continue;
        const bool in_the_way =
            needed.count(step.path) != 0 || (step.type != Type::directory && is_parent_of_needed(step.path));
        if (!in_the_way) continue;
        step.phase = 0;
        if (step.type == Type::directory) emptied.insert(step.path);
    }
    for (Step& step : steps)
        for (std::string_view parent = parent_of(step.path); step.phase == 3 && !parent.empty();
             parent = parent_of(parent))
            if (emptied.count(parent)) step.phase = 0;
    std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
        if (a.level != b.level) return a.level < b.level;
        if (a.phase != b.phase) return a.phase < b.phase;
        if (a.phase == 1) return a.path < b.path;
        if (a.phase == 2) return false;
        return a.path > b.path; // what is inside a directory sorts behind it
    });
    std::vector<std::size_t> out;
    for (const Step& step : steps) out.push_back(step.index);
    return out;
}

void Writer::apply(sdk::Items changes) {
    for (const std::size_t index : order_of(changes)) {
        if (!results_.listening() || scope_.should_stop()) break;
        if (is_held_back(changes, changes[index]))
            results_.skipped(changes[index]);
        else
            perform(changes[index]);
        if (waiting_.size() >= max_waiting || unsynced_.size() >= max_unsynced) settle();
    }
    settle();
}

// What a change comes after is on disk, and its result given, before the change is begun.
bool Writer::is_held_back(sdk::Items changes, const sdk::Change& change) {
    for (std::size_t i = 0; i < change.after_count(); ++i)
        if (!results_.has(changes[change.after(i)])) settle();
    return results_.holds_back(change);
}

void Writer::perform(const sdk::Change& change) {
    try {
        sdk::Result result = change.action() == sdk::Action::remove    ? remove(change)
                             : change.action() == sdk::Action::refresh ? refresh(change)
                                                                       : write(change);
        if (result.outcome == sdk::Outcome::done || result.outcome == sdk::Outcome::partial)
            waiting_.push_back({change, std::move(result)});
        else
            results_.emit(change, result);
    } catch (const sdk::Error& error) {
        results_.failed(change, error.diagnostic());
    }
}

// Names become durable here. A directory that cannot be synced leaves its items unknown: they are there
// now, and nobody can say whether they would be after a power cut.
void Writer::settle() {
    int failed = 0;
    for (const auto& [fd, directory] : unsynced_)
        if (::fsync(directory->get()) != 0 && failed == 0) failed = errno;
    unsynced_.clear();
    for (Waiting& waiting : waiting_) {
        if (failed != 0) {
            waiting.result.outcome = sdk::Outcome::unknown;
            waiting.result.diagnostics.push_back(system_diagnostic(
                failed, "sync the directory of", path_of_identity(waiting.change.identity())));
        }
        results_.emit(waiting.change, waiting.result);
    }
    waiting_.clear();
}

Writer::Directory Writer::parent(std::string_view path) {
    int error = 0;
    Directory directory = root_.directory(parent_of(path), OpenFor::writing, error);
    if (!directory) throw sdk::Error(parent_diagnostic(error, path));
    if (entered_.insert(directory.get()).second) enter(*directory);
    return directory;
}

// A writer that was killed leaves its temporary names behind. They are removed by the next one that has the
// directory to itself: every writer holds a shared lock on the directories it works in, until its call
// ends and their descriptors are closed.
void Writer::enter(const Fd& directory) {
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) remove_leftovers(directory, ".");
    (void)::flock(directory.get(), LOCK_SH | LOCK_NB); // where it fails, somebody is cleaning up: harmless
}

// ---- creating and updating ----

sdk::Result Writer::write(const sdk::Change& change) {
    Task task{change, parse_desired(type_of_kind(change.kind()), change.declared()), {}, {}, {}, {}, {}};
    load_content(task);
    task.directory = parent(task.desired.path);
    task.name = name_of(task.desired.path);
    return change.action() == sdk::Action::create ? create(task) : update(task);
}

sdk::Result Writer::create(Task& task) {
    switch (task.desired.type) {
        case Type::file: create_file(task); break;
        case Type::directory: create_directory(task); break;
        default: create_symlink(task); break;
    }
    if (task.live.type == Type::none) return already_there(task);
    touch(task.directory);
    return result_of(sdk::Outcome::done, task);
}

// A create that is repeated, because its reply got lost, finds its own work.
sdk::Result Writer::already_there(Task& task) {
    if (const int error = look(*task.directory, task.name, task.desired.type, task.live))
        throw_system(error, "read", task.desired.path);
    if (task.live.type == Type::none) throw sdk::Error(conflict(task.desired.path, "came and went"));
    if (task.live.type != task.desired.type)
        throw wrong_type(task.desired.path, task.desired.type, task.live.type);
    if (has_wanted_content(task) && has_wanted_access(task)) return result_of(sdk::Outcome::unchanged, task);
    throw sdk::Error(conflict(task.desired.path, "was created by somebody else"));
}

void Writer::create_file(Task& task) {
    Staged staged = Staged::file(*task.directory, task.name, task.desired.path);
    fill(staged.fd(), task);
    struct stat start {};
    if (task.desired.owner || task.desired.group) {
        if (::fstat(staged.fd().get(), &start) != 0) throw_system(errno, "look at", task.desired.path);
        const Access access = wanted_access(task, start);
        if ((access.owner != start.st_uid || access.group != start.st_gid) &&
            ::fchown(staged.fd().get(), access.owner, access.group) != 0)
            throw_system(errno, "change the owner of", task.desired.path);
    }
    if (::fchmod(staged.fd().get(), task.desired.mode.value_or(default_file_mode)) != 0)
        throw_system(errno, "change the mode of", task.desired.path);
    if (::fsync(staged.fd().get()) != 0) throw_system(errno, "sync", task.desired.path);
    if (staged.place_new() == Placed::name_is_taken) return;
    if (::fstat(staged.fd().get(), &task.live.status) != 0) throw_system(errno, "look at", task.desired.path);
    task.live.type = Type::file;
    task.live.content = task.content;
}

void Writer::create_directory(Task& task) {
    const std::string& path = task.desired.path;
    if (::mkdirat(task.directory->get(), task.name.c_str(), 0700) != 0) {
        if (errno == EEXIST) return;
        throw_system(errno, "create", path);
    }
    const auto undo = [&](int error, const char* doing) {
        ::unlinkat(task.directory->get(), task.name.c_str(), AT_REMOVEDIR);
        throw_system(error, doing, path);
    };
    const Fd fd(
        ::openat(task.directory->get(), task.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || ::fstat(fd.get(), &task.live.status) != 0) undo(errno, "open");
    Access access{};
    try {
        access = wanted_access(task, task.live.status);
    } catch (...) {
        ::unlinkat(task.directory->get(), task.name.c_str(), AT_REMOVEDIR);
        throw;
    }
    if ((access.owner != task.live.status.st_uid || access.group != task.live.status.st_gid) &&
        ::fchown(fd.get(), access.owner, access.group) != 0)
        undo(errno, "change the owner of");
    if (::fchmod(fd.get(), access.mode) != 0) undo(errno, "change the mode of");
    if (::fsync(fd.get()) != 0) undo(errno, "sync");
    if (::fstat(fd.get(), &task.live.status) != 0) undo(errno, "look at");
    task.live.type = Type::directory;
}

void Writer::create_symlink(Task& task) {
    if (::symlinkat(task.desired.target.c_str(), task.directory->get(), task.name.c_str()) != 0) {
        if (errno == EEXIST) return;
        throw_system(errno, "create", task.desired.path);
    }
    if (const int error = look(*task.directory, task.name, Type::symlink, task.live))
        throw_system(error, "look at", task.desired.path);
}

sdk::Result Writer::update(Task& task) {
    const std::string& path = task.desired.path;
    if (const int error = look(*task.directory, task.name, task.desired.type, task.live))
        throw_system(error, "read", path);
    if (task.live.type == Type::none) throw sdk::Error(conflict(path, "was deleted"));
    if (task.live.type != task.desired.type) throw wrong_type(path, task.desired.type, task.live.type);
    const bool content_is_wanted = has_wanted_content(task);
    if (content_is_wanted && has_wanted_access(task)) return result_of(sdk::Outcome::unchanged, task);
    if (!task.change.version().empty() && !is_version(task.live, task.change.version()))
        throw sdk::Error(conflict(path, "was changed by somebody else"));
    if (content_is_wanted) return change_access(task);
    if (task.desired.type == Type::file)
        replace_file(task);
    else
        replace_symlink(task);
    touch(task.directory);
    return result_of(sdk::Outcome::done, task);
}

// The new file gets what the old one had: attributes, access lists, and owner and mode where these are
// not declared.
void Writer::replace_file(Task& task) {
    const std::string& path = task.desired.path;
    const Access access = wanted_access(task, task.live.status);
    if (!has_wanted_access(task)) demand_owner_change(task);
    Staged staged = Staged::file(*task.directory, task.name, path);
    fill(staged.fd(), task);
    struct stat start {};
    if (::fstat(staged.fd().get(), &start) != 0) throw_system(errno, "look at", path);
    if ((access.owner != start.st_uid || access.group != start.st_gid) &&
        ::fchown(staged.fd().get(), access.owner, access.group) != 0)
        throw_system(errno, "keep the owner of", path);
    copy_attributes(task.live.fd, staged.fd(), path);
    if (::fchmod(staged.fd().get(), access.mode) != 0) throw_system(errno, "change the mode of", path);
    if (::fsync(staged.fd().get()) != 0) throw_system(errno, "sync", path);
    const Placed placed = staged.place_over(task.live.status);
    if (placed == Placed::gone) throw sdk::Error(conflict(path, "was deleted"));
    if (placed != Placed::yes) throw sdk::Error(conflict(path, "was changed by somebody else"));
    if (::fstat(staged.fd().get(), &task.live.status) != 0) throw_system(errno, "look at", path);
    task.live.content = task.content;
}

void Writer::replace_symlink(Task& task) {
    const std::string& path = task.desired.path;
    {
        Staged staged = Staged::symlink(*task.directory, task.name, task.desired.target, path);
        const Placed placed = staged.place_over(task.live.status);
        if (placed == Placed::gone) throw sdk::Error(conflict(path, "was deleted"));
        if (placed != Placed::yes) throw sdk::Error(conflict(path, "was changed by somebody else"));
    }
    if (const int error = look(*task.directory, task.name, Type::symlink, task.live))
        throw_system(error, "look at", path);
}

// Only owner, group or mode differ: the file keeps its inode and its content is not written.
sdk::Result Writer::change_access(Task& task) {
    const std::string& path = task.desired.path;
    demand_owner_change(task);
    const Access access = wanted_access(task, task.live.status);
    const struct stat before = task.live.status;
    const int fd = task.directory->get();
    // Of a file we hold the very inode that was read; a directory is opened for the sync that follows.
    Fd opened;
    if (task.live.type == Type::directory)
        opened = Fd(::openat(fd, task.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const Fd& object = task.live.type == Type::directory ? opened : task.live.fd;
    if (!object) throw_system(errno, "open", path);
    const bool owner_differs = access.owner != before.st_uid || access.group != before.st_gid;
    if (owner_differs && ::fchown(object.get(), access.owner, access.group) != 0)
        throw_system(errno, "change the owner of", path);
    int error = 0;
    // Also after a chown, which clears the set-user-id bits.
    if ((owner_differs || access.mode != (before.st_mode & 07777U)) &&
        ::fchmod(object.get(), access.mode) != 0)
        error = errno;
    if (error != 0 && !owner_differs) throw_system(error, "change the mode of", path);
    if (::fsync(object.get()) != 0) throw_system(errno, "sync", path);
    if (::fstat(object.get(), &task.live.status) != 0) throw_system(errno, "look at", path);
    sdk::Result result = result_of(error ? sdk::Outcome::partial : sdk::Outcome::done, task);
    if (error != 0) result.diagnostics.push_back(system_diagnostic(error, "change the mode of", path));
    return result;
}

// ---- deleting ----

sdk::Result Writer::remove(const sdk::Change& change) {
    const Type type = type_of_kind(change.kind());
    const std::string path = path_of_identity(change.identity());
    const std::string name(name_of(path));
    sdk::Result result = sdk::Result::unchanged({});
    int error = 0;
    const Directory directory = root_.directory(parent_of(path), OpenFor::writing, error);
    if (!directory && (error == ENOENT || error == ENOTDIR)) return result;
    if (!directory) throw sdk::Error(parent_diagnostic(error, path));
    Live live;
    // The content is read only where the version leans on it.
    error = look(*directory, name, is_about_content(change.version()) ? type : Type::symlink, live);
    if (error != 0) throw_system(error, "read", path);
    if (live.type == Type::none) return result;
    if (live.type != type) { // ours is gone; what stands here now is somebody else's
        sdk::Diagnostic note = wrong_type(path, type, live.type).diagnostic();
        note.severity = sdk::Severity::warning;
        note.hint = "it was left alone";
        result.diagnostics.push_back(note);
        return result;
    }
    if (!change.version().empty() && !is_version(live, change.version()))
        throw sdk::Error(conflict(path, "was changed by somebody else"));
    if (type == Type::directory)
        remove_directory(directory, name, path);
    else if (::unlinkat(directory->get(), name.c_str(), 0) != 0 && errno != ENOENT)
        throw_system(errno, "delete", path);
    touch(directory);
    return sdk::Result::done({});
}

void Writer::remove_directory(const Directory& parent, const std::string& name, const std::string& path) {
    root_.forget(path);
    if (::unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno == ENOTEMPTY || errno == EEXIST) {
        remove_leftovers(*parent, name);
        if (::unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR) == 0) return;
    }
    if (errno == ENOTEMPTY || errno == EEXIST)
        throw sdk::Error("host.not-empty",
                         "cannot delete " + path +
                             ": it holds what is not ours: " + some_names_in(*parent, name),
                         "move or delete these by hand, or keep the directory declared");
    throw_system(errno, "delete", path);
}

// Nothing runs here that would have to be told of a change.
sdk::Result Writer::refresh(const sdk::Change& change) {
    sdk::Result result =
        sdk::Result::unchanged(std::string(change.observed()), std::string(change.version()));
    result.refreshed = change.refresh();
    return result;
}

// ---- what is wanted, and whether it is so ----

void Writer::load_content(Task& task) const {
    const Desired& desired = task.desired;
    if (desired.type != Type::file) return;
    if (!desired.source) {
        task.bytes = desired.text.value_or("");
        task.content = content_of(task.bytes);
        return;
    }
    task.content.sha256 = desired.source->sha256;
    task.content.size = desired.source->size;
    if (desired.source->size > max_inline_bytes) return;
    auto bytes = scope_.host().read_blob(desired.source->sha256, max_inline_bytes);
    if (!bytes || bytes->size() != desired.source->size)
        throw sdk::Error("host.blob",
                         "the content of " + desired.path + " is not in the blob store, or not whole",
                         "plan again, so that the engine puts it there");
    task.bytes = std::move(*bytes);
    task.content = content_of(task.bytes);
}

void Writer::fill(const Fd& file, const Task& task) const {
    const std::string& path = task.desired.path;
    if (task.content.size == task.bytes.size()) {
        if (const int error = write_all(file.get(), task.bytes)) throw_system(error, "write", path);
        return;
    }
    const Fd blob(scope_.host().open_blob(task.content.sha256));
    Content copied;
    const int error = blob ? copy_all(blob.get(), file.get(), copied) : 0;
    if (error != 0) throw_system(error, "write", path);
    if (!blob || copied.sha256 != task.content.sha256)
        throw sdk::Error("host.blob",
                         "the content of " + path + " is not in the blob store, or not what it should be",
                         "plan again, so that the engine puts it there");
}

Writer::Access Writer::wanted_access(const Task& task, const struct stat& start) const {
    const Desired& desired = task.desired;
    const auto unknown = [&](const char* what, const std::string& name) {
        return sdk::Error("host.unknown-owner",
                          std::string("there is no ") + what + " \"" + name + "\" for " + desired.path,
                          "create the account first, or write its number");
    };
    const bool is_new = task.live.type == Type::none;
    const unsigned standard = desired.type == Type::directory ? default_directory_mode : default_file_mode;
    Access out{start.st_uid, start.st_gid, static_cast<mode_t>(is_new ? standard : start.st_mode & 07777U)};
    if (desired.mode) out.mode = static_cast<mode_t>(*desired.mode);
    if (desired.owner) {
        const auto id = names_.user_id(*desired.owner);
        if (!id) throw unknown("user", *desired.owner);
        out.owner = *id;
    }
    if (desired.group) {
        const auto id = names_.group_id(*desired.group);
        if (!id) throw unknown("group", *desired.group);
        out.group = *id;
    }
    if (is_new && !options_.may_change_owner && (out.owner != start.st_uid || out.group != start.st_gid))
        demand_owner_change(task);
    return out;
}

bool Writer::has_wanted_access(const Task& task) const {
    if (task.desired.type == Type::symlink) return true;
    const Access wanted = wanted_access(task, task.live.status);
    return wanted.owner == task.live.status.st_uid && wanted.group == task.live.status.st_gid &&
           wanted.mode == (task.live.status.st_mode & 07777U);
}

// A create without content is of an empty file; an update without content leaves it alone.
bool Writer::has_wanted_content(const Task& task) const {
    const Desired& desired = task.desired;
    if (desired.type == Type::symlink) return task.live.target == desired.target;
    if (desired.type != Type::file || (!desired.text && !desired.source)) return true;
    return task.live.content == task.content;
}

void Writer::demand_owner_change(const Task& task) const {
    if (options_.may_change_owner) return;
    const bool is_new = task.live.type == Type::none;
    if (!is_new) {
        const Access wanted = wanted_access(task, task.live.status);
        if (wanted.owner == task.live.status.st_uid && wanted.group == task.live.status.st_gid) return;
    }
    throw sdk::Error(
        "host.owner-not-allowed", "the owner or group of " + task.desired.path + " would have to change",
        "the provider's config says allowOwnerChange: false; change it, or leave owner and group out");
}

sdk::Result Writer::result_of(sdk::Outcome outcome, Task& task) {
    sdk::Result result;
    result.outcome = outcome;
    append_document(result.document, task.live, task.desired.path, names_);
    result.version = version_of(task.live);
    result.refreshed = task.change.refresh();
    return result;
}

} // namespace holdfast::host

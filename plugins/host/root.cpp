#include "root.hpp"

#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <holdfast/provider.hpp>

#include "errors.hpp"
#include "path.hpp"

namespace holdfast::host {

namespace {

constexpr std::size_t max_kept = 128;

int openat2_call(int directory, const char* path, const open_how& how) {
    return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

// Where the kernel has no openat2 (before 5.6) or a seccomp filter hides it: one component after the
// other, none of which may be a symbolic link.
int open_by_component(int root, const std::string& relative, int flags) {
    Fd at(::openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t from = 0; at && from <= relative.size();) {
        const std::size_t end = std::min(relative.find('/', from), relative.size());
        const std::string component = relative.substr(from, end - from);
        const bool is_last = end == relative.size();
        Fd next(::openat(at.get(), component.empty() ? "." : component.c_str(),
                         (is_last ? flags : O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next && errno == ENOTDIR) {
            struct stat found {};
            if (::fstatat(at.get(), component.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISLNK(found.st_mode))
                errno = EXDEV;
            else
                errno = ENOTDIR;
        }
        at = std::move(next);
        from = end + 1;
    }
    return at ? ::fcntl(at.get(), F_DUPFD_CLOEXEC, 0) : -1;
}

std::string machine_id() {
    std::ifstream file("/etc/machine-id");
    std::string id;
    file >> id;
    return id.empty() ? "no-machine-id" : id;
}

} // namespace

Root::Root(std::string path) : path_(std::move(path)) {
    fd_ = Fd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd_ && errno == ENOENT)
        throw sdk::Error("host.root-missing", "the root " + path_ + " does not exist",
                         "create it: mkdir -p " + path_ + "; this plugin never does");
    if (!fd_ && errno == ENOTDIR)
        throw sdk::Error("host.root-not-directory", "the root " + path_ + " is not a directory",
                         "name a directory in the provider's config");
    if (!fd_ || ::fstat(fd_.get(), &identity_) != 0)
        throw sdk::Error("host.root-unreadable", "cannot open the root " + path_ + ": " + error_text(errno),
                         "run as a user who may enter it");
}

// The file system's id rather than st_dev, which may be another number after a reboot; a changed target
// id would stop all writes. Where the file system has none, the device must do.
std::string Root::target() const {
    struct statfs system {};
    char id[64];
    if (::fstatfs(fd_.get(), &system) == 0 && (system.f_fsid.__val[0] != 0 || system.f_fsid.__val[1] != 0))
        std::snprintf(id, sizeof id, "%08x%08x", static_cast<unsigned>(system.f_fsid.__val[0]),
                      static_cast<unsigned>(system.f_fsid.__val[1]));
    else
        std::snprintf(id, sizeof id, "dev-%lx", static_cast<unsigned long>(identity_.st_dev));
    return "host:" + machine_id() + ":" + id + ":" + std::to_string(identity_.st_ino);
}

void Root::check_still_there() const {
    struct stat now {};
    const bool is_there = ::stat(path_.c_str(), &now) == 0;
    if (is_there && now.st_dev == identity_.st_dev && now.st_ino == identity_.st_ino) return;
    throw sdk::Error("host.root-moved",
                     is_there ? "another directory stands at the root " + path_ +
                                    " than when the provider was opened"
                              : "the root " + path_ + " is gone",
                     "if that is intended, restart, so that the provider is opened anew");
}

Fd Root::open_directory(const std::string& relative, OpenFor purpose, int& error) const {
    const char* path = relative.empty() ? "." : relative.c_str();
    open_how how{};
    how.flags = static_cast<std::uint64_t>((purpose == OpenFor::writing ? O_RDONLY : O_PATH) | O_DIRECTORY |
                                           O_CLOEXEC);
    // Nothing can leave "/", and its absolute links (/var/run) are ordinary there.
    how.resolve = path_ == "/" ? RESOLVE_NO_MAGICLINKS : RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    int fd = -1;
    for (int attempt = 0; attempt < 16; ++attempt) { // EAGAIN: somebody renames on the way right now
        fd = openat2_call(fd_.get(), path, how);
        if (fd >= 0 || errno != EAGAIN) break;
    }
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open_by_component(fd_.get(), relative, static_cast<int>(how.flags));
    error = fd < 0 ? errno : 0;
    return Fd(fd);
}

std::shared_ptr<const Fd> Root::directory(std::string_view relative, OpenFor purpose, int& error) {
    error = 0;
    if (auto found = open_.find(relative); found != open_.end()) return found->second;
    Fd fd = open_directory(std::string(relative), purpose, error);
    if (!fd) return nullptr;
    if (open_.size() >= max_kept) open_.clear();
    return open_.emplace(relative, std::make_shared<const Fd>(std::move(fd))).first->second;
}

void Root::forget(std::string_view relative) {
    if (auto found = open_.find(relative); found != open_.end()) open_.erase(found);
}

} // namespace holdfast::host

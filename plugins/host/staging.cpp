#include "staging.hpp"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/syscall.h>

#include "errors.hpp"
#include "path.hpp"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

namespace holdfast::host {

namespace {

int rename_with(const Fd& directory, const std::string& from, const std::string& to, unsigned flags) {
    const long done =
        ::syscall(SYS_renameat2, directory.get(), from.c_str(), directory.get(), to.c_str(), flags);
    return done == 0 ? 0 : errno;
}

// Gives a nameless file its name; /proc may be missing in a chroot, the other way needs a capability.
int link_nameless(const Fd& file, const Fd& directory, const std::string& name) {
    char self[40];
    std::snprintf(self, sizeof self, "/proc/self/fd/%d", file.get());
    if (::linkat(AT_FDCWD, self, directory.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) return 0;
    if (errno != ENOENT) return errno;
    return ::linkat(file.get(), "", directory.get(), name.c_str(), AT_EMPTY_PATH) == 0 ? 0 : errno;
}

bool is_not_supported(int error) { return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP; }

// An exchange changes ctime, so that cannot be compared.
bool is_same_object(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_uid == b.st_uid &&
           a.st_gid == b.st_gid && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

} // namespace

Staged::Staged(const Fd& directory, std::string name, std::string path)
    : directory_(directory),
      name_(std::move(name)),
      path_(std::move(path)),
      temporary_(temporary_name(name_)) {}

Staged::Staged(Staged&& other) noexcept
    : directory_(other.directory_),
      name_(std::move(other.name_)),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      has_temporary_(std::exchange(other.has_temporary_, false)),
      fd_(std::move(other.fd_)) {}

Staged::~Staged() {
    if (has_temporary_) ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

void Staged::fail(int error) const { throw_system(error, "write", path_); }

Staged Staged::file(const Fd& directory, const std::string& name, const std::string& path) {
    Staged out(directory, name, path);
    out.fd_ = Fd(::openat(directory.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (out.fd_) return out;
    if (!is_not_supported(errno) && errno != EISDIR) out.fail(errno);
    ::unlinkat(directory.get(), out.temporary_.c_str(), 0); // left by a crash
    out.fd_ =
        Fd(::openat(directory.get(), out.temporary_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (!out.fd_) out.fail(errno);
    out.has_temporary_ = true;
    return out;
}

Staged Staged::symlink(const Fd& directory, const std::string& name, const std::string& target,
                       const std::string& path) {
    Staged out(directory, name, path);
    ::unlinkat(directory.get(), out.temporary_.c_str(), 0);
    if (::symlinkat(target.c_str(), directory.get(), out.temporary_.c_str()) != 0) out.fail(errno);
    out.has_temporary_ = true;
    return out;
}

Placed Staged::place_new() {
    int error = 0;
    if (has_temporary_) {
        error = rename_with(directory_, temporary_, name_, RENAME_NOREPLACE);
        if (is_not_supported(error)) {
            error = ::linkat(directory_.get(), temporary_.c_str(), directory_.get(), name_.c_str(), 0) == 0
                        ? 0
                        : errno;
        } else if (error == 0)
            has_temporary_ = false;
    } else
        error = link_nameless(fd_, directory_, name_);
    if (error == EEXIST) return Placed::name_is_taken;
    if (error != 0) fail(error);
    return Placed::yes;
}

// A file can be exchanged only when it has a name.
void Staged::give_name() {
    if (has_temporary_) return;
    ::unlinkat(directory_.get(), temporary_.c_str(), 0); // left by a crash
    if (const int error = link_nameless(fd_, directory_, temporary_)) fail(error);
    has_temporary_ = true;
}

Placed Staged::place_over(const struct stat& expected) {
    give_name();
    int error = rename_with(directory_, temporary_, name_, RENAME_EXCHANGE);
    if (is_not_supported(error)) { // checked a moment ago; this file system can do no better
        error = rename_with(directory_, temporary_, name_, 0);
        if (error != 0) fail(error);
        has_temporary_ = false;
        return Placed::yes;
    }
    if (error == ENOENT) return Placed::gone;
    if (error != 0) fail(error);
    struct stat came_out {};
    const bool is_known =
        ::fstatat(directory_.get(), temporary_.c_str(), &came_out, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_known && is_same_object(came_out, expected))
        return Placed::yes; // the destructor deletes the old one
    error = rename_with(directory_, temporary_, name_, RENAME_EXCHANGE);
    if (error != 0) {
        has_temporary_ = false; // somebody else's object: it must not be deleted
        fail(error);
    }
    return Placed::not_what_was_expected;
}

} // namespace holdfast::host

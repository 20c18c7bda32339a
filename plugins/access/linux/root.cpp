#include "root.hpp"

#include <cerrno>
#include <fstream>
#include <system_error>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <holdfast/provider.hpp>

#include "access/names.hpp"

namespace holdfast::access {

void throw_system(int error, std::string_view doing, std::string_view path) {
    const bool is_full = error == ENOSPC || error == EDQUOT;
    const bool is_refused = error == EACCES || error == EPERM || error == EROFS;
    sdk::Diagnostic why =
        problem(is_full      ? "access.no-space"
                : is_refused ? "access.permission"
                             : "access.io",
                "cannot " + std::string(doing) + " " + std::string(path) + ": " +
                    std::generic_category().message(error),
                is_full      ? "free some space; nothing half-written was left"
                : is_refused ? "accounts are root's to write: run as root, and look for a read-only file "
                               "system and immutable files (lsattr)"
                             : "see the kernel log of the host");
    if (!is_refused) why.retry = sdk::Retry::after;
    throw sdk::Error(std::move(why));
}

Root::Root(std::string path) : path_(std::move(path)) {
    while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
    fd_ = Fd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd_)
        throw sdk::Error("access.config",
                         "the root " + path_ + " cannot be opened: " + std::generic_category().message(errno),
                         "write the directory that etc and home lie in");
}

std::string Root::target() const {
    std::string machine;
    std::ifstream("/etc/machine-id") >> machine;
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw_system(errno, "look at", path_);
    return "linux:" + (machine.empty() ? "unknown" : machine) + ":" + std::to_string(status.st_dev) + ":" +
           std::to_string(status.st_ino);
}

Fd Root::open(const std::string& path, int flags, mode_t mode) const {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return Fd(static_cast<int>(
        ::syscall(SYS_openat2, fd_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

std::optional<std::string> Root::read(const std::string& path) const {
    const Fd file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
    if (!file) throw_system(errno, "read", path_ + "/" + path);
    return read_all(file, path);
}

Fd Root::make_directory(const std::string& path, mode_t mode) const {
    Fd directory = open("", O_RDONLY | O_DIRECTORY);
    std::string way;
    for (std::size_t from = 0; from < path.size();) {
        const std::size_t end = std::min(path.find('/', from), path.size());
        const std::string name = path.substr(from, end - from);
        from = end + 1;
        if (name.empty()) continue;
        way += (way.empty() ? "" : "/") + name;
        if (Fd next = open(way, O_RDONLY | O_DIRECTORY)) {
            directory = std::move(next);
            continue;
        }
        if (errno != ENOENT || ::mkdirat(directory.get(), name.c_str(), mode) != 0)
            throw_system(errno, "make the directory", path_ + "/" + way);
        directory = open(way, O_RDONLY | O_DIRECTORY);
    }
    if (!directory) throw_system(errno, "open", path_ + "/" + path);
    return directory;
}

std::string without_slash(const std::string& path) {
    const std::size_t first = path.find_first_not_of('/');
    return first == std::string::npos ? "" : path.substr(first);
}

std::string read_all(const Fd& file, std::string_view path, std::size_t most) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_system(errno, "look at", path);
    if (!S_ISREG(status.st_mode)) throw_system(EINVAL, "read what is no ordinary file,", path);
    std::string out;
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw_system(errno, "read", path);
        if (got == 0) return out;
        out.append(buffer, static_cast<std::size_t>(got));
        if (out.size() > most) throw_system(EFBIG, "read", path);
    }
}

void stage_file(const Fd& directory, const std::string& staging, std::string_view content, FileAccess access,
                std::string_view path) {
    (void)::unlinkat(directory.get(), staging.c_str(), 0);
    const Fd file(::openat(directory.get(), staging.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) throw_system(errno, "write beside", path);
    const auto fail = [&](int error) {
        (void)::unlinkat(directory.get(), staging.c_str(), 0);
        throw_system(error, "write", path);
    };
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) fail(errno);
    const bool is_owned = status.st_uid == access.owner && status.st_gid == access.group;
    if (!is_owned && ::fchown(file.get(), access.owner, access.group) != 0) fail(errno);
    if (::fchmod(file.get(), access.mode) != 0) fail(errno);
    while (!content.empty()) {
        const ssize_t put = ::write(file.get(), content.data(), content.size());
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) fail(put < 0 ? errno : ENOSPC);
        content.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::fsync(file.get()) != 0) fail(errno);
}

void put_in_place(const Fd& directory, const std::string& staging, const std::string& name,
                  std::string_view path) {
    if (::renameat(directory.get(), staging.c_str(), directory.get(), name.c_str()) != 0) {
        const int error = errno;
        (void)::unlinkat(directory.get(), staging.c_str(), 0);
        throw_system(error, "replace", path);
    }
}

void replace_file(const Fd& directory, const std::string& name, const std::string& staging,
                  std::string_view content, FileAccess access, std::string_view path) {
    stage_file(directory, staging, content, access, path);
    put_in_place(directory, staging, name, path);
    if (::fsync(directory.get()) != 0) throw_system(errno, "sync the directory of", path);
}

} // namespace holdfast::access

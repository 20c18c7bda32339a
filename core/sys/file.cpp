#include "sys/file.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "sys/random.hpp"

namespace holdfast {

namespace {

Diagnostic file_failure(std::string_view code, std::string_view doing, const std::string& path,
                        int error_number, std::string hint = {}) {
    Diagnostic why = failure(code, fmt::format("cannot {} {}: {}", doing, path, error_text(error_number)),
                             std::move(hint));
    why.subject = path;
    return why;
}

std::string hint_for(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT: return "make room on that file system, then run the command again";
        case EROFS: return "the file system is mounted read-only";
        case EACCES:
        case EPERM: return "look at the owner and mode of the file and of the folders above it";
        default: return {};
    }
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool sync_directory(const std::string& path) {
    const Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return folder && fsync(folder.get()) == 0;
}

std::string random_suffix() {
    std::string suffix;
    for (const char byte : random_bytes(8)) suffix += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return suffix;
}

// fchmod, because the mode of open(2) is subject to the umask.
bool write_and_sync(int fd, std::string_view content, unsigned mode) {
    return fchmod(fd, mode) == 0 && write_all(fd, content) && fsync(fd) == 0;
}

} // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!fd || fstat(fd.get(), &info) != 0)
        return file_failure("file.unreadable", "read", path, errno, hint_for(errno));
    std::string content;
    // One byte more than the size, so that the end of an ordinary file shows in the first read.
    std::size_t room = static_cast<std::size_t>(info.st_size > 0 ? info.st_size : 4096) + 1;
    for (std::size_t length = 0;;) {
        content.resize(length + std::min(room, max_bytes + 1 - length));
        const ssize_t got = read(fd.get(), content.data() + length, content.size() - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_failure("file.unreadable", "read", path, errno, hint_for(errno));
        length += static_cast<std::size_t>(got);
        if (length > max_bytes) {
            Diagnostic why =
                failure("file.too-large", fmt::format("{} is larger than {} bytes", path, max_bytes));
            why.subject = path;
            return why;
        }
        if (got == 0) {
            content.resize(length);
            return content;
        }
        room = std::max<std::size_t>(length, 4096);
    }
}

Status write_file_atomically(const std::string& path, std::string_view content, unsigned mode) {
    const std::string beside = path + ".holdfast-" + random_suffix();
    auto fail = [&](std::string_view doing) -> Status {
        const int error_number = errno;
        unlink(beside.c_str());
        return file_failure("file.unwritable", doing, path, error_number, hint_for(error_number));
    };
    const Fd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd || !write_and_sync(fd.get(), content, mode)) return fail("write");
    if (rename(beside.c_str(), path.c_str()) != 0) return fail("replace");
    if (!sync_directory(parent_path(path)))
        return file_failure("file.unwritable", "make durable", path, errno, hint_for(errno));
    return Ok{};
}

Status make_directories(const std::string& path, unsigned mode) {
    if (mkdir(path.c_str(), mode) == 0) {
        if (chmod(path.c_str(), mode) == 0) return Ok{}; // mkdir is subject to the umask
        return file_failure("file.unwritable", "set the mode of", path, errno, hint_for(errno));
    }
    if (errno == ENOENT && parent_path(path) != path) {
        Status parent = make_directories(parent_path(path), mode);
        if (!parent) return parent;
        return make_directories(path, mode);
    }
    const int error_number = errno;
    struct stat info {};
    if (error_number == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Ok{};
    return file_failure("file.unwritable", "make the folder", path, error_number, hint_for(error_number));
}

bool exists(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0;
}

std::optional<FileTrust> trust_of(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return std::nullopt;
    return FileTrust{.readable_by_others = (info.st_mode & (S_IRGRP | S_IROTH)) != 0,
                     .writable_by_others = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0,
                     .owner_is_trusted = info.st_uid == 0 || info.st_uid == geteuid(),
                     .mode = info.st_mode & 07777U};
}

std::string absolute_path(const std::string& path) {
    std::error_code ignored; // only a lost working directory fails; the path then stays relative
    std::filesystem::path whole = std::filesystem::absolute(path, ignored).lexically_normal();
    if (!whole.has_filename() && whole.has_relative_path()) whole = whole.parent_path();
    return whole.string();
}

std::string parent_path(const std::string& path) {
    std::string_view rest = path;
    while (rest.size() > 1 && rest.back() == '/') rest.remove_suffix(1);
    const std::size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos) return ".";
    rest = rest.substr(0, slash);
    while (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
    return rest.empty() ? "/" : std::string(rest);
}

std::string error_text(int error_number) { return std::generic_category().message(error_number); }

Fd::~Fd() {
    if (fd_ >= 0) close(fd_);
}

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) close(fd_);
        fd_ = other.release();
    }
    return *this;
}

int Fd::release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
}

} // namespace holdfast

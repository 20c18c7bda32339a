#pragma once
// Files of a target: a descriptor that closes itself, files read whole and replaced whole. What fails throws
// sdk::Error with the code that the caller gives, such as "routing.file".

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holdfast/parts.hpp>

namespace holdfast::sdk {

class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

// "cannot <doing> <path>: <why>", to be tried again where the disk is full.
inline Error file_error(const char* code, const char* doing, const std::string& path, int error) {
    const bool is_full = error == ENOSPC || error == EDQUOT;
    return Error(problem(code, std::string("cannot ") + doing + " " + path + ": " + std::strerror(error),
                         is_full ? "free some space; nothing was changed"
                                 : "correct the path in the provider's config, or the rights of the file",
                         is_full ? Retry::after : Retry::never));
}

// Where it really is: a symbolic link is followed, so that it stays one. As it is where there is nothing.
inline std::string real_path(const std::string& path) {
    std::array<char, PATH_MAX> buffer{};
    return ::realpath(path.c_str(), buffer.data()) ? std::string(buffer.data()) : path;
}

// Of an absolute path, without the final slash.
inline std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

// So that names made, changed and removed in it last.
inline void sync_folder(const std::string& folder) {
    if (const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); fd) ::fsync(fd.get());
}

// 0, or the error.
inline int write_all(int fd, std::string_view content) {
    for (std::size_t at = 0; at < content.size();) {
        const ssize_t put = ::write(fd, content.data() + at, content.size() - at);
        if (put > 0) at += static_cast<std::size_t>(put);
        if (put < 0 && errno != EINTR) return errno;
    }
    return 0;
}

// Nothing where there is no file. Throws also where its folder is missing.
inline std::optional<std::string> read_file(const char* code, const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) {
        // Without its folder nobody can say that there is no file: it may not be mounted yet.
        if (::access(folder_of(path).c_str(), F_OK) == 0) return std::nullopt;
        throw file_error(code, "look into the folder of", path, ENOENT);
    }
    if (!fd) throw file_error(code, "read", path, errno);
    std::string out;
    std::array<char, 64U << 10U> buffer{};
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got == 0) return out;
        if (got > 0)
            out.append(buffer.data(), static_cast<std::size_t>(got));
        else if (errno != EINTR)
            throw file_error(code, "read", path, errno);
    }
}

// Durable; no error where it is gone.
inline void remove_file(const char* code, const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw file_error(code, "remove", path, errno);
    sync_folder(folder_of(path));
}

// A new file beside `path`, with the mode and owner of that one, or with `mode` where there is none; removed
// unless put in place. `code` outlives it.
class StagedFile {
public:
    StagedFile(const char* code, const std::string& path, std::string_view content, mode_t mode)
        : code_(code),
          path_(path),
          staged_(folder_of(path) + "/.holdfast-" + path.substr(path.rfind('/') + 1) + "-XXXXXX"),
          fd_(::mkostemp(staged_.data(), O_CLOEXEC)) {
        if (!fd_) throw file_error(code_, "make a file beside", path, errno);
        if (const int error = fill(content, mode); error != 0) {
            ::unlink(staged_.c_str());
            throw file_error(code_, "write a file beside", path, error);
        }
    }
    ~StagedFile() {
        if (!staged_.empty()) ::unlink(staged_.c_str());
    }
    StagedFile(const StagedFile&) = delete;
    StagedFile& operator=(const StagedFile&) = delete;

    const std::string& path() const { return staged_; }
    // Durable once it returns.
    void put_in_place() {
        if (::rename(staged_.c_str(), path_.c_str()) != 0)
            throw file_error(code_, "put a new file in place of", path_, errno);
        staged_.clear();
        sync_folder(folder_of(path_));
    }

private:
    // 0, or the error.
    int fill(std::string_view content, mode_t mode) const {
        if (const int error = write_all(fd_.get(), content); error != 0) return error;
        struct stat status {};
        if (::stat(path_.c_str(), &status) == 0) {
            mode = status.st_mode & 07777U;
            const bool is_others = status.st_uid != ::geteuid() || status.st_gid != ::getegid();
            if (is_others && ::fchown(fd_.get(), status.st_uid, status.st_gid) != 0) return errno;
        }
        if (::fchmod(fd_.get(), mode) != 0) return errno;
        return ::fsync(fd_.get()) == 0 ? 0 : errno;
    }

    const char* code_;
    std::string path_, staged_;
    Fd fd_;
};

} // namespace holdfast::sdk

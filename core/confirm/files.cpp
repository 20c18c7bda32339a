#include "confirm/files.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <fmt/core.h>

namespace holdfast {

namespace {

Diagnostic unwritable(const std::string& path, int error) {
    Diagnostic problem =
        failure("file.unwritable", fmt::format("cannot write {}: {}", path, error_text(error)));
    problem.subject = path;
    return problem;
}

} // namespace

Status write_durably(const std::string& path, std::string_view bytes) {
    const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return unwritable(path, errno);
    while (!bytes.empty()) {
        const ssize_t written = write(file.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return unwritable(path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    if (fsync(file.get()) != 0) return unwritable(path, errno);
    return Ok{};
}

Status sync_directory(const std::string& path) {
    const Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || fsync(folder.get()) != 0) return unwritable(path, errno);
    return Ok{};
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator at(directory, error), end;
    for (; !error && at != end; at.increment(error)) names.push_back(at->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

// A name that another process makes or takes away meanwhile (the draft of a verdict) ends remove_all, which
// calls it an error: then what is left is tried again.
void remove_directory(const std::string& path) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        std::error_code problem;
        std::filesystem::remove_all(path, problem);
        const bool is_raced =
            problem == std::errc::no_such_file_or_directory || problem == std::errc::directory_not_empty;
        if (!is_raced) return;
    }
}

namespace {

struct flock whole_file() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

} // namespace

Fd lock_file(const std::string& path) {
    Fd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock = whole_file();
    if (!file || fcntl(file.get(), F_OFD_SETLK, &lock) != 0) return {};
    return file;
}

bool is_locked(const std::string& path) {
    const Fd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock = whole_file();
    return file && fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

} // namespace holdfast

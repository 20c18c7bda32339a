#include "config_file.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <holdfast/parts.hpp>

namespace holdfast::routing {

namespace {

sdk::Error file_error(const char* doing, const std::string& path, int error) {
    const bool is_full = error == ENOSPC || error == EDQUOT;
    return sdk::Error({"routing.file",
                       std::string("cannot ") + doing + " " + path + ": " + std::strerror(error),
                       is_full ? "free some space; nothing was changed"
                               : "correct the path in the provider's config, or the rights of the file",
                       "", is_full ? sdk::Retry::after : sdk::Retry::never});
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

} // namespace

std::string real_path(const std::string& path) {
    std::array<char, PATH_MAX> buffer{};
    return realpath(path.c_str(), buffer.data()) ? std::string(buffer.data()) : path;
}

std::optional<std::string> read_config_file(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        // Without its folder nobody can say that there is no file: it may not be mounted yet.
        if (access(folder_of(path).c_str(), F_OK) == 0) return std::nullopt;
        throw file_error("look into the folder of", path, ENOENT);
    }
    if (fd < 0) throw file_error("read", path, errno);
    std::string out;
    std::array<char, 64U << 10> buffer{};
    ssize_t got = 0;
    while ((got = read(fd, buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR))
        if (got > 0) out.append(buffer.data(), static_cast<std::size_t>(got));
    const int error = errno;
    close(fd);
    if (got < 0) throw file_error("read", path, error);
    return out;
}

StagedFile::StagedFile(const std::string& path, std::string_view content)
    : path_(path), staged_(folder_of(path) + ".holdfast-" + path.substr(path.rfind('/') + 1) + "-XXXXXX") {
    fd_ = mkostemp(staged_.data(), O_CLOEXEC);
    if (fd_ < 0) {
        const int error = errno;
        staged_.clear();
        throw file_error("make a file beside", path, error);
    }
    struct stat status {};
    const bool is_there = stat(path.c_str(), &status) == 0;
    int error = 0;
    for (std::size_t at = 0; at < content.size() && error == 0;) {
        const ssize_t put = write(fd_, content.data() + at, content.size() - at);
        if (put > 0) at += static_cast<std::size_t>(put);
        if (put < 0 && errno != EINTR) error = errno;
    }
    if (error == 0 && is_there && (status.st_uid != geteuid() || status.st_gid != getegid()) &&
        fchown(fd_, status.st_uid, status.st_gid) != 0)
        error = errno;
    if (error == 0 && fchmod(fd_, is_there ? status.st_mode & 07777U : 0640U) != 0) error = errno;
    if (error == 0 && fsync(fd_) != 0) error = errno;
    if (error == 0) return;
    close(fd_);
    unlink(staged_.c_str());
    throw file_error("write a file beside", path, error);
}

StagedFile::~StagedFile() {
    if (fd_ >= 0) close(fd_);
    if (!staged_.empty()) unlink(staged_.c_str());
}

void StagedFile::put_in_place() {
    if (rename(staged_.c_str(), path_.c_str()) != 0)
        throw file_error("put a new file in place of", path_, errno);
    staged_.clear();
    const int folder = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    fsync(folder);
    close(folder);
}

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc();
    return sdk::to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

} // namespace holdfast::routing

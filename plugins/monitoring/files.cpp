#include "files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <holdfast/provider.hpp>

namespace holdfast::monitoring {

namespace {

sdk::Error file_error(const char* doing, const std::string& path, int error) {
    const bool is_full = error == ENOSPC || error == EDQUOT;
    return sdk::Error({"monitoring.file",
                       std::string("cannot ") + doing + " " + path + ": " + std::strerror(error),
                       is_full ? "free some space; nothing was changed"
                               : "correct the path in the provider's config, or the rights of the file",
                       "", is_full ? sdk::Retry::after : sdk::Retry::never});
}

void sync_folder(const std::string& folder) {
    const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

// 0, or the error.
int write_all(int fd, std::string_view content) {
    for (std::size_t at = 0; at < content.size();) {
        const ssize_t put = write(fd, content.data() + at, content.size() - at);
        if (put > 0) at += static_cast<std::size_t>(put);
        if (put < 0 && errno != EINTR) return errno;
    }
    return 0;
}

} // namespace

std::string real_path(const std::string& path) {
    std::array<char, PATH_MAX> buffer{};
    return realpath(path.c_str(), buffer.data()) ? std::string(buffer.data()) : path;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::optional<std::string> read_file(const std::string& path) {
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

std::vector<std::string> files_in(const std::string& folder, const std::vector<std::string>& endings) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), &closedir);
    if (!directory) throw file_error("list", folder, errno);
    std::vector<std::string> out;
    while (const dirent* entry = readdir(directory.get())) {
        const std::string name = entry->d_name;
        const auto fits = [&](const std::string& ending) {
            return name.size() > ending.size() &&
                   name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
        };
        if (name.front() != '.' && std::any_of(endings.begin(), endings.end(), fits))
            out.push_back(folder + "/" + name);
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::string lasting_id(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) throw file_error("look at", path, errno);
    std::string machine =
        access("/etc/machine-id", R_OK) == 0 ? read_file("/etc/machine-id").value_or("") : "";
    while (!machine.empty() && machine.back() == '\n') machine.pop_back();
    return machine + ":" + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

void remove_file(const std::string& path) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) throw file_error("remove", path, errno);
    sync_folder(folder_of(path));
}

StagedFile::StagedFile(const std::string& path, std::string_view content)
    : path_(path), staged_(folder_of(path) + "/.holdfast-" + path.substr(path.rfind('/') + 1) + "-XXXXXX") {
    fd_ = mkostemp(staged_.data(), O_CLOEXEC);
    if (fd_ < 0) {
        const int error = errno;
        staged_.clear();
        throw file_error("make a file beside", path, error);
    }
    struct stat status {};
    const bool is_there = stat(path.c_str(), &status) == 0;
    int error = write_all(fd_, content);
    if (error == 0 && is_there && (status.st_uid != geteuid() || status.st_gid != getegid()) &&
        fchown(fd_, status.st_uid, status.st_gid) != 0)
        error = errno;
    if (error == 0 && fchmod(fd_, is_there ? status.st_mode & 07777U : 0644U) != 0) error = errno;
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
    sync_folder(folder_of(path_));
}

ScratchFolder::ScratchFolder()
    : path_((std::filesystem::temp_directory_path() / "holdfast-monitoring-XXXXXX").string()) {
    if (!mkdtemp(path_.data())) throw file_error("make a folder for checks,", path_, errno);
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::put(const std::string& name, std::string_view content) const {
    const std::string path = path_ + "/" + name;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) throw file_error("make", path, errno);
    const int error = write_all(fd, content);
    close(fd);
    if (error != 0) throw file_error("write", path, error);
    return path;
}

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc();
    static const char* const digits = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
        out += digits[digest[i] >> 4U];
        out += digits[digest[i] & 15U];
    }
    return out;
}

} // namespace holdfast::monitoring

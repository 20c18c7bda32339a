#include "files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::monitoring {

namespace {

sdk::Error file_error(const char* doing, const std::string& path, int error) {
    return sdk::file_error(file_code, doing, path, error);
}

} // namespace

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
    const sdk::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) throw file_error("make", path, errno);
    if (const int error = sdk::write_all(fd.get(), content); error != 0)
        throw file_error("write", path, error);
    return path;
}

std::optional<FileStamp> stamp_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return std::nullopt;
    return FileStamp{status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

bool was_changed_before(const std::string& path, double time) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return false;
    const double stamp =
        static_cast<double>(status.st_ctim.tv_sec) + static_cast<double>(status.st_ctim.tv_nsec) / 1e9;
    return stamp + std::chrono::duration<double>(most_late_stamp).count() <= time;
}

} // namespace holdfast::monitoring

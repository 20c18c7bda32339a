#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "git/libgit2.hpp"

namespace holdfast::git {

namespace {

namespace fs = std::filesystem;

Diagnostic unreadable(const std::string& path, int error_number) {
    return failure("git.unreadable",
                   fmt::format("{} cannot be read: {}", path, std::generic_category().message(error_number)));
}

// Files as they lie on disk. What Git would not commit is left out: ignored files, sockets and the like.
// No symlink is ever followed, neither as a file nor as a folder on the way.
class WorkingTree final : public Tree {
public:
    WorkingTree(SharedRepository repository, CommitInfo head)
        : repository_(std::move(repository)),
          head_(std::move(head)),
          root_(git_repository_workdir(repository_.get())) {
        git_index* index = nullptr;
        if (git_repository_index(&index, repository_.get()) == 0) index_.reset(index);
    }

    const CommitInfo& commit() const override { return head_; }

    Result<std::vector<TreeFile>> list(std::string_view path) const override {
        const std::string clean = clean_path(path);
        if (!is_folder(clean)) return no_path(clean);
        std::vector<TreeFile> files;
        const bool ignored = !clean.empty() && is_ignored(clean);
        if (Status walked = walk(clean.empty() ? "" : clean + "/", ignored, files); !walked)
            return walked.error();
        std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
        return files;
    }

    Result<std::string> read(const TreeFile& file, std::size_t max_bytes) const override {
        if (file.type == TreeFile::Type::submodule)
            return failure("git.unreadable",
                           fmt::format("{} is a submodule: it has no bytes of its own", file.path));
        if (!is_folder(parent_of(file.path))) return unreadable(file.path, ENOENT);
        const std::string path = root_ + file.path;
        if (file.type == TreeFile::Type::symlink) {
            std::error_code error;
            std::string target = fs::read_symlink(path, error).string();
            if (error) return unreadable(file.path, error.value());
            return target;
        }
        const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) return unreadable(file.path, errno);
        Result<std::string> content = read_whole(fd, file.path, max_bytes);
        ::close(fd);
        return content;
    }

    std::optional<TreeFile> find(std::string_view path) const override {
        std::string clean = clean_path(path);
        if (clean.empty() || !is_folder(parent_of(clean))) return std::nullopt;
        std::error_code error;
        const fs::file_status status = fs::symlink_status(root_ + clean, error);
        if (fs::is_symlink(status)) return TreeFile{std::move(clean), {}, TreeFile::Type::symlink};
        if (fs::is_directory(status) && is_submodule(clean))
            return TreeFile{std::move(clean), {}, TreeFile::Type::submodule};
        if (!fs::is_regular_file(status)) return std::nullopt;
        return TreeFile{std::move(clean), {}, TreeFile::Type::file};
    }

    std::string id_of(std::string_view) const override { return {}; }

private:
    static std::string parent_of(const std::string& path) {
        const std::size_t slash = path.rfind('/');
        return slash == std::string::npos ? std::string{} : path.substr(0, slash);
    }

    // True where every step of `path` is a real folder and none leads out of the tree.
    bool is_folder(const std::string& path) const {
        for (std::size_t from = 0; from < path.size();) {
            const std::size_t to = std::min(path.find('/', from), path.size());
            const std::string_view segment = std::string_view(path).substr(from, to - from);
            if (segment == ".." || segment == ".git") return false;
            std::error_code error;
            if (!fs::is_directory(fs::symlink_status(root_ + path.substr(0, to), error))) return false;
            from = to + 1;
        }
        return true;
    }

    bool is_tracked(const std::string& path) const {
        return index_ && git_index_get_bypath(index_.get(), path.c_str(), 0) != nullptr;
    }

    bool holds_tracked(const std::string& folder) const {
        std::size_t position = 0;
        return index_ && git_index_find_prefix(&position, index_.get(), folder.c_str()) == 0;
    }

    bool is_ignored(const std::string& path) const {
        int ignored = 0;
        return git_ignore_path_is_ignored(&ignored, repository_.get(), path.c_str()) == 0 && ignored != 0;
    }

    bool is_submodule(const std::string& path) const {
        const git_index_entry* entry = index_ ? git_index_get_bypath(index_.get(), path.c_str(), 0) : nullptr;
        if (entry && entry->mode == GIT_FILEMODE_COMMIT) return true;
        std::error_code error;
        return fs::exists(fs::symlink_status(root_ + path + "/.git", error));
    }

    // Inside an ignored folder only what is tracked nevertheless counts.
    Status walk(const std::string& prefix, bool ignored, std::vector<TreeFile>& files) const {
        std::error_code error;
        fs::directory_iterator it(root_ + prefix, error), end;
        for (; !error && it != end; it.increment(error)) {
            const std::string path = prefix + it->path().filename().string();
            if (it->path().filename() == ".git") continue;
            const fs::file_status status = it->symlink_status(error);
            if (error) break;
            if (fs::is_directory(status)) {
                if (Status walked = enter(path, ignored, files); !walked) return walked;
                continue;
            }
            if (!fs::is_regular_file(status) && !fs::is_symlink(status)) continue;
            if (!is_tracked(path) && (ignored || is_ignored(path))) continue;
            files.push_back(
                {path, {}, fs::is_symlink(status) ? TreeFile::Type::symlink : TreeFile::Type::file});
        }
        if (error) return unreadable(prefix.empty() ? root_ : prefix, error.value());
        return Ok{};
    }

    Status enter(const std::string& folder, bool ignored, std::vector<TreeFile>& files) const {
        const bool now_ignored = ignored || is_ignored(folder);
        if (now_ignored && !holds_tracked(folder + "/") && !is_tracked(folder)) return Ok{};
        if (!is_submodule(folder)) return walk(folder + "/", now_ignored, files);
        files.push_back({folder, {}, TreeFile::Type::submodule});
        return Ok{};
    }

    Result<std::string> read_whole(int fd, const std::string& path, std::size_t max_bytes) const {
        struct stat info {};
        if (::fstat(fd, &info) != 0) return unreadable(path, errno);
        if (!S_ISREG(info.st_mode))
            return failure("git.unreadable", fmt::format("{} is not a regular file", path));
        std::string content;
        char buffer[65536];
        for (;;) { // to the end rather than to st_size: an editor may be writing right now
            const ssize_t got = ::read(fd, buffer, sizeof buffer);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return unreadable(path, errno);
            if (got == 0) return content;
            content.append(buffer, static_cast<std::size_t>(got));
            const std::size_t size = std::max(content.size(), static_cast<std::size_t>(info.st_size));
            if (size > max_bytes)
                return failure("git.too-large", fmt::format("{} has {} bytes, more than the limit of {}",
                                                            path, size, max_bytes));
        }
    }

    Diagnostic no_path(const std::string& path) const {
        std::string nearest = parent_of(path);
        while (!nearest.empty() && !is_folder(nearest)) nearest = parent_of(nearest);
        return failure("git.no-path", fmt::format("there is no folder \"{}\" in the working tree", path),
                       nearest.empty() ? std::string{}
                                       : fmt::format("the nearest folder that exists is {}", nearest));
    }

    SharedRepository repository_;
    CommitInfo head_;
    std::string root_; // with a slash at its end
    OwnedIndex index_;
};

} // namespace

std::unique_ptr<Tree> make_working_tree(SharedRepository repository, CommitInfo head) {
    return std::make_unique<WorkingTree>(std::move(repository), std::move(head));
}

} // namespace holdfast::git

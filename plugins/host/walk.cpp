#include "walk.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>

#include <holdfast/parts.hpp>

#include "errors.hpp"
#include "path.hpp"
#include "root.hpp"

namespace holdfast::host {

namespace {

class Walk {
public:
    Walk(const Root& root, Type type, const Visit& visit,
         const std::function<void(const std::string&)>& skipped)
        : root_(root), type_(type), visit_(visit), skipped_(skipped) {}

    // `after` is the part of the last visited path that lies in this directory; empty once it is behind us.
    bool directory(const Fd& fd, const std::string& path, std::string_view after) {
        const std::string_view first = after.substr(0, after.find('/'));
        for (const std::string& name : names_in(fd, path)) {
            if (name < first) continue;
            const bool was_visited = !first.empty() && name == first;
            const std::string_view rest = was_visited && first.size() < after.size()
                                              ? after.substr(first.size() + 1)
                                              : std::string_view();
            if (!entry(fd, path, name, was_visited, rest)) return false;
        }
        return true;
    }

private:
    struct CloseDirectory {
        void operator()(DIR* directory) const { ::closedir(directory); }
    };

    static std::vector<std::string> names_in(const Fd& fd, const std::string& path) {
        const int copy = ::openat(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        std::unique_ptr<DIR, CloseDirectory> directory(copy < 0 ? nullptr : ::fdopendir(copy));
        if (!directory) throw_system(errno, "list", path.empty() ? "." : path);
        std::vector<std::string> names;
        for (;;) {
            errno = 0;
            const dirent* found = ::readdir(directory.get());
            if (!found && errno != 0) throw_system(errno, "list", path.empty() ? "." : path);
            if (!found) break;
            const std::string_view name = found->d_name;
            if (name != "." && name != ".." && !is_temporary_name(name)) names.emplace_back(name);
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    bool entry(const Fd& fd, const std::string& parent, const std::string& name, bool was_visited,
               std::string_view after) {
        const std::string path = parent.empty() ? name : parent + "/" + name;
        if (!sdk::is_text(name)) return skipped_(path), true;
        Live live;
        if (const int error = look_at_status(fd, name, live)) throw_system(error, "look at", path);
        if (live.type == type_ && !was_visited && !visit(fd, name, path)) return false;
        if (live.type != Type::directory || live.status.st_dev != root_.identity().st_dev) return true;
        const Fd next(::openat(fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next && errno == ENOENT) return true;
        if (!next) throw_system(errno, "enter", path);
        return directory(next, path, after);
    }

    bool visit(const Fd& fd, const std::string& name, const std::string& path) {
        Live live;
        if (const int error = look(fd, name, type_, live)) throw_system(error, "read", path);
        return live.type != type_ || visit_(path, live);
    }

    const Root& root_;
    Type type_;
    const Visit& visit_;
    const std::function<void(const std::string&)>& skipped_;
};

} // namespace

void walk(const Root& root, Type type, const std::string& after, const Visit& visit,
          const std::function<void(const std::string& path)>& skipped) {
    int error = 0;
    const Fd fd = root.open_directory("", OpenFor::writing, error);
    if (!fd) throw_system(error, "list", ".");
    Walk(root, type, visit, skipped).directory(fd, "", after);
}

} // namespace holdfast::host

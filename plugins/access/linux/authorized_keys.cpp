#include "authorized_keys.hpp"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>

#include "access/keys.hpp"
#include "access/names.hpp"
#include "table.hpp"

namespace holdfast::access {

namespace {

constexpr std::size_t most_bytes = 1U << 20;
constexpr const char* file_names[] = {"authorized_keys", "authorized_keys2"};

// A file of the user's, or why it is none that we read.
struct File {
    bool exists = false;
    std::string text, trouble;
};

File read_file(const Fd& directory, const char* name) {
    File out;
    const Fd file(::openat(directory.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file && errno == ENOENT) return out;
    out.exists = true;
    struct stat status {};
    if (!file)
        out.trouble = errno == ELOOP ? "a symbolic link" : "what cannot be opened";
    else if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        out.trouble = "what is no ordinary file";
    else if (static_cast<std::size_t>(status.st_size) > most_bytes)
        out.trouble = "more than a megabyte";
    else
        out.text = read_all(file, name, 2 * most_bytes);
    return out;
}

Fd open_home(const Root& root, const Home& home) {
    return root.open(without_slash(home.path), O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

Fd open_ssh(const Fd& home) {
    return Fd(::openat(home.get(), ".ssh", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::string path_of(const Home& home, const char* name) { return home.path + "/.ssh/" + name; }

// A link in place of the directory would lead sshd to keys elsewhere.
Fd make_ssh(const Fd& directory, const Home& home) {
    Fd ssh = open_ssh(directory);
    if (ssh) return ssh;
    if (errno != ENOENT && ::unlinkat(directory.get(), ".ssh", 0) != 0)
        throw_system(errno, "put a directory in place of", home.path + "/.ssh");
    if (::mkdirat(directory.get(), ".ssh", 0700) != 0) throw_system(errno, "make", home.path + "/.ssh");
    ssh = open_ssh(directory);
    if (!ssh || ::fchown(ssh.get(), home.uid, home.gid) != 0)
        throw_system(errno, "make", home.path + "/.ssh");
    return ssh;
}

void copy_tree(const Fd& from, const Fd& to, const Home& home, const std::string& path, int depth) {
    DIR* listing = ::fdopendir(::dup(from.get()));
    if (!listing) return;
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(listing))
        if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
            names.emplace_back(entry->d_name);
    ::closedir(listing);
    for (const std::string& name : names) {
        const Fd item(::openat(from.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        struct stat status {};
        if (!item || ::fstat(item.get(), &status) != 0) continue;
        const std::string beneath = path + "/" + name;
        if (S_ISREG(status.st_mode)) {
            replace_file(to, name, name + "+", read_all(item, beneath),
                         {home.uid, home.gid, status.st_mode & 0777U}, beneath);
        } else if (S_ISDIR(status.st_mode) && depth < 8) {
            if (::mkdirat(to.get(), name.c_str(), status.st_mode & 0777U) != 0)
                throw_system(errno, "make", beneath);
            const Fd made(::openat(to.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!made || ::fchown(made.get(), home.uid, home.gid) != 0) throw_system(errno, "make", beneath);
            copy_tree(item, made, home, beneath, depth + 1);
        }
    }
}

// Whatever lies there; no link is followed. What cannot be removed stays.
void remove_tree(const Fd& parent, const std::string& name) {
    if (::unlinkat(parent.get(), name.c_str(), 0) == 0 || errno == ENOENT) return;
    const Fd directory(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    DIR* listing = directory ? ::fdopendir(::dup(directory.get())) : nullptr;
    std::vector<std::string> names;
    while (const dirent* entry = listing ? ::readdir(listing) : nullptr)
        if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
            names.emplace_back(entry->d_name);
    if (listing) ::closedir(listing);
    for (const std::string& each : names) remove_tree(directory, each);
    (void)::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
}

} // namespace

std::set<std::string> read_keys(const Root& root, const Home& home) {
    std::set<std::string> out;
    const Fd directory = open_home(root, home);
    if (!directory) return out;
    const Fd ssh = open_ssh(directory);
    if (!ssh) {
        if (errno != ENOENT) out.insert("unreadable: " + home.path + "/.ssh is no directory");
        return out;
    }
    for (const char* name : file_names) {
        const File file = read_file(ssh, name);
        if (!file.trouble.empty()) out.insert("unreadable: " + path_of(home, name) + " is " + file.trouble);
        for (const std::string& line : split(file.text, '\n'))
            if (const auto key = parse_key(line)) out.insert(*key);
    }
    return out;
}

namespace {

// What is left of a file without the keys that nobody declared.
struct Kept {
    std::string text;
    std::set<std::string> keys;
    bool is_changed = false;
};

Kept keep(const File& file, const std::set<std::string>& keys) {
    Kept out;
    out.is_changed = !file.trouble.empty();
    for (const std::string& line : split(file.text, '\n')) {
        const auto key = parse_key(line);
        if (key && !keys.count(*key)) {
            out.is_changed = true;
            continue;
        }
        if (key) out.keys.insert(*key);
        out.text += line + "\n";
    }
    return out;
}

} // namespace

void write_keys(const Root& root, const Home& home, const std::set<std::string>& keys) {
    const Fd directory = open_home(root, home);
    if (!directory && keys.empty()) return;
    if (!directory) throw_system(errno, "open the home", home.path);
    if (keys.empty() && !open_ssh(directory) && errno == ENOENT) return;
    const Fd ssh = make_ssh(directory, home);
    std::vector<Kept> files;
    std::set<std::string> missing = keys;
    for (const char* name : file_names) {
        files.push_back(keep(read_file(ssh, name), keys));
        for (const std::string& key : files.back().keys) missing.erase(key);
    }
    for (const std::string& key : missing) {
        files[0].text += key + " " + home.login + "\n";
        files[0].is_changed = true;
    }
    for (std::size_t i = 0; i < files.size(); ++i)
        if (files[i].is_changed)
            replace_file(ssh, file_names[i], std::string(".") + file_names[i] + ".holdfast", files[i].text,
                         {home.uid, home.gid, 0600}, path_of(home, file_names[i]));
}

void make_home(const Root& root, const Home& home) {
    if (open_home(root, home) || home.path.empty() || home.path == "/") return;
    const std::string path = without_slash(home.path);
    const std::size_t slash = path.rfind('/');
    const Fd parent = root.make_directory(slash == std::string::npos ? "" : path.substr(0, slash), 0755);
    const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    // Beside its place until all is in it: half a home would be taken for a whole one ever after. And the
    // user's only then: before, it is nobody's to play with.
    const std::string staging = "." + name + ".holdfast";
    remove_tree(parent, staging);
    try {
        if (::mkdirat(parent.get(), staging.c_str(), 0700) != 0)
            throw_system(errno, "make the home", home.path);
        const Fd made(
            ::openat(parent.get(), staging.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!made) throw_system(errno, "open the home", home.path);
        if (const Fd skeleton = root.open("etc/skel", O_RDONLY | O_DIRECTORY))
            copy_tree(skeleton, made, home, home.path, 0);
        if (::fchown(made.get(), home.uid, home.gid) != 0) throw_system(errno, "give the user", home.path);
        if (::renameat(parent.get(), staging.c_str(), parent.get(), name.c_str()) != 0)
            throw_system(errno, "put into place", home.path);
    } catch (...) {
        remove_tree(parent, staging);
        throw;
    }
}

} // namespace holdfast::access

#pragma once
// The directory that a system's files lie beneath: "/", or that of a container or an image. Nothing outside
// of it is reached, whatever symbolic links lie on the way (openat2(2), RESOLVE_IN_ROOT).

#include <optional>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include <holdfast/files.hpp>

namespace holdfast::access {

using sdk::Fd;

// Throws sdk::Error: "cannot <doing> <path>: <why>".
[[noreturn]] void throw_system(int error, std::string_view doing, std::string_view path);

class Root {
public:
    // Throws sdk::Error where there is no such directory.
    explicit Root(std::string path);

    const std::string& path() const { return path_; }
    bool is_whole_system() const { return path_ == "/"; }
    // "linux:<machine id>:<inode of the root>"
    std::string target() const;

    // `path` is relative to the root. Without success errno says why.
    Fd open(const std::string& path, int flags, mode_t mode = 0) const;
    // All of a regular file; nothing where there is none. Throws on anything else.
    std::optional<std::string> read(const std::string& path) const;
    // The directory, made with its parents where it is missing. Throws.
    Fd make_directory(const std::string& path, mode_t mode) const;

private:
    std::string path_;
    Fd fd_;
};

// "/home/ana" as Root names it: "home/ana".
std::string without_slash(const std::string& path);

std::string read_all(const Fd& file, std::string_view path, std::size_t most = 64U << 20);
// A new file in place of `name`, or a first one: written beside it as `staging`, synced, and renamed. Throws;
// then nothing has changed.
struct FileAccess {
    uid_t owner = 0;
    gid_t group = 0;
    mode_t mode = 0600;
};
void replace_file(const Fd& directory, const std::string& name, const std::string& staging,
                  std::string_view content, FileAccess access, std::string_view path);
// Only the first half: leaves the staged file, to be renamed by `put_in_place`.
void stage_file(const Fd& directory, const std::string& staging, std::string_view content, FileAccess access,
                std::string_view path);
void put_in_place(const Fd& directory, const std::string& staging, const std::string& name,
                  std::string_view path);

} // namespace holdfast::access

#pragma once
// The provider's root directory. Every path is resolved beneath it, from its descriptor on, and symbolic
// links are followed only among directories and only while they stay beneath.

#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <holdfast/files.hpp>

namespace holdfast::host {

using sdk::Fd;

enum class OpenFor { reading, writing }; // writing: the descriptor can be synced

class Root {
public:
    // Throws sdk::Error: `host.root-missing`, `host.root-not-directory`, `host.root-unreadable`.
    explicit Root(std::string path);

    const std::string& path() const { return path_; }
    const struct stat& identity() const { return identity_; }
    // "host:<machine-id>:<file system id>:<inode>"
    std::string target() const;
    // Throws `host.root-moved` where another directory stands at the path than the one that was opened.
    void check_still_there() const;

    // The directory at `relative` ("" is the root itself), or null with `error` (EXDEV: it is outside).
    // Kept open until forget(): within one call, most files share few directories.
    std::shared_ptr<const Fd> directory(std::string_view relative, OpenFor purpose, int& error);
    // The same, not kept.
    Fd open_directory(const std::string& relative, OpenFor purpose, int& error) const;

    void forget() { open_.clear(); }
    void forget(std::string_view relative);

private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };

    std::string path_;
    Fd fd_;
    struct stat identity_ {};
    std::unordered_map<std::string, std::shared_ptr<const Fd>, TextHash, std::equal_to<>> open_;
};

} // namespace holdfast::host

#pragma once
// Files: whole reads, durable atomic writes, private folders. Errors are `file.*` with path and errno text.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace holdfast {

// Error: `file.unreadable`, `file.too-large`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes = 64U << 20);
// New file beside it, fsync, rename, fsync of the folder: after a power cut the old or the new content.
Status write_file_atomically(const std::string& path, std::string_view content, unsigned mode = 0644);
Status make_directories(const std::string& path, unsigned mode = 0755);
bool exists(const std::string& path);

// Who may change a file: its owner alone, or also others. `why` says what is wrong, with the mode.
struct FileTrust {
    bool readable_by_others = false;
    bool writable_by_others = false;
    bool owner_is_trusted = false; // root or this user
    unsigned mode = 0;
};
std::optional<FileTrust> trust_of(const std::string& path);

std::string absolute_path(const std::string& path);
std::string parent_path(const std::string& path);
// The text of an errno, "No space left on device".
std::string error_text(int error_number);

// A file descriptor that closes itself.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd();
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release();

private:
    int fd_ = -1;
};

} // namespace holdfast

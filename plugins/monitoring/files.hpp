#pragma once
// Files of the servers: read whole, replaced whole.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/files.hpp>

namespace holdfast::monitoring {

inline constexpr const char* file_code = "monitoring.file";

using sdk::folder_of;
using sdk::real_path;

// All of these throw `monitoring.file`.
// Nothing where there is no file. Throws also where its folder is missing.
inline std::optional<std::string> read_file(const std::string& path) {
    return sdk::read_file(file_code, path);
}
inline void remove_file(const std::string& path) { sdk::remove_file(file_code, path); }
// Absolute paths of the folder's files that end with one of `endings`, sorted; hidden ones are left out.
std::vector<std::string> files_in(const std::string& folder, const std::vector<std::string>& endings);
// What a file or folder is known by for ever: this machine, its file system and inode.
std::string lasting_id(const std::string& path);

class StagedFile : public sdk::StagedFile {
public:
    StagedFile(const std::string& path, std::string_view content)
        : sdk::StagedFile(file_code, path, content, 0644) {}
};

// A folder that only we can read, gone with this object.
class ScratchFolder {
public:
    ScratchFolder();
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    const std::string& path() const { return path_; }
    std::string put(const std::string& name, std::string_view content) const; // its path

private:
    std::string path_;
};

// Which file stands at a path, and when it was changed last. Any change makes it another one, but for two in
// the same tick of the kernel's clock.
struct FileStamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t changed_s = 0, changed_ns = 0;
    bool operator==(const FileStamp&) const = default;
};
std::optional<FileStamp> stamp_of(const std::string& path); // nothing where there is no file

// The kernel stamps a change with the last tick of its clock, which is some milliseconds before it; more on a
// busy virtual machine.
inline constexpr std::chrono::milliseconds most_late_stamp(100);
// Whether a file's status was surely changed before `time`: seconds since 1970, by this machine's clock.
bool was_changed_before(const std::string& path, double time);

} // namespace holdfast::monitoring

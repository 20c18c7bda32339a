#pragma once
// Files of the servers: read whole, replaced whole.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::monitoring {

// Where it really is: a symbolic link is followed, so that it stays one. As it is where there is nothing.
std::string real_path(const std::string& path);
std::string folder_of(const std::string& path); // without the final slash
// Nothing where there is no file. Throws `monitoring.file`, also where its folder is missing.
std::optional<std::string> read_file(const std::string& path);
// Absolute paths of the folder's files that end with one of `endings`, sorted; hidden ones are left out.
// Throws `monitoring.file`.
std::vector<std::string> files_in(const std::string& folder, const std::vector<std::string>& endings);
// What a file or folder is known by for ever: this machine, its file system and inode.
std::string lasting_id(const std::string& path);
void remove_file(const std::string& path); // durable; no error where it is gone. Throws `monitoring.file`

// A new file beside `path`, with its mode and owner, or 0644; removed unless put in place. Throws
// `monitoring.file`.
class StagedFile {
public:
    StagedFile(const std::string& path, std::string_view content);
    ~StagedFile();
    StagedFile(const StagedFile&) = delete;
    StagedFile& operator=(const StagedFile&) = delete;

    const std::string& path() const { return staged_; }
    void put_in_place(); // durable once it returns

private:
    std::string path_, staged_;
    int fd_ = -1;
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

std::string sha256_hex(std::string_view bytes);

} // namespace holdfast::monitoring

#pragma once
// One configuration file: read whole, replaced whole.

#include <optional>
#include <string>
#include <string_view>

#include <sys/stat.h>

namespace holdfast::routing {

// Where it really is: a symbolic link is followed, so that it stays one.
std::string real_path(const std::string& path);
// Nothing where there is no file. Throws `routing.file`.
std::optional<std::string> read_config_file(const std::string& path);

// A new file beside `path`, with its mode and owner, or 0640; removed unless put in place. Throws
// `routing.file`.
class StagedFile {
public:
    StagedFile(const std::string& path, std::string_view content);
    ~StagedFile();
    StagedFile(const StagedFile&) = delete;
    StagedFile& operator=(const StagedFile&) = delete;

    const std::string& path() const { return staged_; }
    // Durable once it returns.
    void put_in_place();

private:
    std::string path_, staged_;
    int fd_ = -1;
};

// 64 hex digits.
std::string sha256_hex(std::string_view bytes);

} // namespace holdfast::routing

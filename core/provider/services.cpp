#include "provider/services.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/hash.hpp"
#include "provider/frame.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr std::size_t max_log_bytes = 16U << 10;

const HostServices& services_of(const holdfast_host* host) {
    return *static_cast<const HostServices*>(host->context);
}

void log_message(const holdfast_host* host, holdfast_log_level level, holdfast_bytes message) {
    const auto& log = services_of(host).options().log;
    if (log) log(std::clamp(static_cast<int>(level), 0, 3), text_of(message).substr(0, max_log_bytes));
}

// Only what is a hash in the form we write it: the name can lead nowhere else.
bool is_blob_name(std::string_view name) {
    return name.size() == 64 && std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

int open_blob(const holdfast_host* host, holdfast_bytes sha256_hex, std::uint64_t* bytes) {
    const std::string& folder = services_of(host).options().blob_directory;
    const std::string_view name = text_of(sha256_hex);
    if (folder.empty() || !is_blob_name(name)) return -1;
    Fd blob(open(fmt::format("{}/{}", folder, name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status {};
    if (!blob || fstat(blob.get(), &status) != 0 || !S_ISREG(status.st_mode)) return -1;
    if (bytes) *bytes = static_cast<std::uint64_t>(status.st_size);
    return blob.release();
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

// A blob appears under its name only when it is whole and on the disk.
bool store_blob(const std::string& folder, const std::string& name, std::string_view content) {
    static std::atomic<unsigned> counter{0};
    const std::string path = folder + "/" + name;
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        static_cast<std::size_t>(status.st_size) == content.size())
        return true;
    const std::string part = fmt::format("{}/.part-{}-{}", folder, getpid(), counter++);
    Fd file(open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return false;
    const bool ok =
        write_all(file.get(), content) && fsync(file.get()) == 0 && rename(part.c_str(), path.c_str()) == 0;
    if (!ok) unlink(part.c_str());
    return ok;
}

int put_blob(const holdfast_host* host, holdfast_bytes content, char* sha256_hex) {
    const std::string& folder = services_of(host).options().blob_directory;
    if (folder.empty() || !sha256_hex || (!content.data && content.size > 0)) return 0;
    const std::string name = to_hex(sha256(text_of(content)));
    if (!store_blob(folder, name, text_of(content))) return 0;
    std::memcpy(sha256_hex, name.data(), name.size());
    return 1;
}

const holdfast_blob blob_table{sizeof(holdfast_blob), open_blob, put_blob};

const void* host_extension(const holdfast_host* host, const char* id) {
    if (!id) return nullptr;
    const ServiceOptions& options = services_of(host).options();
    if (std::strcmp(id, HOLDFAST_EXT_BLOB) == 0)
        return options.blob_directory.empty() ? nullptr : &blob_table;
    if (std::strcmp(id, HOLDFAST_EXT_HTTP) == 0) return options.http;
    return nullptr;
}

} // namespace

HostServices::HostServices(ServiceOptions options) : options_(std::move(options)) {
    host_.size = sizeof host_;
    host_.minor = HOLDFAST_ABI_MINOR;
    host_.context = this;
    host_.log = log_message;
    host_.extension = host_extension;
}

} // namespace holdfast

#pragma once
// What a request carries so that the server knows who asks: read anew where it can change while we run.

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "access.hpp"

namespace holdfast::kubernetes {

// Bytes that libcurl reads by a path, and that never stand on a disk.
class MemoryFile {
public:
    MemoryFile() = default;
    explicit MemoryFile(std::string_view content);
    ~MemoryFile();
    MemoryFile(MemoryFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    MemoryFile& operator=(MemoryFile&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    std::string path() const; // empty where it holds nothing

private:
    int fd_ = -1;
};

// Thread-safe.
class Credentials {
public:
    explicit Credentials(Access access);

    struct Now {
        std::vector<std::string> headers;
        std::string certificate_file, key_file, ca_file;
    };
    // `refused`: the server did not take what it got the last time. Throws `kubernetes.credentials`.
    Now now(bool refused);
    const Access& access() const { return access_; }

private:
    using Clock = std::chrono::steady_clock;
    void refresh(bool refused);
    void run_exec();

    Access access_;
    std::mutex mutex_;
    std::string token_;
    MemoryFile ca_, certificate_, key_;
    Clock::time_point fresh_until_ = Clock::time_point::min();
};

// Runs a program without a shell and gives what it printed. Throws where it fails or takes too long.
std::string output_of_program(const std::vector<std::string>& arguments,
                              const std::vector<std::string>& environment, std::chrono::seconds longest);

} // namespace holdfast::kubernetes

#pragma once
// One writer of a fault file at a time, over all threads and processes: each reads the file, changes it and
// replaces it as a whole. The kernel frees the lock of who dies.

#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace memory {

class ScriptLock {
public:
    // `path`: of the fault file.
    explicit ScriptLock(const std::string& path)
        : fd_(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
        ::flock(fd_, LOCK_EX);
    }
    ~ScriptLock() { ::close(fd_); }
    ScriptLock(const ScriptLock&) = delete;
    ScriptLock& operator=(const ScriptLock&) = delete;

private:
    int fd_;
};

} // namespace memory

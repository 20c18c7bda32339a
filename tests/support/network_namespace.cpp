#include "support/network_namespace.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::test {

namespace {

bool write_file(const char* path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    file.close();
    return !file.fail();
}

// Root keeps its rights by entering as itself; anybody else becomes root of a user namespace.
bool unshare_network() {
    if (unshare(CLONE_NEWNET) == 0) return true;
    const std::string uid = std::to_string(getuid()), gid = std::to_string(getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    return write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", "0 " + uid + " 1") &&
           write_file("/proc/self/gid_map", "0 " + gid + " 1");
}

bool raise_loopback() {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    const bool ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return ok;
}

std::string program_path() {
    const char* path = std::getenv("PATH");
    return std::string(path ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin";
}

} // namespace

std::optional<std::string> enter_network_namespace() {
    static const std::optional<std::string> problem = []() -> std::optional<std::string> {
        if (!unshare_network())
            return std::string("no network namespace can be made here: ") + std::strerror(errno);
        if (!raise_loopback()) return std::string("lo cannot be raised: ") + std::strerror(errno);
        return std::nullopt;
    }();
    return problem;
}

bool has_program(const std::string& name) {
    const std::string folders = program_path();
    for (std::size_t at = 0; at < folders.size();) {
        const std::size_t end = std::min(folders.find(':', at), folders.size());
        if (access((folders.substr(at, end - at) + "/" + name).c_str(), X_OK) == 0) return true;
        at = end + 1;
    }
    return false;
}

BackgroundProgram::BackgroundProgram(const char* const* argv, const std::string& log_path) {
    const std::string path = program_path();
    const int parent = getpid();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(log, 1);
    dup2(log, 2);
    setenv("PATH", path.c_str(), 1);
    execvp(argv[0], const_cast<char* const*>(argv));
    _exit(127);
}

bool BackgroundProgram::is_running() {
    if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
    return pid_ > 0;
}

BackgroundProgram::~BackgroundProgram() {
    if (!is_running()) return;
    kill(pid_, SIGTERM);
    for (int i = 0; i < 200 && is_running(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!is_running()) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

} // namespace holdfast::test

#include "program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::routing {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t max_output = 64U << 10;
constexpr int look_ms = 50; // between looks at whether the call is to end

class SpawnFiles {
public:
    explicit SpawnFiles(int output) {
        posix_spawn_file_actions_init(&actions_);
        posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions_, output, 1);
        posix_spawn_file_actions_adddup2(&actions_, output, 2);
        posix_spawn_file_actions_addchdir_np(&actions_, "/");
    }
    ~SpawnFiles() { posix_spawn_file_actions_destroy(&actions_); }
    SpawnFiles(const SpawnFiles&) = delete;
    SpawnFiles& operator=(const SpawnFiles&) = delete;
    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

// Until the other end is closed, which is when the program and its children have ended. False: killed.
bool collect(const sdk::Call& call, int fd, SteadyClock::time_point until, std::string& out) {
    std::array<char, 4096> buffer{};
    for (;;) {
        pollfd descriptor{fd, POLLIN, 0};
        const int ready = poll(&descriptor, 1, look_ms);
        if (ready > 0) {
            const ssize_t got = read(fd, buffer.data(), buffer.size());
            if (got == 0 || (got < 0 && errno != EINTR)) return true;
            if (got > 0 && out.size() < max_output) out.append(buffer.data(), static_cast<std::size_t>(got));
        }
        if (SteadyClock::now() >= until || call.should_stop()) return false;
    }
}

} // namespace

std::optional<std::string> find_program(std::string_view name) {
    for (const char* folder : {"/usr/sbin", "/usr/bin", "/usr/lib/frr", "/usr/libexec/frr", "/sbin", "/bin",
                               "/usr/local/sbin", "/usr/local/bin"}) {
        std::string path = std::string(folder) + "/" + std::string(name);
        if (access(path.c_str(), X_OK) == 0) return path;
    }
    return std::nullopt;
}

Ran run_program(const sdk::Call& call, const std::vector<std::string>& words,
                std::chrono::milliseconds limit) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw sdk::Error("routing.program", std::string("no pipe can be made: ") + std::strerror(errno));
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    std::array<const char*, 3> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", nullptr};
    posix_spawnattr_t attributes{};
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, words.front().c_str(), SpawnFiles(ends[1]).get(), &attributes,
                                  argv.data(), const_cast<char* const*>(environment.data()));
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        throw sdk::Error("routing.program", words.front() + " cannot be started: " + std::strerror(error));
    }
    Ran out;
    const bool has_ended = collect(call, ends[0], SteadyClock::now() + limit, out.output);
    if (!has_ended) kill(-pid, SIGKILL);
    close(ends[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (!has_ended) return out;
    out.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = 0; !what.empty() && (at = text.find(what, at)) != std::string::npos;
         at += by.size())
        text.replace(at, what.size(), by);
    return text;
}

std::string trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    return first == std::string_view::npos ? std::string()
                                           : std::string(text.substr(first, last - first + 1));
}

std::string in_one_line(std::string_view text, std::size_t lines) {
    std::string out;
    for (std::size_t at = 0; at < text.size() && lines > 0;) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = trimmed(text.substr(at, end - at));
        if (!line.empty()) {
            out += (out.empty() ? "" : "; ") + line;
            --lines;
        }
        at = end + 1;
    }
    return out;
}

} // namespace holdfast::routing

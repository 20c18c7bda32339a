#pragma once
// Runs a program to its end, for providers whose targets have tools of their own: a check of a file, a
// reload.
//
// Which program that is stands in the provider's code, or is a command of the operator's that the engine put
// into the provider's config (`"format": "command"`, see docs/providers.md). It never comes from a document.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <holdfast/provider.hpp>

namespace holdfast::sdk {

struct ProgramResult {
    int exit_code = -1; // 128 + n after signal n; -1: it did not end in time and was killed
    std::string output; // standard output and standard error, the first 64 KiB
};

namespace detail {

// Of what is to be spawned: nothing to read, both outputs into one pipe, "/" as its folder, a group of its
// own.
class SpawnSettings {
public:
    explicit SpawnSettings(int output) {
        posix_spawn_file_actions_init(&files_);
        posix_spawn_file_actions_addopen(&files_, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files_, output, 1);
        posix_spawn_file_actions_adddup2(&files_, output, 2);
        posix_spawn_file_actions_addchdir_np(&files_, "/");
        posix_spawnattr_init(&attributes_);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
    }
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&files_);
        posix_spawnattr_destroy(&attributes_);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    const posix_spawn_file_actions_t* files() const { return &files_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
};

// Until the program and what it started have closed the pipe. False: it was not so in time, or the call is
// over.
inline bool collect_output(const Call& call, int fd, std::chrono::steady_clock::time_point until,
                           std::string& output) {
    constexpr std::size_t most = 64U << 10;
    constexpr int look_ms = 50; // between looks at whether the call is to end
    std::array<char, 4096> buffer{};
    for (;;) {
        pollfd descriptor{fd, POLLIN, 0};
        if (::poll(&descriptor, 1, look_ms) > 0) {
            const ssize_t got = ::read(fd, buffer.data(), buffer.size());
            if (got == 0 || (got < 0 && errno != EINTR)) return true;
            if (got > 0 && output.size() < most) output.append(buffer.data(), static_cast<std::size_t>(got));
        }
        if (std::chrono::steady_clock::now() >= until || call.should_stop()) return false;
    }
}

} // namespace detail

// `words` are the program, by its absolute path, and its arguments; no shell reads them. It gets an
// environment of its own (PATH of the system, LC_ALL=C.UTF-8), and is ended with all it started at `limit` or
// with the call. Blocks. Throws Error with `plugin.program` where it cannot be started.
inline ProgramResult run_program(const Call& call, const std::vector<std::string>& words,
                                 std::chrono::milliseconds limit) {
    const auto fail = [&](const std::string& why) {
        throw Error("plugin.program",
                    (words.empty() ? "no program" : words.front()) + " cannot be started: " + why,
                    "see that it is installed and may be executed");
    };
    std::array<int, 2> ends{};
    if (words.empty() || words.front().empty()) fail("no program is named");
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail(std::strerror(errno));
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const std::array<const char*, 3> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                                                 nullptr};
    pid_t pid = 0;
    const detail::SpawnSettings settings(ends[1]);
    const int error = ::posix_spawn(&pid, arguments.front(), settings.files(), settings.attributes(),
                                    arguments.data(), const_cast<char* const*>(environment.data()));
    ::close(ends[1]);
    if (error != 0) {
        ::close(ends[0]);
        fail(std::strerror(error));
    }
    ProgramResult result;
    const bool has_ended =
        detail::collect_output(call, ends[0], std::chrono::steady_clock::now() + limit, result.output);
    if (!has_ended) ::kill(-pid, SIGKILL);
    ::close(ends[0]);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (has_ended) result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
}

// The first lines of what a program said, for a message: "a; b; c".
inline std::string in_one_line(std::string_view text, std::size_t lines = 3) {
    std::string out;
    for (std::size_t at = 0; at < text.size() && lines > 0;) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t'))
            line.remove_suffix(1);
        while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
        at = end + 1;
        if (line.empty()) continue;
        if (!out.empty()) out += "; ";
        out += line;
        --lines;
    }
    return out;
}

} // namespace holdfast::sdk

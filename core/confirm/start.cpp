#include "confirm/start.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <fmt/core.h>

#include "sys/environment.hpp"

extern char** environ;

namespace holdfast {

namespace {

Diagnostic not_armed(std::string why, std::string hint) {
    return failure("confirm.not-armed",
                   fmt::format("nobody would take the change back, so it was not made: {}", why),
                   std::move(hint));
}

// As workers get it: no credentials, nothing of the person's.
bool may_inherit(std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    constexpr std::array names{
        "PATH",       "LANG",        "TZ",       "http_proxy", "https_proxy",  "no_proxy",      "all_proxy",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",  "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR"};
    return std::find(names.begin(), names.end(), name) != names.end() || name.starts_with("LC_") ||
           name.ends_with("SAN_OPTIONS");
}

struct Pipe {
    Fd read, write;
};

Pipe make_pipe() {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC) != 0) return {};
    // Above the numbers that the program expects.
    Pipe out{Fd(fcntl(ends[0], F_DUPFD_CLOEXEC, 10)), Fd(fcntl(ends[1], F_DUPFD_CLOEXEC, 10))};
    close(ends[0]);
    close(ends[1]);
    return out;
}

// Standard input is the lifeline, standard output says "armed".
Status spawn(const std::string& program, std::vector<std::string> arguments, int input, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> words, environment;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    for (char** variable = environ; variable && *variable; ++variable)
        if (may_inherit(*variable)) environment.push_back(*variable);
    environment.push_back(nullptr);
    pid_t pid = 0;
    const int error =
        posix_spawn(&pid, program.c_str(), &actions, &attributes, words.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return not_armed(fmt::format("cannot start {}: {}", program, error_text(error)),
                         "install holdfast-supervisor beside holdfast-provider");
    // It forks at once and goes on as nobody's child: nobody has to wait for it later.
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return Ok{};
}

// Says whether "armed" came before the pipe's end and the limit.
bool hears_armed(int fd, std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    std::string heard;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd wait{fd, POLLIN, 0};
        if (poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
        char buffer[64];
        const ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        heard.append(buffer, static_cast<std::size_t>(got));
        if (heard.find("armed\n") != std::string::npos) return true;
    }
}

} // namespace

std::string supervisor_program() {
    if (const auto variable = environment("HOLDFAST_SUPERVISOR")) return *variable;
    const std::string folder = parent_path(executable_path());
    if (exists(folder + "/holdfast-supervisor")) return folder + "/holdfast-supervisor";
    return parent_path(folder) + "/libexec/holdfast/holdfast-supervisor";
}

Result<Fd> start_supervisor(const std::string& program, const std::string& directory,
                            std::chrono::milliseconds limit) {
    Pipe lifeline = make_pipe(), said = make_pipe();
    if (!lifeline.write || !said.write)
        return not_armed(fmt::format("no pipe: {}", error_text(errno)), "too many files are open");
    if (Status spawned =
            spawn(program, {"holdfast-supervisor", directory}, lifeline.read.get(), said.write.get());
        !spawned)
        return spawned.error();
    said.write = Fd();
    if (hears_armed(said.read.get(), limit)) return std::move(lifeline.write);
    return not_armed(fmt::format("{} did not come up", program),
                     "run it by hand to see why: " + program + " " + directory);
}

Status start_restore(const std::string& program, const std::string& directory) {
    Pipe said = make_pipe();
    if (!said.write)
        return not_armed(fmt::format("no pipe: {}", error_text(errno)), "too many files are open");
    if (Status spawned = spawn(program, {"holdfast-supervisor", "--now", directory}, -1, said.write.get());
        !spawned)
        return spawned;
    said.write = Fd();
    (void)hears_armed(said.read.get(), std::chrono::seconds(20)); // without: another one holds the lock
    return Ok{};
}

} // namespace holdfast

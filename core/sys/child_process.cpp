#include "sys/child_process.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

namespace holdfast {

namespace {

struct Pair {
    Fd ours, theirs;
};

Fd above_standard(int fd) {
    Fd given(fd);
    return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

bool make_pipe(Pair& pair) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    pair = {above_standard(ends[0]), above_standard(ends[1])};
    return pair.ours && pair.theirs;
}

bool make_socket(Pair& pair) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    pair = {above_standard(ends[0]), above_standard(ends[1])};
    return pair.ours && pair.theirs;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

int spawn(pid_t& pid, const ChildOptions& options, const Pair& input, const Pair& output,
          const Pair& errors) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input.theirs.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, output.theirs.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, errors.theirs.get(), 2);
    // A session of its own: it has no terminal to ask on, and is ended with all that it started.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(
        &attributes, static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    const std::vector<char*> arguments = pointers_to(options.arguments),
                             environment = pointers_to(options.environment);
    const int code =
        posix_spawnp(&pid, arguments.front(), &actions, &attributes, arguments.data(), environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

} // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const ChildOptions& options) {
    assert(!options.arguments.empty());
    Pair input, output, errors;
    std::unique_ptr<ChildProcess> child(new ChildProcess);
    int code = make_socket(input) && make_pipe(output) && make_pipe(errors) ? 0 : errno;
    if (code == 0) code = spawn(child->pid_, options, input, output, errors);
    if (code != 0) {
        child->pid_ = -1;
        return failure("process.cannot-start",
                       fmt::format("{} cannot be started: {}", options.arguments.front(), error_text(code)),
                       code == ENOENT ? fmt::format("install {}, or correct PATH", options.arguments.front())
                                      : std::string{});
    }
    for (const Fd* fd : {&input.ours, &output.ours, &errors.ours}) fcntl(fd->get(), F_SETFL, O_NONBLOCK);
    child->input_ = std::move(input.ours);
    child->output_ = std::move(output.ours);
    child->errors_ = std::move(errors.ours);
    return child;
}

ChildProcess::~ChildProcess() {
    kill();
    wait();
}

void ChildProcess::kill() {
    if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

int ChildProcess::wait() {
    if (pid_ <= 0) return status_;
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace holdfast

#include "provider/worker_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

extern char** environ;

namespace holdfast {

namespace {

using Clock = std::chrono::steady_clock;

// Results that wait for a slow caller; beyond that the worker has to wait.
constexpr std::size_t max_waiting_bytes = 32U << 20;
constexpr std::size_t max_stderr_line = 4U << 10;

// What a worker inherits of our environment. Not HOME, not credentials: those come with the instance's
// configuration, and only for the instance.
bool may_inherit(std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    constexpr std::array names{
        "PATH", "LANG", "TZ", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
        "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR",
        // Where the operator keeps clusters, and what those files may run; no credentials themselves.
        "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOLDFAST_KUBERNETES_EXEC"};
    return std::find(names.begin(), names.end(), name) != names.end() || name.starts_with("LC_") ||
           name.ends_with("SAN_OPTIONS");
}

std::vector<char*> worker_environment() {
    std::vector<char*> out;
    for (char** variable = environ; variable && *variable; ++variable)
        if (may_inherit(*variable)) out.push_back(*variable);
    out.push_back(nullptr);
    return out;
}

// Above the numbers that the worker expects, so that giving it one does not close another.
Fd out_of_the_way(Fd fd) {
    Fd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, 10));
    return moved;
}

std::string death_of(int status) {
    if (WIFSIGNALED(status)) {
        const char* name = sigabbrev_np(WTERMSIG(status));
        return fmt::format("its process was ended by signal SIG{}",
                           name ? name : std::to_string(WTERMSIG(status)));
    }
    return fmt::format("its process ended itself with status {}", WEXITSTATUS(status));
}

int poll_ms(Clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
}

} // namespace

WorkerProcess::WorkerProcess(const WorkerOptions& options)
    : options_(options), max_frame_(options.max_document_bytes + 2 * Outbox::capacity) {}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const WorkerOptions& options,
                                                            WorkerListeners listeners) {
    std::unique_ptr<WorkerProcess> worker(new WorkerProcess(options));
    worker->set_listeners(std::move(listeners));
    if (Status status = worker->prepare(); !status) return status.error();
    std::promise<Status> spawned;
    auto outcome = spawned.get_future();
    worker->reader_ = std::jthread([self = worker.get(), &spawned](std::stop_token stop) {
        Status status = self->spawn();
        const bool is_running = status.ok();
        spawned.set_value(std::move(status));
        if (is_running) self->read_until_death(stop);
    });
    if (Status status = outcome.get(); !status) {
        std::lock_guard lock(worker->mutex_);
        worker->inbox_.is_alive = false;
        return status.error();
    }
    std::string setup;
    write_setup(setup, {options.plugin.plugin, options.plugin.path, options.blob_directory,
                        options.max_document_bytes});
    worker->send(FrameType::setup, 0, setup, Clock::now() + options.grace);
    return worker;
}

Status WorkerProcess::prepare() {
    auto broken = [](std::string_view what) -> Status {
        return failure("plugin.no-worker",
                       fmt::format("cannot prepare a worker: {}: {}", what, error_text(errno)));
    };
    int pair[2], pipe_ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return broken("socketpair");
    socket_ = Fd(pair[0]);
    child_socket_ = out_of_the_way(Fd(pair[1]));
    const int buffer = 1 << 20;
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    setsockopt(child_socket_.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return broken("pipe");
    stderr_ = Fd(pipe_ends[0]);
    child_stderr_ = out_of_the_way(Fd(pipe_ends[1]));
    fcntl(stderr_.get(), F_SETFL, O_NONBLOCK);
    outbox_fd_ = out_of_the_way(Fd(memfd_create("holdfast-outbox", MFD_CLOEXEC)));
    if (!outbox_fd_ || ftruncate(outbox_fd_.get(), sizeof(Outbox)) != 0) return broken("memfd_create");
    void* memory = mmap(nullptr, sizeof(Outbox), PROT_READ | PROT_WRITE, MAP_SHARED, outbox_fd_.get(), 0);
    if (memory == MAP_FAILED) return broken("mmap");
    outbox_ = static_cast<Outbox*>(memory);
    return Ok{};
}

Status WorkerProcess::spawn() {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    // What a plugin prints is a log line; our own standard output is for the user.
    posix_spawn_file_actions_adddup2(&actions, child_stderr_.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_stderr_.get(), STDERR_FILENO);
    const Fd plugin(fcntl(options_.plugin_fd, F_DUPFD_CLOEXEC, 10));
    posix_spawn_file_actions_adddup2(&actions, child_socket_.get(), worker_socket_fd);
    posix_spawn_file_actions_adddup2(&actions, plugin.get(), worker_plugin_fd);
    posix_spawn_file_actions_adddup2(&actions, outbox_fd_.get(), worker_outbox_fd);
    posix_spawn_file_actions_addclosefrom_np(&actions, worker_outbox_fd + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string parent = std::to_string(getpid());
    std::string name = "holdfast-provider";
    char* arguments[] = {name.data(), options_.plugin.plugin.data(), parent.data(), nullptr};
    std::vector<char*> environment = worker_environment();
    pid_t pid = 0;
    const int error =
        posix_spawn(&pid, options_.program.c_str(), &actions, &attributes, arguments, environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    child_socket_ = Fd();
    child_stderr_ = Fd();
    if (error != 0)
        return failure(
            "plugin.no-worker",
            fmt::format("cannot start the worker program {}: {}", options_.program, error_text(error)),
            "install holdfast-provider beside holdfast, or say where it is");
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    std::lock_guard lock(mutex_);
    inbox_.pid = pid;
    return Ok{};
}

void WorkerProcess::set_listeners(WorkerListeners listeners) {
    listeners_.with([&](WorkerListeners& data) { data = std::move(listeners); });
}

WorkerListeners WorkerProcess::listeners() const {
    return listeners_.with([](const WorkerListeners& data) { return data; });
}

WorkerProcess::~WorkerProcess() {
    if (is_alive()) {
        std::string body;
        write_call(body, Operation::close, Call{});
        const auto until = Clock::now() + options_.grace;
        send(FrameType::call, 0, body, until);
        shutdown(socket_.get(), SHUT_WR);
        std::unique_lock lock(mutex_);
        while (inbox_.is_alive) {
            // A last call may have left results; they must not keep the reader from seeing the end.
            inbox_.bytes = 0;
            inbox_.events.clear();
            changed_.notify_all();
            if (changed_.wait_until(lock, until) == std::cv_status::timeout) break;
        }
        lock.unlock();
        kill();
    }
    reader_ = std::jthread();
    if (outbox_) munmap(outbox_, sizeof(Outbox));
}

bool WorkerProcess::is_alive() const {
    std::lock_guard lock(mutex_);
    return inbox_.is_alive;
}

void WorkerProcess::kill() {
    std::lock_guard lock(mutex_);
    if (!inbox_.is_alive || inbox_.pid == 0) return;
    inbox_.was_killed = true;
    // The whole group: a plugin's own children as well. The number is ours until the reader has reaped it.
    ::kill(-inbox_.pid, SIGKILL);
    inbox_.bytes = 0;
    changed_.notify_all();
}

bool WorkerProcess::send(FrameType type, std::uint32_t call, std::string_view body, Clock::time_point until) {
    FrameHeader header{.type = type, .call = call, .size = static_cast<std::uint32_t>(body.size())};
    std::size_t sent = 0;
    const std::size_t total = sizeof header + body.size();
    while (sent < total) {
        iovec parts[2];
        std::size_t count = 0;
        if (sent < sizeof header)
            parts[count++] = {reinterpret_cast<char*>(&header) + sent, sizeof header - sent};
        const std::size_t of_body = sent < sizeof header ? 0 : sent - sizeof header;
        if (body.size() > of_body)
            parts[count++] = {const_cast<char*>(body.data()) + of_body, body.size() - of_body};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = count;
        const ssize_t written = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written >= 0) {
            sent += static_cast<std::size_t>(written);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN || Clock::now() >= until || !is_alive()) return false;
        pollfd wait{socket_.get(), POLLOUT, 0};
        poll(&wait, 1, poll_ms(until));
    }
    return true;
}

std::optional<WorkerEvent> WorkerProcess::next(Clock::time_point until, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    const auto has_event = [&] { return !inbox_.events.empty(); };
    if (until == Clock::time_point::max())
        changed_.wait(lock, stop, has_event);
    else
        changed_.wait_until(lock, stop, until, has_event);
    if (inbox_.events.empty()) return std::nullopt;
    WorkerEvent event = std::move(inbox_.events.front());
    inbox_.events.pop_front();
    const bool was_full = inbox_.bytes > max_waiting_bytes;
    inbox_.bytes -= std::min(inbox_.bytes, event.body.size());
    if (was_full) changed_.notify_all();
    return event;
}

void WorkerProcess::recycle(std::string body) {
    std::lock_guard lock(mutex_);
    if (inbox_.spare.size() < 4) inbox_.spare.push_back(std::move(body));
}

std::string WorkerProcess::body_buffer(std::size_t size) {
    std::string body;
    {
        std::lock_guard lock(mutex_);
        if (!inbox_.spare.empty()) {
            body = std::move(inbox_.spare.back());
            inbox_.spare.pop_back();
        }
    }
    body.resize(size);
    return body;
}

void WorkerProcess::push(WorkerEvent event) {
    std::unique_lock lock(mutex_);
    inbox_.bytes += event.body.size();
    inbox_.events.push_back(std::move(event));
    changed_.notify_all();
    changed_.wait(lock, [&] { return inbox_.bytes <= max_waiting_bytes || !inbox_.is_alive; });
}

// ---- the reader's thread ----

// Waits on three things: frames, what is printed, and the end of the process (a child that the plugin left
// behind may keep the socket open).
void WorkerProcess::read_until_death(std::stop_token) {
    pollfd waits[] = {{socket_.get(), POLLIN, 0}, {stderr_.get(), POLLIN, 0}, {pidfd_.get(), POLLIN, 0}};
    bool is_reading = true;
    while (is_reading) {
        if (poll(waits, std::size(waits), -1) < 0) continue;
        if ((waits[1].revents & (POLLIN | POLLHUP)) != 0) read_stderr();
        if ((waits[1].revents & POLLHUP) != 0 && (waits[1].revents & POLLIN) == 0) waits[1].fd = -1;
        if ((waits[0].revents & (POLLIN | POLLHUP)) != 0)
            is_reading = read_frame();
        else if ((waits[2].revents & POLLIN) != 0)
            is_reading = false;
    }
    finish();
}

bool WorkerProcess::read_exactly(char* to, std::size_t size) {
    while (size > 0) {
        const ssize_t got = recv(socket_.get(), to, size, MSG_WAITALL);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool WorkerProcess::read_frame() {
    FrameHeader header;
    if (!read_exactly(reinterpret_cast<char*>(&header), sizeof header)) return false;
    if (header.magic != FrameHeader::expected_magic || header.size > max_frame_) {
        protocol_error_ = "its worker sent something that is no frame";
        return false;
    }
    std::string body = body_buffer(header.size);
    if (!read_exactly(body.data(), body.size())) return false;
    switch (header.type) {
        case FrameType::hello:
            push({WorkerEvent::Type::hello, header.call, std::move(body), false, {}});
            return true;
        case FrameType::results:
            push({WorkerEvent::Type::results, header.call, std::move(body), false, {}});
            return true;
        case FrameType::end:
            push({WorkerEvent::Type::end, header.call, std::move(body), false, {}});
            return true;
        case FrameType::log: {
            FrameReader reader(body);
            const auto level = reader.take<std::uint32_t>();
            const std::string_view message = reader.take_text();
            if (const auto on_log = listeners().on_log; on_log && reader.ok())
                on_log(static_cast<int>(level & 3U), message);
            return true;
        }
        case FrameType::hint: {
            Hint hint;
            if (!read_hint(body, hint)) hint = Hint{}; // unreadable: anything may have changed
            if (const auto on_hint = listeners().on_hint) on_hint(hint);
            return true;
        }
        default: protocol_error_ = "its worker sent a frame of a kind that does not exist"; return false;
    }
}

void WorkerProcess::read_stderr() {
    char buffer[4096];
    ssize_t got = 0;
    while ((got = read(stderr_.get(), buffer, sizeof buffer)) > 0) {
        for (char c : std::string_view(buffer, static_cast<std::size_t>(got))) {
            if (c != '\n' && stderr_line_.size() < max_stderr_line) {
                stderr_line_ += c;
                continue;
            }
            if (const auto on_log = listeners().on_log; on_log && !stderr_line_.empty())
                on_log(2, stderr_line_);
            stderr_line_.clear();
            if (c != '\n') stderr_line_ += c;
        }
    }
}

void WorkerProcess::finish() {
    const pid_t pid = [&] {
        std::lock_guard lock(mutex_);
        return inbox_.pid;
    }();
    if (!protocol_error_.empty()) ::kill(-pid, SIGKILL);
    // The socket may be closed a moment before the process ends; one that stays without it is of no use.
    pollfd wait{pidfd_.get(), POLLIN, 0};
    if (pidfd_ && poll(&wait, 1, static_cast<int>(options_.grace.count())) == 0) ::kill(-pid, SIGKILL);
    siginfo_t ended{};
    while (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    read_stderr();
    if (const auto on_log = listeners().on_log; on_log && !stderr_line_.empty()) on_log(2, stderr_line_);
    ::kill(-pid, SIGKILL); // children that it left behind
    int status = 0;
    bool is_known = false;
    WorkerEvent death;
    {
        // Reaped under the lock: after this the number may belong to somebody else.
        std::lock_guard lock(mutex_);
        is_known = waitpid(pid, &status, 0) == pid;
        inbox_.is_alive = false;
        death.is_ours = inbox_.was_killed;
    }
    death.code = protocol_error_.empty() ? "plugin.crashed" : "plugin.protocol";
    death.body = !protocol_error_.empty() ? protocol_error_
                 : is_known               ? death_of(status)
                                          : "its process ended";
    if (const auto on_death = listeners().on_death) on_death();
    push(std::move(death));
}

} // namespace holdfast

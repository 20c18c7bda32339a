#include "credentials.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::kubernetes {

namespace {

using sdk::Json;

constexpr std::chrono::seconds token_file_age{60}; // the kubelet renews it long before it ends
constexpr std::chrono::seconds longest_exec{60};

[[noreturn]] void refuse(const std::string& message, const std::string& hint) {
    throw sdk::Error("kubernetes.credentials", message, hint);
}

// Programs that kubeconfigs may run, as the operator says in the environment of holdfast or holdfastd: a
// kubeconfig may come from anywhere, a program that runs with our rights may not.
std::string allowed_program(const std::string& command) {
    const char* variable = std::getenv("HOLDFAST_KUBERNETES_EXEC");
    const std::string list = variable ? variable : "";
    for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(':', at), list.size());
        const std::string path = list.substr(at, end - at);
        const bool is_it = path == command ||
                           (command.find('/') == command.npos && path.substr(path.rfind('/') + 1) == command);
        if (!path.empty() && path.front() == '/' && is_it) return path;
        at = end + 1;
    }
    refuse("the kubeconfig wants to run \"" + command + "\", which the operator has not allowed",
           "name its absolute path in the environment variable HOLDFAST_KUBERNETES_EXEC of holdfast or "
           "holdfastd (several with \":\" between them)");
}

// "2026-11-23T05:00:00Z"; never for what is no such time.
std::chrono::steady_clock::time_point steady_time(const std::string& text) {
    std::tm parts{};
    if (!strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts))
        return std::chrono::steady_clock::time_point::max();
    const auto left =
        std::chrono::system_clock::from_time_t(timegm(&parts)) - std::chrono::system_clock::now();
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(left);
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.pop_back();
    return text;
}

struct Pipe {
    int ends[2] = {-1, -1};
    Pipe() {
        if (pipe2(ends, O_CLOEXEC) != 0) refuse("no pipe: " + std::string(std::strerror(errno)), "");
    }
    ~Pipe() {
        shut(0);
        shut(1);
    }
    void shut(int end) {
        if (ends[end] >= 0) close(std::exchange(ends[end], -1));
    }
};

pid_t start(const std::vector<std::string>& arguments, const std::vector<std::string>& environment, int out) {
    std::vector<char*> argv, envp;
    for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& word : environment) envp.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) refuse(arguments.front() + " cannot be run: " + std::strerror(error), "install it");
    return pid;
}

} // namespace

std::string output_of_program(const std::vector<std::string>& arguments,
                              const std::vector<std::string>& environment, std::chrono::seconds longest) {
    Pipe pipe;
    const pid_t pid = start(arguments, environment, pipe.ends[1]);
    pipe.shut(1);
    const auto until = std::chrono::steady_clock::now() + longest;
    std::string out;
    bool is_late = false;
    for (char buffer[4096]; !is_late;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd wait{pipe.ends[0], POLLIN, 0};
        is_late = left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) == 0;
        const ssize_t n = is_late ? 0 : read(pipe.ends[0], buffer, sizeof buffer);
        if (!is_late && n <= 0 && errno != EINTR) break;
        if (n > 0) out.append(buffer, static_cast<std::size_t>(n));
        if (out.size() > (1U << 20)) is_late = true;
    }
    if (is_late) kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    if (is_late) refuse(arguments.front() + " gave no credentials in time", "run it by hand");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        refuse(arguments.front() + " failed and gave no credentials", "run it by hand to see why");
    return out;
}

MemoryFile::MemoryFile(std::string_view content) : fd_(memfd_create("holdfast", MFD_CLOEXEC)) {
    while (fd_ >= 0 && !content.empty()) {
        const ssize_t n = write(fd_, content.data(), content.size());
        if (n <= 0) refuse("no memory for a certificate", "");
        content.remove_prefix(static_cast<std::size_t>(n));
    }
}

MemoryFile::~MemoryFile() {
    if (fd_ >= 0) close(fd_);
}

std::string MemoryFile::path() const { return fd_ < 0 ? "" : "/proc/self/fd/" + std::to_string(fd_); }

Credentials::Credentials(Access access) : access_(std::move(access)), token_(access_.token) {
    if (!access_.ca.empty()) ca_ = MemoryFile(access_.ca);
    if (!access_.certificate.empty()) certificate_ = MemoryFile(access_.certificate);
    if (!access_.key.empty()) key_ = MemoryFile(access_.key);
}

void Credentials::refresh(bool refused) {
    if (!refused && Clock::now() < fresh_until_) return;
    if (!access_.token_file.empty()) {
        token_ = trimmed(read_text(access_.token_file));
        fresh_until_ = Clock::now() + token_file_age;
    } else if (!access_.exec.command.empty()) {
        run_exec();
    } else {
        fresh_until_ = Clock::time_point::max();
    }
}

void Credentials::run_exec() {
    const ExecCommand& exec = access_.exec;
    std::vector<std::string> arguments{allowed_program(exec.command)};
    arguments.insert(arguments.end(), exec.arguments.begin(), exec.arguments.end());
    Json spec{{"interactive", false}};
    if (exec.wants_cluster) {
        spec["cluster"] = {{"server", access_.server}};
        if (!access_.ca.empty()) spec["cluster"]["certificate-authority-data"] = encode_base64(access_.ca);
    }
    const Json info{{"apiVersion", exec.api_version}, {"kind", "ExecCredential"}, {"spec", spec}};
    std::vector<std::string> environment{"KUBERNETES_EXEC_INFO=" + info.dump()};
    const char* path = std::getenv("PATH");
    environment.push_back(std::string("PATH=") + (path ? path : "/usr/local/bin:/usr/bin:/bin"));
    if (const passwd* user = getpwuid(geteuid())) environment.push_back(std::string("HOME=") + user->pw_dir);
    for (const auto& [name, value] : exec.environment) environment.push_back(name + "=" + value);

    const Json answer =
        sdk::parse_json(output_of_program(arguments, environment, longest_exec), "kubernetes.credentials");
    token_ = sdk::text_at(answer, "/status/token");
    const std::string certificate = sdk::text_at(answer, "/status/clientCertificateData");
    if (token_.empty() && certificate.empty())
        refuse(arguments.front() + " printed no credentials", exec.install_hint);
    if (!certificate.empty()) {
        certificate_ = MemoryFile(certificate);
        key_ = MemoryFile(sdk::text_at(answer, "/status/clientKeyData"));
    }
    const std::string end = sdk::text_at(answer, "/status/expirationTimestamp");
    fresh_until_ = end.empty() ? Clock::time_point::max() : steady_time(end);
}

Credentials::Now Credentials::now(bool refused) {
    const std::lock_guard lock(mutex_);
    refresh(refused);
    Now out;
    if (!token_.empty())
        out.headers.push_back("Authorization: Bearer " + token_);
    else if (!access_.user.empty())
        out.headers.push_back("Authorization: Basic " + encode_base64(access_.user + ":" + access_.password));
    if (!access_.impersonated_user.empty()) {
        out.headers.push_back("Impersonate-User: " + access_.impersonated_user);
        if (!access_.impersonated_uid.empty())
            out.headers.push_back("Impersonate-Uid: " + access_.impersonated_uid);
        for (const std::string& group : access_.impersonated_groups)
            out.headers.push_back("Impersonate-Group: " + group);
        for (const auto& [key, value] : access_.impersonated_extra)
            out.headers.push_back("Impersonate-Extra-" + key + ": " + value);
    }
    out.ca_file = access_.ca.empty() ? access_.ca_file : ca_.path();
    out.certificate_file = certificate_.path().empty() ? access_.certificate_file : certificate_.path();
    out.key_file = key_.path().empty() ? access_.key_file : key_.path();
    return out;
}

} // namespace holdfast::kubernetes

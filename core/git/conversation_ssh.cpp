// `ssh HOST git-upload-pack PATH`, as Git itself does it. libgit2's own transport knows no deadline while
// it connects, no passphrase in memory beside an agent, one known_hosts file, and says little of what went
// wrong; OpenSSH has all of it. Everything that it uses is on its command line: no configuration of the user
// is read, so that a credential is what the operator wrote and nothing more.

#include <algorithm>
#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/text.hpp"
#include "git/conversation.hpp"
#include "sys/child_process.hpp"
#include "sys/environment.hpp"

namespace holdfast::git {

namespace {

constexpr std::size_t max_error_text = 16U << 10;
constexpr int poll_ms = 100;

// For the remote shell.
std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'' || c == '!')
            out += fmt::format("'\\{}'", c);
        else
            out += c;
    }
    return out + "'";
}

// For ssh's own parser of options, which splits at blanks and expands "%".
std::string quoted_path(const std::string& path) {
    std::string out = "\"";
    for (char c : path) {
        if (c == '%') out += '%';
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

// "/~/app.git" is "app.git" in the home folder; "/~ana/app.git" is left to the shell of the other side.
std::string remote_path(const std::string& path) {
    if (path.starts_with("/~/")) return path.substr(3);
    return path.starts_with("/~") ? path.substr(1) : path;
}

// What ssh printed, less its warnings that are none of ours: one line.
std::string gist_of(const std::string& errors) {
    std::vector<std::string> lines;
    for (std::string_view line : split(errors, '\n')) {
        line = trim(line);
        if (line.empty() || line.starts_with("Warning: Permanently added") || line.starts_with("@@@"))
            continue;
        lines.emplace_back(line.starts_with("remote: ") ? line.substr(8) : line);
    }
    if (lines.size() > 3) lines.erase(lines.begin(), lines.end() - 3);
    return lines.empty() ? "ssh ended without a word" : join(lines, "; ");
}

std::string line_with(const std::string& errors, std::string_view word) {
    for (std::string_view line : split(errors, '\n'))
        if (line.find(word) != line.npos) return std::string(trim(line));
    return {};
}

Diagnostic unreachable(std::string message, std::string hint) {
    Diagnostic why = failure("source.unreachable", std::move(message), std::move(hint));
    why.retry = Retry::after;
    return why;
}

// ssh tells what went wrong on its standard error only.
class SshFailure {
public:
    SshFailure(const RemoteUrl& url, const RemoteAccess& access, const std::string& errors, bool has_spoken)
        : url_(url), access_(access), errors_(errors), has_spoken_(has_spoken) {}

    Diagnostic diagnostic() const {
        if (says("REMOTE HOST IDENTIFICATION HAS CHANGED")) return host_key_changed();
        if (says("Host key verification failed") || says("host key is known for")) return host_key_unknown();
        if (says("Could not resolve hostname"))
            return unreachable(fmt::format("the host of {} is not known: {}", url_.text(), gist_of(errors_)),
                               "check the name in the Source's url, and this machine's resolver");
        if (says("incorrect passphrase") || says("error in libcrypto") || says("invalid format"))
            return failure("source.bad-key",
                           fmt::format("the ssh key of the credential {} cannot be used: {}", access_.name,
                                       gist_of(errors_)),
                           "is it a private key, and is its passphrase the right one?");
        if (says("Permission denied")) return denied();
        if (says("does not appear to be a git repository") || says("not found") || says("no such"))
            return failure("source.not-found",
                           fmt::format("there is no repository at {}: {}", url_.text(), gist_of(errors_)),
                           "correct the Source's url; many servers also say so to who may not read it");
        if (says("port 22:") || says("Connection refused") || says("timed out") || says("No route to host") ||
            says("Network is unreachable") || (!has_spoken_ && says("ssh: connect to")))
            return unreachable(fmt::format("{} cannot be reached: {}", url_.text(), gist_of(errors_)),
                               "is the server up, and is a firewall between?");
        return interrupted(url_, gist_of(errors_));
    }

private:
    bool says(std::string_view words) const { return errors_.find(words) != std::string::npos; }

    std::string known_hosts() const {
        return access_.known_hosts_file.empty() ? "~/.ssh/known_hosts" : access_.known_hosts_file;
    }

    std::string keyscan() const {
        return url_.port ? fmt::format("ssh-keyscan -p {} {}", url_.port, url_.host)
                         : "ssh-keyscan " + url_.host;
    }

    Diagnostic host_key_changed() const {
        std::string finger = line_with(errors_, "SHA256:");
        while (finger.ends_with('.')) finger.pop_back();
        return failure("source.host-key-changed",
                       fmt::format("the host key of {} is not the one in {}: it now shows {}; somebody may "
                                   "stand between, and nothing was sent",
                                   url_.host, known_hosts(), finger.empty() ? "another" : finger),
                       fmt::format("ask the server's operator whether that key is his; if so, replace the "
                                   "lines of {} in {}",
                                   url_.host, known_hosts()));
    }

    Diagnostic host_key_unknown() const {
        return failure(
            "source.host-key-unknown",
            fmt::format("{} has no matching host key of {}: {}", known_hosts(), url_.host, gist_of(errors_)),
            fmt::format("compare the output of `{}` with what the server's operator publishes, "
                        "then add it to {}",
                        keyscan(), known_hosts()));
    }

    Diagnostic denied() const {
        return failure(
            "source.denied",
            fmt::format("{} refuses the credential {}: {}", url_.text(), access_.name, gist_of(errors_)),
            access_.use_agent && access_.key_file.empty()
                ? "ssh-add -l lists what the agent holds; is the public key known to the server?"
                : "is the public key known to the server, and is the user in the url the right one?");
    }

    const RemoteUrl& url_;
    const RemoteAccess& access_;
    const std::string& errors_;
    bool has_spoken_;
};

class SshConversation final : public Conversation {
public:
    SshConversation(const RemoteUrl& url, const RemoteAccess& access, const TransferLimits& limits,
                    std::unique_ptr<ChildProcess> child)
        : url_(url), access_(access), limits_(limits), child_(std::move(child)) {}

    Status greeting(const Receiver& receive) override { return ask({}, receive); }

    Status ask(std::string_view request, const Receiver& receive) override {
        last_byte_ = std::chrono::steady_clock::now();
        for (bool is_enough = !feed(receive); !is_enough;) {
            if (Status in_time = check(); !in_time) return in_time;
            std::array<pollfd, 3> fds{pollfd{child_->output(), POLLIN, 0},
                                      pollfd{child_->errors(), POLLIN, 0},
                                      pollfd{request.empty() ? -1 : child_->input(), POLLOUT, 0}};
            if (poll(fds.data(), fds.size(), poll_ms) < 0 && errno != EINTR) return ended();
            if (fds[1].revents) read_errors();
            if (fds[2].revents && !send_some(request)) request = {}; // its end shows on its output
            if (!fds[0].revents) continue;
            if (!read_output()) return ended();
            is_enough = !feed(receive);
        }
        return Ok{};
    }

    bool is_stateless() const override { return false; }

private:
    // What the receiver leaves belongs to the next answer; there is none before the next request.
    bool feed(const Receiver& receive) {
        if (arrived_.empty()) return true;
        const std::string bytes = std::exchange(arrived_, {});
        return receive(bytes);
    }

    Status check() const {
        if (std::chrono::steady_clock::now() - last_byte_ > limits_.stall)
            return interrupted(url_, fmt::format("not a byte came for {} s", limits_.stall.count() / 1000));
        if (received_ > limits_.max_bytes) return too_large(url_, limits_.max_bytes);
        return check_limits(limits_, url_);
    }

    bool read_output() {
        char buffer[65536];
        const ssize_t got = read(child_->output(), buffer, sizeof buffer);
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return false;
        arrived_.append(buffer, static_cast<std::size_t>(got));
        received_ += static_cast<std::size_t>(got);
        last_byte_ = std::chrono::steady_clock::now();
        return true;
    }

    bool read_errors() {
        char buffer[4096];
        const ssize_t got = read(child_->errors(), buffer, sizeof buffer);
        if (got > 0 && errors_.size() < max_error_text) errors_.append(buffer, static_cast<std::size_t>(got));
        return got > 0;
    }

    bool send_some(std::string_view& request) {
        const ssize_t sent = send(child_->input(), request.data(), request.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        request.remove_prefix(static_cast<std::size_t>(sent));
        last_byte_ = std::chrono::steady_clock::now();
        return true;
    }

    Diagnostic ended() {
        // Its last words come before its end; who still holds its standard error is not waited for.
        for (int tries = 0; tries < 20; ++tries) {
            pollfd fd{child_->errors(), POLLIN, 0};
            if (poll(&fd, 1, 50) <= 0 || !read_errors()) break;
        }
        return SshFailure(url_, access_, errors_, received_ > 0).diagnostic();
    }

    RemoteUrl url_;
    const RemoteAccess& access_;
    const TransferLimits& limits_;
    std::unique_ptr<ChildProcess> child_;
    std::string arrived_, errors_;
    std::size_t received_ = 0;
    std::chrono::steady_clock::time_point last_byte_;
};

std::string option(std::string_view name, std::string_view value) {
    return fmt::format("-o{}={}", name, value);
}

std::vector<std::string> arguments_for(const RemoteUrl& url, const RemoteAccess& access) {
    std::vector<std::string> out{"ssh", "-T", "-x", "-a"};
    out.insert(out.end(), {"-F", access.ssh_config_file.empty() ? "none" : access.ssh_config_file});
    out.push_back(option("StrictHostKeyChecking", "yes"));
    out.push_back(option("UpdateHostKeys", "no"));
    out.push_back(option("PermitLocalCommand", "no"));
    out.push_back(option("ControlPath", "none"));
    out.push_back(option("ClearAllForwardings", "yes"));
    out.push_back(option("ConnectTimeout", "20"));
    out.push_back(option("SendEnv", "GIT_PROTOCOL"));
    // Asked once: publickey and nothing that could be asked for again.
    out.push_back(option("PreferredAuthentications", "publickey"));
    out.push_back(option("NumberOfPasswordPrompts", "1"));
    out.push_back(option("BatchMode", access.passphrase.empty() ? "yes" : "no"));
    out.push_back(option("IdentitiesOnly", access.use_agent ? "no" : "yes"));
    out.push_back(option("IdentityAgent", access.use_agent ? "SSH_AUTH_SOCK" : "none"));
    out.push_back(option("IdentityFile", access.key_file.empty() ? "none" : quoted_path(access.key_file)));
    if (!access.known_hosts_file.empty()) {
        out.push_back(option("UserKnownHostsFile", quoted_path(access.known_hosts_file)));
        out.push_back(option("GlobalKnownHostsFile", "/dev/null"));
    }
    if (url.port) out.insert(out.end(), {"-p", std::to_string(url.port)});
    if (!url.user.empty()) out.insert(out.end(), {"-l", url.user});
    out.insert(out.end(), {url.host, "git-upload-pack " + shell_quoted(remote_path(url.path))});
    return out;
}

} // namespace

Result<std::unique_ptr<Conversation>> converse_ssh(const RemoteUrl& url, const RemoteAccess& access,
                                                   const TransferLimits& limits, const std::string& folder) {
    ChildOptions options{.arguments = arguments_for(url, access)};
    options.environment = {"LC_ALL=C", "GIT_PROTOCOL=version=2",
                           "PATH=" + environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin")};
    for (const char* name : {"HOME", "USER", "LOGNAME"})
        if (const auto value = environment(name))
            options.environment.push_back(std::string(name) + "=" + *value);
    if (access.use_agent) {
        const auto socket = environment("SSH_AUTH_SOCK");
        if (!socket)
            return failure("source.no-agent",
                           fmt::format("the credential {} wants an ssh agent, and SSH_AUTH_SOCK is not set",
                                       access.name),
                           "start one (eval $(ssh-agent); ssh-add KEY), or give the credential a keyFile");
        options.environment.push_back("SSH_AUTH_SOCK=" + *socket);
    }
    if (!access.passphrase.empty()) {
        // ssh takes a passphrase from a terminal or from a program only. The program says what stands in its
        // environment, which nobody but this user can read; on disk there is no secret.
        const std::string program = folder + "/askpass";
        if (Status written =
                write_file_atomically(program, "#!/bin/sh\nprintf '%s\\n' \"$HOLDFAST_PASSPHRASE\"\n", 0700);
            !written)
            return written.error();
        options.environment.insert(options.environment.end(),
                                   {"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none",
                                    "HOLDFAST_PASSPHRASE=" + access.passphrase});
    }
    Result<std::unique_ptr<ChildProcess>> child = ChildProcess::start(options);
    if (!child) return child.error();
    return std::unique_ptr<Conversation>(
        std::make_unique<SshConversation>(url, access, limits, *std::move(child)));
}

} // namespace holdfast::git

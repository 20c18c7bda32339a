#include "confirm/probe.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/text.hpp"
#include "git/remote_url.hpp"
#include "manifest/operator_config.hpp"
#include "sys/child_process.hpp"
#include "sys/environment.hpp"
#include "sys/http/http.hpp"

namespace holdfast {

namespace {

using std::chrono::milliseconds;
using Moment = std::chrono::steady_clock::time_point;

milliseconds left_until(Moment until) {
    return std::max(milliseconds(0),
                    std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now()));
}

struct HostPort {
    std::string host, port;
};

// "192.0.2.1:22", "[2001:db8::1]:22"
HostPort split_target(const std::string& target) {
    const std::size_t colon = target.rfind(':');
    HostPort out{target.substr(0, colon), colon == target.npos ? "" : target.substr(colon + 1)};
    if (out.host.size() > 2 && out.host.front() == '[') out.host = out.host.substr(1, out.host.size() - 2);
    return out;
}

void look_up(const std::string& host, const std::string& port, PreparedProbe& prepared) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), port.empty() ? nullptr : port.c_str(), &wanted, &found);
    if (error != 0) {
        prepared.problem = fmt::format("{} cannot be looked up: {}", host, gai_strerror(error));
        return;
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
    for (const addrinfo* at = found; at; at = at->ai_next)
        prepared.addresses.push_back(
            {std::string(reinterpret_cast<const char*>(at->ai_addr), at->ai_addrlen), at->ai_family});
}

std::string connect_to(const SocketAddress& address, bool refused_counts, Moment until) {
    const Fd fd(socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fmt::format("no socket: {}", error_text(errno));
    const auto answer_of = [&](int error) {
        return error == 0 || (refused_counts && error == ECONNREFUSED) ? std::string() : error_text(error);
    };
    const auto* to = reinterpret_cast<const sockaddr*>(address.bytes.data());
    if (connect(fd.get(), to, static_cast<socklen_t>(address.bytes.size())) == 0) return {};
    if (errno != EINPROGRESS) return answer_of(errno);
    pollfd wait{fd.get(), POLLOUT, 0};
    int ready = 0;
    do ready = poll(&wait, 1, static_cast<int>(left_until(until).count()));
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) return "no answer";
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return answer_of(error);
}

// Any of the addresses will do, as it does for whoever connects by name.
template <typename Try>
std::string first_of(const PreparedProbe& prepared, Moment until, Try attempt) {
    std::string why = prepared.problem.empty() ? "no address" : prepared.problem;
    for (std::size_t i = 0; i < prepared.addresses.size(); ++i) {
        // An address family that does not answer must not take the time of the others.
        const auto share = left_until(until) / static_cast<int>(prepared.addresses.size() - i);
        why = attempt(prepared.addresses[i], std::chrono::steady_clock::now() + share);
        if (why.empty()) break;
    }
    return why;
}

std::string get(const ReachProbe& probe, milliseconds limit) {
    HttpClient client; // a new one has no connections from before the change
    const HttpResponse response = client.perform({.url = probe.target, .timeout = limit, .retries = 0});
    if (response.end != HttpEnd::answered) return response.error;
    const bool is_good = probe.status != 0 ? response.status == probe.status : response.status < 500;
    return is_good ? std::string() : fmt::format("the answer is {}", response.status);
}

std::string run_command(const PreparedProbe& prepared, milliseconds limit) {
    std::vector<std::string> variables{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    for (const char* name : {"LANG", "TZ"})
        if (const auto value = environment(name)) variables.push_back(fmt::format("{}={}", name, *value));
    auto child = ChildProcess::start({.arguments = prepared.run, .environment = std::move(variables)});
    if (!child) return child.error().message;
    (*child)->close_input();
    const Moment until = std::chrono::steady_clock::now() + limit;
    std::string said;
    pollfd waits[] = {{(*child)->output(), POLLIN, 0}, {(*child)->errors(), POLLIN, 0}};
    while (waits[0].fd >= 0 || waits[1].fd >= 0) {
        if (left_until(until).count() == 0) return fmt::format("it runs longer than {} ms", limit.count());
        if (poll(waits, 2, static_cast<int>(left_until(until).count())) <= 0) continue;
        for (pollfd& wait : waits) {
            char buffer[1024];
            if (wait.fd < 0 || wait.revents == 0) continue;
            const ssize_t count = read(wait.fd, buffer, sizeof buffer);
            if (count > 0 && said.size() < 500) said.append(buffer, static_cast<std::size_t>(count));
            if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) wait.fd = -1;
        }
    }
    const int status = (*child)->wait();
    const std::string line(trim(said.substr(0, said.find('\n'))));
    if (status == 0) return {};
    return line.empty() ? fmt::format("it ended with status {}", status)
                        : fmt::format("it ended with status {}: {}", status, line);
}

} // namespace

std::string to_string(const ReachProbe& probe) {
    switch (probe.kind) {
        case ReachProbe::Kind::tcp: return "tcp " + probe.target;
        case ReachProbe::Kind::http: return "GET " + shown_url(probe.target);
        case ReachProbe::Kind::ping: return "ping " + probe.target;
        case ReachProbe::Kind::command: return "command " + probe.target;
    }
    return probe.target;
}

Result<PreparedProbe> prepare_probe(const ReachProbe& probe, const OperatorConfig& config,
                                    const std::string& stack) {
    PreparedProbe prepared{.probe = probe};
    if (probe.kind == ReachProbe::Kind::tcp) {
        const HostPort target = split_target(probe.target);
        look_up(target.host, target.port, prepared);
    } else if (probe.kind == ReachProbe::Kind::ping) {
        look_up(probe.target, "", prepared);
    } else if (probe.kind == ReachProbe::Kind::command) {
        const NamedCommand* command = config.command(probe.target);
        const bool is_allowed =
            command && (command->stacks.empty() ||
                        std::any_of(command->stacks.begin(), command->stacks.end(),
                                    [&](const std::string& glob) { return matches_glob(glob, stack); }));
        if (!is_allowed)
            return failure("confirm.unknown-command",
                           command
                               ? fmt::format("stack {} may not name the command {}", stack, probe.target)
                               : fmt::format("the operator's configuration has no command {}", probe.target),
                           fmt::format("write it under `commands` in {}",
                                       config.path.empty() ? "/etc/holdfast/config.yaml" : config.path));
        prepared.run = command->run;
        prepared.timeout = command->timeout;
    }
    return prepared;
}

std::string run_probe(const PreparedProbe& prepared, milliseconds limit) {
    limit = std::min(limit, prepared.timeout);
    const Moment until = std::chrono::steady_clock::now() + limit;
    switch (prepared.probe.kind) {
        case ReachProbe::Kind::tcp:
            return first_of(prepared, until, [&](const SocketAddress& address, Moment end) {
                return connect_to(address, prepared.probe.refused_counts, end);
            });
        case ReachProbe::Kind::http: return get(prepared.probe, limit);
        case ReachProbe::Kind::ping:
            return first_of(prepared, until, [&](const SocketAddress& address, Moment end) {
                return ping(address, left_until(end));
            });
        case ReachProbe::Kind::command: return run_command(prepared, limit);
    }
    return "no such probe";
}

std::vector<ReachProbe> default_probes(const std::string& git_url, const std::string& ssh_connection) {
    std::vector<ReachProbe> probes;
    const auto add = [&](const std::string& host, int port) {
        const bool is_v6 = host.find(':') != host.npos;
        probes.push_back({.kind = ReachProbe::Kind::tcp,
                          .target = fmt::format("{}{}{}:{}", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port),
                          .refused_counts = true});
    };
    if (const Result<RemoteUrl> url = parse_remote_url(git_url); url && !url->host.empty())
        add(url->host, url->port != 0           ? url->port
                       : url->scheme == "https" ? 443
                       : url->scheme == "http"  ? 80
                                                : 22);
    // "192.0.2.7 50022 198.51.100.1 22": who, and to what of ours.
    if (const std::string_view peer = std::string_view(ssh_connection).substr(0, ssh_connection.find(' '));
        !peer.empty())
        add(std::string(peer), 22);
    return probes;
}

} // namespace holdfast

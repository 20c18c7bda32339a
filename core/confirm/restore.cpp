#include "confirm/restore.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include <fmt/core.h>

#include "base/text.hpp"
#include "provider/host.hpp"
#include "sys/child_process.hpp"
#include "sys/clock.hpp"

extern char** environ;

namespace holdfast {

namespace {

std::string sentence(const Diagnostic& problem) {
    return fmt::format("{} [{}]", problem.message, problem.code);
}

std::string name_of(const GuardedScope& scope) {
    return scope.scope.empty() ? fmt::format("provider {}", scope.provider)
                               : fmt::format("provider {}, scope {}", scope.provider, scope.scope);
}

} // namespace

std::string restore_scope(const Checkpoint& checkpoint, std::size_t index, const holdfast_http* http) {
    if (index >= checkpoint.scopes.size()) return "there is no such scope";
    const GuardedScope& scope = checkpoint.scopes[index];
    const Result<std::string> bytes = read_file(checkpoint.directory + "/" + scope.snapshot, 1U << 30);
    if (!bytes) return sentence(bytes.error());
    HostOptions options;
    options.search_path = {checkpoint.directory};
    options.pinned = {{scope.plugin, scope.plugin_hash}};
    options.demand_pins = true;
    options.blob_directory = checkpoint.blob_directory;
    options.http = http;
    PluginHost host(std::move(options));
    auto provider = host.open({.name = scope.provider,
                               .plugin = scope.plugin,
                               .config = scope.config,
                               .isolation = Isolation::in_process});
    if (!provider) return sentence(provider.error());
    if ((*provider)->target() != scope.target)
        return fmt::format("the provider reaches {} now, and the snapshot is of {}", (*provider)->target(),
                           scope.target);
    const Call call{.method = Method::restore, .scope = scope.scope, .options = *bytes};
    const CallEnd end = (*provider)->call(call, [](const ItemResult&) {});
    if (end.ok) return {};
    return end.why.empty() ? "the plugin does not say why" : sentence(end.why.list().front());
}

namespace {

struct Attempt {
    int status = -1;
    std::string said;
};

// Reads what the child prints until it ends, or kills it at the limit.
Attempt attempt(const Checkpoint& checkpoint, std::size_t scope, const RestoreOptions& options) {
    std::vector<std::string> environment;
    for (char** variable = environ; variable && *variable; ++variable) environment.emplace_back(*variable);
    auto child = ChildProcess::start(
        {.arguments = {options.program, "--restore", checkpoint.directory, std::to_string(scope)},
         .environment = std::move(environment)});
    if (!child) return {.status = -1, .said = sentence(child.error())};
    Attempt result;
    const auto until = std::chrono::steady_clock::now() + options.attempt_limit;
    pollfd waits[] = {{(*child)->output(), POLLIN, 0}, {(*child)->errors(), POLLIN, 0}};
    while (waits[0].fd >= 0 || waits[1].fd >= 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            (*child)->kill();
            (*child)->wait();
            return {.status = -1,
                    .said = fmt::format("it took longer than {} s and was ended",
                                        options.attempt_limit.count() / 1000)};
        }
        if (poll(waits, 2, static_cast<int>(left.count())) < 0 && errno != EINTR) break;
        for (pollfd& wait : waits) {
            if (wait.fd < 0 || wait.revents == 0) continue;
            char buffer[4096];
            const ssize_t got = read(wait.fd, buffer, sizeof buffer);
            if (got > 0 && result.said.size() < 16'000)
                result.said.append(buffer, static_cast<std::size_t>(got));
            else if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
                wait.fd = -1;
        }
    }
    result.status = (*child)->wait();
    return result;
}

std::string problem_of(const Attempt& attempt) {
    const std::string said(trim(attempt.said));
    if (!said.empty()) return said;
    return attempt.status > 128
               ? fmt::format("the process that restores it was ended by signal {}", attempt.status - 128)
               : fmt::format("the process that restores it ended with status {}", attempt.status);
}

} // namespace

Reverted restore_all(const Checkpoint& checkpoint, const RestoreOptions& options) {
    SystemClock clock;
    const auto until = clock.uptime() + std::chrono::milliseconds(checkpoint.restore_limit_ms);
    std::vector<std::string> problems(checkpoint.scopes.size(), "not tried");
    auto pause = options.first_pause;
    for (;;) {
        for (std::size_t i = problems.size(); i-- > 0;) {
            if (problems[i].empty()) continue;
            const Attempt result = attempt(checkpoint, i, options);
            problems[i] = result.status == 0 ? "" : problem_of(result);
        }
        const bool is_complete = std::all_of(problems.begin(), problems.end(),
                                             [](const std::string& problem) { return problem.empty(); });
        if (is_complete || clock.uptime() + pause >= until) break;
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, options.longest_pause);
    }
    Reverted reverted{
        .at_ms = clock.now_ms(), .is_complete = true, .verdict = read_verdict(checkpoint.directory)};
    for (std::size_t i = 0; i < problems.size(); ++i) {
        const std::string name = name_of(checkpoint.scopes[i]);
        reverted.is_complete &= problems[i].empty();
        if (problems[i].empty())
            reverted.done.push_back(name);
        else
            reverted.problems.push_back(name + ": " + problems[i]);
    }
    (void)write_reverted(checkpoint.directory, reverted);
    return reverted;
}

} // namespace holdfast

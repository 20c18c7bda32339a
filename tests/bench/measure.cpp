#include "measure.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

namespace bench {

namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

[[noreturn]] void become(const std::vector<std::string>& command, const std::vector<std::string>& environment,
                         const std::string& input_file, int output) {
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    const int input = ::open(input_file.empty() ? "/dev/null" : input_file.c_str(), O_RDONLY);
    ::dup2(input, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
}

} // namespace

Usage run(const std::vector<std::string>& command, const std::vector<std::string>& environment,
          const std::string& input_file) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    const auto started = std::chrono::steady_clock::now();
    const pid_t child = ::fork();
    if (child == 0) become(command, environment, input_file, ends[1]);
    ::close(ends[1]);
    Usage usage;
    static char buffer[1 << 16];
    constexpr std::size_t keep = 1 << 20;
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        if (usage.output.size() < keep) usage.output.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    rusage used{};
    ::wait4(child, &status, 0, &used);
    usage.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    usage.cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime);
    usage.peak_kib = used.ru_maxrss;
    usage.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return usage;
}

Usage median_of(int times, const std::vector<std::string>& command, int expected,
                const std::vector<std::string>& environment, const std::string& input_file) {
    std::vector<Usage> runs;
    for (int i = 0; i < times; ++i) {
        runs.push_back(run(command, environment, input_file));
        if (runs.back().exit_code == expected) continue;
        fmt::print(stderr, "bench: {} exited with {}, not {}:\n{}\n", command.front(), runs.back().exit_code,
                   expected, runs.back().output.substr(0, 4000));
        std::exit(1);
    }
    std::sort(runs.begin(), runs.end(), [](const Usage& a, const Usage& b) { return a.cpu_s < b.cpu_s; });
    return runs[runs.size() / 2];
}

double seconds_of(const std::function<void()>& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Table::row(const std::string& what, double ours_s, double floor_s, double limit) {
    const double ratio = ours_s / floor_s;
    const bool holds = limit == 0 || ratio <= limit;
    holds_ &= holds;
    fmt::print("{:66} {:8.1f} ms {:8.1f} ms  {:5.2f}{}{}\n", what, ours_s * 1e3, floor_s * 1e3, ratio,
               limit == 0 ? "" : fmt::format("  <= {:.2f}", limit), holds ? "" : "  MISSED");
    std::fflush(stdout);
}

} // namespace bench

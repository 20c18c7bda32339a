// What the real holdfastd costs: CPU and memory of the whole process tree, by the kernel's own accounting,
// and the time from a push to applied. Prints "NAME VALUE LIMIT UNIT". Every figure is of a daemon that was
// seen at work meanwhile; what is wrong ends the program.
//
//   held_daemon idle|push|memory FOLDER COUNT

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "repository.hpp"

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using SteadyTime = std::chrono::steady_clock::time_point;

namespace {

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "held_daemon: {}\n", why);
    std::exit(1);
}

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void shell(const std::string& command) {
    if (std::system(command.c_str()) != 0) fail(command);
}

double ms_since(SteadyTime start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// ---- the daemon, and what its processes use

class HeldDaemon {
public:
    HeldDaemon(const std::string& folder, const std::string& repository, const std::string& settings)
        : log_(folder + "/daemon.log") {
        const std::string config = folder + "/daemon.yaml";
        std::ofstream(config) << fmt::format("store: {}/store\ndaemon:\n  repository: {}\n{}", folder,
                                             repository, settings);
        fs::permissions(config, fs::perms::owner_read | fs::perms::owner_write);
        const std::string program = HOLDFAST_BINARY_DIR "/bin/holdfastd";
        pid_ = ::fork();
        if (pid_ != 0) return;
        const int out = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        ::execl(program.c_str(), program.c_str(), "--config", config.c_str(), nullptr);
        ::_exit(127);
    }
    ~HeldDaemon() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    HeldDaemon(const HeldDaemon&) = delete;
    HeldDaemon& operator=(const HeldDaemon&) = delete;

    // Of everything that ran and runs, in milliseconds on a CPU.
    double cpu_ms() const {
        double sum = ended_children_ms();
        for (const pid_t process : tree()) sum += running_ms(process);
        return sum;
    }
    // Memory in MiB: what is shared between processes counts once, and not the target's own file, which the
    // test provider maps.
    double memory_mib(const std::string& target) const {
        double kib = 0;
        for (const pid_t process : tree()) {
            std::istringstream lines(read(fmt::format("/proc/{}/smaps", process)));
            bool is_ours = true;
            std::string start; // of the mapping; one that grows meanwhile may be told twice
            std::map<std::string, double> mappings;
            for (std::string line; std::getline(lines, line);) {
                const bool is_header = line.find('-') < line.find(' ');
                if (is_header) {
                    is_ours = !line.ends_with(" " + target);
                    start = line.substr(0, line.find('-'));
                }
                if (is_ours && line.starts_with("Pss:"))
                    mappings[start] = std::strtod(line.c_str() + 4, nullptr);
            }
            for (const auto& [address, pss] : mappings) kib += pss;
        }
        return kib / 1024;
    }
    std::string log() const { return read(log_); }
    std::size_t count_in_log(const std::string& words) const {
        const std::string text = log();
        std::size_t count = 0;
        for (std::size_t at = 0; (at = text.find(words, at)) != std::string::npos; at += words.size())
            ++count;
        return count;
    }

private:
    std::vector<pid_t> tree() const {
        std::vector<pid_t> all{pid_};
        for (std::size_t i = 0; i < all.size(); ++i) {
            std::error_code gone;
            for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", all[i]), gone)) {
                std::ifstream children(task.path() / "children");
                for (pid_t child = 0; children >> child;) all.push_back(child);
            }
        }
        return all;
    }
    static double running_ms(pid_t process) {
        clockid_t clock{};
        timespec used{};
        if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
        return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
    }
    double ended_children_ms() const {
        const std::string stat = read(fmt::format("/proc/{}/stat", pid_));
        if (stat.empty()) fail("the daemon ended:\n" + log());
        std::istringstream fields(stat.substr(stat.rfind(')') + 2));
        std::string field;
        double ticks = 0;
        for (int i = 3; fields >> field && i <= 17; ++i) // cutime and cstime: fields 16 and 17
            if (i >= 16) ticks += std::stod(field);
        return ticks * 1000 / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }

    std::string log_;
    pid_t pid_ = -1;
};

void wait_until(const HeldDaemon& daemon, const std::string& what, std::chrono::seconds at_most,
                const std::function<bool()>& claim) {
    const auto until = std::chrono::steady_clock::now() + at_most;
    while (!claim()) {
        if (std::chrono::steady_clock::now() > until) fail(what + " did not come about:\n" + daemon.log());
        std::this_thread::sleep_for(5ms);
    }
}

// ---- sites

std::string provider_of(const std::string& plugin, const std::string& config) {
    return fmt::format("apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {{name: target}}\n"
                       "spec:\n  plugin: {}\n  config: {}\n",
                       plugin, config);
}

std::string stack_of(const std::string& name, const std::string& path, const std::string& group) {
    return fmt::format("---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {{name: {}}}\nspec:\n"
                       "  path: {}\n  providers: {{{}: target}}\n  limits: {{maxLeaves: 1000000}}\n",
                       name, path, group);
}

std::string file_path(std::size_t i, std::size_t per_stack) {
    return fmt::format("s{:03}/f{:06}.yaml", i / per_stack, i);
}

void edit_by_hand(const HeldDaemon& daemon, const std::string& path) {
    const std::string before = read(path);
    if (before.empty()) fail(path + " is not there");
    std::ofstream(path) << "quick fix\n";
    wait_until(daemon, "the correction of " + path, 90s, [&] { return read(path) == before; });
}

// ---- the measurements

// Each stack has a pass a minute, five times as often as by default, with ten files each on one target. A
// minute after all of them came to rest; in its middle a file is changed by hand.
void idle(const std::string& folder, std::size_t stacks) {
    constexpr std::size_t per_stack = 10;
    const std::string root = folder + "/root", repository = folder + "/site";
    fs::create_directory(root);
    std::string project = provider_of("host", fmt::format("{{root: {}}}", root));
    for (std::size_t i = 0; i < stacks; ++i)
        project += stack_of(fmt::format("stack-{:03}", i), fmt::format("s{:03}", i), "host.holdfast.dev");
    bench::make_repository(repository, project, stacks * per_stack, bench::file_document,
                           [](std::size_t i) { return file_path(i, per_stack); });
    const HeldDaemon daemon(folder, fmt::format("{{path: {}}}", repository), "  interval: 1m\n");
    wait_until(daemon, "the first passes", 300s,
               [&] { return daemon.count_in_log("applied 10 changes") >= stacks; });
    std::this_thread::sleep_for(65s); // each has had its second one
    const double before = daemon.cpu_ms();
    const auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(30s);
    edit_by_hand(daemon, fmt::format("{}/f{:06}.conf", root, stacks * per_stack / 2));
    std::this_thread::sleep_until(start + 60s);
    const double used = daemon.cpu_ms() - before, share = used / ms_since(start) * 100;
    fmt::print("idle,_a_pass_a_minute_for_each_of_{}_stacks,_share_of_a_CPU {:.2f} 2 %\n", stacks, share);
}

// From the beginning of `git push` into a bare repository, at any phase of the daemon's interval of a second,
// until the file is as it was pushed.
void push(const std::string& folder, std::size_t times) {
    const std::string root = folder + "/root", site = folder + "/site", bare = folder + "/site.git";
    fs::create_directory(root);
    constexpr std::size_t documents = 1000;
    bench::make_repository(site,
                           provider_of("host", fmt::format("{{root: {}}}", root)) +
                               stack_of("web", "stack", "host.holdfast.dev"),
                           documents, bench::file_document);
    shell(fmt::format("git clone -q --bare '{0}' '{1}' && git -C '{0}' remote add origin '{1}' && "
                      "git -C '{0}' checkout -qf main",
                      site, bare));
    const HeldDaemon daemon(folder, fmt::format("{{path: {}, revision: main, interval: 1s}}", bare), "");
    wait_until(daemon, "the first pass", 120s,
               [&] { return daemon.count_in_log("applied 1000 changes") > 0; });
    std::mt19937 random(7);
    std::vector<double> walls;
    for (std::size_t i = 0; i < times; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1500 + random() % 1000));
        const std::string file = fmt::format("stack/d000/o{:06}.yaml", i);
        shell(fmt::format("cd '{}' && sed -i 's/workers = 4/workers = {}/' {} && git -c user.name=b -c "
                          "user.email=b@example.org commit -qam change",
                          site, 100 + i, file));
        const auto start = std::chrono::steady_clock::now();
        shell(fmt::format("git -C '{}' push -q origin main", site));
        const std::string target = fmt::format("{}/f{:06}.conf", root, i),
                          word = fmt::format("= {}", 100 + i);
        wait_until(daemon, "the pushed commit", 20s,
                   [&] { return read(target).find(word) != std::string::npos; });
        walls.push_back(ms_since(start));
    }
    std::sort(walls.begin(), walls.end());
    fmt::print("push_to_applied,_interval_1_s,_median_of_{},_wall {:.0f} 1200 ms\n", times,
               walls[walls.size() / 2]);
    fmt::print("push_to_applied,_interval_1_s,_slowest,_wall {:.0f} 2500 ms\n", walls.back());
}

// On top of the branch, without a working tree.
void commit_file(const std::string& repository, const std::string& path, const std::string& text) {
    FILE* git = ::popen(fmt::format("git -C '{}' fast-import --quiet", repository).c_str(), "w");
    if (!git) fail("git fast-import");
    fmt::print(
        git,
        "commit refs/heads/main\ncommitter Bench <bench@example.org> 1700000001 +0000\ndata 6\nchange\n"
        "from refs/heads/main^0\nM 100644 inline {}\ndata {}\n{}\n",
        path, text.size(), text);
    if (::pclose(git) != 0) fail("git fast-import");
}

// What daemon and workers hold at rest, and the most of it at any time of passes over everything, as the
// resync interval asks for them, and of a commit that cuts one of them short. The first apply of so many at
// once, and the first look at what came of it, is told and has no limit.
void memory(const std::string& folder, std::size_t leaves) {
    const std::string data = folder + "/data", repository = folder + "/site";
    bench::make_repository(repository,
                           provider_of("memory", fmt::format("{{file: {}}}", data)) +
                               stack_of("bench", "stack", "memory.holdfast.dev"),
                           leaves, [](std::size_t i) { return bench::object_document(i); });
    const HeldDaemon daemon(folder, fmt::format("{{path: {}, interval: 1s}}", repository),
                            "  interval: 15s\n  resync: 15s\n");
    double peak_at_first = 0, peak = 0;
    const auto watch_until = [&](const std::string& what, double& most, const std::function<bool()>& claim) {
        wait_until(daemon, what, 600s, [&] {
            most = std::max(most, daemon.memory_mib(data));
            std::this_thread::sleep_for(50ms);
            return claim();
        });
    };
    watch_until("the first pass", peak_at_first,
                [&] { return daemon.count_in_log(fmt::format("applied {} changes", leaves)) > 0; });
    const auto hand_edit = [&](std::size_t i) {
        const std::string needle = fmt::format("reconciles {} of them", i);
        const std::size_t at = read(data).rfind(needle);
        if (at == std::string::npos) fail("nothing to change");
        std::fstream(data, std::ios::in | std::ios::out | std::ios::binary)
            .seekp(static_cast<std::streamoff>(at))
            .put('Q');
        return [&daemon, before = daemon.count_in_log("changed outside Git")] {
            return daemon.count_in_log("changed outside Git") > before;
        };
    };
    // The first look at all that was made compares everything; what came out equal is remembered.
    watch_until("the correction", peak_at_first, hand_edit(leaves / 2));
    std::this_thread::sleep_for(20s);
    const auto until = std::chrono::steady_clock::now() + 60s;
    double at_rest = 1e9;
    watch_until("a minute", peak, [&] {
        at_rest = std::min(at_rest, daemon.memory_mib(data));
        return std::chrono::steady_clock::now() > until;
    });
    watch_until("another correction", peak, hand_edit(leaves / 3));
    // Most of these come in the middle of a pass, which is told to stop.
    for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t count = daemon.count_in_log("applied 1 change ");
        commit_file(repository, fmt::format("stack/d000/o{:06}.yaml", i),
                    bench::object_document(i) + "  more: 1\n");
        watch_until("the commit", peak, [&] { return daemon.count_in_log("applied 1 change ") > count; });
        std::this_thread::sleep_for(7s);
    }
    fmt::print("memory_of_daemon_and_workers,_{}_leaves,_at_rest {:.0f} 400 MiB\n", leaves, at_rest);
    fmt::print("memory_of_daemon_and_workers,_{}_leaves,_most_in_passes {:.0f} 400 MiB\n", leaves, peak);
    fmt::print("for_comparison:_in_the_first_apply_of_{}_leaves_and_the_look_after_it {:.0f} 1000000 MiB\n",
               leaves, peak_at_first);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) fail("held_daemon idle|push|memory FOLDER COUNT");
    const std::string what = argv[1], folder = argv[2];
    const auto count = static_cast<std::size_t>(std::atol(argv[3]));
    ::setenv("HOLDFAST_PLUGIN_PATH", HOLDFAST_BINARY_DIR "/tests/plugins:" HOLDFAST_BINARY_DIR "/plugins", 1);
    fs::create_directories(folder);
    if (what == "idle")
        idle(folder, count);
    else if (what == "push")
        push(folder, count);
    else if (what == "memory")
        memory(folder, count);
    else
        fail("there is no measurement " + what);
}

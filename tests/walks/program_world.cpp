// The real programs: `holdfast apply` once a pass, or a holdfastd that is killed and started again, each with
// the providers in workers of their own that are killed as well.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

#include "store/store.hpp"
#include "world.hpp"

namespace holdfast::walks {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 60s;

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

// Everything that this program's processes see of their surroundings.
std::vector<std::string> environment(const std::string& folder) {
    std::vector<std::string> out{"HOME=" + folder + "/home",
                                 "XDG_CONFIG_HOME=" + folder + "/config",
                                 "XDG_STATE_HOME=" + folder + "/state",
                                 "HOLDFAST_CONFIG=" + folder + "/operator.yaml",
                                 "HOLDFAST_PLUGIN_PATH=" HOLDFAST_BINARY_DIR "/tests/plugins",
                                 "TMPDIR=" + folder,
                                 "PATH=/usr/bin:/bin",
                                 "LANG=C.UTF-8",
                                 "USER=ana",
                                 "ASAN_OPTIONS=detect_leaks=0"};
    if (const char* options = std::getenv("TSAN_OPTIONS"))
        out.push_back(std::string("TSAN_OPTIONS=") + options);
    return out;
}

pid_t start(const std::vector<std::string>& words, const std::vector<std::string>& variables,
            const std::string& output) {
    std::vector<char*> arguments, names;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& name : variables) names.push_back(const_cast<char*>(name.c_str()));
    arguments.push_back(nullptr);
    names.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execve(arguments[0], arguments.data(), names.data());
    ::_exit(127);
}

// The exit code, 128 + n after signal n; nothing while it runs.
std::optional<int> ended(pid_t process) {
    int status = 0;
    if (::waitpid(process, &status, WNOHANG) != process) return std::nullopt;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<pid_t> children_of(pid_t process) {
    std::vector<pid_t> children;
    std::error_code ignored;
    for (const auto& thread : fs::directory_iterator(fmt::format("/proc/{}/task", process), ignored)) {
        std::istringstream list(read(thread.path().string() + "/children"));
        for (pid_t child = 0; list >> child;) children.push_back(child);
    }
    return children;
}

struct Ran {
    int exit_code = 0;
    std::string output;
};

class ProgramWorld : public World {
public:
    explicit ProgramWorld(const WorldOptions& options) : World(options) { write_operator_config(""); }

    void pass(const Step& step) override {
        std::vector<std::string> words{"apply", "--yes"};
        if (!step.text.empty()) words.insert(words.end(), {"-s", step.text});
        const Disturbance disturbance{.kills = step.verb == Verb::killed_pass   ? Disturbance::Kills::program
                                               : step.verb == Verb::worker_dies ? Disturbance::Kills::worker
                                                                                : Disturbance::Kills::nobody,
                                      .after = std::chrono::microseconds(100 * step.number)};
        tell(holdfast(words, disturbance));
    }

    void hint(const TargetName&) override {}
    void lose_store() override { fs::remove_all(file(store_)); }

    bool settle(std::string& report) override {
        const Ran applied = apply_everything();
        report = applied.output;
        const Ran plan = holdfast({"plan", "--exit-code"});
        report += plan.output;
        tell({0, report});
        if (applied.exit_code != 0 && applied.exit_code != 3) return false;
        const std::string before = "holdfast approve ";
        for (std::size_t at = 0; (at = plan.output.find(before, at)) != std::string::npos;) {
            at += before.size();
            holdfast({"approve", plan.output.substr(at, plan.output.find_first_of(" \n.", at) - at)});
        }
        return applied.exit_code == 0 && plan.exit_code == 0;
    }

    std::string pass_of_nothing() override { return {}; }

    std::vector<std::string> ledger() override { return ledger_of(*open_store_read_only()); }
    std::string problems_of_store() override { return problems_of(*open_store_read_only()); }

    bool apply_afresh(std::string& report) override {
        target.set_aside();
        store_ = "fresh-store";
        const Ran applied = holdfast({"apply", "--yes"});
        report = applied.output;
        return applied.exit_code == 0;
    }

protected:
    struct Disturbance {
        enum class Kills { nobody, program, worker } kills = Kills::nobody;
        std::chrono::microseconds after{};
    };

    virtual Ran apply_everything() { return holdfast({"apply", "--yes"}); }

    void write_operator_config(const std::string& more) const {
        std::ofstream(file("operator.yaml"))
            << "store: " << file("store") << "\nsecrets:\n  - name: keys\n    file: " << file("keys.yaml")
            << "\n"
            << more;
        ::chmod(file("operator.yaml").c_str(), 0600);
    }

    Ran holdfast(const std::vector<std::string>& arguments, const Disturbance& disturbance) {
        std::vector<std::string> words{HOLDFAST_BINARY_DIR "/bin/holdfast", "-C", repository_.path(),
                                       "--store", file(store_)};
        words.insert(words.end(), arguments.begin(), arguments.end());
        const auto begin = std::chrono::steady_clock::now();
        const pid_t process = start(words, environment(folder_.path()), file("out"));
        bool is_disturbed = disturbance.kills == Disturbance::Kills::nobody;
        for (;;) {
            if (const auto code = ended(process)) return {*code, read(file("out"))};
            const auto ran = std::chrono::steady_clock::now() - begin;
            if (!is_disturbed && ran >= disturbance.after) {
                is_disturbed = true;
                disturb(process, disturbance.kills);
            }
            if (ran > patience) {
                ::kill(process, SIGKILL);
                ::waitpid(process, nullptr, 0);
                throw Finding("it hangs", arguments.front() + "\n" + read(file("out")));
            }
            std::this_thread::sleep_for(is_disturbed ? 1ms : 200us);
        }
    }
    Ran holdfast(const std::vector<std::string>& arguments) { return holdfast(arguments, {}); }

    static void disturb(pid_t process, Disturbance::Kills kills) {
        if (kills == Disturbance::Kills::program) ::kill(process, SIGKILL);
        if (kills == Disturbance::Kills::worker)
            for (const pid_t worker : children_of(process)) ::kill(worker, SIGKILL);
    }

    void tell(const Ran& ran) const {
        if (options_.is_verbose) std::cout << ran.output << "    exit code " << ran.exit_code << std::endl;
    }

    std::unique_ptr<Store> open_store_read_only() const {
        Result<std::unique_ptr<Store>> store =
            open_store({.path = file(store_) + "/store.db", .read_only = true});
        if (!store) throw Finding("the store is not in order", render(store.error()));
        return *std::move(store);
    }

    std::string store_ = "store";
};

class DaemonWorld final : public ProgramWorld {
public:
    explicit DaemonWorld(const WorldOptions& options) : ProgramWorld(options) {
        write_operator_config("daemon:\n  repository: {path: " + repository_.path() +
                              ", interval: 50ms}\n  interval: 2s\n  retryInterval: 100ms\n"
                              "  maxRetryInterval: 500ms\n  log: {level: debug}\n");
    }
    ~DaemonWorld() override {
        if (daemon_ <= 0) return;
        ::kill(daemon_, SIGKILL);
        ::waitpid(daemon_, nullptr, 0);
    }

    // Nobody tells the daemon of a commit or of a hand edit.
    void pass(const Step& step) override {
        keep_running();
        if (step.verb == Verb::pass) {
            if (step.is_heard)
                tell(sync());
            else
                std::this_thread::sleep_for(150ms);
            return;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100 * step.number));
        disturb(daemon_,
                step.verb == Verb::killed_pass ? Disturbance::Kills::program : Disturbance::Kills::worker);
        if (step.verb == Verb::killed_pass) {
            ::waitpid(daemon_, nullptr, 0);
            daemon_ = -1;
        }
    }

    void lose_store() override {
        end(SIGKILL);
        ProgramWorld::lose_store();
    }

    std::string pass_of_nothing() override {
        const int code = end(SIGTERM);
        return code == 0 ? "" : fmt::format("holdfastd ended with {}\n{}", code, read(file("log")));
    }

private:
    Ran apply_everything() override {
        keep_running();
        Ran ran = sync();
        if (options_.is_verbose) ran.output += read(file("log"));
        return ran;
    }

    // It serves its socket some time after its start.
    Ran sync() {
        for (const auto begin = std::chrono::steady_clock::now();;) {
            Ran ran = holdfast({"sync", "--wait", "--timeout", "30s"});
            const bool is_not_there_yet = ran.output.find("no-daemon") != std::string::npos ||
                                          ran.output.find("not-running") != std::string::npos;
            if (!is_not_there_yet || std::chrono::steady_clock::now() - begin > 10s) return ran;
            keep_running();
            std::this_thread::sleep_for(20ms);
        }
    }

    void keep_running() {
        if (daemon_ > 0) {
            const auto code = ended(daemon_);
            if (!code) return;
            daemon_ = -1;
            throw Finding("the daemon ended", fmt::format("with {}\n{}", *code, read(file("log"))));
        }
        daemon_ = start({HOLDFAST_BINARY_DIR "/bin/holdfastd", "--config", file("operator.yaml")},
                        environment(folder_.path()), file("log"));
    }

    int end(int signal) {
        if (daemon_ <= 0) return 0;
        ::kill(daemon_, signal);
        const auto begin = std::chrono::steady_clock::now();
        for (;;) {
            if (const auto code = ended(daemon_)) {
                daemon_ = -1;
                return *code;
            }
            if (std::chrono::steady_clock::now() - begin > patience)
                throw Finding("it hangs", "holdfastd does not end\n" + read(file("log")));
            std::this_thread::sleep_for(2ms);
        }
    }

    pid_t daemon_ = -1;
};

} // namespace

std::unique_ptr<World> make_program_world(const WorldOptions& options, Mode mode) {
    if (mode == Mode::daemon) return std::make_unique<DaemonWorld>(options);
    return std::make_unique<ProgramWorld>(options);
}

} // namespace holdfast::walks

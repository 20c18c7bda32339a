#include "support/daemon_process.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace test {

namespace fs = std::filesystem;

void pause_for(std::chrono::milliseconds duration) { std::this_thread::sleep_for(duration); }

DaemonProcess::DaemonProcess(Playground& place, const std::string& more) : place_(place) { configure(more); }

DaemonProcess::~DaemonProcess() {
    if (pid_ > 0) stop(SIGKILL);
}

void DaemonProcess::configure(const std::string& more) {
    const fs::path path = place_.folder() / "operator.yaml";
    std::ofstream(path) << "store: " << place_.store().string()
                        << "\ndaemon:\n  repository: {path: " << place_.repository().string()
                        << ", interval: 100ms}\n"
                        << more;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

void DaemonProcess::start(const std::vector<std::string>& more) {
    const fs::path log = place_.folder() / "daemon.log";
    std::vector<std::string> words{std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfastd", "--config",
                                   (place_.folder() / "operator.yaml").string()};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments, environment;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& word : place_.environment())
        environment.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(::open("/dev/null", O_RDONLY), 0);
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        ::execve(arguments[0], arguments.data(), environment.data());
        ::_exit(127);
    }
}

void DaemonProcess::start_and_wait() {
    start();
    has_logged("the source is at");
}

void DaemonProcess::signal(int number) const { ::kill(pid_, number); }

DaemonProcess::Ended DaemonProcess::wait() {
    const auto begin = std::chrono::steady_clock::now();
    const auto took = [&] {
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                     begin);
    };
    while (pid_ > 0) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), took()};
        }
        if (took() > std::chrono::seconds(30)) return {-1, took()};
        pause_for(std::chrono::milliseconds(5));
    }
    return {};
}

DaemonProcess::Ended DaemonProcess::stop(int number) {
    signal(number);
    return wait();
}

bool DaemonProcess::is_running() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == 0) return true;
    pid_ = -1;
    return false;
}

long DaemonProcess::cpu_ms() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text;
    std::getline(file, text);
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string field;
    long ticks = 0;
    for (int i = 3; fields >> field && i <= 17; ++i) // utime stime cutime cstime: fields 14 to 17
        if (i >= 14) ticks += std::stol(field);
    return ticks * 1000 / ::sysconf(_SC_CLK_TCK);
}

std::vector<pid_t> DaemonProcess::workers() const {
    std::vector<pid_t> all;
    std::error_code gone;
    for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid_) + "/task", gone)) {
        std::ifstream children(task.path() / "children");
        for (pid_t child = 0; children >> child;) all.push_back(child);
    }
    return all;
}

std::string DaemonProcess::log() const {
    std::ostringstream text;
    text << std::ifstream(place_.folder() / "daemon.log").rdbuf();
    return text.str();
}

bool DaemonProcess::has_logged(const std::string& text) const {
    return comes_true([&] { return log().find(text) != std::string::npos; });
}

} // namespace test

// BIRD 2: its configuration file, checked by `bird -p`, loaded over the control socket with BIRD's own timer,
// so that a configuration which cuts us off goes away by itself.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.hpp"
#include "program.hpp"

namespace holdfast::routing {

namespace {

using BirdClock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// One answer of the control socket: lines with the numbers of reply_codes in BIRD's doc/.
struct BirdAnswer {
    std::vector<std::pair<int, std::string>> lines;

    const std::string* text(int code) const {
        for (const auto& [number, line] : lines)
            if (number == code) return &line;
        return nullptr;
    }
    bool has_failed() const { return !lines.empty() && lines.back().first >= 8000; }
    std::string words() const {
        std::string out;
        for (const auto& [code, line] : lines) out += (out.empty() ? "" : "; ") + line;
        return out;
    }
};

class BirdControl {
public:
    BirdControl(const sdk::Call& call, const std::string& path) : call_(call), path_(path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) throw away("its path is too long");
        std::memcpy(address.sun_path, path.c_str(), path.size());
        fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            const std::string why = std::strerror(errno);
            if (fd_ >= 0) close(fd_);
            throw away(why);
        }
        try {
            const BirdAnswer hello = receive(); // "0001 BIRD 2.0.12 ready."
            if (const std::string* text = hello.text(1)) version_ = text->substr(0, text->find(" ready"));
        } catch (...) {
            close(fd_);
            throw;
        }
    }
    ~BirdControl() { close(fd_); }
    BirdControl(const BirdControl&) = delete;
    BirdControl& operator=(const BirdControl&) = delete;

    const std::string& version() const { return version_; } // "BIRD 2.0.12"

    BirdAnswer ask(const std::string& command) {
        const std::string line = command + "\n";
        if (send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
            throw away(std::strerror(errno));
        return receive();
    }

private:
    sdk::Error away(const std::string& why) const {
        return sdk::Error({"routing.daemon-away", "BIRD does not answer at " + path_ + ": " + why,
                           "start it, or correct bird.socket in the provider's config", "", sdk::Retry::after,
                           5000ms});
    }
    // "1002-name", more of it in lines that begin with a blank, and "0000 " or "1002 text" at the end.
    BirdAnswer receive() {
        BirdAnswer out;
        for (int code = 0;;) {
            const std::string line = receive_line();
            const bool has_code = line.size() >= 5 && std::isdigit(static_cast<unsigned char>(line[0])) != 0;
            if (has_code) code = std::atoi(line.substr(0, 4).c_str());
            out.lines.emplace_back(code, line.substr(std::min<std::size_t>(line.size(), has_code ? 5 : 1)));
            if (has_code && line[4] == ' ') return out;
        }
    }
    std::string receive_line() {
        const auto until = BirdClock::now() + 10s;
        for (std::size_t end = 0; (end = buffer_.find('\n')) == std::string::npos;) {
            pollfd descriptor{fd_, POLLIN, 0};
            std::array<char, 4096> part{};
            if (poll(&descriptor, 1, 50) > 0) {
                const ssize_t got = recv(fd_, part.data(), part.size(), 0);
                if (got == 0) throw away("it closed the connection");
                if (got > 0) buffer_.append(part.data(), static_cast<std::size_t>(got));
            }
            if (BirdClock::now() >= until || call_.should_stop()) throw away("it says nothing");
        }
        const std::size_t end = buffer_.find('\n');
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
    }

    const sdk::Call& call_;
    std::string path_, buffer_, version_;
    int fd_ = -1;
};

// Seconds since 1970 of "Last reconfiguration on 2026-11-23 05:00:00.123"; 0 where it is written otherwise.
double time_in(const std::string& text) {
    const std::size_t at = text.find(" on ");
    if (at == std::string::npos) return 0;
    std::tm parts{};
    const std::string value = text.substr(at + 4);
    const char* const rest = strptime(value.c_str(), "%Y-%m-%d %H:%M:%S", &parts);
    if (!rest) return 0;
    parts.tm_isdst = -1;
    const double fraction = *rest == '.' ? std::atof(rest) : 0;
    return static_cast<double>(std::mktime(&parts)) + fraction;
}

class Bird final : public RoutingDaemon {
public:
    explicit Bird(const DaemonSettings& settings) : RoutingDaemon("BirdConfig", settings) {
        for (const std::string* path : {&settings.config, &settings.socket})
            if (path->find_first_of("\"\n\\") != std::string::npos)
                throw sdk::Error("routing.config",
                                 "a path of the provider's config has quotes in it: " + *path);
    }

protected:
    void check(const sdk::Call& call, const std::string& path, const std::string& shown) override {
        BirdControl control(call, settings().socket); // it has to run: else nothing is touched
        std::string said;
        if (const auto program = find_program("bird")) {
            const sdk::ProgramResult ran = sdk::run_program(call, {*program, "-p", "-c", path}, 30s);
            if (ran.exit_code == 0) return;
            said = ran.exit_code < 0 ? "bird -p did not end" : ran.output;
        } else {
            const BirdAnswer answer = control.ask("configure check \"" + path + "\"");
            if (!answer.has_failed()) return;
            said = answer.lines.back().second;
        }
        std::string message = replaced(sdk::in_one_line(said), path, shown);
        if (message.rfind("bird: ", 0) == 0) message.erase(0, 6);
        throw sdk::Error({"routing.bad-config", "BIRD refuses the new configuration: " + message,
                          "correct it at the line that it names; the file was not touched", "/spec"});
    }

    void load(const sdk::Call& call, const DesiredConfig& desired) override {
        BirdControl control(call, settings().socket);
        // The protocols that have to be up need their time, and the timer has to outlast them.
        const auto timeout =
            std::max(settings().timeout, desired.established.empty() ? 0s : desired.within + 10s);
        const BirdAnswer answer =
            control.ask("configure \"" + settings().config + "\" timeout " + std::to_string(timeout.count()));
        if (answer.has_failed()) throw refused(answer);
        try {
            wait_until_done(call, control);
            wait_until_up(call, control, desired);
        } catch (const sdk::Error&) {
            control.ask("configure undo");
            throw;
        }
        const BirdAnswer confirmed = control.ask("configure confirm");
        if (confirmed.has_failed()) throw refused(confirmed);
    }

    void load_back(const sdk::Call& call) override {
        BirdControl control(call, settings().socket);
        const BirdAnswer answer = control.ask("configure \"" + settings().config + "\"");
        if (answer.has_failed()) throw refused(answer);
        wait_until_done(call, control);
    }

    Status status(const sdk::Call& call) override {
        try {
            BirdControl control(call, settings().socket);
            const BirdAnswer answer = control.ask("show status");
            Status out{.outputs = {{"running", true}, {"version", control.version()}}};
            for (const auto& [code, line] : answer.lines)
                if (line.find("Last reconfiguration on ") != std::string::npos)
                    out.has_loaded = is_newer_than_file(time_in(line));
            return out;
        } catch (const sdk::Error&) {
            return {.outputs = {{"running", false}}};
        }
    }

private:
    // BIRD does not tell what it has loaded, but when; a file that is newer has not been. It works that time
    // out anew from the clocks of the moment, so two answers differ by milliseconds.
    bool is_newer_than_file(double loaded) const {
        struct stat file {};
        if (loaded == 0 || stat(settings().config.c_str(), &file) != 0) return true;
        const double written =
            static_cast<double>(file.st_mtim.tv_sec) + static_cast<double>(file.st_mtim.tv_nsec) / 1e9;
        return written <= loaded + 0.01;
    }

    static sdk::Error refused(const BirdAnswer& answer) {
        return sdk::Error({"routing.bad-config", "BIRD refuses the new configuration: " + answer.words(),
                           "see its log", "/spec"});
    }

    static void wait_until_done(const sdk::Call& call, BirdControl& control) {
        for (const auto until = BirdClock::now() + 30s; BirdClock::now() < until && !call.should_stop();) {
            if (control.ask("show status").words().find("Reconfiguration in progress") == std::string::npos)
                return;
            std::this_thread::sleep_for(20ms);
        }
        throw sdk::Error({"routing.not-loaded", "BIRD did not finish its reconfiguration", "see its log", "",
                          sdk::Retry::after, 5000ms});
    }

    static void wait_until_up(const sdk::Call& call, BirdControl& control, const DesiredConfig& desired) {
        std::string missing;
        for (const auto until = BirdClock::now() + desired.within;;) {
            missing.clear();
            for (const std::string& name : desired.established)
                if (!is_up(control, name, missing)) break;
            if (missing.empty()) return;
            if (BirdClock::now() >= until || call.should_stop()) break;
            std::this_thread::sleep_for(100ms);
        }
        throw sdk::Error(
            {"routing.not-established",
             "after " + std::to_string(desired.within.count()) + " s with the new configuration " + missing,
             "correct the configuration or the neighbour; see `birdc show protocols all`",
             "/spec/established"});
    }

    // "1002-peer  BGP  ---  up  05:00:00.000  Established"
    static bool is_up(BirdControl& control, const std::string& name, std::string& missing) {
        const BirdAnswer answer = control.ask("show protocols");
        for (const auto& [code, line] : answer.lines) {
            if (code != 1002 || line.substr(0, line.find(' ')) != name) continue;
            std::vector<std::string> words;
            for (std::size_t at = 0; (at = line.find_first_not_of(' ', at)) != std::string::npos;) {
                const std::size_t end = std::min(line.find(' ', at), line.size());
                words.push_back(line.substr(at, end - at));
                at = end;
            }
            if (words.size() > 3 && words[3] == "up") return true;
            missing = "protocol " + name + " is not up: " + trimmed(line);
            return false;
        }
        missing = "there is no protocol " + name;
        return false;
    }
};

} // namespace

std::unique_ptr<RoutingDaemon> make_bird(const DaemonSettings& settings) {
    return std::make_unique<Bird>(settings);
}

} // namespace holdfast::routing

// The program holdfast: looks at the surroundings, parses the command line, runs one command.

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stop_token>
#include <thread>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/render/diagnostics_text.hpp"
#include "cli/version.hpp"
#include "sys/environment.hpp"

namespace holdfast {

namespace {

std::size_t width_of(int fd) {
    if (const auto columns = environment("COLUMNS"); columns && std::atoi(columns->c_str()) > 0)
        return static_cast<std::size_t>(std::atoi(columns->c_str()));
    winsize size{};
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// NO_COLOR (no-color.org) and TERM=dumb count only where nothing was asked for.
bool wants_colour(ColourChoice choice, bool is_tty) {
    if (choice != ColourChoice::automatic) return choice == ColourChoice::always;
    return is_tty && !environment("NO_COLOR") && environment("TERM").value_or("dumb") != "dumb";
}

Terminal terminal_of(int fd, ColourChoice choice) {
    const bool is_tty = isatty(fd) == 1;
    return {.is_tty = is_tty, .width = width_of(fd), .colour = wants_colour(choice, is_tty)};
}

// Ctrl-C and SIGTERM ask the pass to stop between two writes; a second one ends the process at once. A
// signal handler may not touch a stop_source, so one thread waits for the signals instead.
class Interrupts {
public:
    Interrupts() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
        thread_ = std::jthread([this](std::stop_token ending) { wait(ending); });
    }
    // Whatever wakes the thread after its end was requested is this.
    ~Interrupts() {
        thread_.request_stop();
        pthread_kill(thread_.native_handle(), SIGTERM);
    }
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    std::stop_token token() { return source_.get_token(); }

private:
    void wait(const std::stop_token& ending) {
        int number = 0;
        while (sigwait(&signals_, &number) == 0 && !ending.stop_requested()) {
            if (source_.stop_requested()) _exit(128 + number);
            source_.request_stop();
            constexpr char text[] = "\nStopping after the current step; once more to end at once.\n";
            [[maybe_unused]] const auto written = write(STDERR_FILENO, text, sizeof text - 1);
        }
    }

    sigset_t signals_;
    std::stop_source source_;
    std::jthread thread_;
};

int report_usage(const Diagnostic& problem) {
    std::cerr << diagnostic_text(problem, wants_colour(ColourChoice::automatic, isatty(STDERR_FILENO) == 1));
    return exit_error;
}

// Where plugins run; for measurements and for debugging a plugin.
Result<Isolation> isolation_of_environment() {
    const std::string word = environment("HOLDFAST_ISOLATION").value_or("");
    if (word.empty() || word == "worker") return Isolation::worker;
    if (word == "in-process") return Isolation::in_process;
    return failure("cli.bad-value", "HOLDFAST_ISOLATION cannot be \"" + word + '"',
                   "one of: worker, in-process");
}

int run_program(const std::vector<std::string>& arguments) {
    const Result<Invocation> invocation = parse_arguments(arguments);
    if (!invocation) return report_usage(invocation.error());
    const Result<Isolation> isolation = isolation_of_environment();
    if (!isolation) return report_usage(isolation.error());
    const GlobalOptions& global = invocation->global;
    // The configuration is looked for in the surroundings, and workers inherit them.
    if (!global.config.empty()) setenv("HOLDFAST_CONFIG", global.config.c_str(), 1);
    SystemClock clock;
    const std::unique_ptr<Engine> engine = make_engine(clock, global.verbose);
    Context context(std::cout, std::cerr, std::cin, clock, *engine);
    context.global = global;
    context.isolation = *isolation;
    context.terminal = terminal_of(STDOUT_FILENO, global.colour);
    context.error_terminal = terminal_of(STDERR_FILENO, global.colour);
    context.can_ask = isatty(STDIN_FILENO) == 1 && context.error_terminal.is_tty;
    Interrupts interrupts;
    context.stop = interrupts.token();
    const int code = run_command(*invocation, context);
    std::cout << std::flush;
    if (!std::cout)
        return report_usage(
            failure("cli.cannot-write", "standard output cannot be written", "is the disk full?"));
    return code;
}

// Scripts ask for the version often, so nothing is set up for it.
bool asks_version(int argc, char** argv) {
    const std::string_view word = argc == 2 ? argv[1] : "";
    return word == "version" || word == "--version";
}

} // namespace

} // namespace holdfast

int main(int argc, char** argv) {
    using namespace holdfast;
    if (asks_version(argc, argv))
        return write(STDOUT_FILENO, version_text.data(), version_text.size()) < 0 ? exit_error : exit_done;
    try {
        std::ios::sync_with_stdio(false);
        return run_program({argv + 1, argv + argc});
    } catch (const Error& error) {
        return report_usage(error.diagnostic());
    } catch (const std::exception& error) {
        return report_usage(
            failure("cli.internal", error.what(), "this is a defect of Holdfast: please report it"));
    }
}

#pragma once
// What a command has at hand: streams, facts about the terminal, the clock and the engine. A test builds
// one from strings and runs a command without a process.

#include <iosfwd>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/diagnostic.hpp"
#include "base/value.hpp"
#include "cli/engine.hpp"
#include "cli/options.hpp"

namespace holdfast {

struct Terminal {
    bool is_tty = false;
    std::size_t width = 80;
    bool colour = false;
};

// DESIGN section 6.
enum ExitCode : int { exit_done = 0, exit_error = 1, exit_changes = 2, exit_parked = 3, exit_reverted = 4 };

class Context {
public:
    Context(std::ostream& out, std::ostream& err, std::istream& in, Clock& clock, Engine& engine)
        : out_(out), err_(err), in_(in), clock_(clock), engine_(engine) {}

    GlobalOptions global;
    Terminal terminal;       // of standard output
    Terminal error_terminal; // of standard error
    Isolation isolation = Isolation::worker;
    bool can_ask = false; // a person sits at standard input and error
    std::stop_token stop;

    Engine& engine() { return engine_; }
    Clock& clock() { return clock_; }
    std::int64_t now_s() { return clock_.now_ms() / 1000; }
    bool json() const { return global.json; }

    // Secrets are taken out on the way.
    void print(std::string_view text);
    void print_json(const Value& document); // indented, with a newline
    void print_error(std::string_view text);
    void report(const Diagnostics& problems);
    void report(const Diagnostic& problem);
    // The same for programs: {"format": "holdfast.error/1", ...} on standard output as well. Returns
    // exit_error.
    int fail(const Diagnostic& problem);
    int fail(const Diagnostics& problems);

    // "Question? [y/N]"; only a clear yes is one.
    bool ask(std::string_view question);
    // A line that the person has typed by now, without waiting for one; nothing where nobody can be asked.
    std::optional<std::string> typed();

    // Opens the engine on what the global options name. Not to be used where it returns false: the problem
    // has been reported.
    bool open(SessionOptions options);
    bool is_open() const { return is_open_; }

private:
    std::ostream& out_;
    std::ostream& err_;
    std::istream& in_;
    Clock& clock_;
    Engine& engine_;
    bool is_open_ = false;
};

} // namespace holdfast

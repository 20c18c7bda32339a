#include "cli/context.hpp"

#include <iostream>

#include <poll.h>
#include <unistd.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/diagnostics_text.hpp"
#include "cli/render/plan_json.hpp"

namespace holdfast {

void Context::print(std::string_view text) { out_ << engine_.mask(text); }

void Context::print_json(const Value& document) { out_ << engine_.mask(to_pretty_json(document)); }

void Context::print_error(std::string_view text) { err_ << engine_.mask(text) << std::flush; }

// Output and problems come from different streams: what was printed first must stand first on the screen.
void Context::report(const Diagnostics& problems) {
    out_ << std::flush;
    print_error(diagnostics_text(problems, error_terminal.colour));
}

void Context::report(const Diagnostic& problem) {
    Diagnostics problems;
    problems.add(problem);
    report(problems);
}

int Context::fail(const Diagnostics& problems) {
    report(problems);
    if (json())
        print_json(Value::map({{"format", "holdfast.error/1"}, {"problems", diagnostics_to_json(problems)}}));
    return exit_error;
}

int Context::fail(const Diagnostic& problem) {
    Diagnostics problems;
    problems.add(problem);
    return fail(problems);
}

bool Context::ask(std::string_view question) {
    if (!can_ask) return false;
    out_ << std::flush;
    err_ << question << " [y/N] " << std::flush;
    std::string answer;
    std::getline(in_, answer);
    const std::string_view word = trim(answer);
    return word == "y" || word == "Y" || word == "yes" || word == "Yes" || word == "YES";
}

std::optional<std::string> Context::typed() {
    if (!can_ask) return std::nullopt;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const bool is_there = in_.rdbuf()->in_avail() > 0 || (&in_ == &std::cin && poll(&input, 1, 0) > 0);
    std::string line;
    if (!is_there || !std::getline(in_, line)) return std::nullopt;
    return std::string(trim(line));
}

bool Context::open(SessionOptions options) {
    options.directory = global.directory;
    options.store = global.store;
    options.isolation = isolation;
    if (const Status opened = engine_.open(options); !opened) {
        fail(opened.error());
        return false;
    }
    if (engine_.problems().has_errors()) {
        fail(engine_.problems());
        return false;
    }
    report(engine_.problems());
    return is_open_ = true;
}

} // namespace holdfast

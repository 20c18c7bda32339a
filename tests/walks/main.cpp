// Random walks: see tests/walks/README.md, or --help.

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <optional>
#include <sstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

#include "provider/host.hpp"
#include "shrink.hpp"
#include "support/temp_folder.hpp"
#include "walk.hpp"

using namespace holdfast;
using namespace holdfast::walks;

namespace {

constexpr const char* usage = R"(usage: walks [--mode engine|commands|daemon] [--count N] [--seed N]
             [--steps 1,4-7] [--verbose] [--list] [--lie OBJECT]...

Walks at random: declares, changes, breaks and kills, then lets everything be mended and checks that the
engine comes to rest where a fresh apply of the last commit would. A walk that fails is made shorter.

  --mode       engine (in this process), commands (holdfast apply) or daemon (holdfastd); engine without
  --count      walks, of seeds one after the other; 1 without. HOLDFAST_TEST_SCALE multiplies it
  --seed       of the first walk; 1 without
  --steps      only these steps of the seed, as a failing walk prints them
  --verbose    tells each step, and what came of it
  --list       prints the steps, and does not walk
  --lie        the provider says that it updated this object, and does not: has to be found
  --no-shrink  prints a failing walk as it is
)";

struct Arguments {
    WalkOptions walk;
    unsigned count = 1;
    std::optional<std::vector<std::size_t>> steps;
    bool only_list = false, shrinks = true;
};

[[noreturn]] void refuse(const std::string& why) {
    std::cerr << "walks: " << why << "\n" << usage;
    std::exit(64);
}

std::size_t number_of(std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        refuse(fmt::format("{} is no number", text));
    return number;
}

// "1,4-7"
std::vector<std::size_t> numbers_of(const std::string& text) {
    std::vector<std::size_t> numbers;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const std::size_t dash = part.find('-');
        const std::size_t first = number_of(part.substr(0, dash));
        const std::size_t last = dash == std::string::npos ? first : number_of(part.substr(dash + 1));
        for (std::size_t i = first; i <= last; ++i) numbers.push_back(i);
    }
    return numbers;
}

std::string text_of(const std::vector<std::size_t>& numbers) {
    std::string text;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
        text += (text.empty() ? "" : ",") + std::to_string(numbers[i]);
        if (end - i > 1) text += "-" + std::to_string(numbers[end - 1]);
        i = end;
    }
    return text;
}

Mode mode_of(const std::string& word) {
    if (word == "engine") return Mode::engine;
    if (word == "commands") return Mode::commands;
    if (word == "daemon") return Mode::daemon;
    refuse(word + " is no mode");
}
std::string_view to_string(Mode mode) {
    return mode == Mode::engine ? "engine" : mode == Mode::commands ? "commands" : "daemon";
}

Arguments parse(int count, char** words) {
    Arguments out;
    out.walk.seed = 1;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        const auto next = [&]() -> std::string {
            if (i + 1 == count) refuse(word + " needs a value");
            return words[++i];
        };
        if (word == "--mode")
            out.walk.mode = mode_of(next());
        else if (word == "--count")
            out.count = static_cast<unsigned>(number_of(next()));
        else if (word == "--seed")
            out.walk.seed = static_cast<unsigned>(number_of(next()));
        else if (word == "--steps")
            out.steps = numbers_of(next());
        else if (word == "--lie")
            out.walk.lies.push_back(next());
        else if (word == "--verbose")
            out.walk.is_verbose = true;
        else if (word == "--list")
            out.only_list = true;
        else if (word == "--no-shrink")
            out.shrinks = false;
        else if (word == "--help") {
            std::cout << usage;
            std::exit(0);
        } else
            refuse("what is " + word + "?");
    }
    const char* scale = std::getenv("HOLDFAST_TEST_SCALE");
    if (scale && !out.steps && out.count > 1) out.count *= static_cast<unsigned>(number_of(scale));
    return out;
}

// The kind that walks declare most, as the provider itself describes it.
KindInfo object_kind() {
    PluginHost host({.search_path = {HOLDFAST_BINARY_DIR "/tests/plugins"}});
    const auto description = host.describe("memory", Isolation::in_process);
    if (!description) {
        std::cerr << render(description.error());
        std::exit(1);
    }
    return *(*description)->find("memory.holdfast.dev/v1alpha1", "Object");
}

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

struct WalkOutcome {
    std::string what; // empty: all is well
    std::string detail;
};

// In a process of its own, so that an assertion or a crash is a finding like any other.
WalkOutcome walk_apart(const WalkOptions& options, const std::vector<Step>& steps) {
    const TempFolder folder;
    std::cout << std::flush;
    const pid_t child = ::fork();
    if (child == 0) {
        ::setpgid(0, 0);
        ::setenv("TMPDIR", folder.path().c_str(), 1);
        ::dup2(::open((folder / "errors").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        int code = 0;
        try {
            walk(options, steps);
        } catch (const Finding& finding) {
            std::ofstream(folder / "what") << finding.what_it_is;
            std::ofstream(folder / "detail") << finding.what();
            code = 1;
        } catch (const std::exception& error) {
            std::ofstream(folder / "what") << "exception";
            std::ofstream(folder / "detail") << error.what() << '\n';
            code = 1;
        }
        std::cout << std::flush;
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    const std::string errors = read(folder / "errors");
    if (WIFSIGNALED(status)) return {fmt::format("died of signal {}", WTERMSIG(status)), errors};
    return {read(folder / "what") + (WEXITSTATUS(status) > 1 ? "exit code" : ""),
            read(folder / "detail") + errors};
}

std::vector<Step> chosen(const std::vector<Step>& all, const std::vector<std::size_t>& numbers) {
    std::vector<Step> steps;
    for (const std::size_t number : numbers)
        if (number >= 1 && number <= all.size()) steps.push_back(all[number - 1]);
    return steps;
}

void print_steps(const std::vector<Step>& all, const std::vector<std::size_t>& numbers) {
    for (const std::size_t number : numbers)
        if (number >= 1 && number <= all.size())
            std::cout << fmt::format("{:4}  {}\n", number, to_string(all[number - 1]));
}

// What fails sometimes is tried more than once; the engine alone does the same each time.
std::vector<std::size_t> shortest(const WalkOptions& options, const std::vector<Step>& all,
                                  const std::vector<std::size_t>& numbers, const std::string& what) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    WalkOptions quiet = options;
    quiet.is_verbose = false;
    const int tries = options.mode == Mode::engine ? 1 : 3;
    return shrink<std::size_t>(numbers, [&](const std::vector<std::size_t>& rest) {
        for (int i = 0; i < tries && std::chrono::steady_clock::now() < until; ++i)
            if (walk_apart(quiet, chosen(all, rest)).what == what) return true;
        return false;
    });
}

void report(const Arguments& arguments, const WalkOptions& options, const std::vector<Step>& all,
            const std::vector<std::size_t>& numbers, const WalkOutcome& outcome) {
    std::cout << fmt::format("FAILED: seed {}, {} steps: {}\n", options.seed, numbers.size(), outcome.what)
              << std::flush;
    std::vector<std::size_t> steps = numbers;
    WalkOutcome last = outcome;
    if (arguments.shrinks) {
        steps = shortest(options, all, numbers, outcome.what);
        WalkOptions quiet = options;
        quiet.is_verbose = false;
        if (const WalkOutcome again = walk_apart(quiet, chosen(all, steps)); again.what == outcome.what)
            last = again;
    }
    std::cout << fmt::format("These {} steps are enough:\n", steps.size());
    print_steps(all, steps);
    std::cout << outcome.what << ":\n" << last.detail;
    std::string lies;
    for (const std::string& object : options.lies) lies += " --lie " + object;
    std::cout << fmt::format("Again, with what happens: walks --mode {} --seed {}{} --verbose --steps {}\n",
                             to_string(options.mode), options.seed, lies, text_of(steps));
}

double cpu_seconds() {
    double seconds = 0;
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        struct rusage used {};
        ::getrusage(who, &used);
        for (const timeval& time : {used.ru_utime, used.ru_stime})
            seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    }
    return seconds;
}

} // namespace

int main(int count, char** words) {
    const Arguments arguments = parse(count, words);
    const KindInfo kind = object_kind();
    unsigned failed = 0;
    std::size_t steps_walked = 0;
    for (unsigned i = 0; i < arguments.count; ++i) {
        WalkOptions options = arguments.walk;
        options.seed += i;
        const std::vector<Step> all = steps_of(options.seed, options.mode, kind);
        std::vector<std::size_t> numbers(all.size());
        std::iota(numbers.begin(), numbers.end(), std::size_t{1});
        if (arguments.steps) numbers = *arguments.steps;
        if (arguments.only_list) {
            print_steps(all, numbers);
            continue;
        }
        steps_walked += numbers.size();
        const WalkOutcome outcome = walk_apart(options, chosen(all, numbers));
        if (outcome.what.empty()) continue;
        report(arguments, options, all, numbers, outcome);
        if (++failed == 3) {
            std::cout << "Three are enough for now.\n";
            break;
        }
    }
    if (!arguments.only_list)
        std::cout << fmt::format("{} walks of {} steps, {} failed, {:.1f} s CPU\n", arguments.count,
                                 steps_walked, failed, cpu_seconds());
    return failed == 0 ? 0 : 1;
}

// holdfast-conformance PLUGIN.so conformance.yaml: does this plugin keep the provider contract?

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <random>

#include <fmt/core.h>
#include <unistd.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "levels.hpp"
#include "sys/file.hpp"

namespace holdfast::conformance {

namespace {

constexpr std::string_view usage_text =
    R"(Usage: holdfast-conformance [OPTIONS] PLUGIN.so conformance.yaml

Tests whether a provider plugin keeps the contract of holdfast/provider.h, level by level, in a worker
process of its own. docs/providers.md explains conformance.yaml and the levels.

Options:
      --level NAME   Only this level (repeatable)
      --levels       List the levels
      --json         Print JSON for programs instead of text
      --in-process   Load the plugin into this process, for a debugger; a crash then ends the run
  -h, --help         Explain the command
      --version      Print the version

Exit codes: 0 no level failed, 1 one did, or the run could not begin.
)";

struct Options {
    std::string plugin, settings;
    std::vector<std::string> levels;
    bool json = false, in_process = false;
};

std::string text_of_levels() {
    std::string out;
    for (const Level& level : levels()) out += fmt::format("{:<11} {}\n", level.name, level.summary);
    return out;
}

Diagnostic wrong_usage(std::string message) {
    return failure("conformance.usage", std::move(message), "see: holdfast-conformance --help");
}

Status check_level_name(const std::string& name) {
    std::vector<std::string> names;
    for (const Level& level : levels()) names.emplace_back(level.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) return Ok{};
    const auto near = closest(name, names);
    return wrong_usage(fmt::format("there is no level \"{}\"; {}", name,
                                   near ? fmt::format("did you mean \"{}\"?", *near) : "see --levels"));
}

// Nothing where the command line asked for a text that is printed already.
Result<std::optional<Options>> parse(const std::vector<std::string>& arguments) {
    Options out;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        const bool is_level = word == "--level" || word.starts_with("--level=");
        if (word == "-h" || word == "--help") return fmt::print("{}", usage_text), std::optional<Options>{};
        if (word == "--version")
            return fmt::print("holdfast-conformance {}\n", HOLDFAST_VERSION), std::optional<Options>{};
        if (word == "--levels") return fmt::print("{}", text_of_levels()), std::optional<Options>{};
        if (word == "--json") {
            out.json = true;
        } else if (word == "--in-process") {
            out.in_process = true;
        } else if (is_level) {
            if (word == "--level" && i + 1 == arguments.size()) return wrong_usage("--level needs a name");
            out.levels.push_back(word == "--level" ? arguments[++i] : word.substr(8));
            if (Status known = check_level_name(out.levels.back()); !known) return known.error();
        } else if (word.starts_with("-")) {
            return wrong_usage(fmt::format("there is no option {}", word));
        } else {
            names.push_back(word);
        }
    }
    if (names.size() != 2) return wrong_usage("it takes a plugin and a conformance.yaml");
    out.plugin = names[0];
    out.settings = names[1];
    return std::optional(out);
}

// "dir/libholdfast-hello.so" -> {"dir", "hello"}
Result<std::pair<std::string, std::string>> plugin_at(const std::string& path) {
    const std::string whole = absolute_path(path), file = std::filesystem::path(whole).filename();
    if (!exists(whole))
        return failure("conformance.no-plugin", fmt::format("there is no file {}", path), "build it first");
    if (!file.starts_with("libholdfast-") || !file.ends_with(".so"))
        return failure(
            "conformance.plugin-name",
            fmt::format("{} is not called libholdfast-NAME.so, and is not found under any other name", file),
            "holdfast_add_provider(NAME ...) names it so");
    return std::pair(parent_path(whole), file.substr(12, file.size() - 15));
}

// A folder of this run, gone with it.
class Scratch {
public:
    Scratch() {
        std::string name = std::filesystem::temp_directory_path() / "holdfast-conformance-XXXXXX";
        if (!mkdtemp(name.data()))
            throw Error("conformance.no-folder", fmt::format("cannot make a folder like {}", name),
                        "free some space");
        path_ = name;
        std::filesystem::create_directory(path_ + "/blobs");
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::string random_word(std::size_t size) {
    static constexpr std::string_view letters = "abcdefghijkmnpqrstuvwxyz23456789";
    std::random_device random;
    std::string out;
    while (out.size() < size) out += letters[random() % letters.size()];
    return out;
}

// One level on one kind, or on the plugin. Returns why it was not offered; empty where it was.
std::string run_once(const Level& level, Run& run, LevelResult& result, const KindInfo* kind) {
    try {
        Stage stage(run, result, kind);
        try {
            level.run(stage);
        } catch (const Abandoned&) { // has been reported
        }
        // What it did before it found out counts for nothing.
    } catch (const NotOffered& reason) {
        return reason.reason;
    }
    return {};
}

// Documents that only compile are no objects of the target: few levels are about them.
bool is_about(const Level& level, const KindInfo& kind) {
    if (level.name == "validate") return true;
    return level.name == "compile" ? kind.compiles : is_leaf(kind);
}

std::vector<const KindInfo*> kinds_for(const Level& level, const Run& run) {
    if (level.reach == Reach::plugin) return {nullptr};
    std::vector<const KindInfo*> out;
    for (const KindInfo& kind : run.description->kinds) {
        const KindSettings* settings = run.settings_of(kind);
        if (settings && settings->sample.is_map() && is_about(level, kind)) out.push_back(&kind);
    }
    return out;
}

LevelResult run_level(const Level& level, Run& run) {
    LevelResult result{.name = std::string(level.name), .summary = std::string(level.summary)};
    std::vector<std::pair<std::string, std::string>> refusals; // kind, reason
    const std::vector<const KindInfo*> kinds = kinds_for(level, run);
    for (const KindInfo* kind : kinds) {
        const std::string reason = run_once(level, run, result, kind);
        if (!reason.empty()) refusals.emplace_back(kind ? kind->kind : "", reason);
    }
    const bool is_one_reason = refusals.size() == kinds.size() &&
                               std::all_of(refusals.begin(), refusals.end(), [&](const auto& refusal) {
                                   return refusal.second == refusals.front().second;
                               });
    for (const auto& [kind, reason] : refusals) {
        result.reasons.push_back(is_one_reason || kind.empty() ? reason
                                                               : fmt::format("{}: {}", kind, reason));
        if (is_one_reason) break;
    }
    if (kinds.empty())
        result.reasons.emplace_back(level.name == "compile" ? "no kind with a sample compiles"
                                                            : "no kind has a sample");
    if (level.name == "secrets")
        for (const Leak& leak : run.subject.leaks())
            result.findings.push_back(
                {"", "", "", fmt::format("{} holds a secret", leak.where), leak.advice});
    result.verdict = !result.findings.empty()                           ? Verdict::failed
                     : kinds.empty() || refusals.size() == kinds.size() ? Verdict::not_offered
                                                                        : Verdict::passed;
    return result;
}

bool is_wanted(const Options& options, std::string_view name) {
    return options.levels.empty() ||
           std::find(options.levels.begin(), options.levels.end(), name) != options.levels.end();
}

// What everything else stands on is run whatever was asked for.
bool is_ground(const Level& level) { return level.name == "load"; }

LevelResult not_run(const Level& level, std::string reason) {
    return {.name = std::string(level.name),
            .summary = std::string(level.summary),
            .reasons = {std::move(reason)}};
}

Status describe(Run& run) {
    auto description = run.subject.describe();
    if (!description) return description.error();
    run.description = *description;
    run.subject.set_description(*description);
    for (const KindInfo& kind : (*description)->kinds)
        if (auto checker = SchemaChecker::compile(kind.schema); checker && !kind.schema.is_null())
            run.checkers.emplace(kind.id(), *checker);
    return Ok{};
}

Report run_levels(const Options& options, Run& run) {
    Report report;
    std::string blocker;
    for (const Level& level : levels()) {
        if (!is_wanted(options, level.name) && !is_ground(level)) continue;
        if (!blocker.empty()) {
            report.levels.push_back(not_run(level, fmt::format("the level \"{}\" failed", blocker)));
            continue;
        }
        report.levels.push_back(run_level(level, run));
        const bool has_failed = report.levels.back().verdict == Verdict::failed;
        if (is_ground(level) && !describe(run)) blocker = level.name;
        // A provider that cannot be opened can do nothing else either.
        if (level.name == "open" && has_failed && report.levels.back().checks <= 1) blocker = level.name;
        if (is_ground(level) && !is_wanted(options, level.name) && !has_failed) report.levels.pop_back();
    }
    report.plugin = run.subject.options().plugin;
    if (run.description) report.version = run.description->version;
    return report;
}

int report_problems(const Diagnostics& problems) {
    for (const Diagnostic& problem : problems) std::cerr << render(problem);
    return 1;
}

int report_problem(const Diagnostic& problem) {
    Diagnostics problems;
    problems.add(problem);
    return report_problems(problems);
}

int run_program(const std::vector<std::string>& arguments) {
    const auto options = parse(arguments);
    if (!options) return report_problem(options.error());
    if (!*options) return 0;
    const auto plugin = plugin_at((*options)->plugin);
    if (!plugin) return report_problem(plugin.error());
    Diagnostics problems;
    const Settings settings = read_settings((*options)->settings, problems);
    if (problems.has_errors()) return report_problems(problems);
    const Scratch scratch;
    Subject subject({.plugin = plugin->second,
                     .folder = plugin->first,
                     .worker = worker_program(),
                     .blob_directory = scratch.path() + "/blobs",
                     .isolation = (*options)->in_process ? Isolation::in_process : Isolation::worker,
                     .call_timeout = settings.call_timeout,
                     .stop_timeout = settings.stop_timeout});
    Run run{.subject = subject,
            .settings = settings,
            .scratch = scratch.path(),
            .token = random_word(4),
            .secret = "Hf7" + random_word(20)};
    Report report = run_levels(**options, run);
    report.file = (*options)->plugin;
    std::cout << ((*options)->json ? to_pretty_json(report.to_json()) + "\n" : report.to_text());
    return report.has_passed() ? 0 : 1;
}

} // namespace

} // namespace holdfast::conformance

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    try {
        return holdfast::conformance::run_program({argv + 1, argv + argc});
    } catch (const holdfast::Error& error) {
        return holdfast::conformance::report_problem(error.diagnostic());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}

// Runs the scenarios: each folder here that holds a scenario.yaml. README.md explains what is in them.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/text_diff.hpp"
#include "support/catch.hpp"
#include "world.hpp"

namespace fs = std::filesystem;
using namespace holdfast;
using scenario::Printed;
using scenario::Step;
using scenario::Story;
using scenario::World;

namespace {

const fs::path here = fs::path(HOLDFAST_SOURCE_DIR) / "tests/scenario";

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The lines that differ, with a little of what is around them.
std::string difference(const std::string& expected, const std::string& got) {
    std::string text;
    for (const DiffLine& line : diff_lines(expected, got)) {
        static constexpr const char* marks[] = {"   ", " - ", " + ", "..."};
        text += fmt::format("{}{}\n", marks[static_cast<int>(line.kind)], line.text);
    }
    return text;
}

void check_expectation(const fs::path& path, const std::string& text) {
    if (std::getenv("HOLDFAST_ACCEPT")) {
        std::ofstream(path, std::ios::binary) << text;
        return;
    }
    INFO(path.string() << (fs::exists(path) ? " (- expected, + got):\n" + difference(read(path), text)
                                            : " is missing: run once with HOLDFAST_ACCEPT=1"));
    const bool is_as_expected = fs::exists(path) && read(path) == text;
    CHECK(is_as_expected);
}

// One scenario while it runs: what both expectations are compared with.
class Telling {
public:
    explicit Telling(const fs::path& folder, const Story& story)
        : folder_(folder), world_((folder / "repo").string(), story.outside) {}

    void tell(const Story& story) {
        for (const Step& step : story.steps) {
            world_.pass_time();
            ++number_;
            INFO("step " << number_ << ", " << folder_.filename().string() << "/scenario.yaml:" << step.line
                         << ": " << heading_of(step));
            heading_ = fmt::format("== {}. {}\n", number_, heading_of(step));
            if (!step.note.empty()) heading_ += "   " + step.note + "\n";
            if (!scenario::is_command(step.verb))
                act(step);
            else if (step.verb == "approve")
                approve(step);
            else if (step.verb == "settled")
                settle();
            else
                command(step);
        }
        events_ += "== the target at the end\n" + world_.target();
    }

    void check() const {
        check_expectation(folder_ / "expect.plan", plans_);
        check_expectation(folder_ / "expect.events", events_);
    }

private:
    void act(const Step& step) {
        events_ += heading_;
        world_.act(step);
    }

    // What is asked of every command, whatever it is for.
    Printed run(const std::vector<std::string>& words, const std::string& expected) {
        const Printed printed = world_.command(words);
        CAPTURE(printed.out, printed.err);
        const bool is_plan = words.front() == "plan";
        const bool is_usual = printed.result == "done" || (is_plan && printed.result == "changes");
        if (expected.empty() ? !is_usual : printed.result != expected)
            FAIL("the result is " << printed.result << ", but " << (expected.empty() ? "done" : expected)
                                  << " is expected");
        return printed;
    }

    void command(const Step& step) {
        std::vector<std::string> words;
        if (step.verb != "holdfast") words.push_back(step.verb);
        const std::string* options = step.argument.if_string();
        std::istringstream stream(options ? *options : "");
        for (std::string word; stream >> word;) words.push_back(word);
        const bool writes = words.front() == "apply" || words.front() == "destroy";
        if (writes) words.emplace_back("--yes");
        if (words.front() == "plan") words.emplace_back("--exit-code");
        const Printed printed = run(words, step.expect);
        tell_events(writes ? printed.result : "");
        if (writes && !printed.err.empty()) said(printed.err);
        if (!writes)
            plans_ += (plans_.empty() ? "" : "\n") + heading_ + world_.stable(printed.out + printed.err);
    }

    // A command that only reads is an event where it met a fault, or wrote after all.
    void tell_events(const std::string& result) {
        const std::string events = world_.stable(world_.new_calls() + world_.new_journal());
        const bool is_quiet = events.empty() && result.empty();
        if (!is_quiet) events_ += heading_ + events;
        if (!result.empty()) events_ += "result: " + result + "\n";
    }

    void said(const std::string& text) { events_ += "said:\n" + indented(world_.stable(text)); }

    static std::string indented(const std::string& text) {
        std::string out;
        for (const std::string_view line : lines_of(text))
            out += line.empty() ? "\n" : "  " + std::string(line) + "\n";
        return out;
    }

    void approve(const Step& step) {
        const std::vector<std::string> hashes = world_.asked_approvals();
        if (hashes.empty()) FAIL("nobody asked for an approval in the step before");
        for (const std::string& hash : std::set<std::string>(hashes.begin(), hashes.end()))
            run({"approve", hash}, step.expect);
        world_.new_calls(); // an approval looks at what it approves
        events_ += heading_;
    }

    // The end of every story that says it converged: nothing is left to do, and the store is in order.
    void settle() {
        run({"plan", "--exit-code"}, "done");
        CHECK(world_.store_problems() == "");
        world_.new_calls();
        events_ += heading_;
    }

    fs::path folder_;
    World world_;
    std::string plans_, events_, heading_;
    std::size_t number_ = 0;
};

std::vector<fs::path> scenarios() {
    std::set<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(here))
        if (entry.is_directory()) folders.insert(entry.path());
    return {folders.begin(), folders.end()};
}

void run_scenario(const fs::path& folder) {
    const std::string file = "scenario.yaml";
    INFO(folder.string());
    REQUIRE(fs::exists(folder / file));
    Diagnostics problems;
    const Story story = scenario::parse_story(read(folder / file), file, problems);
    std::string wrong;
    for (const Diagnostic& problem : problems) wrong += render(problem);
    INFO(wrong);
    REQUIRE(problems.empty());
    Telling telling(folder, story);
    telling.tell(story);
    telling.check();
}

} // namespace

TEST_CASE("scenario") {
    for (const fs::path& folder : scenarios()) DYNAMIC_SECTION(folder.filename().string()) {
            run_scenario(folder);
        }
}

#include <algorithm>
#include <string>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/plan_json.hpp"
#include "cli/render/plan_text.hpp"
#include "example_plans.hpp"
#include "golden.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

PlanView view_of(std::size_t width, bool colour) {
    return {.revision = "main",
            .commit = {.id = "3f2a91c0ffee",
                       .author = "Ana Souza",
                       .subject = "Open 443 to the new balancer",
                       .time_s = 1000},
            .width = width,
            .colour = colour,
            .now_s = 1000 + 7200,
            .selection = " -s edge"};
}

std::string without_colour(std::string text) {
    for (std::size_t at; (at = text.find('\x1b')) != std::string::npos;)
        text.erase(at, text.find('m', at) - at + 1);
    return text;
}

} // namespace

TEST_CASE("plans look as they always did") {
    const std::size_t width = GENERATE(60, 80, 120);
    for (const ExamplePlan& example : example_plans())
        check_golden(fmt::format("plan_{}_{}.txt", example.name, width),
                     render_plan(example.plan, view_of(width, false)));
}

TEST_CASE("colour changes nothing but the colour") {
    for (const ExamplePlan& example : example_plans()) {
        INFO(example.name);
        const std::string coloured = render_plan(example.plan, view_of(80, true));
        CHECK(without_colour(coloured) == render_plan(example.plan, view_of(80, false)));
    }
    check_golden("plan_mixed_80_colour.txt", render_plan(example_plans().front().plan, view_of(80, true)));
}

TEST_CASE("no line is wider than the terminal, except for names and places that cannot be cut") {
    const std::size_t width = GENERATE(60, 80, 100, 120, 200);
    for (const ExamplePlan& example : example_plans()) {
        const std::string text = render_plan(example.plan, view_of(width, false));
        for (std::string_view line : split(text, '\n')) {
            INFO(example.name << ": " << line);
            if (line.find("VeryDescriptiveKindOfThing") != std::string_view::npos) continue;
            CHECK(display_width(line) <= width);
            CHECK((line.empty() || line.back() != ' '));
        }
    }
}

TEST_CASE("nothing in a plan can steer the terminal") {
    for (const ExamplePlan& example : example_plans()) {
        const std::string text = render_plan(example.plan, view_of(80, false));
        INFO(example.name);
        CHECK(text.find('\x1b') == std::string::npos);
        CHECK(text.find("\xE2\x80\xAE") == std::string::npos);
        CHECK(is_utf8(text));
    }
}

TEST_CASE("secrets show neither in text nor in JSON") {
    for (const ExamplePlan& example : example_plans()) {
        if (example.name != "sensitive") continue;
        PlanView view = view_of(120, false);
        view.all = GENERATE(false, true);
        const std::string all = render_plan(example.plan, view) + to_json(plan_to_json(example.plan));
        for (const char* secret : {"hunter2", "correct horse", "0badc0de", "deadbeef", "plain-"}) {
            INFO(secret);
            CHECK(all.find(secret) == std::string::npos);
        }
        CHECK_THAT(all, ContainsSubstring("(sensitive)"));
    }
}

TEST_CASE("a large plan is cut down and says by how much") {
    const Plan plan = large_plan(300);
    const std::string text = render_plan(plan, view_of(80, false));
    CHECK_THAT(text, ContainsSubstring("… and 100 more of kind File (--all shows them)"));
    CHECK_THAT(text, ContainsSubstring("… and 100 more leaves (--all shows them)"));
    CHECK_THAT(text, ContainsSubstring("300 to create, 300 to delete."));
    PlanView all = view_of(80, false);
    all.all = true;
    const std::string whole = render_plan(plan, all);
    CHECK(whole.find("--all") == std::string::npos);
    CHECK(std::count(whole.begin(), whole.end(), '\n') > 600);
}

TEST_CASE("the JSON of plans is stable") {
    for (const ExamplePlan& example : example_plans()) {
        if (example.name != "mixed" && example.name != "sensitive" && example.name != "blocked") continue;
        check_golden(fmt::format("plan_{}.json", example.name), to_pretty_json(plan_to_json(example.plan)));
    }
}

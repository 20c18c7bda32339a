#include "cli/arguments.hpp"
#include "cli/command_table.hpp"
#include "cli/help_text.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

template <typename Options>
Options parsed(const std::vector<std::string>& arguments, GlobalOptions* global = nullptr) {
    const Result<Invocation> invocation = parse_arguments(arguments);
    if (!invocation) FAIL(invocation.error().message);
    if (global) *global = invocation->global;
    REQUIRE(std::holds_alternative<Options>(invocation->command));
    return std::get<Options>(invocation->command);
}

} // namespace

TEST_CASE("options of plan arrive where they belong") {
    const auto plan = parsed<PlanOptions>({"plan", "-s", "web", "--stack=dns", "--only", "File/a", "--only",
                                           "File/b", "--exclude", "File/c", "--replace", "web:File/d",
                                           "--out", "p.json", "--exit-code", "--revision", "v1"});
    CHECK(plan.selection.stacks == std::vector<std::string>{"web", "dns"});
    CHECK(plan.selection.only == std::vector<std::string>{"File/a", "File/b"});
    CHECK(plan.selection.exclude == std::vector<std::string>{"File/c"});
    CHECK(plan.selection.replace == std::vector<std::string>{"web:File/d"});
    CHECK(plan.selection.revision == "v1");
    CHECK(plan.out == "p.json");
    CHECK(plan.exit_code);
    CHECK_FALSE(plan.all);
    CHECK_FALSE(plan.destroy);
}

TEST_CASE("global options count before and after the command") {
    const auto arguments = GENERATE(
        std::vector<std::string>{"-C", "/srv", "--json", "-v", "--color", "never", "status", "-s", "web"},
        std::vector<std::string>{"status", "-s", "web", "-C", "/srv", "--json", "-v", "--color=never"});
    GlobalOptions global;
    CHECK(parsed<StatusOptions>(arguments, &global).stacks == std::vector<std::string>{"web"});
    CHECK(global.directory == "/srv");
    CHECK(global.json);
    CHECK(global.verbose);
    CHECK(global.colour == ColourChoice::never);
}

TEST_CASE("arguments without a name arrive in their order, also behind --") {
    CHECK(parsed<WhyOptions>({"why", "-n", "3", "File/motd"}).limit == 3);
    CHECK(parsed<WhyOptions>({"why", "--", "-odd"}).leaf == "-odd");
    const auto import =
        parsed<ImportCommandOptions>({"import", "files", "File", "--id", "a*", "--id", "b*", "-w"});
    CHECK(import.provider == "files");
    CHECK(import.kind == "File");
    CHECK(import.identities == std::vector<std::string>{"a*", "b*"});
    CHECK(import.write);
    CHECK(parsed<StoreCommandOptions>({"store", "export", "f"}).file == "f");
    CHECK(parsed<HistoryOptions>({"history"}).leaf.empty());
}

TEST_CASE("every command of the table is understood, and explains itself") {
    for (const CommandSpec& command : command_table()) {
        INFO(command.name);
        CHECK(parsed<HelpOptions>({std::string(command.name), "--help"}).command == command.name);
        std::vector<std::string> line{std::string(command.name)};
        for (const ArgumentSpec& argument : command.arguments)
            if (argument.required)
                line.emplace_back(argument.choices.empty() ? "x" : argument.choices.front());
        CHECK(parse_arguments(line).ok());
        CHECK_FALSE(command.examples.empty());
        CHECK_THAT(command_help(command, 80),
                   ContainsSubstring("Usage: holdfast " + std::string(command.name)));
    }
    CHECK(parsed<HelpOptions>({"--help"}).command.empty());
    CHECK(parsed<HelpOptions>({"help", "plan"}).command == "plan");
}

TEST_CASE("what is wrong with a command line is said with a way out") {
    using Line = std::vector<std::string>;
    const auto [line, code, message, hint] = GENERATE(table<Line, std::string, std::string, std::string>(
        {{Line{}, "cli.no-command", "no command", "holdfast help"},
         {Line{"plam"}, "cli.unknown-command", "\"plam\"", "did you mean \"holdfast plan\"?"},
         {Line{"--json", "statsu"}, "cli.unknown-command", "\"statsu\"", "did you mean \"holdfast status\"?"},
         {Line{"help", "aply"}, "cli.unknown-command", "\"aply\"", "did you mean \"holdfast apply\"?"},
         {Line{"plan", "--ony", "x"}, "cli.unknown-option", "\"--ony\"", "did you mean \"--only\"?"},
         {Line{"plan", "--exlude=x"}, "cli.unknown-option", "\"--exlude\"", "did you mean \"--exclude\"?"},
         {Line{"plan", "-x"}, "cli.unknown-option", "\"-x\"", "holdfast help plan"},
         {Line{"plan", "web"}, "cli.unexpected-argument", "\"web\"", "holdfast help plan"},
         {Line{"plan", "--only"}, "cli.missing-value", "--only needs a value: ID", "holdfast help plan"},
         {Line{"why"}, "cli.missing-argument", "why needs LEAF", "holdfast help why"},
         {Line{"store", "chek"}, "cli.bad-value", "\"chek\"", "did you mean \"check\"?"},
         {Line{"completion", "tcsh-ng"}, "cli.bad-value", "\"tcsh-ng\"", "bash, zsh, fish"},
         {Line{"--color", "alwais", "plan"}, "cli.bad-value", "--color cannot be \"alwais\"",
          "did you mean \"always\"?"},
         {Line{"history", "-n", "many"}, "cli.bad-value", "\"many\"", "number"},
         {Line{"history", "-n", "0"}, "cli.bad-value", "\"0\"", "number"},
         {Line{"plan", "--working-tree", "--revision", "v1"}, "cli.conflicting-options", "exclude each other",
          "help plan"},
         {Line{"apply", "--plan", "f", "-s", "web"}, "cli.conflicting-options", "--plan and --stack",
          "help apply"}}));
    const Result<Invocation> invocation = parse_arguments(line);
    REQUIRE_FALSE(invocation.ok());
    CHECK(invocation.error().code == code);
    CHECK_THAT(invocation.error().message, ContainsSubstring(message));
    CHECK_THAT(invocation.error().hint, ContainsSubstring(hint));
}

TEST_CASE("completions know every command and option") {
    const std::string shell = GENERATE("bash", "zsh", "fish");
    const std::string script = completion_script(shell);
    for (const CommandSpec& command : command_table()) {
        CHECK_THAT(script, ContainsSubstring(std::string(command.name)));
        for (const OptionSpec& option : command.options) {
            INFO(shell << ": " << command.name << " --" << option.name);
            CHECK_THAT(script,
                       ContainsSubstring((shell == "fish" ? "-l " : "--") + std::string(option.name)));
        }
    }
}

TEST_CASE("help fits the terminal") {
    for (const CommandSpec& command : command_table()) {
        const std::string help = command_help(command, 80);
        std::size_t longest = 0, begin = 0;
        for (std::size_t at; (at = help.find('\n', begin)) != std::string::npos; begin = at + 1)
            longest = std::max(longest, at - begin);
        INFO(command.name);
        CHECK(longest <= 80);
    }
}

#include "cli/arguments.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/command_table.hpp"

namespace holdfast {

namespace {

// Values by option name, and positional arguments by their names in the table.
class Given {
public:
    std::map<std::string, std::vector<std::string>, std::less<>> values;
    std::map<std::string, bool, std::less<>> flags;

    bool flag(std::string_view name) const {
        const auto at = flags.find(name);
        return at != flags.end() && at->second;
    }
    std::vector<std::string> list(std::string_view name) const {
        const auto at = values.find(name);
        return at == values.end() ? std::vector<std::string>{} : at->second;
    }
    // The last one given counts, as with GNU tools.
    std::string text(std::string_view name, std::string otherwise = {}) const {
        const auto at = values.find(name);
        return at == values.end() || at->second.empty() ? std::move(otherwise) : at->second.back();
    }
};

void add_option(CLI::App& app, const OptionSpec& spec, Given& given) {
    std::string names = fmt::format("--{}", spec.name);
    if (spec.letter) names = fmt::format("-{},{}", spec.letter, names);
    const std::string key(spec.name);
    if (spec.value.empty()) {
        app.add_flag(names, given.flags[key]);
    } else {
        app.add_option(names, given.values[key])
            ->allow_extra_args(false)
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
}

// Words that look like a mistyped command, option or choice.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string_view prefix, std::string otherwise) {
    const std::optional<std::string> found = closest(word, candidates);
    return found ? fmt::format("did you mean \"{}{}\"?", prefix, *found) : std::move(otherwise);
}

std::vector<std::string> command_names() {
    std::vector<std::string> names;
    for (const CommandSpec& command : command_table()) names.emplace_back(command.name);
    return names;
}

std::vector<std::string> option_names(const CommandSpec* command) {
    std::vector<std::string> names;
    for (const OptionSpec& option : global_option_table()) names.emplace_back(option.name);
    if (!command) return names;
    for (const OptionSpec& option : command->options) names.emplace_back(option.name);
    return names;
}

std::string help_hint(const CommandSpec* command) {
    return command ? fmt::format("see: holdfast help {}", command->name) : "see: holdfast help";
}

Diagnostic unknown_command(const std::string& word) {
    return failure("cli.unknown-command", fmt::format("there is no command \"{}\"", word),
                   did_you_mean(word, command_names(), "holdfast ", "see: holdfast help"));
}

Diagnostic unexpected(const std::string& word, const CommandSpec* command) {
    if (word.size() > 1 && word.front() == '-') {
        const std::string name(
            std::string_view(word).substr(word.starts_with("--") ? 2 : 1, word.find('=') - 1));
        const std::string bare = name.substr(0, name.find('='));
        const bool is_long = word.starts_with("--");
        return failure("cli.unknown-option",
                       fmt::format("there is no option \"{}\"", word.substr(0, word.find('='))),
                       is_long ? did_you_mean(bare, option_names(command), "--", help_hint(command))
                               : help_hint(command));
    }
    if (!command) return unknown_command(word);
    return failure("cli.unexpected-argument",
                   fmt::format("\"{}\" is one argument too many for {}", word, command->name),
                   help_hint(command));
}

std::optional<Diagnostic> check_choice(const std::vector<std::string_view>& choices, std::string_view what,
                                       const std::string& value) {
    if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end())
        return std::nullopt;
    const std::vector<std::string> names(choices.begin(), choices.end());
    return failure("cli.bad-value", fmt::format("{} cannot be \"{}\"", what, value),
                   did_you_mean(value, names, "", fmt::format("one of: {}", join(names, ", "))));
}

std::optional<Diagnostic> check_arguments(const CommandSpec& command, const Given& given) {
    for (const ArgumentSpec& argument : command.arguments) {
        const std::string value = given.text(argument.name);
        if (value.empty() && argument.required)
            return failure("cli.missing-argument",
                           fmt::format("{} needs {}: {}", command.name, argument.name, argument.help),
                           help_hint(&command));
        if (value.empty()) continue;
        if (auto problem = check_choice(argument.choices, argument.name, value)) return problem;
    }
    for (const std::vector<OptionSpec>* table : {&global_option_table(), &command.options}) {
        for (const OptionSpec& option : *table) {
            for (const std::string& value : given.list(option.name))
                if (auto problem = check_choice(option.choices, fmt::format("--{}", option.name), value))
                    return problem;
        }
    }
    return std::nullopt;
}

Selection selection_of(const Given& given) {
    return {.stacks = given.list("stack"),
            .only = given.list("only"),
            .exclude = given.list("exclude"),
            .replace = given.list("replace"),
            .revision = given.text("revision", "HEAD"),
            .working_tree = given.flag("working-tree"),
            .offline = given.flag("offline")};
}

std::size_t limit_of(const Given& given, std::size_t otherwise) {
    const std::string text = given.text("limit");
    std::size_t number = otherwise;
    if (!text.empty()) std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// Everything here is checked against the table already.
CommandOptions options_of(std::string_view command, const Given& given) {
    const auto select = [&] { return selection_of(given); };
    const auto stacks = [&] { return given.list("stack"); };
    const bool yes = given.flag("yes"), all = given.flag("all"), exit_code = given.flag("exit-code");
    if (command == "init") return InitOptions{given.text("name", "web")};
    if (command == "validate") return ValidateOptions{select()};
    if (command == "plan")
        return PlanOptions{select(), given.text("out"), exit_code, all, given.flag("destroy")};
    if (command == "apply")
        return ApplyOptions{select(), given.text("plan"), yes, all, given.text("confirm-within")};
    if (command == "destroy") return DestroyOptions{select(), yes, all};
    if (command == "status") return StatusOptions{stacks()};
    if (command == "why") return WhyOptions{given.text("LEAF"), limit_of(given, 10)};
    if (command == "history") return HistoryOptions{given.text("LEAF"), stacks(), limit_of(given, 20)};
    if (command == "drift") return DriftOptions{select(), exit_code, all};
    if (command == "output") return OutputOptions{given.text("LEAF"), stacks()};
    if (command == "import")
        return ImportCommandOptions{given.text("PROVIDER"), given.text("KIND"), given.text("scope"),
                                    given.text("stack"),    given.list("id"),   given.flag("write")};
    if (command == "forget") return ForgetOptions{given.text("LEAF"), yes};
    if (command == "approve") return ApproveOptions{given.text("PLAN"), select()};
    if (command == "sync")
        return SyncOptions{given.text("STACK"), given.flag("wait"), given.text("timeout", "15m")};
    if (command == "suspend") return SuspendOptions{given.text("STACK"), given.text("reason")};
    if (command == "resume") return ResumeOptions{given.text("STACK")};
    if (command == "rollback")
        return RollbackOptions{given.text("STACK"), given.text("to"), given.text("reason"),
                               given.flag("wait")};
    if (command == "confirm") return ConfirmOptions{given.text("STACK")};
    if (command == "graph") return GraphOptions{stacks(), given.flag("dot")};
    if (command == "schema") return SchemaOptions{given.text("KIND")};
    if (command == "provider")
        return ProviderOptions{given.text("ACTION"), given.text("NAME"), given.flag("c")};
    if (command == "source") return SourceOptions{given.text("ACTION"), given.text("NAME")};
    if (command == "access") return AccessOptions{given.text("ACTION"), given.text("NAME")};
    if (command == "store") return StoreCommandOptions{given.text("ACTION"), given.text("FILE"), all};
    if (command == "completion") return CompletionOptions{given.text("SHELL")};
    if (command == "version") return VersionOptions{};
    return HelpOptions{given.text("COMMAND"), given.flag("man")};
}

std::optional<Diagnostic> check_combinations(std::string_view command, const Given& given) {
    const auto conflict = [&](std::string_view a, std::string_view b, std::string_view why) {
        return failure("cli.conflicting-options",
                       fmt::format("--{} and --{} exclude each other: {}", a, b, why),
                       help_hint(find_command(command)));
    };
    if (given.flag("working-tree") && !given.list("revision").empty())
        return conflict("working-tree", "revision", "the working tree is no commit");
    if (command == "apply" && !given.list("plan").empty()) {
        for (const char* other : {"only", "exclude", "replace", "stack"})
            if (!given.list(other).empty())
                return conflict("plan", other, "a saved plan is applied as it is");
    }
    if (command == "store" && given.flag("all") && given.text("ACTION") != "trim")
        return failure("cli.conflicting-options", "--all goes with `store trim` only",
                       "see: holdfast help store");
    if (const std::string within = given.text("confirm-within"); !within.empty()) {
        const auto duration = parse_duration(within);
        if (!duration || *duration < std::chrono::seconds(1) || *duration > std::chrono::hours(24))
            return failure("cli.bad-value", fmt::format("--confirm-within cannot be \"{}\"", within),
                           "write a time from 1s to 24h, such as 60s or 5m");
    }
    const std::string limit = given.text("limit");
    if (limit.find_first_not_of("0123456789") != std::string::npos || limit.size() > 9 || limit == "0")
        return failure("cli.bad-value", fmt::format("--limit cannot be \"{}\"", limit),
                       "write a number from 1 on");
    return std::nullopt;
}

GlobalOptions global_of(const Given& given) {
    const std::string colour = given.text("color", "auto");
    return {.directory = given.text("directory", "."),
            .json = given.flag("json"),
            .colour = colour == "always"  ? ColourChoice::always
                      : colour == "never" ? ColourChoice::never
                                          : ColourChoice::automatic,
            .verbose = given.flag("verbose"),
            .store = given.text("store"),
            .config = given.text("config")};
}

// The parser for one command line: global options, and one subcommand for each row of the table.
struct Parser {
    CLI::App app;
    Given given;

    Parser() {
        app.set_help_flag();
        app.allow_extras();
        app.require_subcommand(0, 1);
        for (const OptionSpec& option : global_option_table()) add_option(app, option, given);
        for (const CommandSpec& command : command_table()) add_command(command);
    }

    // All commands share `given`: only one of them can be there.
    void add_command(const CommandSpec& command) {
        CLI::App* sub = app.add_subcommand(std::string(command.name));
        sub->set_help_flag();
        sub->allow_extras();
        sub->fallthrough();
        for (const OptionSpec& option : command.options) add_option(*sub, option, given);
        for (const ArgumentSpec& argument : command.arguments)
            sub->add_option(std::string(argument.name), given.values[std::string(argument.name)])
                ->expected(1)
                ->allow_extra_args(false);
    }

    const CommandSpec* command() const {
        const auto chosen = app.get_subcommands();
        return chosen.empty() ? nullptr : find_command(chosen.front()->get_name());
    }
};

// CLI11 names the option first: "--only: 1 required TEXT missing".
Diagnostic missing_value(const std::string& what, const CommandSpec* command) {
    const std::string given = what.substr(0, what.find(':'));
    for (const CommandSpec& known : command_table()) {
        for (const std::vector<OptionSpec>* table : {&global_option_table(), &known.options}) {
            for (const OptionSpec& option : *table) {
                if (given != fmt::format("--{}", option.name) || option.value.empty()) continue;
                return failure("cli.missing-value", fmt::format("{} needs a value: {}", given, option.value),
                               help_hint(command));
            }
        }
    }
    return failure("cli.missing-value", what, help_hint(command));
}

// CLI11 throws where an option lacks its value; everything else it leaves to us.
std::optional<Diagnostic> run_parser(Parser& parser, const std::vector<std::string>& arguments) {
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        parser.app.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
        return missing_value(error.what(), parser.command());
    }
    return std::nullopt;
}

} // namespace

Result<Invocation> parse_arguments(const std::vector<std::string>& arguments) {
    Parser parser;
    std::optional<Diagnostic> problem = run_parser(parser, arguments);
    const CommandSpec* command = parser.command();
    const Given& given = parser.given;
    const GlobalOptions global = global_of(given);
    if (given.flag("help")) return Invocation{global, HelpOptions{command ? std::string(command->name) : ""}};
    if (problem) return *problem;
    if (const auto extras = parser.app.remaining(true); !extras.empty()) {
        // "--" only ends the options.
        const auto first =
            std::find_if(extras.begin(), extras.end(), [](const std::string& e) { return e != "--"; });
        if (first != extras.end()) return unexpected(*first, command);
    }
    if (!command) return failure("cli.no-command", "no command is given", "see: holdfast help");
    if (auto wrong = check_arguments(*command, given)) return *wrong;
    if (auto wrong = check_combinations(command->name, given)) return *wrong;
    if (const std::string topic = given.text("COMMAND"); !topic.empty() && !find_command(topic))
        return unknown_command(topic);
    return Invocation{global, options_of(command->name, given)};
}

} // namespace holdfast

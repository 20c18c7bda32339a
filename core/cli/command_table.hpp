#pragma once
// All commands and options as a table: parsing, help, suggestions, completions and manual pages are made
// from it, so that they cannot disagree.

#include <string_view>
#include <vector>

namespace holdfast {

// What the shell may offer for a value.
enum class Completes { nothing, file, directory, choices };

struct OptionSpec {
    std::string_view name;  // without "--"
    char letter = 0;        // without "-"; 0: none
    std::string_view value; // "FILE"; empty: the option takes none
    std::string_view help;
    bool repeats = false;
    Completes completes = Completes::nothing;
    std::vector<std::string_view> choices;
};

struct ArgumentSpec {
    std::string_view name; // "LEAF"
    std::string_view help;
    bool required = true;
    Completes completes = Completes::nothing;
    std::vector<std::string_view> choices;
};

struct ExampleSpec {
    std::string_view command, what;
};

struct CommandSpec {
    std::string_view name;
    std::string_view summary;     // half a line, for the list of commands
    std::string_view description; // paragraphs, for `holdfast help NAME`
    std::vector<ArgumentSpec> arguments;
    std::vector<OptionSpec> options;
    std::vector<ExampleSpec> examples;
};

const std::vector<CommandSpec>& command_table();
const std::vector<OptionSpec>& global_option_table();
const CommandSpec* find_command(std::string_view name);

} // namespace holdfast

#include <string>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/help_text.hpp"

namespace holdfast {

namespace {

std::string words_of(const std::vector<OptionSpec>& options) {
    std::string words;
    for (const OptionSpec& option : options) {
        words += fmt::format(" --{}", option.name);
        if (option.letter) words += fmt::format(" -{}", option.letter);
    }
    return words;
}

std::string choices_of(const std::vector<std::string_view>& choices, std::string_view separator) {
    return join({choices.begin(), choices.end()}, separator);
}

std::string pattern_of(const OptionSpec& option) {
    return option.letter ? fmt::format("--{}|-{}", option.name, option.letter)
                         : fmt::format("--{}", option.name);
}

std::string bash_values(const std::vector<OptionSpec>& options) {
    std::string text;
    for (const OptionSpec& option : options) {
        if (option.value.empty()) continue;
        const std::string pattern = pattern_of(option);
        std::string action = "COMPREPLY=()";
        if (option.completes == Completes::file) action = "COMPREPLY=($(compgen -f -- \"$cur\"))";
        if (option.completes == Completes::directory) action = "COMPREPLY=($(compgen -d -- \"$cur\"))";
        if (option.completes == Completes::choices)
            action =
                fmt::format("COMPREPLY=($(compgen -W \"{}\" -- \"$cur\"))", choices_of(option.choices, " "));
        text += fmt::format("        {}) {}; return ;;\n", pattern, action);
    }
    return text;
}

// Values of options differ between commands only in their names, so one list serves all.
std::vector<OptionSpec> all_options() {
    std::vector<OptionSpec> all = global_option_table();
    for (const CommandSpec& command : command_table()) {
        for (const OptionSpec& option : command.options) {
            bool is_known = false;
            for (const OptionSpec& known : all) is_known |= known.name == option.name;
            if (!is_known) all.push_back(option);
        }
    }
    return all;
}

std::string first_choices(const CommandSpec& command, std::string_view separator) {
    return command.arguments.empty() ? std::string()
                                     : choices_of(command.arguments.front().choices, separator);
}

bool takes_files(const CommandSpec& command) {
    return !command.arguments.empty() && command.arguments.back().completes == Completes::file;
}

std::string command_words() {
    std::vector<std::string> names;
    for (const CommandSpec& command : command_table()) names.emplace_back(command.name);
    return join(names, " ");
}

// The options that take a value, so that the value is not taken for the command.
std::string valued_globals() {
    std::vector<std::string> patterns;
    for (const OptionSpec& option : global_option_table())
        if (!option.value.empty()) patterns.push_back(pattern_of(option));
    return join(patterns, "|");
}

std::string bash_script() {
    std::string cases;
    for (const CommandSpec& command : command_table()) {
        const std::string choices = command.name == "help" ? command_words() : first_choices(command, " ");
        cases += fmt::format("        {}) words=\"{}{}\" files={} ;;\n", command.name, choices,
                             words_of(command.options), takes_files(command) ? 1 : 0);
    }
    return fmt::format(R"(# bash completion for holdfast
_holdfast() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= words= files=0 i
    case $prev in
{values}    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            {valued}) ((i++)) ;;
            -*) ;;
            *) command=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    case $command in
        "") words="{commands}" ;;
{cases}    esac
    COMPREPLY=($(compgen -W "$words{globals}" -- "$cur"))
    if ((files)); then COMPREPLY+=($(compgen -f -- "$cur")); fi
}}
complete -o filenames -F _holdfast holdfast
)",
                       fmt::arg("values", bash_values(all_options())), fmt::arg("valued", valued_globals()),
                       fmt::arg("commands", command_words()), fmt::arg("cases", cases),
                       fmt::arg("globals", words_of(global_option_table())));
}

// Inside single quotes.
std::string quoted(std::string_view text) {
    std::string out;
    for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out;
}

std::string zsh_action(const Completes completes, const std::vector<std::string_view>& choices) {
    if (completes == Completes::file) return "_files";
    if (completes == Completes::directory) return "_files -/";
    if (completes == Completes::choices) return fmt::format("({})", choices_of(choices, " "));
    return {};
}

// _arguments takes '[' and ':' as its own signs.
std::string zsh_text(std::string_view text) {
    std::string out;
    for (char c : quoted(text))
        out += c == '[' || c == ']' || c == ':' ? std::string("\\") + c : std::string(1, c);
    return out;
}

std::string zsh_option(const OptionSpec& option) {
    const std::string value =
        option.value.empty()
            ? std::string()
            : fmt::format(":{}:{}", option.value, zsh_action(option.completes, option.choices));
    const std::string_view repeats = option.repeats ? "*" : "";
    std::string lines =
        fmt::format("        '{}--{}[{}]{}' \\\n", repeats, option.name, zsh_text(option.help), value);
    if (option.letter)
        lines +=
            fmt::format("        '{}-{}[{}]{}' \\\n", repeats, option.letter, zsh_text(option.help), value);
    return lines;
}

std::string zsh_options(const std::vector<OptionSpec>& options) {
    std::string text;
    for (const OptionSpec& option : options) text += zsh_option(option);
    return text;
}

std::string zsh_script() {
    std::string commands, cases;
    for (const CommandSpec& command : command_table()) {
        commands += fmt::format("        '{}:{}'\n", command.name, zsh_text(command.summary));
        std::string arguments;
        for (const ArgumentSpec& argument : command.arguments)
            arguments += fmt::format("        ':{}:{}' \\\n", argument.name,
                                     zsh_action(argument.completes, argument.choices));
        cases += fmt::format("    {}) _arguments -s \\\n{}{}        && return ;;\n", command.name,
                             zsh_options(command.options), arguments);
    }
    return fmt::format(R"(#compdef holdfast
_holdfast() {{
    local state line
    local -a commands=(
{commands}    )
    _arguments -s -C \
{globals}        '1: :->command' '*:: :->rest' && return
    case $state in
    command) _describe command commands && return ;;
    esac
    case $line[1] in
{cases}    esac
}}
if [ "$funcstack[1]" = _holdfast ]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
)",
                       fmt::arg("commands", commands),
                       fmt::arg("globals", zsh_options(global_option_table())), fmt::arg("cases", cases));
}

std::string fish_option(const OptionSpec& option, std::string_view condition) {
    std::string line = fmt::format("complete -c holdfast{} -l {}", condition, option.name);
    if (option.letter) line += fmt::format(" -s {}", option.letter);
    if (!option.value.empty()) {
        line += option.completes == Completes::file || option.completes == Completes::directory ? " -r -F"
                                                                                                : " -x";
        if (!option.choices.empty()) line += fmt::format(" -a '{}'", choices_of(option.choices, " "));
    }
    return line + fmt::format(" -d '{}'\n", quoted(option.help));
}

std::string fish_script() {
    std::string text = "# fish completion for holdfast\ncomplete -c holdfast -f\n";
    for (const OptionSpec& option : global_option_table()) text += fish_option(option, "");
    for (const CommandSpec& command : command_table()) {
        text += fmt::format("complete -c holdfast -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                            quoted(command.summary));
        const std::string condition = fmt::format(" -n '__fish_seen_subcommand_from {}'", command.name);
        for (const OptionSpec& option : command.options) text += fish_option(option, condition);
        const std::string choices = command.name == "help" ? command_words() : first_choices(command, " ");
        if (!choices.empty()) text += fmt::format("complete -c holdfast{} -a '{}'\n", condition, choices);
        if (takes_files(command)) text += fmt::format("complete -c holdfast{} -F\n", condition);
    }
    return text;
}

} // namespace

std::string completion_script(std::string_view shell) {
    if (shell == "zsh") return zsh_script();
    return shell == "fish" ? fish_script() : bash_script();
}

} // namespace holdfast

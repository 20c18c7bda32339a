// The manual page, in the roff of man(7), from the command table.

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/help_text.hpp"
#include "cli/version.hpp"

namespace holdfast {

namespace {

// A dot or quote at the beginning of a line would be a request, and a bare hyphen a typographic one.
std::string roff(std::string_view text) {
    std::string out;
    bool at_start = true;
    for (const char c : text) {
        if (at_start && (c == '.' || c == '\'')) out += "\\&";
        at_start = c == '\n';
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
    }
    return out;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

// What the table writes in backquotes is typed as it stands.
std::string running_text(std::string_view text) {
    std::string out;
    bool is_typed = false;
    for (const std::string_view part : split(text, '`')) {
        out += is_typed ? bold(part) : roff(part);
        is_typed = !is_typed;
    }
    return out;
}

std::string request(std::string_view name, std::string_view text = {}) {
    return text.empty() ? fmt::format(".{}\n", name) : fmt::format(".{} {}\n", name, text);
}

// Two columns: what is typed, and what it means.
std::string entry(const std::string& typed, std::string_view meaning) {
    return request("TP") + typed + '\n' + running_text(meaning) + '\n';
}

std::string option_entry(const OptionSpec& option) {
    std::string typed = option.letter ? bold(fmt::format("-{}", option.letter)) + ", " : std::string();
    typed += bold(fmt::format("--{}", option.name));
    if (!option.value.empty()) typed += " " + italic(option.value);
    return entry(typed, option.help);
}

std::string synopsis(const CommandSpec& command) {
    std::string text = bold(fmt::format("holdfast {}", command.name));
    if (!command.options.empty()) text += " [" + italic("OPTIONS") + "]";
    for (const ArgumentSpec& argument : command.arguments)
        text += argument.required ? " " + italic(argument.name) : " [" + italic(argument.name) + "]";
    return text;
}

std::string command_section(const CommandSpec& command) {
    std::string text = request("SS", synopsis(command)) + running_text(command.description) + '\n';
    for (const ArgumentSpec& argument : command.arguments)
        text += entry(italic(argument.name), argument.help);
    for (const OptionSpec& option : command.options) text += option_entry(option);
    for (const ExampleSpec& example : command.examples) {
        text += request("PP") + "Example" + (example.what.empty() ? "" : ": " + running_text(example.what));
        text += '\n' + request("RS") + request("nf") + roff(example.command) + '\n' + request("fi") +
                request("RE");
    }
    return text;
}

std::string exit_status() {
    return request("SH", "EXIT STATUS") + entry("0", "done, or nothing to do") +
           entry("1", "error; also when a question was answered with no") +
           entry("2", "there are changes (`plan`) or drift (`drift`); only with `--exit-code`") +
           entry("3", "something is parked and waits for an approval") +
           entry("4", "a change was reverted because nobody confirmed it");
}

std::string environment_and_files() {
    return request("SH", "ENVIRONMENT") +
           entry(bold("HOLDFAST_CONFIG"), "The operator's configuration, as `--config` names it.") +
           entry(bold("HOLDFAST_PLUGIN_PATH"), "Folders with plugins, separated by colons.") +
           entry(bold("HOLDFAST_ISOLATION"),
                 "`worker` (each plugin in a process of its own) or `in-process`, for debugging.") +
           entry(bold("XDG_STATE_HOME"), "The store lies in holdfast/ below it, unless configured.") +
           entry(bold("NO_COLOR"), "If set, no colour is used unless `--color` asks for it.") +
           entry(bold("COLUMNS"), "Width of the output, instead of the terminal's.") +
           request("SH", "FILES") +
           entry(italic("holdfast.yaml"), "In the repository: its stacks and providers.") +
           entry(italic("/var/lib/holdfast, ~/.local/state/holdfast"), "The store of root, and of others.");
}

} // namespace

std::string manual_page() {
    std::string text = fmt::format(".TH HOLDFAST 1 \"\" \"holdfast {}\" \"User Commands\"\n", version_number);
    text += request("SH", "NAME") + "holdfast \\- keeps infrastructure holding fast to what Git declares\n";
    text += request("SH", "SYNOPSIS") + bold("holdfast") + " [" + italic("OPTIONS") + "] " +
            italic("COMMAND") + " [" + italic("ARGUMENTS") + "]\n";
    text += request("SH", "DESCRIPTION") +
            running_text("Holdfast compares what the documents of a Git repository declare with what it "
                         "applied last and with what the targets hold now, and makes the targets agree. "
                         "`holdfast plan` shows what would change, and `holdfast apply` changes it.\n");
    text += request("SH", "OPTIONS OF EVERY COMMAND");
    for (const OptionSpec& option : global_option_table()) text += option_entry(option);
    text += request("SH", "COMMANDS");
    for (const CommandSpec& command : command_table()) text += command_section(command);
    return text + exit_status() + environment_and_files();
}

} // namespace holdfast

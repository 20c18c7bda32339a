#include "cli/help_text.hpp"

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/render/page.hpp"

namespace holdfast {

namespace {

constexpr std::size_t help_column = 26;

std::string option_syntax(const OptionSpec& option) {
    std::string text = option.letter ? fmt::format("-{}, ", option.letter) : std::string("    ");
    text += fmt::format("--{}", option.name);
    if (!option.value.empty()) text += fmt::format(" {}", option.value);
    return text;
}

std::string argument_syntax(const ArgumentSpec& argument) {
    return argument.required ? std::string(argument.name) : fmt::format("[{}]", argument.name);
}

// "  -o, --out FILE          Save the plan ...", the help wrapped in its own column.
void add_entry(Page& page, std::string_view left, std::string_view help) {
    const std::size_t room = page.width() > help_column + 20 ? page.width() - help_column : 40;
    const std::vector<std::string> lines = wrap(help, room);
    const bool fits = display_width(left) + 2 + 2 <= help_column;
    if (!fits) page.line(2, left);
    for (const std::string& line : lines) {
        const bool is_first = &line == &lines.front();
        if (is_first && fits)
            page.line(2, pad(left, help_column - 2) + line);
        else
            page.line(help_column, line);
    }
}

void add_options(Page& page, std::string_view title, const std::vector<OptionSpec>& options) {
    if (options.empty()) return;
    page.blank();
    page.line(0, title);
    for (const OptionSpec& option : options) add_entry(page, option_syntax(option), option.help);
}

void add_examples(Page& page, const CommandSpec& command) {
    page.blank();
    page.line(0, "Examples:");
    for (const ExampleSpec& example : command.examples) {
        page.line(2, example.command);
        if (!example.what.empty()) page.line(6, example.what);
    }
}

constexpr std::string_view exit_codes = "Exit codes: 0 done or nothing to do, 1 error, 2 changes or drift "
                                        "(with --exit-code), 3 parked, 4 reverted.";

} // namespace

std::string program_help(std::size_t width) {
    Page page(width, false);
    page.line(0, "Usage: holdfast [OPTIONS] COMMAND");
    page.blank();
    page.line(0, "Keeps infrastructure holding fast to what Git declares.");
    page.blank();
    page.line(0, "Commands:");
    for (const CommandSpec& command : command_table()) add_entry(page, command.name, command.summary);
    add_options(page, "Options:", global_option_table());
    page.blank();
    page.paragraph(0, exit_codes);
    page.line(0, "More about a command: holdfast help COMMAND");
    return std::move(page).take();
}

std::string command_help(const CommandSpec& command, std::size_t width) {
    Page page(width, false);
    std::string usage = fmt::format("Usage: holdfast {}", command.name);
    if (!command.options.empty()) usage += " [OPTIONS]";
    for (const ArgumentSpec& argument : command.arguments) usage += " " + argument_syntax(argument);
    page.line(0, usage);
    page.blank();
    std::string description(command.description);
    for (char& c : description) c = c == '\n' ? ' ' : c;
    page.paragraph(0, description);
    if (!command.arguments.empty()) {
        page.blank();
        page.line(0, "Arguments:");
        for (const ArgumentSpec& argument : command.arguments) add_entry(page, argument.name, argument.help);
    }
    add_options(page, "Options:", command.options);
    add_options(page, "Options of every command:", global_option_table());
    add_examples(page, command);
    page.blank();
    page.paragraph(0, exit_codes);
    return std::move(page).take();
}

} // namespace holdfast

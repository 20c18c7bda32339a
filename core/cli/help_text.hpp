#pragma once
// Help for people and completion scripts for shells, both made from the command table.

#include <string>
#include <string_view>

#include "cli/command_table.hpp"

namespace holdfast {

// The program itself: all commands in a line each.
std::string program_help(std::size_t width);
std::string command_help(const CommandSpec& command, std::size_t width);

// All of it in roff, for man(1).
std::string manual_page();

// `shell` is "bash", "zsh" or "fish".
std::string completion_script(std::string_view shell);

} // namespace holdfast

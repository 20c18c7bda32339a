#pragma once
// Lines of shell, and files, of tests that talk to real servers and the real kernel.

#include <optional>
#include <string>

namespace holdfast::test {

// What a command prints to its standard output, nothing where it fails. `ip`, `named` and the like are found.
std::optional<std::string> output_of(const std::string& command);
// The same with its errors among it.
std::optional<std::string> output_and_errors_of(const std::string& command);

void write_file(const std::string& path, const std::string& text); // throws where it cannot
std::string read_file(const std::string& path);                    // empty where there is none

} // namespace holdfast::test

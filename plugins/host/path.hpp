#pragma once
// Paths as documents have them: relative to the provider's root, "/" between names, no "." or "..".

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::host {

// What is wrong with a declared path; empty where nothing is.
struct PathProblem {
    std::string message, hint;
    explicit operator bool() const { return !message.empty(); }
};
PathProblem problem_of(std::string_view path);

// Without doubled and trailing slashes and "." components.
std::string clean(std::string_view path);

std::string_view parent_of(std::string_view path); // "" for what lies directly beneath the root
std::string_view name_of(std::string_view path);
bool is_beneath(std::string_view path, std::string_view directory);

// The path that an identity names (a JSON string), cleaned.
std::string path_of_identity(std::string_view identity);

// Names that this plugin uses for what it is about to rename; one per target name, so that what a crash
// left behind is found by the next write.
std::string temporary_name(std::string_view target_name);
bool is_temporary_name(std::string_view name);

} // namespace holdfast::host

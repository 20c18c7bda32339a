#pragma once
// What the kernel refuses, as diagnostics that say which path, why, and what to do.

#include <string>
#include <string_view>

#include <holdfast/provider.hpp>

namespace holdfast::host {

// `doing`: "write", "read", "delete"; `path` relative to the root.
sdk::Diagnostic system_diagnostic(int error_number, std::string_view doing, std::string_view path);
// For opening the directory that holds `path`: a missing one, one that is no directory, one outside the root.
sdk::Diagnostic parent_diagnostic(int error_number, std::string_view path);
sdk::Diagnostic conflict(std::string_view path, std::string_view what_happened);

[[noreturn]] void throw_system(int error_number, std::string_view doing, std::string_view path);

std::string error_text(int error_number);

} // namespace holdfast::host

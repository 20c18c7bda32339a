#pragma once
// Runs a routing daemon's own tool. Which ones is written here and in system folders, never in a document or
// a provider's config.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/provider.hpp>

namespace holdfast::routing {

// "/usr/sbin/bird"; nothing where it is not installed.
std::optional<std::string> find_program(std::string_view name);

struct Ran {
    int exit_code = -1; // 128 + n after signal n; -1: it did not end in time and was killed
    std::string output; // standard output and standard error
};

// With an environment of its own, in "/". Ends it at `limit`, and with the call.
Ran run_program(const sdk::Call& call, const std::vector<std::string>& words,
                std::chrono::milliseconds limit);

// `text` with every `what` replaced.
std::string replaced(std::string text, std::string_view what, std::string_view by);
std::string trimmed(std::string_view text);
// "a; b; c" of the first lines, for messages.
std::string in_one_line(std::string_view text, std::size_t lines = 3);

} // namespace holdfast::routing

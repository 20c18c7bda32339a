#pragma once
// Where a routing daemon's own tools are: in system folders, never where a document or a provider's config
// says.

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/program.hpp>

namespace holdfast::routing {

// "/usr/sbin/bird"; nothing where it is not installed.
std::optional<std::string> find_program(std::string_view name);

// `text` with every `what` replaced.
std::string replaced(std::string text, std::string_view what, std::string_view by);
std::string trimmed(std::string_view text);

} // namespace holdfast::routing

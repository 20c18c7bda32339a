#pragma once
// Paths inside a repository, as text: nothing is looked up.

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// `path` seen from `folder`, without "." and ".."; nothing where it is absolute or leaves the repository.
std::optional<std::string> path_inside(std::string_view folder, std::string_view path);
// "web/motd.yaml" -> "web"; "" for a file at the root.
std::string_view folder_of(std::string_view path);
std::string_view name_of_file(std::string_view path);

} // namespace holdfast

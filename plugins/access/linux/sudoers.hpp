#pragma once
// Fragments of sudoers: etc/sudoers.d/holdfast-NAME, each checked by visudo before sudo can see it.

#include <optional>
#include <string>
#include <vector>

#include <holdfast/provider.hpp>

#include "root.hpp"

namespace holdfast::access {

// The lines of a fragment but comments and blank ones; nothing where there is none. Throws.
std::optional<std::vector<std::string>> read_fragment(const Root& root, const std::string& name);
// Throws `access.sudoers` with visudo's words; then nothing has changed.
void write_fragment(const Root& root, const sdk::Call& call, const std::string& name,
                    const std::vector<std::string>& lines);
void remove_fragment(const Root& root, const std::string& name);
// Names of all fragments that are ours by their name.
std::vector<std::string> fragments(const Root& root);

} // namespace holdfast::access

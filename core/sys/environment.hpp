#pragma once
// The process's surroundings: variables, folders by the XDG base directory specification, who runs it.

#include <optional>
#include <string>

namespace holdfast {

std::optional<std::string> environment(const std::string& name); // empty counts as not set
std::string state_directory();  // $XDG_STATE_HOME/holdfast, ~/.local/state/holdfast; root: /var/lib/holdfast
std::string config_directory(); // $XDG_CONFIG_HOME/holdfast, ~/.config/holdfast
std::string executable_path();  // of this process, from /proc/self/exe
std::string actor();            // "ana@edge-1", with sudo's caller where there is one

} // namespace holdfast

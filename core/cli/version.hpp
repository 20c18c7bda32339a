#pragma once
// The version, where it costs nothing to say it.

#include <string_view>

namespace holdfast {

constexpr std::string_view version_number = HOLDFAST_VERSION;
constexpr std::string_view version_text = "holdfast " HOLDFAST_VERSION "\nplugin contract 1\n";

} // namespace holdfast

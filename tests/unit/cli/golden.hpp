#pragma once
// Compares text with tests/unit/cli/golden/<name>; HOLDFAST_ACCEPT=1 rewrites the file instead.

#include <string>

void check_golden(const std::string& name, const std::string& text);

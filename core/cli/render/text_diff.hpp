#pragma once
// The lines in which two texts differ, with a little context: what a plan shows of a changed file.

#include <cstddef>
#include <string_view>
#include <vector>

namespace holdfast {

enum class LineKind { kept, removed, added, gap }; // gap: `count` equal lines are not shown

struct DiffLine {
    LineKind kind = LineKind::kept;
    std::string_view text; // without its newline; borrowed from the texts
    std::size_t count = 0; // gap
};

// Lines of a text; a missing newline at the very end is not a line of its own. "" has none.
std::vector<std::string_view> lines_of(std::string_view text);

std::vector<DiffLine> diff_lines(std::string_view before, std::string_view after, std::size_t context = 2);

} // namespace holdfast

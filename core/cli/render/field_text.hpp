#pragma once
// The fields of one change, as a plan shows them below its line or, if they are few and short, on it.

#include <optional>
#include <string>

#include "cli/render/page.hpp"
#include "model/plan.hpp"

namespace holdfast {

struct FieldLimits {
    bool all = false;            // show everything in full
    std::size_t fields = 40;     // per change
    std::size_t new_lines = 12;  // of a text that was not there before
    std::size_t diff_lines = 40; // of a text that changes
};

void add_fields(Page& page, const Change& change, std::size_t indent, const FieldLimits& limits);

// The same on one line of at most `columns`, or nothing where that is not possible.
std::optional<std::string> fields_on_one_line(const Change& change, std::size_t columns,
                                              const Palette& colours);

} // namespace holdfast

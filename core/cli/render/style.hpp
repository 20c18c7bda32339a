#pragma once
// How text for people looks: the colours, and the few things that every renderer does with a line.
// Whatever comes from documents, commits or plugins goes through `printable` first.

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// ANSI sequences; all empty where the output has no colour.
struct Palette {
    std::string_view create, update, remove, replace, wait, ledger, drift, parked, error, warning, note;
    std::string_view strong, dim, place, reset;
};
const Palette& palette(bool colour);

// `text` in a colour of the palette; unchanged where `colour` is empty.
std::string paint(std::string_view colour, std::string_view text);

// Text that cannot steer a terminal: control characters, direction overrides and bytes that are not UTF-8
// are written as escapes. `changed` tells whether there were any.
std::string printable(std::string_view text, bool* changed = nullptr);

// Filled up with blanks to `columns`; longer text stays as it is.
std::string pad(std::string_view text, std::size_t columns);
// Cut to at most `columns` at the front, with an ellipsis: "…/deep/file.yaml:12".
std::string shorten_front(std::string_view text, std::size_t columns);
// How many bytes two texts have in common at their beginning; never the half of a letter.
std::size_t shared_prefix(std::string_view a, std::string_view b);
// A long text from where it differs from its other form, with a quarter of the room for what comes before.
std::string window(std::string_view text, std::size_t differs_at, std::size_t columns);

// Words broken into lines of at most `columns`, the lines after the first indented by `hanging`. A word
// that is longer than a line stays whole.
std::vector<std::string> wrap(std::string_view text, std::size_t columns, std::size_t hanging = 0);

// "12,345"
std::string with_separators(std::size_t number);

} // namespace holdfast

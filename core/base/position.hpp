#pragma once
// Where a piece of a document stands. Lies at the very bottom so that every layer can say "here".

#include <cstdint>
#include <string>

namespace holdfast {

// A place inside one text. Lines and columns count from 1, columns in bytes; 0 means "not known".
struct Position {
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    bool is_known() const { return line != 0; }
    bool operator==(const Position&) const = default;
};

// A place in a named text: a path inside the repository, or of an operator's file.
struct Span {
    std::string file;
    Position position;
    std::uint32_t length = 0; // bytes to underline on that line; 0 underlines one column

    bool operator==(const Span&) const = default;
};

// "file:line:column", "file" where the position is not known, empty where the file is not known.
std::string to_string(const Span& span);

} // namespace holdfast

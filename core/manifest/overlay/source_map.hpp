#pragma once
// One space of line numbers for many files: each file's lines are moved behind those of the files before
// it. So a Position alone says file and line, and a document that several files had a hand in keeps the place
// of each of its values. Compilers keep their source locations this way. Private to manifest.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/value.hpp"

namespace holdfast {

class SourceMap {
public:
    // What is to be added to the lines of `file`. Nothing is taken in twice by itself.
    std::uint32_t add(std::string file, std::shared_ptr<const std::string> text);
    // False once lines cannot be told apart any more: only with thousands of files of the largest size.
    bool has_room() const { return next_ < 0xF000'0000U; }

    struct Place {
        std::string file; // empty where the position is not known
        Position position;
    };
    Place find(Position shared) const;
    // Gives a problem whose position is of this space its file, its own line and its excerpt.
    void place(Diagnostic& problem) const;

private:
    struct File {
        std::uint32_t first;
        std::string name;
        std::shared_ptr<const std::string> text;
    };
    const File* file_at(std::uint32_t line) const;

    std::vector<File> files_; // by `first`
    std::uint32_t next_ = 0;
};

// Moves all positions of a tree by `lines`.
void shift_lines(Value& tree, std::uint32_t lines);

} // namespace holdfast

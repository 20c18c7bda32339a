#pragma once
// Files of a commit, written out for a program that cannot read Git's objects. Private to render.

#include <string>

#include "git/repository.hpp"

namespace holdfast {

struct ExportLimits {
    std::size_t files = 50'000;
    std::size_t bytes = 512U << 20;
};

// The files below `path` of the tree go below `directory`, under their paths in the repository; everybody may
// read them. Symlinks that lead out of the repository and submodules are left out. Errors:
// `render.too-large`, `render.cannot-export`, and those of Tree.
Status export_tree(const Tree& tree, const std::string& path, const std::string& directory,
                   const ExportLimits& limits = {});

// One file of it. Errors: those of Tree, `render.cannot-export`.
Status export_file(const Tree& tree, const TreeFile& file, const std::string& directory);

} // namespace holdfast

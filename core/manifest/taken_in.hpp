#pragma once
// What a stack takes in from outside of its own folder: bases, patches, what symlinks lead to, files that
// documents name. As long as all of that is as it was, an unchanged folder stands for the same as before.

#include <map>
#include <string>
#include <string_view>

#include "git/repository.hpp"

namespace holdfast {

// Path -> id in the commit: of a blob or, where the path ends with '/', of a folder's tree. Empty ids: there
// was none.
using TakenIn = std::map<std::string, std::string>;

// Whether a path of the repository lies in the folder of a stack ("": everything does).
bool is_in_folder(std::string_view path, std::string_view folder);
// Of many files in one folder, the folder's id says the same and is quicker to compare. Not of one above the
// stack's own: that changes with everything else that lies below it.
void condense(TakenIn& taken_in, const Tree& tree, std::string_view own_folder);
bool is_same(const Tree& tree, const TakenIn& taken_in);

} // namespace holdfast

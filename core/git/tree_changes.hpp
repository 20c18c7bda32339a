#pragma once
// What differs between two trees, found by their ids: equal subtrees are never entered, so the cost is that
// of the change and not of the repository. Everything that wants to do only what a commit made necessary
// (documents to parse again, stacks to look at) asks here.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "git/repository.hpp"

namespace holdfast {

// One path whose bytes or kind differ. A file that became executable is no change: documents have no mode.
struct TreeChange {
    std::string path;     // from the repository's root
    std::string old_blob; // object id in hex; empty: added
    std::string new_blob; // empty: removed
    // Of the new side, and of the old one where the path was removed. A file that became a symlink of the
    // same bytes has equal blobs.
    TreeFile::Type type = TreeFile::Type::file;
    bool operator==(const TreeChange&) const = default;
};

// The changes from `from` to `to` below the folder `path` ("": everything), sorted by path as Tree::list is.
// A folder that became a file, or the other way round, is removed and added paths. A folder that exists on
// one side only is all added or all removed; the caller judges what an absent folder means.
// The trees may come from different repositories. Errors: `git.no-path` (on neither side, or a file),
// `git.missing-object`, `git.no-ids` (a working tree).
Result<std::vector<TreeChange>> tree_changes(const Tree& from, const Tree& to, std::string_view path);

} // namespace holdfast

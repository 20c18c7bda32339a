#include "git/tree_changes.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "git/libgit2.hpp"

namespace holdfast {

using namespace git;

namespace {

using Type = TreeFile::Type;

// Two trees are walked as two sorted lists are merged. Git sorts the entries of a tree as if the name of a
// folder ended in '/', and with exactly that as the key (a) the merge meets equal names of equal sort at the
// same time, (b) a file "a" and a folder "a/" are different keys and so a removal and an addition without
// further thought, and (c) what comes out is sorted by full path. A pair of folders is entered only if their
// ids differ; a folder on one side only is compared with an empty one. What is read is thus the folders on
// the way to each change, twice, whatever else the repository holds.
class Walk {
public:
    Walk(git_repository& from, git_repository& to, std::vector<TreeChange>& changes)
        : from_(from), to_(to), changes_(changes) {}

    // Either id may be null: an empty folder.
    Status compare(const git_oid* from, const git_oid* to, std::string& prefix) {
        if (from && to && git_oid_equal(from, to)) return Ok{};
        Result<OwnedTree> old_tree = open(from_, from, prefix);
        if (!old_tree) return old_tree.error();
        Result<OwnedTree> new_tree = open(to_, to, prefix);
        if (!new_tree) return new_tree.error();
        const std::size_t old_count = count_of(*old_tree), new_count = count_of(*new_tree);
        for (std::size_t i = 0, j = 0; i < old_count || j < new_count;) {
            const git_tree_entry* left = i < old_count ? git_tree_entry_byindex(old_tree->get(), i) : nullptr;
            const git_tree_entry* right =
                j < new_count ? git_tree_entry_byindex(new_tree->get(), j) : nullptr;
            const int order = !left ? 1 : !right ? -1 : git_tree_entry_cmp(left, right);
            if (order <= 0) ++i;
            if (order >= 0) ++j;
            if (Status done = meet(order <= 0 ? left : nullptr, order >= 0 ? right : nullptr, prefix); !done)
                return done;
        }
        return Ok{};
    }

private:
    static Result<OwnedTree> open(git_repository& repository, const git_oid* id, const std::string& prefix) {
        if (!id) return OwnedTree{};
        git_tree* found = nullptr;
        if (git_tree_lookup(&found, &repository, id)) return missing_object(*id, "folder " + prefix);
        return OwnedTree(found);
    }

    static std::size_t count_of(const OwnedTree& tree) { return tree ? git_tree_entrycount(tree.get()) : 0; }

    static bool is_folder(const git_tree_entry* entry) {
        return git_tree_entry_filemode(entry) == GIT_FILEMODE_TREE;
    }

    // One name, on one side or on both (then of the same sort: folder or not).
    Status meet(const git_tree_entry* left, const git_tree_entry* right, std::string& prefix) {
        const git_oid* old_id = left ? git_tree_entry_id(left) : nullptr;
        const git_oid* new_id = right ? git_tree_entry_id(right) : nullptr;
        const git_tree_entry* some = right ? right : left;
        const bool is_same = left && right && git_oid_equal(old_id, new_id);
        const Type type = type_of(git_tree_entry_filemode(some));
        if (is_same && (is_folder(some) || type_of(git_tree_entry_filemode(left)) == type)) return Ok{};
        const std::size_t size = prefix.size();
        prefix += git_tree_entry_name(some);
        Status done = Ok{};
        if (is_folder(some)) {
            prefix += '/';
            done = compare(old_id, new_id, prefix);
        } else {
            changes_.push_back({prefix, old_id ? to_hex(*old_id) : "", new_id ? to_hex(*new_id) : "", type});
        }
        prefix.resize(size);
        return done;
    }

    git_repository& from_;
    git_repository& to_;
    std::vector<TreeChange>& changes_;
};

// Id of the folder at `path`; null where there is nothing.
Result<std::optional<git_oid>> folder_id(const git_tree& root, const Tree& tree, const std::string& path) {
    if (path.empty()) return std::optional(*git_tree_id(&root));
    git_tree_entry* found = nullptr;
    const int code = git_tree_entry_bypath(&found, &root, path.c_str());
    const OwnedEntry entry(found);
    if (code == GIT_ENOTFOUND) return std::optional<git_oid>{};
    if (code) return missing_object(*git_tree_id(&root), path);
    if (git_tree_entry_type(found) != GIT_OBJECT_TREE) {
        // list() knows how to say what is there instead.
        const auto listed = tree.list(path);
        return listed ? failure("git.no-path", fmt::format("{} is not a folder", path)) : listed.error();
    }
    return std::optional(*git_tree_entry_id(found));
}

const git_oid* pointer_to(const std::optional<git_oid>& id) { return id ? &*id : nullptr; }

// Trees that are no commit's, as tests have: both lists are read whole.
Result<std::vector<TreeChange>> list_changes(const Tree& from, const Tree& to, const std::string& path) {
    auto old_files = from.list(path), new_files = to.list(path);
    if (!old_files && !new_files) return new_files.error();
    for (const auto* files : {&old_files, &new_files})
        if (!*files && files->error().code != "git.no-path") return files->error();
    const std::vector<TreeFile> none;
    const auto &left = old_files ? *old_files : none, &right = new_files ? *new_files : none;
    std::vector<TreeChange> changes;
    for (std::size_t i = 0, j = 0; i < left.size() || j < right.size();) {
        const int order = i == left.size() ? 1 : j == right.size() ? -1 : left[i].path.compare(right[j].path);
        const TreeFile* old_file = order <= 0 ? &left[i++] : nullptr;
        const TreeFile* new_file = order >= 0 ? &right[j++] : nullptr;
        const TreeFile& some = new_file ? *new_file : *old_file;
        if (some.blob.empty())
            return failure("git.no-ids", "files of a working tree have no ids to compare them by",
                           "compare commits");
        if (old_file && new_file && old_file->blob == new_file->blob && old_file->type == new_file->type)
            continue;
        changes.push_back(
            {some.path, old_file ? old_file->blob : "", new_file ? new_file->blob : "", some.type});
    }
    return changes;
}

} // namespace

Result<std::vector<TreeChange>> tree_changes(const Tree& from, const Tree& to, std::string_view path) {
    const std::string clean = clean_path(path);
    const CommitTreeView left = view_of(from), right = view_of(to);
    if (!left.root || !right.root) return list_changes(from, to, clean);
    const Result<std::optional<git_oid>> old_id = folder_id(*left.root, from, clean);
    if (!old_id) return old_id.error();
    const Result<std::optional<git_oid>> new_id = folder_id(*right.root, to, clean);
    if (!new_id) return new_id.error();
    if (!*old_id && !*new_id) return to.list(clean).error();
    std::vector<TreeChange> changes;
    std::string prefix = clean.empty() ? "" : clean + "/";
    Walk walk(*left.repository, *right.repository, changes);
    if (Status done = walk.compare(pointer_to(*old_id), pointer_to(*new_id), prefix); !done)
        return done.error();
    return changes;
}

} // namespace holdfast

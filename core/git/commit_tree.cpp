#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "git/libgit2.hpp"

namespace holdfast::git {

TreeFile::Type type_of(git_filemode_t mode) {
    if (mode == GIT_FILEMODE_LINK) return TreeFile::Type::symlink;
    return mode == GIT_FILEMODE_COMMIT ? TreeFile::Type::submodule : TreeFile::Type::file;
}

namespace {

// Git sorts the entries of a tree as if folders ended in '/', so a walk in that order yields full paths
// in the order of their bytes, and nothing needs to be sorted afterwards.
class CommitTree final : public Tree {
public:
    CommitTree(SharedRepository repository, OwnedTree root, CommitInfo commit)
        : repository_(std::move(repository)), root_(std::move(root)), commit_(std::move(commit)) {}

    const CommitInfo& commit() const override { return commit_; }
    CommitTreeView view() const { return {repository_.get(), root_.get()}; }

    Result<std::vector<TreeFile>> list(std::string_view path) const override {
        const std::string clean = clean_path(path);
        OwnedEntry entry;
        const git_oid* id = git_tree_id(root_.get());
        if (!clean.empty()) {
            entry = entry_at(clean);
            if (!entry || git_tree_entry_type(entry.get()) != GIT_OBJECT_TREE)
                return no_path(clean, entry != nullptr);
            id = git_tree_entry_id(entry.get());
        }
        std::vector<TreeFile> files;
        std::string prefix = clean.empty() ? "" : clean + "/";
        if (Status walked = walk(*id, prefix, files); !walked) return walked.error();
        return files;
    }

    Result<std::string> read(const TreeFile& file, std::size_t max_bytes) const override {
        git_oid id;
        if (file.type == TreeFile::Type::submodule || git_oid_fromstr(&id, file.blob.c_str()) != 0)
            return failure("git.unreadable",
                           fmt::format("{} is a submodule: it has no bytes of its own", file.path));
        const OwnedOdb odb = odb_of(*repository_); // not kept: see Repository::release_memory
        if (!odb)
            return failure("git.unreadable", "the repository's objects cannot be opened: " + last_error());
        std::size_t size = 0;
        git_object_t type = GIT_OBJECT_INVALID;
        // The size stands in the object's header, so a huge blob is refused before it is unpacked. libgit2
        // offers no cheaper way to learn it, and a few bytes of a pack can unpack to gigabytes.
        if (git_odb_read_header(&size, &type, odb.get(), &id)) return missing_object(id, file.path);
        if (size > max_bytes)
            return failure("git.too-large", fmt::format("{} has {} bytes, more than the limit of {}",
                                                        file.path, size, max_bytes));
        // libgit2 hashes what it read and compares that with the id, which is left switched on: Git checks
        // what it fetches, but whoever can write into the repository's folder could put other bytes under an
        // id that somebody has signed.
        git_odb_object* found = nullptr;
        if (git_odb_read(&found, odb.get(), &id)) return missing_object(id, file.path);
        OwnedOdbObject object(found);
        return std::string(static_cast<const char*>(git_odb_object_data(found)), git_odb_object_size(found));
    }

    std::optional<TreeFile> find(std::string_view path) const override {
        const std::string clean = clean_path(path);
        OwnedEntry entry = clean.empty() ? OwnedEntry{} : entry_at(clean);
        if (!entry || git_tree_entry_type(entry.get()) == GIT_OBJECT_TREE) return std::nullopt;
        return TreeFile{clean, to_hex(*git_tree_entry_id(entry.get())),
                        type_of(git_tree_entry_filemode(entry.get()))};
    }

    std::string id_of(std::string_view path) const override {
        const std::string clean = clean_path(path);
        if (clean.empty()) return to_hex(*git_tree_id(root_.get()));
        OwnedEntry entry = entry_at(clean);
        return entry ? to_hex(*git_tree_entry_id(entry.get())) : std::string{};
    }

private:
    OwnedEntry entry_at(const std::string& path) const {
        git_tree_entry* entry = nullptr;
        if (git_tree_entry_bypath(&entry, root_.get(), path.c_str()) != 0) return {};
        return OwnedEntry(entry);
    }

    Diagnostic no_path(const std::string& path, bool is_file) const {
        if (is_file) return failure("git.no-path", fmt::format("{} is a file, not a folder", path));
        std::string nearest = path;
        while (!nearest.empty()) {
            const std::size_t slash = nearest.rfind('/');
            nearest.resize(slash == std::string::npos ? 0 : slash);
            OwnedEntry entry = nearest.empty() ? OwnedEntry{} : entry_at(nearest);
            if (entry && git_tree_entry_type(entry.get()) == GIT_OBJECT_TREE) break;
        }
        const std::string commit = commit_.id.substr(0, 12);
        return failure("git.no-path", fmt::format("there is no folder \"{}\" in commit {}", path, commit),
                       nearest.empty() ? "is it committed? --working-tree shows what is not"
                                       : fmt::format("the nearest folder that exists is {}", nearest));
    }

    Status walk(const git_oid& id, std::string& prefix, std::vector<TreeFile>& files) const {
        git_tree* found = nullptr;
        if (git_tree_lookup(&found, repository_.get(), &id)) return missing_object(id, "folder " + prefix);
        OwnedTree tree(found);
        const std::size_t count = git_tree_entrycount(tree.get()), prefix_size = prefix.size();
        for (std::size_t i = 0; i < count; ++i) {
            const git_tree_entry* entry = git_tree_entry_byindex(tree.get(), i);
            prefix += git_tree_entry_name(entry);
            const git_filemode_t mode = git_tree_entry_filemode(entry);
            if (mode == GIT_FILEMODE_TREE) {
                prefix += '/';
                if (Status walked = walk(*git_tree_entry_id(entry), prefix, files); !walked) return walked;
            } else {
                files.push_back({prefix, to_hex(*git_tree_entry_id(entry)), type_of(mode)});
            }
            prefix.resize(prefix_size);
        }
        return Ok{};
    }

    SharedRepository repository_;
    OwnedTree root_;
    CommitInfo commit_;
};

} // namespace

CommitTreeView view_of(const Tree& tree) {
    const auto* commit_tree = dynamic_cast<const CommitTree*>(&tree);
    return commit_tree ? commit_tree->view() : CommitTreeView{};
}

std::unique_ptr<Tree> make_commit_tree(SharedRepository repository, OwnedTree root, CommitInfo commit) {
    return std::make_unique<CommitTree>(std::move(repository), std::move(root), std::move(commit));
}

} // namespace holdfast::git
